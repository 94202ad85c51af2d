#include "router/etcd_watch.h"

#include "core/check.h"
#include "core/memory.h"
#include "core/random.h"
#include "router/etcd_keys.h"
#include "router/etcd_work.h"

enum {
    PAGE_COUNT = 500,
    LINE_SIZE_MAX = 8 * 1024 * 1024, /* etcd cuts what is over 1.5 MiB, base64 adds a third */
    PAUSE_LEAST_MS = 50,
    PAUSE_MOST_MS = 5000,
};

struct etcd_watch {
    struct etcd *etcd;
    const struct etcd_watch_listener *listener;
    struct buffer prefix;
    struct buffer end;
    struct etcd_call list;
    struct http_fetch stream;
    size_t searched; /* octets of the stream that hold no end of line */
    struct loop_timer pause;
    struct random random;
    struct etcd_keys keys;
    struct buffer next_key; /* where the next page of the list begins */
    uint64_t list_number;
    uint64_t list_revision; /* of the list that is being made; 0: its first page is not there */
    uint64_t list_cluster;
    uint64_t cluster;
    uint64_t revision; /* all up to here was told; 0: nothing was, or it is not known what */
    unsigned failures; /* since the last news */
    bool is_live;
    bool is_unsettled; /* a part of a revision was told */
};

static void begin(struct etcd_watch *watch);
static void ask_page(struct etcd_watch *watch);

/* ---- Failures: after a pause what was missed is asked for ---- */

static void pause_watch(struct etcd_watch *watch)
{
    uint64_t longest = PAUSE_LEAST_MS;

    for (unsigned i = 0; i < watch->failures && longest < PAUSE_MOST_MS; i++) {
        longest *= 2;
    }
    watch->failures++;
    watch->is_live = false;
    loop_timer_start(&watch->pause, longest / 2 + random_below(&watch->random, longest / 2 + 1));
}

static void break_off(struct etcd_watch *watch, enum status status)
{
    http_fetch_cancel(&watch->stream);
    etcd_stream_ended(watch->etcd, status);
    if (status == STATUS_EXPIRED) {
        watch->revision = 0;
    }
    pause_watch(watch);
}

static void on_pause_over(struct loop_timer *timer)
{
    begin(CONTAINER_OF(timer, struct etcd_watch, pause));
}

/* ---- What is told ---- */

/* What was told before is not told again: a broken stream may repeat a part. */
static void tell_put(struct etcd_watch *watch, const struct etcd_entry *entry, uint64_t seen)
{
    struct etcd_key *key = etcd_keys_take(&watch->keys, entry->key);

    key->seen = seen;
    if (key->revision != entry->mod_revision) {
        key->revision = entry->mod_revision;
        watch->listener->on_put(watch->listener->context, entry);
    }
}

static void tell_gone(void *context, struct slice key)
{
    const struct etcd_watch *watch = context;

    watch->listener->on_delete(watch->listener->context, key);
}

static void tell_event(struct etcd_watch *watch, const struct etcd_event *event)
{
    const struct etcd_key *known = etcd_keys_find(&watch->keys, event->entry.key);

    if (known != NULL && known->revision >= event->entry.mod_revision) {
        return;
    }
    if (!event->is_delete) {
        tell_put(watch, &event->entry, watch->list_number);
    } else if (known != NULL) {
        tell_gone(watch, event->entry.key);
        etcd_keys_remove(&watch->keys, event->entry.key);
    }
}

static bool is_ours(const struct etcd_watch *watch, struct slice key)
{
    return slice_starts_with(key, buffer_view(&watch->prefix));
}

/* ---- Changes as they happen ---- */

static enum status take_events(struct etcd_watch *watch, const struct etcd_news *news)
{
    uint64_t last = watch->revision;

    for (size_t i = 0; i < news->event_count; i++) {
        const struct etcd_entry *entry = &news->events[i].entry;

        if (!is_ours(watch, entry->key) || entry->mod_revision < last ||
            watch->keys.count >= ETCD_WATCH_KEYS_MAX) {
            return STATUS_CORRUPT;
        }
        last = entry->mod_revision;
        tell_event(watch, &news->events[i]);
        watch->is_unsettled = true;
    }
    if (news->is_fragment) {
        return STATUS_OK; /* asked again from the same revision if the rest is lost */
    }
    if (news->event_count == 0 && !news->is_created && news->revision > last) {
        last = news->revision; /* a word of progress: nothing happened up to there */
    }
    watch->revision = last;
    if (watch->is_unsettled) {
        watch->is_unsettled = false;
        watch->listener->on_settled(watch->listener->context, last);
    }
    return STATUS_OK;
}

static enum status take_news(struct etcd_watch *watch, const struct etcd_news *news)
{
    if (news->is_cancelled) {
        return news->fault == STATUS_OK ? STATUS_UNAVAILABLE : news->fault;
    }
    if (news->cluster != watch->cluster || news->revision < watch->revision) {
        return STATUS_EXPIRED; /* another store, or one that was set back */
    }
    watch->failures = 0;
    watch->is_live = true;
    etcd_stream_lives(watch->etcd);
    return take_events(watch, news);
}

static enum status take_line(struct etcd_watch *watch, struct slice line)
{
    struct etcd_news news;
    struct arena arena;

    arena_init(&arena);
    enum status status = etcd_wire_news(line, &arena, &news);

    if (status == STATUS_OK) {
        status = take_news(watch, &news);
    }
    arena_done(&arena);
    return status;
}

/* Without its end; all of `text` when that has not come. What was searched is not searched again.
 */
static size_t line_size(const struct etcd_watch *watch, struct slice text)
{
    return watch->searched + slice_find(slice_skip(text, watch->searched), '\n');
}

static void on_octets(struct http_fetch *fetch)
{
    struct etcd_watch *watch = CONTAINER_OF(fetch, struct etcd_watch, stream);
    struct slice rest = buffer_view(&fetch->answer);
    size_t size_before = rest.size;
    enum status status = STATUS_OK;
    size_t size = line_size(watch, rest);

    while (status == STATUS_OK && size < rest.size) {
        status = take_line(watch, slice_prefix(rest, size));
        rest = slice_skip(rest, size + 1);
        watch->searched = 0;
        size = line_size(watch, rest);
    }
    watch->searched = rest.size;
    buffer_consume(&fetch->answer, size_before - rest.size);
    if (status != STATUS_OK) {
        break_off(watch, status);
    }
}

static void on_end(struct http_fetch *fetch, enum status status, unsigned code)
{
    struct etcd_watch *watch = CONTAINER_OF(fetch, struct etcd_watch, stream);

    if (status == STATUS_OK) {
        status = code == 200 ? STATUS_UNAVAILABLE : etcd_wire_fault(buffer_view(&fetch->answer));
    } else if (status == STATUS_CORRUPT) {
        status = STATUS_UNAVAILABLE; /* cut off */
    }
    break_off(watch, status);
}

static void follow(struct etcd_watch *watch)
{
    struct etcd_range range = {.key = buffer_view(&watch->prefix),
                               .end = buffer_view(&watch->end),
                               .revision = watch->revision + 1};
    struct buffer body;

    watch->searched = 0;
    buffer_init(&body, 4 * ETCD_KEY_SIZE_MAX);
    etcd_wire_watch(&range, &body);
    enum status status = etcd_stream(watch->etcd, "/v3/watch", buffer_view(&body), &watch->stream);

    buffer_done(&body);
    if (status != STATUS_OK) {
        pause_watch(watch);
    }
}

/* ---- The list, page by page, all of one revision ---- */

static void end_list(struct etcd_watch *watch)
{
    etcd_keys_sweep(&watch->keys, watch->list_number, tell_gone, watch);
    watch->cluster = watch->list_cluster;
    watch->revision = watch->list_revision;
    watch->is_unsettled = false;
    watch->listener->on_settled(watch->listener->context, watch->revision);
    follow(watch);
}

static enum status take_page(struct etcd_watch *watch, const struct etcd_result *result)
{
    if (watch->list_revision == 0) {
        watch->list_revision = result->revision;
        watch->list_cluster = result->cluster;
        if (result->cluster != watch->cluster) {
            etcd_keys_forget_revisions(&watch->keys);
        }
    }
    if (result->cluster != watch->list_cluster || result->revision < watch->list_revision ||
        (result->has_more && result->entry_count == 0)) {
        return STATUS_CORRUPT;
    }
    for (size_t i = 0; i < result->entry_count; i++) {
        const struct etcd_entry *entry = &result->entries[i];

        if (slice_compare(entry->key, buffer_view(&watch->next_key)) < 0 ||
            !is_ours(watch, entry->key) || watch->keys.count >= ETCD_WATCH_KEYS_MAX) {
            return STATUS_CORRUPT;
        }
        buffer_clear(&watch->next_key);
        buffer_append(&watch->next_key, entry->key);
        buffer_append_octet(&watch->next_key, '\0');
        tell_put(watch, entry, watch->list_number);
    }
    return STATUS_OK;
}

static void on_page(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct etcd_watch *watch = CONTAINER_OF(call, struct etcd_watch, list);

    if (status == STATUS_OK) {
        status = take_page(watch, result);
    }
    if (status != STATUS_OK) {
        etcd_stream_ended(watch->etcd, status);
        pause_watch(watch);
    } else if (result->has_more) {
        ask_page(watch);
    } else {
        end_list(watch);
    }
}

static void ask_page(struct etcd_watch *watch)
{
    struct etcd_range range = {.key = buffer_view(&watch->next_key),
                               .end = buffer_view(&watch->end),
                               .revision = watch->list_revision,
                               .limit = PAGE_COUNT};

    etcd_get(&watch->list, &range, on_page);
}

static void begin(struct etcd_watch *watch)
{
    if (watch->revision > 0) {
        follow(watch);
        return;
    }
    watch->list_number++;
    watch->list_revision = 0;
    buffer_clear(&watch->next_key);
    buffer_append(&watch->next_key, buffer_view(&watch->prefix));
    ask_page(watch);
}

/* ---- The watch ---- */

struct etcd_watch *etcd_watch_new(struct etcd *etcd, struct slice prefix,
                                  const struct etcd_watch_listener *listener)
{
    struct etcd_watch *watch = NEW(struct etcd_watch);

    CHECK(prefix.size < ETCD_KEY_SIZE_MAX);
    watch->etcd = etcd;
    watch->listener = listener;
    buffer_init(&watch->prefix, ETCD_KEY_SIZE_MAX);
    buffer_append(&watch->prefix, prefix);
    buffer_init(&watch->end, ETCD_KEY_SIZE_MAX);
    etcd_wire_prefix_end(prefix, &watch->end);
    buffer_init(&watch->next_key, ETCD_KEY_SIZE_MAX + 4);
    etcd_call_init(&watch->list, etcd);
    http_fetch_init(&watch->stream, LINE_SIZE_MAX);
    watch->stream.on_octets = on_octets;
    watch->stream.on_end = on_end;
    loop_timer_init(&watch->pause, etcd_loop(etcd), on_pause_over);
    random_octets(&watch->random.state, sizeof(watch->random.state));
    begin(watch);
    return watch;
}

void etcd_watch_free(struct etcd_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    loop_timer_stop(&watch->pause);
    etcd_call_done(&watch->list);
    http_fetch_done(&watch->stream);
    etcd_keys_done(&watch->keys);
    buffer_done(&watch->prefix);
    buffer_done(&watch->end);
    buffer_done(&watch->next_key);
    memory_free(watch);
}

bool etcd_watch_is_live(const struct etcd_watch *watch)
{
    return watch->is_live;
}
