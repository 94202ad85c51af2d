#include "tests/fakes/rpc_stage.h"

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"

static struct stage *on_stage; /* the services' context: one stage at a time */

static void echo(const Aviso__LookRequest *request, Aviso__DirectoryEntry_Closure reply,
                 struct rpc_request *call)
{
    Aviso__DirectoryEntry entry = AVISO__DIRECTORY_ENTRY__INIT;

    entry.name = request->name;
    entry.shard = rpc_request_shard(call);
    entry.account = request->slot;
    if (rpc_request_octets(call).size > 0) {
        rpc_reply_octets(call, rpc_request_octets_ref(call));
    }
    reply(&entry, call);
}

static void reply_huge(Aviso__DirectoryEntry_Closure reply, void *call)
{
    Aviso__DirectoryEntry entry = AVISO__DIRECTORY_ENTRY__INIT;
    char *octets = memory_zeroed(RPC_MESSAGE_SIZE_MAX);

    entry.name = wire_from_slice((struct slice){octets, RPC_MESSAGE_SIZE_MAX});
    reply(&entry, call);
    memory_free(octets);
}

static void on_let_go(struct loop_message *message)
{
    struct stage *stage = CONTAINER_OF(message, struct stage, let_go);

    rpc_fail(stage->held, stage->let_go_status);
    stage->held = NULL;
}

static void serve_look(Aviso__Directory_Service *service, const Aviso__LookRequest *request,
                       Aviso__DirectoryEntry_Closure reply, void *call)
{
    struct slice part = slice_from_wire(request->name);

    CHECK(loop_is_current(on_stage->server_loop));
    on_stage->served_count++;
    if (slice_is(part, "hold")) {
        on_stage->held = call;
        loop_post(on_stage->client_loop, &on_stage->arrived);
    } else if (slice_is(part, "deny")) {
        rpc_fail(call, STATUS_DENIED);
    } else if (slice_is(part, "follow")) {
        rpc_fail_not_leader(call, 7);
    } else if (slice_is(part, "huge")) {
        reply_huge(reply, call);
    } else {
        echo(request, reply, call);
    }
}

static void serve_put_entry(Aviso__Directory_Service *service,
                            const Aviso__PutEntryRequest *request,
                            Aviso__PutEntryReply_Closure reply, void *call)
{
    rpc_fail(call, STATUS_UNSUPPORTED);
}

static void serve_remove_entry(Aviso__Directory_Service *service,
                               const Aviso__RemoveEntryRequest *request,
                               Aviso__RemoveEntryReply_Closure reply, void *call)
{
    rpc_fail(call, STATUS_UNSUPPORTED);
}

static void serve_list_entries(Aviso__Directory_Service *service,
                               const Aviso__ListEntriesRequest *request,
                               Aviso__ListEntriesReply_Closure reply, void *call)
{
    rpc_fail(call, STATUS_UNSUPPORTED);
}

/* ---- The stream of numbers ---- */

static void on_end(struct rpc_request *request, void *context)
{
    on_stage->stream_ends++;
    loop_post(on_stage->client_loop, &on_stage->arrived);
}

static void send_numbers(struct rpc_request *request, void *context)
{
    while (on_stage->stream_sent < on_stage->stream_most && rpc_stream_is_writable(request)) {
        Aviso__WatchEvent event = AVISO__WATCH_EVENT__INIT;

        event.modseq = ++on_stage->stream_sent;
        on_stage->send_event(&event, request);
    }
    if (on_stage->stream_sent == on_stage->stream_most) {
        rpc_fail(request, STATUS_OK);
    }
}

static void serve_watch(Aviso__Watches_Service *service, const Aviso__WatchRequest *request,
                        Aviso__WatchEvent_Closure reply, void *call)
{
    on_stage->send_event = reply;
    rpc_stream_begin(call, on_end, send_numbers, NULL);
    send_numbers(call, NULL);
}

static const Aviso__Directory_Service directory_service = AVISO__DIRECTORY__INIT(serve_);
static const Aviso__Watches_Service watches_service = AVISO__WATCHES__INIT(serve_);

/* ---- The stage ---- */

static struct loop *route(void *context, uint32_t shard)
{
    return ((struct stage *)context)->server_loop;
}

void stage_open(struct stage *stage)
{
    *stage = (struct stage){
        .client_loop = loop_new("client"),
        .server_loop = loop_new("server"),
        .directory_service = directory_service,
        .watches_service = watches_service,
        .let_go = {.run = on_let_go},
        .stream_most = 1000,
        .let_go_status = STATUS_CONFLICT,
    };
    stage->served[0] = &stage->directory_service.base;
    stage->served[1] = &stage->watches_service.base;
    stage->services = (struct rpc_services){stage->served, COUNT_OF(stage->served), route, stage};
    on_stage = stage;
    stage->directory =
        rpc_local_channel_new(stage->client_loop, &aviso__directory__descriptor, &stage->services);
    stage->watches =
        rpc_local_channel_new(stage->client_loop, &aviso__watches__descriptor, &stage->services);
    loop_start(stage->server_loop);
}

void stage_play(struct stage *stage, struct loop_message *begin)
{
    loop_post(stage->client_loop, begin);
    loop_run(stage->client_loop);
}

void stage_let_go(struct stage *stage)
{
    loop_post(stage->server_loop, &stage->let_go);
}

void stage_close(struct stage *stage)
{
    struct loop *loops[] = {stage->client_loop, stage->server_loop};

    loop_stop(stage->server_loop);
    loop_join(stage->server_loop);
    rpc_channel_free(stage->directory);
    rpc_channel_free(stage->watches);
    loops_free(loops, COUNT_OF(loops));
}
