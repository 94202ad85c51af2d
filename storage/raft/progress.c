#include "storage/raft/progress.h"

#include "core/memory.h"

void raft_progress_init(struct raft_progress *progress, uint64_t id, uint64_t next, uint64_t now_ms)
{
    *progress = (struct raft_progress){
        .id = id, .mode = RAFT_PROBE, .next = next, .answered_at_ms = now_ms};
}

static void forget_window(struct raft_progress *progress)
{
    memory_free(progress->window);
    progress->window = NULL;
    progress->window_first = 0;
    progress->window_count = 0;
    progress->window_capacity = 0;
    progress->window_cost = 0;
}

void raft_progress_done(struct raft_progress *progress)
{
    forget_window(progress);
    memory_free(progress->snapshot);
    progress->snapshot = NULL;
}

static void enter(struct raft_progress *progress, enum raft_peer_mode mode)
{
    raft_progress_done(progress);
    progress->mode = mode;
    progress->next = progress->match + 1;
    progress->probing = false;
}

void raft_progress_probe(struct raft_progress *progress)
{
    enter(progress, RAFT_PROBE);
}

void raft_progress_replicate(struct raft_progress *progress)
{
    enter(progress, RAFT_REPLICATE);
}

void raft_progress_await_snapshot(struct raft_progress *progress)
{
    enter(progress, RAFT_SNAPSHOT);
}

void raft_progress_offer(struct raft_progress *progress, const struct raft_snapshot *snapshot,
                         uint64_t now_ms)
{
    if (progress->snapshot == NULL) {
        progress->snapshot = NEW(struct raft_snapshot);
    }
    *progress->snapshot = *snapshot;
    progress->offered_at_ms = now_ms;
}

static void forget_answered(struct raft_progress *progress, uint64_t index)
{
    while (progress->window_count > 0) {
        const struct raft_inflight *oldest = &progress->window[progress->window_first];

        if (oldest->last_index > index) {
            return;
        }
        progress->window_cost -= oldest->cost;
        progress->window_first = (progress->window_first + 1) % progress->window_capacity;
        progress->window_count--;
    }
}

bool raft_progress_matched(struct raft_progress *progress, uint64_t index)
{
    if (index <= progress->match) {
        return false;
    }
    progress->match = index;
    if (progress->next <= index) {
        progress->next = index + 1;
    }
    forget_answered(progress, index);
    return true;
}

static void grow_window(struct raft_progress *progress)
{
    size_t capacity = progress->window_capacity == 0 ? 4 : progress->window_capacity * 2;
    struct raft_inflight *window = memory_zeroed(capacity * sizeof(*window));

    for (size_t i = 0; i < progress->window_count; i++) {
        window[i] = progress->window[(progress->window_first + i) % progress->window_capacity];
    }
    memory_free(progress->window);
    progress->window = window;
    progress->window_first = 0;
    progress->window_capacity = capacity;
}

void raft_progress_sent(struct raft_progress *progress, uint64_t last_index, size_t cost,
                        uint64_t now_ms)
{
    size_t place;

    if (progress->window_count == progress->window_capacity) {
        grow_window(progress);
    }
    place = (progress->window_first + progress->window_count) % progress->window_capacity;
    progress->window[place] =
        (struct raft_inflight){.last_index = last_index, .sent_at_ms = now_ms, .cost = cost};
    progress->window_count++;
    progress->window_cost += cost;
}

bool raft_progress_is_full(const struct raft_progress *progress, const struct raft_options *options)
{
    switch (progress->mode) {
    case RAFT_PROBE:
        return progress->probing;
    case RAFT_REPLICATE:
        return progress->window_count >= options->inflight_messages_max ||
               progress->window_cost >= options->inflight_bytes_max;
    default:
        return true;
    }
}

const struct raft_inflight *raft_progress_oldest(const struct raft_progress *progress)
{
    return progress->window_count == 0 ? NULL : &progress->window[progress->window_first];
}

size_t raft_progress_memory(const struct raft_progress *progress)
{
    return sizeof(*progress) + progress->window_capacity * sizeof(*progress->window) +
           (progress->snapshot == NULL ? 0 : sizeof(*progress->snapshot));
}
