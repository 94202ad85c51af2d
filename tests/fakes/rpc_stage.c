#include "tests/fakes/rpc_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "tests/unit/unit.h"

enum { CLUSTER = 4711 };

enum stage_carrier stage_carrier = STAGE_LOCAL;

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

/* One certificate for both sides, which is its own authority. */
static struct tls_context *make_tls(void)
{
    char folder[] = "/tmp/aviso-rpc-XXXXXX";
    char paths[2][64];
    const char *names[] = {"node.example"};
    const char *fault = NULL;
    struct tls_options options = {paths[0], paths[1], paths[0]};
    struct tls_context *tls = NULL;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(paths[0], sizeof(paths[0]), "%s/certificate.pem", folder);
    snprintf(paths[1], sizeof(paths[1]), "%s/key.pem", folder);
    assert_int_equal(tls_make_self_signed(names, 1, paths[0], paths[1]), STATUS_OK);
    assert_int_equal(tls_context_new(&options, &tls, &fault), STATUS_OK);
    unlink(paths[0]);
    unlink(paths[1]);
    rmdir(folder);
    return tls;
}

void stage_open_server(struct stage *stage, uint16_t port)
{
    struct rpc_server_options options = {
        .address = "127.0.0.1",
        .port = port,
        .loops = &stage->net_loop,
        .loop_count = 1,
        .services = &stage->services,
        .cluster = CLUSTER,
        .tls = stage->tls,
    };

    assert_int_equal(rpc_server_open(&options, &stage->server), STATUS_OK);
}

static void open_remote(struct stage *stage)
{
    stage->tls = stage_carrier == STAGE_TLS ? make_tls() : NULL;
    stage->net_loop = loop_new("net");
    loop_start(stage->net_loop);
    stage_open_server(stage, 0);

    struct rpc_node_options options = {
        .loop = stage->client_loop,
        .address = "127.0.0.1",
        .port = rpc_server_port(stage->server),
        .cluster = CLUSTER,
        .tls = stage->tls,
        .tls_name = "node.example",
    };

    assert_int_equal(rpc_node_new(&options, &stage->node), STATUS_OK);
    stage->directory = rpc_node_channel_new(stage->node, &aviso__directory__descriptor);
    stage->watches = rpc_node_channel_new(stage->node, &aviso__watches__descriptor);
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
    loop_start(stage->server_loop);
    if (stage_carrier == STAGE_LOCAL) {
        stage->directory = rpc_local_channel_new(stage->client_loop, &aviso__directory__descriptor,
                                                 &stage->services);
        stage->watches = rpc_local_channel_new(stage->client_loop, &aviso__watches__descriptor,
                                               &stage->services);
    } else {
        open_remote(stage);
    }
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

struct ending {
    struct loop_message message;
    struct loop *loop;
};

static void on_ended(struct loop_message *message)
{
    loop_stop(CONTAINER_OF(message, struct ending, message)->loop);
}

void stage_stop_server(struct stage *stage)
{
    struct ending ending = {{on_ended, NULL}, loop_new("ending")};

    loop_start(ending.loop);
    rpc_server_stop(stage->server, 0, ending.loop, &ending.message);
    loop_join(ending.loop);
    loop_free(ending.loop);
    rpc_server_free(stage->server);
    stage->server = NULL;
}

void stage_close(struct stage *stage)
{
    struct loop *loops[] = {stage->client_loop, stage->server_loop, stage->net_loop};
    size_t loop_count = stage->net_loop != NULL ? 3 : 2;

    rpc_channel_free(stage->directory);
    rpc_channel_free(stage->watches);
    rpc_node_free(stage->node);
    if (stage->server != NULL) {
        stage_stop_server(stage);
    }
    for (size_t i = 1; i < loop_count; i++) {
        loop_stop(loops[i]);
        loop_join(loops[i]);
    }
    loops_free(loops, loop_count);
    tls_context_free(stage->tls);
}
