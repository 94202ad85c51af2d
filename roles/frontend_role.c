#include "roles/frontend_role.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/check.h"
#include "core/log.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/number.h"
#include "frontend/admin/admin.h"
#include "frontend/auth/authenticator.h"
#include "frontend/imap/imap_session.h"
#include "frontend/pop3/pop3_session.h"
#include "frontend/smtp/smtp_session.h"
#include "net/accept_limiter.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "net/tls.h"
#include "roles/cluster_link.h"
#include "router/handover.h"

enum {
    LOOPS_MAX = 256,
    ADDRESS_TEXT_SIZE_MAX = 256,
    AUTH_QUEUE_MAX = 1000,
    AUTH_CACHE_COUNT_MAX = 10000,
    WORKER_QUEUE_MAX = 1000,
    SPOOL_MEMORY_MAX = 1024 * 1024,
};

enum service {
    SERVICE_SMTP,
    SERVICE_SUBMISSION,
    SERVICE_LMTP,
    SERVICE_IMAP,
    SERVICE_POP3,
    SERVICE_HTTP,
    SERVICE_COUNT,
};

/* What lives on one loop. */
struct frontend_loop {
    struct loop *loop;
    struct router *router;
    struct authenticator *authenticator;
    struct smtp_options smtp[3]; /* by enum smtp_service */
    struct imap_service imap;
    struct pop3_options pop3;
    struct admin *admin;
    struct http_handler http;
    struct protocol protocols[SERVICE_COUNT];
};

struct frontend_role {
    const struct settings *settings;
    struct tls_context *tls;      /* NULL: none */
    struct tls_context *node_tls; /* towards storage; NULL: none */
    struct auth_shared *auth;
    struct worker_pool *workers;
    struct accept_limiter *limiter;
    char spool_folder[4096];
    struct frontend_loop *loops;
    size_t loop_count;
    struct handover_worker *handover; /* on the first loop; made there */
    struct loop_message handover_start;
    struct listener **listeners;
    size_t listener_count;
    size_t listener_capacity;
};

/* ---- Listeners ---- */

/* One row for each list of addresses in the settings. */
struct listening {
    const char *setting;
    const struct config_list *addresses;
    enum service service;
    bool is_tls_from_start;
    struct slice refusal;
};

/* "*:25", "127.0.0.1:25", "[::1]:25". */
static bool cut_address(struct slice text, char *out_address, uint16_t *out_port)
{
    size_t colon = text.size;
    uint64_t port = 0;

    while (colon > 0 && text.data[colon - 1] != ':') {
        colon--;
    }
    struct slice address = slice_prefix(text, colon > 0 ? colon - 1 : 0);

    if (slice_starts_with(address, SLICE("[")) && slice_ends_with(address, SLICE("]"))) {
        address = slice_skip(slice_prefix(address, address.size - 1), 1);
    }
    if (address.size == 0 || address.size >= ADDRESS_TEXT_SIZE_MAX ||
        number_parse(slice_skip(text, colon), UINT16_MAX, &port) != STATUS_OK) {
        return false;
    }
    memcpy(out_address, address.data, address.size);
    out_address[address.size] = '\0';
    *out_port = (uint16_t)port;
    return true;
}

static const char *reason(enum status status)
{
    switch (status) {
    case STATUS_EXISTS:
        return "somebody listens there already";
    case STATUS_DENIED:
        return "not allowed: ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case STATUS_UNAVAILABLE:
        return "not an address of this machine";
    case STATUS_INVALID:
        return "not an address and a port, such as 127.0.0.1:25, [::1]:25 or *:25";
    default:
        return status_text(status);
    }
}

static void keep_listener(struct frontend_role *role, struct listener *listener)
{
    if (role->listener_count == role->listener_capacity) {
        role->listener_capacity = role->listener_capacity * 2 + 16;
        role->listeners =
            memory_resized(role->listeners, role->listener_capacity * sizeof(*role->listeners));
    }
    role->listeners[role->listener_count++] = listener;
}

/* One listener on all loops, of which each has options of its own. */
static enum status listen_at(struct frontend_role *role, const struct listening *row,
                             struct slice text)
{
    const struct protocol *protocols[LOOPS_MAX];
    struct loop *loops[LOOPS_MAX];
    char address[ADDRESS_TEXT_SIZE_MAX];
    struct listener *listener = NULL;
    struct listener_options options = {
        .address = address,
        .loops = loops,
        .loop_count = role->loop_count,
        .protocols = protocols,
        .tls = role->tls,
        .is_tls_from_start = row->is_tls_from_start,
        .limiter = role->limiter,
        .refusal = row->refusal,
    };

    if (!cut_address(text, address, &options.port)) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < role->loop_count; i++) {
        loops[i] = role->loops[i].loop;
        protocols[i] = &role->loops[i].protocols[row->service];
    }
    enum status status = listener_open(&options, &listener);

    if (status == STATUS_OK) {
        keep_listener(role, listener);
        log_info("frontend.listening", log_text("setting", slice_of(row->setting)),
                 log_text("address", slice_of(address)),
                 log_number("port", listener_port(listener)));
    }
    return status;
}

static enum status listen_row(struct frontend_role *role, const struct listening *row)
{
    if (row->is_tls_from_start && row->addresses->count > 0 && role->tls == NULL) {
        log_error("frontend.no_certificate", log_text("setting", slice_of(row->setting)),
                  log_text("cure", SLICE("set tls.certificate and tls.key")));
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < row->addresses->count; i++) {
        enum status status = listen_at(role, row, row->addresses->texts[i]);

        if (status != STATUS_OK) {
            log_error("frontend.cannot_listen", log_text("setting", slice_of(row->setting)),
                      log_text("address", row->addresses->texts[i]),
                      log_text("why", slice_of(reason(status))));
            return status;
        }
    }
    return STATUS_OK;
}

static enum status listen_all(struct frontend_role *role)
{
    static const struct slice busy = {"421 4.7.0 too many connections, try again later\r\n", 49};
    static const struct slice busy_imap = {"* BYE [UNAVAILABLE] too many connections\r\n", 42};
    static const struct slice busy_pop3 = {"-ERR [SYS/TEMP] too many connections\r\n", 38};
    const struct settings *settings = role->settings;
    const struct listening rows[] = {
        {"smtp.listen", &settings->smtp_listen, SERVICE_SMTP, false, busy},
        {"submission.listen", &settings->submission_listen, SERVICE_SUBMISSION, false, busy},
        {"submission.listen_tls", &settings->submissions_listen, SERVICE_SUBMISSION, true, busy},
        {"lmtp.listen", &settings->lmtp_listen, SERVICE_LMTP, false, busy},
        {"imap.listen", &settings->imap_listen, SERVICE_IMAP, false, busy_imap},
        {"imap.listen_tls", &settings->imaps_listen, SERVICE_IMAP, true, busy_imap},
        {"pop3.listen", &settings->pop3_listen, SERVICE_POP3, false, busy_pop3},
        {"pop3.listen_tls", &settings->pop3s_listen, SERVICE_POP3, true, busy_pop3},
        {"http.listen", &settings->http_listen, SERVICE_HTTP, false, {NULL, 0}},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum status status = listen_row(role, &rows[i]);

        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* ---- Loops ---- */

static void make_protocols(struct frontend_role *role, struct frontend_loop *loop)
{
    const struct settings *settings = role->settings;
    bool offers_tls = role->tls != NULL;

    for (size_t i = 0; i < COUNT_OF(loop->smtp); i++) {
        loop->smtp[i] = (struct smtp_options){
            .service = (enum smtp_service)i,
            .router = loop->router,
            .authenticator = loop->authenticator,
            .host_name = settings->host_name,
            .spool_folder = role->spool_folder,
            .spool_memory_max = SPOOL_MEMORY_MAX,
            .message_size_max = settings->message_size_max,
            .recipients_max = settings->recipients_max,
            .hops_max = settings->hops_max,
            .errors_max = settings->errors_max,
            .idle_timeout_ms = settings->smtp_idle_timeout_ms,
            .offers_tls = offers_tls,
            .auth_in_clear = settings->login_in_clear,
        };
    }
    loop->imap = (struct imap_service){
        .router = loop->router,
        .authenticator = loop->authenticator,
        .spool_folder = role->spool_folder,
        .append_size_max = settings->message_size_max,
        .login_timeout_ms = settings->login_timeout_ms,
        .idle_timeout_ms = settings->imap_idle_timeout_ms,
        .offers_tls = offers_tls,
        .clear_login_on_loopback = settings->login_in_clear,
    };
    loop->pop3 = (struct pop3_options){
        .router = loop->router,
        .authenticator = loop->authenticator,
        .host_name = settings->host_name,
        .messages_max = settings->pop3_messages_max,
        .errors_max = settings->errors_max,
        .login_timeout_ms = settings->login_timeout_ms,
        .idle_timeout_ms = settings->pop3_idle_timeout_ms,
        .offers_tls = offers_tls,
        .login_in_clear = settings->login_in_clear,
    };
    loop->http = admin_http_handler(loop->admin);
    loop->protocols[SERVICE_SMTP] = smtp_protocol(&loop->smtp[SMTP_MX]);
    loop->protocols[SERVICE_SUBMISSION] = smtp_protocol(&loop->smtp[SMTP_SUBMISSION]);
    loop->protocols[SERVICE_LMTP] = smtp_protocol(&loop->smtp[SMTP_LMTP]);
    loop->protocols[SERVICE_IMAP] = imap_protocol(&loop->imap);
    loop->protocols[SERVICE_POP3] = pop3_protocol(&loop->pop3);
    loop->protocols[SERVICE_HTTP] = http_protocol(&loop->http);
}

static void make_loop(struct frontend_role *role, const struct rpc_services *services,
                      struct shard_map *map, struct slice admin_token, struct frontend_loop *loop)
{
    const struct settings *settings = role->settings;

    loop->loop = loop_new("frontend");
    struct router_options options = {
        .loop = loop->loop,
        .local = services,
        .map = map,
        .tls = role->node_tls,
        .is_plain_allowed = settings->rpc_plain,
        .workers = role->workers,
        .call_timeout_ms = settings->call_timeout_ms,
        .directory_cache_ms = settings->directory_cache_ms,
        .directory_cache_count_max = settings->directory_cache_count_max,
    };

    loop->router = router_new(&options);
    loop->authenticator = authenticator_new(role->auth, loop->router);
    loop->admin = admin_new(loop->router, auth_shared_hashers(role->auth), admin_token);
    make_protocols(role, loop);
    loop_start(loop->loop);
}

static void start_handover(struct loop_message *message)
{
    struct frontend_role *role = CONTAINER_OF(message, struct frontend_role, handover_start);

    role->handover = handover_worker_new(role->loops[0].router);
}

static size_t processor_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count > LOOPS_MAX ? LOOPS_MAX : (size_t)count;
}

/* ---- The role ---- */

static enum status open_tls(struct frontend_role *role)
{
    char certificate[4096];
    char key[4096];
    const char *fault = NULL;
    const struct settings *settings = role->settings;

    if (settings->tls_certificate.size == 0) {
        return STATUS_OK;
    }
    snprintf(certificate, sizeof(certificate), "%.*s", (int)settings->tls_certificate.size,
             settings->tls_certificate.data);
    snprintf(key, sizeof(key), "%.*s", (int)settings->tls_key.size, settings->tls_key.data);
    struct tls_options options = {.certificate_path = certificate, .key_path = key};
    enum status status = tls_context_new(&options, &role->tls, &fault);

    if (status != STATUS_OK) {
        log_error("frontend.bad_certificate", log_text("certificate", settings->tls_certificate),
                  log_text("key", settings->tls_key), log_text("why", slice_of(fault)));
    }
    return status;
}

enum status frontend_role_start(const struct settings *settings,
                                const struct rpc_services *services, struct shard_map *map,
                                struct slice admin_token, struct frontend_role **out_role)
{
    struct frontend_role *role = NEW(struct frontend_role);
    struct auth_options auth = {
        .hash_threads = settings->hash_threads,
        .hash_queue_max = AUTH_QUEUE_MAX,
        .cache_ms = settings->login_cache_ms,
        .cache_count_max = AUTH_CACHE_COUNT_MAX,
        .default_domain = settings->login_domain,
    };

    role->settings = settings;
    snprintf(role->spool_folder, sizeof(role->spool_folder), "%.*s",
             (int)settings->data_folder.size, settings->data_folder.data);
    role->loop_count = settings->frontend_loops > 0 ? settings->frontend_loops : processor_count();
    role->loops = memory_zeroed(role->loop_count * sizeof(*role->loops));
    role->auth = auth_shared_new(&auth);
    role->workers = worker_pool_new("ingest", processor_count(), WORKER_QUEUE_MAX);
    role->limiter =
        accept_limiter_new(settings->connections_max, settings->connections_per_address_max);
    enum status status = open_tls(role);

    if (status == STATUS_OK && services == NULL) {
        status = cluster_open_tls(settings, &role->node_tls);
    }
    for (size_t i = 0; i < role->loop_count; i++) {
        make_loop(role, services, map, admin_token, &role->loops[i]);
    }
    role->handover_start = (struct loop_message){.run = start_handover};
    loop_post(role->loops[0].loop, &role->handover_start);
    if (status == STATUS_OK) {
        status = listen_all(role);
    }
    if (status != STATUS_OK) {
        frontend_role_stop(role);
        frontend_role_free(role);
        return status;
    }
    *out_role = role;
    return STATUS_OK;
}

/* A newer map on its way to a loop. */
struct map_news {
    struct loop_message message;
    struct router *router;
    struct shard_map *map;
};

static void take_map(struct loop_message *message)
{
    struct map_news *news = CONTAINER_OF(message, struct map_news, message);

    router_update_map(news->router, news->map);
    shard_map_unref(news->map);
    memory_free(news);
}

void frontend_role_update_map(struct frontend_role *role, struct shard_map *map)
{
    for (size_t i = 0; i < role->loop_count; i++) {
        struct map_news *news = NEW(struct map_news);

        *news = (struct map_news){{.run = take_map}, role->loops[i].router, shard_map_ref(map)};
        loop_post(role->loops[i].loop, &news->message);
    }
}

void frontend_role_reload(struct frontend_role *role)
{
    const char *fault = NULL;

    if (role->tls == NULL) {
        return;
    }
    enum status status = tls_context_reload(role->tls, &fault);

    if (status != STATUS_OK) {
        log_error("frontend.bad_certificate", log_text("why", slice_of(fault)),
                  log_text("effect", SLICE("the old one stays in use")));
        return;
    }
    log_info("frontend.certificate_reloaded",
             log_text("certificate", role->settings->tls_certificate));
}

/* ---- The end ---- */

/* Counts the listeners that have stopped, on a loop of its own. */
struct stopping {
    struct loop *loop;
    size_t left;
};

struct stopped {
    struct loop_message message;
    struct stopping *stopping;
};

static void on_stopped(struct loop_message *message)
{
    struct stopping *stopping = CONTAINER_OF(message, struct stopped, message)->stopping;

    if (--stopping->left == 0) {
        loop_stop(stopping->loop);
    }
}

void frontend_role_stop(struct frontend_role *role)
{
    struct stopping stopping = {.loop = loop_new("stopping"), .left = role->listener_count};
    struct stopped *stopped = memory_zeroed((role->listener_count + 1) * sizeof(*stopped));

    for (size_t i = 0; i < role->listener_count; i++) {
        stopped[i] = (struct stopped){{.run = on_stopped}, &stopping};
        listener_stop(role->listeners[i], role->settings->stop_timeout_ms, stopping.loop,
                      &stopped[i].message);
    }
    if (role->listener_count > 0) {
        loop_run(stopping.loop);
    }
    for (size_t i = 0; i < role->loop_count; i++) {
        loop_stop(role->loops[i].loop);
        loop_join(role->loops[i].loop);
    }
    loop_free(stopping.loop);
    memory_free(stopped);
}

void frontend_role_free(struct frontend_role *role)
{
    if (role == NULL) {
        return;
    }
    for (size_t i = 0; i < role->listener_count; i++) {
        listener_free(role->listeners[i]);
    }
    handover_worker_free(role->handover);
    for (size_t i = 0; i < role->loop_count; i++) {
        admin_free(role->loops[i].admin);
        authenticator_free(role->loops[i].authenticator);
    }
    /* Jobs that workers still hold end on the loops, which then have nothing left to run. */
    worker_pool_free(role->workers);
    auth_shared_free(role->auth);
    for (size_t i = 0; i < role->loop_count; i++) {
        router_free(role->loops[i].router);
        loop_free(role->loops[i].loop);
    }
    accept_limiter_free(role->limiter);
    tls_context_free(role->tls);
    tls_context_free(role->node_tls);
    memory_free(role->listeners);
    memory_free(role->loops);
    memory_free(role);
}
