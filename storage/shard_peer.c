/* Between the replicas of a shard: what is sent, what comes, and who is lost. */
#include "core/log.h"
#include "core/memory.h"
#include "storage/peers.h"
#include "storage/shard_parts.h"

enum { LOADS_MAX = 16 /* appends that wait for the disk */ };

/* ---- Sending ---- */

/* An append whose entries a worker reads. */
struct late_append {
    struct worker_job job;
    struct shard *shard;
    struct raft_message message;
    enum status status;
    struct peers_entries entries;
};

static enum status read_entries(const struct shard *shard, const struct raft_message *message,
                                bool only_cached, struct peers_entries *out_entries)
{
    uint64_t low = message->position.index + 1;
    uint64_t high = low + message->entry_count;
    enum status status = STATUS_OK;

    *out_entries = (struct peers_entries){.part_count = 0};
    while (status == STATUS_OK && low < high) {
        struct log_entries *part = &out_entries->parts[out_entries->part_count];

        status = out_entries->part_count < PEERS_PARTS_MAX
                     ? log_read(shard->options.log, shard->record.shard, low, high, SIZE_MAX,
                                only_cached, part)
                     : STATUS_TOO_LARGE;
        if (status == STATUS_OK) {
            out_entries->part_count++;
            low += part->count;
        }
    }
    if (status != STATUS_OK) {
        peers_entries_done(out_entries);
    }
    return status;
}

static void work_append(struct worker_job *job)
{
    struct late_append *late = CONTAINER_OF(job, struct late_append, job);

    late->status = read_entries(late->shard, &late->message, false, &late->entries);
}

/* What was read belongs to the message as long as its sender leads in that term: a leader changes
 * nothing in its log. */
static void done_append(struct worker_job *job)
{
    struct late_append *late = CONTAINER_OF(job, struct late_append, job);
    struct shard *shard = late->shard;
    bool is_ours = shard->leads && shard->term == late->message.term && !shard->is_sealed;

    shard->late_count--;
    shard->job_count--;
    if (late->status == STATUS_OK && is_ours) {
        peers_send(shard->options.peers, shard->record.shard, &late->message, &late->entries);
    } else if (late->status == STATUS_OK) {
        peers_entries_done(&late->entries);
    }
    memory_free(late);
    shard_turn_soon(shard);
}

static void send_late(struct shard *shard, const struct raft_message *message)
{
    if (shard->late_count >= LOADS_MAX) {
        return;
    }
    struct late_append *late = NEW(struct late_append);

    late->job = (struct worker_job){.work = work_append, .done = done_append};
    late->shard = shard;
    late->message = *message;
    late->message.entries = NULL;
    if (worker_submit(shard->options.workers, shard->options.loop, &late->job) == STATUS_OK) {
        shard->late_count++;
        shard->job_count++;
    } else {
        memory_free(late);
    }
}

void shard_send(struct shard *shard, const struct raft_message *message)
{
    struct peers_entries entries;

    if (shard->options.peers == NULL || shard->is_sealed) {
        return;
    }
    if (message->entry_count == 0) {
        peers_send(shard->options.peers, shard->record.shard, message, NULL);
        return;
    }
    enum status status = read_entries(shard, message, true, &entries);

    if (status == STATUS_OK) {
        peers_send(shard->options.peers, shard->record.shard, message, &entries);
    } else if (status == STATUS_AGAIN) {
        send_late(shard, message);
    }
}

/* ---- Receiving ---- */

static size_t size_of(const struct raft_message *message)
{
    size_t size = 0;

    for (size_t index = 0; index < message->entry_count; index++) {
        size += message->entries[index].size + (size_t)SHARD_PROPOSAL_OVERHEAD;
    }
    return size;
}

void shard_receive(struct shard *shard, const struct raft_message *message,
                   const struct slice *payloads)
{
    size_t size = size_of(message);

    if (!shard_is_running(shard) || shard->is_full || shard->replica == NULL) {
        return;
    }
    /* One write to the log holds so much. */
    if (shard->received_size > 0 && shard->received_size + size > shard->options.write_size_max) {
        shard_run(shard);
    }
    if (!shard_is_running(shard) || shard->is_full) {
        return;
    }
    enum status status =
        replica_receive(shard->replica, loop_now_ms(shard->options.loop), message, payloads);

    if (status == STATUS_OK) {
        shard->received_size += size;
    } else if (status == STATUS_INVALID) {
        log_warning("shard.message_refused", log_number("shard", shard->record.shard),
                    log_text("kind", slice_of(raft_message_kind_text(message->kind))),
                    log_number("from", replica_id_node(message->from)));
    }
    shard_turn_soon(shard);
}

/* ---- Losing ---- */

void shard_peer_failed(struct shard *shard, uint32_t node, bool is_lost)
{
    uint64_t ids[RAFT_REPLICAS_MAX];
    size_t count = 0;

    if (!shard_is_running(shard) || shard->is_full || shard->replica == NULL) {
        return;
    }
    struct raft_state raft = replica_state(shard->replica);

    for (size_t index = 0; index < raft.configuration->count; index++) {
        uint64_t id = raft.configuration->replicas[index].id;

        if (replica_id_node(id) == node && id != raft.id) {
            ids[count++] = id;
        }
    }
    for (size_t index = 0; index < count; index++) {
        struct raft_event event = {
            .kind = is_lost ? RAFT_PEER_LOST : RAFT_PEER_UNREACHABLE,
            .now_ms = loop_now_ms(shard->options.loop),
            .peer = ids[index],
        };
        enum status status = replica_step(shard->replica, &event);

        (void)status; /* replica_status() tells */
    }
    shard_turn_soon(shard);
}
