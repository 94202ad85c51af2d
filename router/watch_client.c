#include "router/watch_client.h"

#include "core/macros.h"
#include "core/memory.h"
#include "proto/watch.pb-c.h"
#include "router/channels.h"

enum { PAUSE_LEAST_MS = 50, PAUSE_MOST_MS = 5000 };

/* The stream of one account, shared by its watches on this loop. */
struct account_stream {
    struct router *router;
    struct account_place place;
    struct rpc_call call;
    const ProtobufCService *asked;
    struct loop_timer pause;
    uint64_t pause_ms;
    bool had_event;  /* since it was opened */
    bool is_closed;  /* the account, as the last event said */
    bool is_telling; /* its watches of an event */
    struct account_watch *watches;
    struct account_watch *next_told; /* while they are told: one may stop itself */
    struct account_stream *next;     /* in the bucket */
};

static void open_stream(struct account_stream *stream);
static void stream_free(struct account_stream *stream);
static void on_event(const Aviso__WatchEvent *event, void *data);

static void tell(struct account_stream *stream, const struct watch_change *change)
{
    stream->next_told = stream->watches;
    while (stream->next_told != NULL) {
        struct account_watch *watch = stream->next_told;

        stream->next_told = watch->next;
        watch->changed(watch, change);
    }
}

/* The last watch may stop while they are told: the stream then is freed here. True: it was. */
static bool tell_and_free_unwatched(struct account_stream *stream,
                                    const struct watch_change *change)
{
    stream->is_telling = true;
    tell(stream, change);
    stream->is_telling = false;
    if (stream->watches != NULL) {
        return false;
    }
    stream_free(stream);
    return true;
}

static bool tell_closed(struct account_stream *stream, uint64_t modseq)
{
    struct watch_change change = {
        .modseq = modseq,
        .everything = true,
        .account = true,
        .is_closed = true,
    };

    return tell_and_free_unwatched(stream, &change);
}

/* The pause of a stream that is open was only for who came late to an account that is closed. */
static void on_pause_over(struct loop_timer *timer)
{
    struct account_stream *stream = CONTAINER_OF(timer, struct account_stream, pause);

    if (!stream->had_event) {
        open_stream(stream);
    } else if (stream->is_closed) {
        tell_closed(stream, 0);
    }
}

static void open_stream(struct account_stream *stream)
{
    Aviso__WatchRequest request = AVISO__WATCH_REQUEST__INIT;

    request.account = stream->place.account;
    rpc_call_init(&stream->call, stream->place.shard);
    ProtobufCService *channel =
        router_channel(stream->router, stream->place.shard, &aviso__watches__descriptor);

    stream->asked = channel;
    aviso__watches__watch(channel, &request, on_event, &stream->call);
}

static void stream_free(struct account_stream *stream)
{
    loop_timer_stop(&stream->pause);
    rpc_call_cancel(&stream->call);
    memory_free(stream);
}

/* A stream that ended is opened again after a pause that grows while nothing comes. */
static void reopen_later(struct account_stream *stream)
{
    stream->pause_ms = stream->had_event                      ? PAUSE_LEAST_MS
                       : stream->pause_ms * 2 < PAUSE_MOST_MS ? stream->pause_ms * 2
                                                              : PAUSE_MOST_MS;
    stream->had_event = false;
    loop_timer_start(&stream->pause, stream->pause_ms);
}

/* An account that is not there is one that was removed. */
static void on_end(struct account_stream *stream)
{
    enum status status = stream->call.status;

    router_learn(stream->router, stream->place.shard, stream->asked, status,
                 stream->call.leader_hint);
    if (status != STATUS_NOT_FOUND || !tell_closed(stream, UINT64_MAX)) {
        reopen_later(stream);
    }
}

static void on_event(const Aviso__WatchEvent *event, void *data)
{
    struct account_stream *stream = CONTAINER_OF(data, struct account_stream, call);

    if (event == NULL) {
        on_end(stream);
        return;
    }
    struct watch_change change = {
        .modseq = event->modseq,
        .mailboxes = event->mailboxes,
        .mailbox_count = event->n_mailboxes,
        .everything = !stream->had_event,
        .mailbox_list = event->mailbox_list,
        .account = event->account || event->closed,
        .is_closed = event->closed,
    };

    stream->had_event = true;
    stream->is_closed = event->closed;
    tell_and_free_unwatched(stream, &change);
}

static bool is_of(const struct account_stream *stream, struct account_place place)
{
    return stream->place.account == place.account && stream->place.shard == place.shard;
}

void watch_start(struct router *router, struct account_watch *watch, struct account_place place,
                 void (*changed)(struct account_watch *watch, const struct watch_change *change))
{
    struct account_stream **bucket = router_account_streams(router, place.account);
    struct account_stream *stream = *bucket;

    while (stream != NULL && !is_of(stream, place)) {
        stream = stream->next;
    }
    if (stream == NULL) {
        stream = NEW(struct account_stream);
        stream->router = router;
        stream->place = place;
        stream->pause_ms = PAUSE_LEAST_MS;
        stream->next = *bucket;
        *bucket = stream;
        loop_timer_init(&stream->pause, router_loop(router), on_pause_over);
        open_stream(stream);
    } else if (stream->had_event && stream->is_closed) {
        loop_timer_start(&stream->pause, 0);
    }
    *watch = (struct account_watch){
        .changed = changed,
        .next = stream->watches,
        .stream = stream,
    };
    stream->watches = watch;
}

void watch_stop(struct account_watch *watch)
{
    struct account_stream *stream = watch->stream;

    if (stream == NULL) {
        return;
    }
    struct account_watch **place = &stream->watches;

    while (*place != watch) {
        place = &(*place)->next;
    }
    *place = watch->next;
    if (stream->next_told == watch) {
        stream->next_told = watch->next;
    }
    watch->stream = NULL;
    if (stream->watches != NULL) {
        return;
    }
    struct account_stream **bucket = router_account_streams(stream->router, stream->place.account);

    while (*bucket != stream) {
        bucket = &(*bucket)->next;
    }
    *bucket = stream->next;
    if (!stream->is_telling) {
        stream_free(stream);
    }
}
