/* Proposals: from a request to an entry of the log, and to the answer. */
#include "core/clock.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

enum { WRITE_ENTRIES_MAX = 1024 /* of one submission to the log */ };

/* ---- Lists ---- */

void proposal_list_init(struct proposal_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

void proposal_list_add(struct proposal_list *list, struct proposal *proposal)
{
    proposal->next = NULL;
    *list->end = proposal;
    list->end = &proposal->next;
}

struct proposal *proposal_list_take(struct proposal_list *list)
{
    struct proposal *proposal = list->first;

    if (proposal != NULL) {
        list->first = proposal->next;
        if (list->first == NULL) {
            list->end = &list->first;
        }
    }
    return proposal;
}

static size_t weight(const struct proposal *proposal)
{
    return proposal->payload.size + SHARD_PROPOSAL_OVERHEAD;
}

static void tell(struct shard *shard, shard_done_fn *done, void *context, enum status status,
                 struct slice reply)
{
    struct shard_answer answer = {
        .status = status,
        .reply = reply,
        .leader_hint = replica_id_node(shard->leader),
    };

    if (done != NULL) {
        done(context, &answer);
    }
}

void proposal_end(struct shard *shard, struct proposal *proposal, enum status status,
                  struct slice reply)
{
    shard->waiting_size -= weight(proposal);
    tell(shard, proposal->done, proposal->context, status, reply);
    buffer_done(&proposal->payload);
    memory_free(proposal);
}

void proposal_list_end(struct shard *shard, struct proposal_list *list, enum status status)
{
    struct proposal *proposal;

    while ((proposal = proposal_list_take(list)) != NULL) {
        proposal_end(shard, proposal, status, (struct slice){0});
    }
}

/* ---- From a request ---- */

static enum status check_room(const struct shard *shard, const struct command *command,
                              size_t request_size)
{
    if (shard->status != STATUS_OK) {
        return shard->status;
    }
    if (shard->is_stopping) {
        return STATUS_UNAVAILABLE;
    }
    if (request_size > COMMAND_REQUEST_SIZE_MAX || command->octets.size > COMMAND_OCTETS_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (!shard->leads && !shard->is_alone) {
        return STATUS_NOT_LEADER;
    }
    size_t max = shard->options.waiting_size_max;
    size_t size = COMMAND_HEAD_SIZE + request_size + command->octets.size + SHARD_PROPOSAL_OVERHEAD;

    return shard->waiting_size > 0 && shard->waiting_size + size > max ? STATUS_BUSY : STATUS_OK;
}

static void encode(struct command *command, const ProtobufCMessage *request, size_t request_size,
                   struct buffer *payload)
{
    struct buffer packed;

    buffer_init(&packed, request_size);
    if (request_size > 0) {
        protobuf_c_message_pack(request, (uint8_t *)buffer_reserve(&packed, request_size));
        buffer_grew(&packed, request_size);
    }
    command->request = buffer_view(&packed);
    buffer_init(payload, command_size(command));
    buffer_reserve(payload, command_size(command));
    command_encode(command, payload);
    buffer_done(&packed);
}

void shard_propose(struct shard *shard, enum command_kind kind, const ProtobufCMessage *request,
                   struct slice octets, shard_done_fn *done, void *context)
{
    struct command command = {.kind = kind, .wall_ms = clock_wall_ms(), .octets = octets};
    size_t request_size = request != NULL ? protobuf_c_message_get_packed_size(request) : 0;
    enum status status = check_room(shard, &command, request_size);

    if (status != STATUS_OK) {
        tell(shard, done, context, status, (struct slice){0});
        return;
    }
    struct proposal *proposal = NEW(struct proposal);

    proposal->done = done;
    proposal->context = context;
    encode(&command, request, request_size, &proposal->payload);
    shard->waiting_size += weight(proposal);
    proposal_list_add(&shard->collected, proposal);
    shard_turn_soon(shard);
}

/* ---- To an entry ---- */

/* Moves what one submission may hold from the collected ones. */
static size_t take_collected(struct shard *shard, struct proposal_list *out_list,
                             struct slice *payloads)
{
    size_t count = 0;
    size_t size = 0;

    proposal_list_init(out_list);
    while (shard->collected.first != NULL && count < WRITE_ENTRIES_MAX) {
        struct proposal *proposal = shard->collected.first;

        if (count > 0 && size + weight(proposal) > shard->options.write_size_max) {
            break;
        }
        proposal_list_take(&shard->collected);
        payloads[count++] = buffer_view(&proposal->payload);
        size += weight(proposal);
        proposal_list_add(out_list, proposal);
    }
    return count;
}

static void note_positions(struct shard *shard, struct proposal_list *list,
                           struct raft_position first)
{
    struct proposal *proposal;

    while ((proposal = proposal_list_take(list)) != NULL) {
        proposal->index = first.index++;
        proposal->term = first.term;
        proposal_list_add(&shard->proposed, proposal);
    }
}

bool shard_propose_some(struct shard *shard)
{
    struct slice payloads[WRITE_ENTRIES_MAX];
    struct proposal_list list;
    struct raft_position first;

    if (shard->collected.first == NULL || shard->is_full || (shard->is_alone && !shard->leads)) {
        return false;
    }
    size_t count = take_collected(shard, &list, payloads);

    CRASH_POINT("shard.before_submit");
    enum status status = replica_propose_lent(shard->replica, loop_now_ms(shard->options.loop),
                                              payloads, count, &first);

    if (status == STATUS_OK) {
        note_positions(shard, &list, first);
    } else {
        proposal_list_end(shard, &list, status);
    }
    return true;
}
