#include "storage/shard.h"

#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/shard_parts.h"

enum {
    WRITE_ENTRIES_MAX = 1024, /* of one submission to the log */
    CARE_INTERVAL_MS = 5000,
};

#define WAITING_SIZE_MAX   ((size_t)16 * 1024 * 1024)
#define WRITE_SIZE_MAX     ((size_t)8 * 1024 * 1024)
#define UID_CACHE_SIZE_MAX ((size_t)8 * 1024 * 1024)

/* A submission to the log. */
struct shard_write {
    struct log_append append;
    struct loop_message completed;
    struct shard *shard;
    struct raft_mark mark;
    struct raft_hard_state hard_state;
    struct proposal_list proposals;
};

/* ---- Proposals ---- */

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

void proposal_end(struct shard *shard, struct proposal *proposal, enum status status,
                  struct slice reply)
{
    shard->waiting_size -= weight(proposal);
    if (proposal->done != NULL) {
        proposal->done(proposal->context, status, reply);
    }
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

void shard_fail(struct shard *shard, enum status status, const char *act)
{
    if (shard->status != STATUS_OK && shard->status != STATUS_NO_SPACE) {
        return;
    }
    log_error("shard.stopped", log_number("shard", shard->options.id),
              log_text("act", slice_of(act)), log_status(status));
    shard->status = status;
    loop_timer_stop(&shard->care);
    proposal_list_end(shard, &shard->collected, status);
    proposal_list_end(shard, &shard->written, status);
    watches_end(shard->watches, status);
}

/* ---- To the log ---- */

/* Moves what one submission may hold from the collected ones. */
static size_t take_collected(struct shard *shard, struct proposal_list *out_list, uint32_t *sizes)
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
        sizes[count++] = (uint32_t)proposal->payload.size;
        size += weight(proposal);
        proposal_list_add(out_list, proposal);
    }
    return count;
}

static void fill_entries(struct proposal_list *proposals, const struct consensus_effects *effects,
                         struct log_entry *entries)
{
    struct proposal *proposal = proposals->first;

    for (size_t index = 0; index < effects->entry_count; index++) {
        const struct raft_entry *entry = &effects->entries[index];

        proposal->index = entry->index;
        proposal->term = entry->term;
        entries[index] = (struct log_entry){
            .position = {entry->term, entry->index},
            .kind = entry->kind,
            .payload = buffer_view(&proposal->payload),
        };
        proposal = proposal->next;
    }
}

static void on_completed(struct loop_message *message);

static enum status submit(struct shard *shard, struct shard_write *write,
                          const struct consensus_effects *effects, struct log_entry *entries)
{
    write->shard = shard;
    write->mark = effects->mark;
    write->completed.run = on_completed;
    write->append = (struct log_append){
        .shard = shard->options.id,
        .entries = entries,
        .entry_count = effects->entry_count,
        .owner = write,
    };
    if (effects->hard_state != NULL) {
        write->hard_state = *effects->hard_state;
        write->append.hard_state = &write->hard_state;
    }
    CRASH_POINT("shard.before_submit");
    enum status status = log_writer_submit(shard->options.writer, &write->append);

    CRASH_POINT("shard.after_submit");
    shard->writes_in_flight += status == STATUS_OK;
    return status;
}

/* The log has let go of what it could not write: go on where it ends. */
static void find_end_of_log(struct shard *shard)
{
    struct log_bounds bounds;
    enum status status = log_resume(shard->options.log, shard->options.id);

    if (status == STATUS_OK) {
        status = log_bounds(shard->options.log, shard->options.id, &bounds);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        shard_fail(shard, status, "log.bounds");
        return;
    }
    if (status == STATUS_OK) {
        consensus_lost(shard->consensus, bounds.last);
    }
    shard->is_lost = false;
}

/* With writes in flight an INVALID is the gap that a full disk left: they will say so. */
static void on_refused(struct shard *shard, struct shard_write *write, enum status status)
{
    struct proposal_list proposals = write->proposals;

    memory_free(write);
    if (status == STATUS_INVALID && shard->writes_in_flight > 0) {
        status = STATUS_NO_SPACE;
    }
    if (status != STATUS_NO_SPACE && status != STATUS_BUSY) {
        proposal_list_end(shard, &proposals, status);
        shard_fail(shard, status, "log.submit");
        return;
    }
    shard->is_lost = true;
    proposal_list_end(shard, &proposals, status);
    if (shard->writes_in_flight == 0) {
        find_end_of_log(shard);
    }
}

static void propose_collected(struct shard *shard)
{
    uint32_t sizes[WRITE_ENTRIES_MAX];
    struct log_entry entries[WRITE_ENTRIES_MAX];
    struct consensus_effects effects;
    struct shard_write *write = NEW(struct shard_write);
    size_t count = take_collected(shard, &write->proposals, sizes);
    enum status status = consensus_propose(shard->consensus, sizes, count, &effects);

    if (status != STATUS_OK) {
        proposal_list_end(shard, &write->proposals, status);
        memory_free(write);
        return;
    }
    fill_entries(&write->proposals, &effects, entries);
    if (write->proposals.first == NULL) {
        proposal_list_init(&write->proposals);
    }
    status = submit(shard, write, &effects, entries);
    if (status != STATUS_OK) {
        on_refused(shard, write, status);
    }
}

static void on_drain(struct loop_message *message)
{
    struct shard *shard = CONTAINER_OF(message, struct shard, drain);

    shard->drain_is_posted = false;
    while (shard->collected.first != NULL && !shard->is_lost) {
        propose_collected(shard);
    }
    if (shard->is_lost) {
        proposal_list_end(shard, &shard->collected, STATUS_NO_SPACE);
    }
}

/* ---- From the log ---- */

void shard_log_completed(void *context, struct log_append *append)
{
    struct shard_write *write = append->owner;

    loop_post(write->shard->options.loop, &write->completed);
}

/* Gives the proposals of a durable write to the applier. */
static void on_durable(struct shard *shard, struct shard_write *write)
{
    struct consensus_effects effects;
    struct proposal *proposal;

    CRASH_POINT("shard.durable");
    while ((proposal = proposal_list_take(&write->proposals)) != NULL) {
        proposal_list_add(&shard->written, proposal);
    }
    consensus_persisted(shard->consensus, write->mark, &effects);
    shard->apply_through = effects.apply_through;
    shard_apply_soon(shard);
}

static void on_completed(struct loop_message *message)
{
    struct shard_write *write = CONTAINER_OF(message, struct shard_write, completed);
    struct shard *shard = write->shard;
    enum status status = write->append.status;

    shard->writes_in_flight--;
    if (shard->status != STATUS_OK && shard->status != STATUS_NO_SPACE) {
        proposal_list_end(shard, &write->proposals, shard->status);
    } else if (status == STATUS_OK) {
        on_durable(shard, write);
    } else {
        proposal_list_end(shard, &write->proposals, status);
        if (status == STATUS_NO_SPACE) {
            shard->is_lost = true;
        } else {
            shard_fail(shard, status, "log.write");
        }
    }
    if (shard->is_lost && shard->writes_in_flight == 0) {
        find_end_of_log(shard);
    }
    memory_free(write);
}

/* ---- Proposing ---- */

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
    size_t max = shard->options.waiting_size_max;
    size_t size = COMMAND_HEAD_SIZE + request_size + command->octets.size + SHARD_PROPOSAL_OVERHEAD;

    if (shard->waiting_size > 0 && shard->waiting_size + size > max) {
        return STATUS_BUSY;
    }
    return shard->is_lost ? STATUS_NO_SPACE : STATUS_OK;
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
        if (done != NULL) {
            done(context, status, (struct slice){0});
        }
        return;
    }
    struct proposal *proposal = NEW(struct proposal);

    proposal->done = done;
    proposal->context = context;
    encode(&command, request, request_size, &proposal->payload);
    shard->waiting_size += weight(proposal);
    proposal_list_add(&shard->collected, proposal);
    if (!shard->drain_is_posted) {
        shard->drain_is_posted = true;
        loop_post(shard->options.loop, &shard->drain);
    }
}

/* ---- Life ---- */

static void on_change(void *context, const struct apply_change *change)
{
    struct shard *shard = context;

    watches_changed(shard->watches, change);
}

static void on_uid(void *context, uint64_t account, uint32_t mailbox, uint32_t uid,
                   enum apply_uid_act act, uint32_t flags)
{
    struct shard *shard = context;

    uid_cache_changed(shard->uid_cache, account, mailbox, uid, act, flags);
}

static struct shard *make(const struct shard_options *options, const struct shard_log *log)
{
    struct shard *shard = NEW(struct shard);
    struct consensus_start start = {log->hard_state, log->last, options->node};

    shard->options = *options;
    if (shard->options.waiting_size_max == 0) {
        shard->options.waiting_size_max = WAITING_SIZE_MAX;
    }
    if (shard->options.write_size_max == 0) {
        shard->options.write_size_max = WRITE_SIZE_MAX;
    }
    if (shard->options.uid_cache_size_max == 0) {
        shard->options.uid_cache_size_max = UID_CACHE_SIZE_MAX;
    }
    proposal_list_init(&shard->collected);
    proposal_list_init(&shard->written);
    shard->drain.run = on_drain;
    shard->applying.run = shard_on_applying;
    shard->apply_through = log->last.index;
    shard->compacted_index = log->compacted.index;
    shard->consensus = consensus_new(&start);
    shard->batch = store_batch_new(options->store);
    shard->watches = watches_new();
    shard->uid_cache = uid_cache_new(shard->options.uid_cache_size_max);
    shard->opened_ms = loop_now_ms(options->loop);
    loop_timer_init(&shard->care, options->loop, shard_on_care);
    return shard;
}

/* State and log belong together: the log begins where the state has come to, or before. */
static enum status check_fit(const struct shard *shard, const struct shard_log *log)
{
    uint64_t applied = apply_meta(shard->apply)->applied_index;

    if (applied < log->compacted.index || applied > log->last.index) {
        log_error("shard.unfit", log_number("shard", shard->options.id),
                  log_number("applied", applied), log_number("log_from", log->compacted.index),
                  log_number("log_to", log->last.index));
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static enum status begin(struct shard *shard)
{
    struct consensus_effects effects;
    struct shard_write *write = NEW(struct shard_write);

    proposal_list_init(&write->proposals);
    consensus_begin(shard->consensus, &effects);
    enum status status = submit(shard, write, &effects, NULL);

    if (status != STATUS_OK) {
        memory_free(write);
    }
    return status;
}

enum status shard_open(const struct shard_options *options, const struct shard_log *log,
                       struct shard **out_shard)
{
    struct shard *shard = make(options, log);
    struct apply_observer observer = {on_change, on_uid, shard};
    enum status status = apply_new(options->store, options->id, &observer, &shard->apply);

    if (status == STATUS_OK) {
        status = check_fit(shard, log);
    }
    if (status == STATUS_OK) {
        status = shard_replay(shard, log->last.index);
    }
    CRASH_POINT("shard.before_begin");
    if (status == STATUS_OK) {
        status = begin(shard);
    }
    if (status != STATUS_OK) {
        shard_close(shard);
        return status;
    }
    loop_timer_start(&shard->care, CARE_INTERVAL_MS);
    *out_shard = shard;
    return STATUS_OK;
}

void shard_stop(struct shard *shard)
{
    shard->is_stopping = true;
    loop_timer_stop(&shard->care);
    proposal_list_end(shard, &shard->collected, STATUS_UNAVAILABLE);
    watches_end(shard->watches, STATUS_UNAVAILABLE);
}

void shard_close(struct shard *shard)
{
    if (shard == NULL) {
        return;
    }
    CHECK(shard->writes_in_flight == 0);
    proposal_list_end(shard, &shard->collected, STATUS_UNAVAILABLE);
    proposal_list_end(shard, &shard->written, STATUS_UNAVAILABLE);
    watches_free(shard->watches);
    uid_cache_free(shard->uid_cache);
    store_batch_free(shard->options.store, shard->batch);
    apply_free(shard->apply);
    consensus_free(shard->consensus);
    memory_free(shard);
}
