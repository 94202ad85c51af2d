#include "router/etcd.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/random.h"
#include "router/etcd_work.h"

enum {
    ENDPOINT_COUNT_MAX = 64,
    URL_SIZE_MAX = 512,
    BODY_SIZE_MAX = 4 * 1024 * 1024,
    ANSWER_SIZE_MAX = 16 * 1024 * 1024,
    SECRET_SIZE_MAX = 4096,
    TIMEOUT_DEFAULT_MS = 5000,
    CONNECT_TIMEOUT_MS = 1000,
    PAUSE_LEAST_MS = 20,
    PAUSE_MOST_MS = 1000,
};

static const struct {
    const char *path;
    bool is_repeatable; /* twice has the effect of once */
} kinds[] = {
    [ETCD_RANGE] = {"/v3/kv/range", true},
    [ETCD_TRANSACTION] = {"/v3/kv/txn", false},
    [ETCD_GRANT] = {"/v3/lease/grant", true}, /* one that nobody knows of ends by itself */
    [ETCD_KEEP_ALIVE] = {"/v3/lease/keepalive", true},
    [ETCD_REVOKE] = {"/v3/lease/revoke", true},
    [ETCD_LOGIN] = {"/v3/auth/authenticate", true},
};

struct etcd {
    struct loop *loop;
    struct http_agent *agent;
    char *endpoints[ENDPOINT_COUNT_MAX];
    size_t endpoint_count;
    size_t endpoint; /* the one that is asked */
    char *user;      /* NULL: none */
    struct buffer password;
    struct buffer token;
    struct etcd_call login;
    bool logs_in;
    struct etcd_call *waiting; /* for a token */
    uint64_t timeout_ms;
    struct random random;
    bool is_down; /* and the log says so */
};

static void attempt(struct etcd_call *call);
static void on_end(struct http_fetch *fetch, enum status status, unsigned code);
static void on_login(struct etcd_call *call, enum status status, const struct etcd_result *result);

static char *copy_text(const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;

    return text != NULL ? memcpy(memory_resized(NULL, size), text, size) : NULL;
}

/* ---- Endpoints: one is asked until it fails ---- */

static void note_up(struct etcd *etcd)
{
    if (etcd->is_down) {
        etcd->is_down = false;
        log_info("etcd.back", log_text("endpoint", slice_of(etcd->endpoints[etcd->endpoint])));
    }
}

static void note_down(struct etcd *etcd, enum status status)
{
    if (!etcd->is_down) {
        etcd->is_down = true;
        log_warning("etcd.away", log_text("endpoint", slice_of(etcd->endpoints[etcd->endpoint])),
                    log_status(status),
                    log_text("effect", SLICE("mail flows on; nothing is placed or moved")));
    }
    etcd->endpoint = (etcd->endpoint + 1) % etcd->endpoint_count;
}

static void send(struct etcd *etcd, const char *path, struct slice body, uint64_t timeout_ms,
                 struct http_fetch *fetch)
{
    char url[URL_SIZE_MAX];
    const struct http_fetch_header headers[] = {
        {SLICE("Content-Type:"), SLICE("application/json")},
        {SLICE("Grpc-Metadata-hasleader:"), SLICE("true")},
        {SLICE("Authorization:"), buffer_view(&etcd->token)},
    };
    struct http_fetch_request request = {
        .url = url,
        .body = body,
        .headers = headers,
        .header_count = COUNT_OF(headers) - (etcd->token.size > 0 ? 0 : 1),
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .timeout_ms = timeout_ms,
    };

    /* A cut URL names nothing that exists, and etcd_new() refused longer ones. */
    snprintf(url, sizeof(url), "%s%s", etcd->endpoints[etcd->endpoint], path);
    http_fetch_start(fetch, etcd->agent, &request);
}

/* ---- Tokens ---- */

static void forget_token(struct etcd *etcd)
{
    buffer_wipe(&etcd->token);
    buffer_init(&etcd->token, SECRET_SIZE_MAX);
}

static bool needs_token(const struct etcd *etcd)
{
    return etcd->user != NULL && etcd->token.size == 0;
}

static void log_in(struct etcd *etcd)
{
    struct etcd_call *login = &etcd->login;

    if (etcd->logs_in) {
        return;
    }
    etcd->logs_in = true;
    login->done = on_login;
    login->kind = ETCD_LOGIN;
    login->tries = 0;
    login->deadline_ms = loop_now_ms(etcd->loop) + etcd->timeout_ms;
    buffer_clear(&login->body);
    /* etcd_new() tried it. */
    CHECK(etcd_wire_login(slice_of(etcd->user), buffer_view(&etcd->password), &login->body) ==
          STATUS_OK);
    attempt(login);
}

static void wait_for_token(struct etcd_call *call)
{
    call->waits = true;
    call->next = call->etcd->waiting;
    call->etcd->waiting = call;
    log_in(call->etcd);
}

static void stop_waiting(struct etcd_call *call)
{
    struct etcd_call **place = &call->etcd->waiting;

    while (call->waits && *place != call) {
        place = &(*place)->next;
    }
    if (call->waits) {
        *place = call->next;
        call->waits = false;
    }
}

static void on_login(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct etcd *etcd = call->etcd;
    struct etcd_call *waiting = NULL;

    etcd->logs_in = false;
    if (status == STATUS_OK && (result->token.size == 0 || result->token.size > SECRET_SIZE_MAX)) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        forget_token(etcd);
        buffer_append(&etcd->token, result->token);
    } else {
        log_error("etcd.login_failed", log_text("user", slice_of(etcd->user)), log_status(status));
    }
    /* Those that come to wait from here on wait for the next login. */
    for (struct etcd_call *each = etcd->waiting; each != NULL; each = each->next) {
        each->has_new_token = true;
    }
    while ((waiting = etcd->waiting) != NULL && waiting->has_new_token) {
        stop_waiting(waiting);
        if (status == STATUS_OK) {
            attempt(waiting);
        } else {
            waiting->done(waiting, status == STATUS_TIMED_OUT ? STATUS_UNAVAILABLE : status, NULL);
        }
    }
}

/* ---- Calls ---- */

static void on_pause_over(struct loop_timer *timer)
{
    attempt(CONTAINER_OF(timer, struct etcd_call, pause));
}

void etcd_call_init(struct etcd_call *call, struct etcd *etcd)
{
    *call = (struct etcd_call){.etcd = etcd};
    buffer_init(&call->body, BODY_SIZE_MAX);
    http_fetch_init(&call->fetch, ANSWER_SIZE_MAX);
    call->fetch.on_end = on_end;
    loop_timer_init(&call->pause, etcd->loop, on_pause_over);
}

void etcd_call_cancel(struct etcd_call *call)
{
    stop_waiting(call);
    loop_timer_stop(&call->pause);
    http_fetch_cancel(&call->fetch);
}

void etcd_call_done(struct etcd_call *call)
{
    etcd_call_cancel(call);
    http_fetch_done(&call->fetch);
    buffer_wipe(&call->body);
}

static uint64_t left_ms(const struct etcd_call *call)
{
    uint64_t now_ms = loop_now_ms(call->etcd->loop);

    return call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 1;
}

/* What may be asked twice is not left to an endpoint that is silent. */
static uint64_t attempt_timeout_ms(const struct etcd_call *call)
{
    uint64_t left = left_ms(call);

    return kinds[call->kind].is_repeatable && call->etcd->endpoint_count > 1 ? (left + 1) / 2
                                                                             : left;
}

static void attempt(struct etcd_call *call)
{
    struct etcd *etcd = call->etcd;

    if (call != &etcd->login && needs_token(etcd)) {
        wait_for_token(call);
        return;
    }
    call->tries++;
    send(etcd, kinds[call->kind].path, buffer_view(&call->body), attempt_timeout_ms(call),
         &call->fetch);
}

void etcd_start(struct etcd_call *call, enum etcd_kind kind, etcd_done_fn *done)
{
    call->kind = kind;
    call->done = done;
    call->tries = 0;
    call->has_new_token = false;
    call->deadline_ms = loop_now_ms(call->etcd->loop) + call->etcd->timeout_ms;
    attempt(call);
}

/* Twice as long each time, half of it chance. */
static uint64_t pause_ms(struct etcd_call *call)
{
    uint64_t longest = PAUSE_LEAST_MS;

    for (unsigned i = 1; i < call->tries && longest < PAUSE_MOST_MS; i++) {
        longest *= 2;
    }
    return longest / 2 + random_below(&call->etcd->random, longest / 2 + 1);
}

/* An endpoint failed. `may_be_done`: what was asked may come about all the same. */
static void fail(struct etcd_call *call, enum status status, bool may_be_done)
{
    uint64_t pause = pause_ms(call);

    note_down(call->etcd, status);
    if ((kinds[call->kind].is_repeatable || !may_be_done) && pause < left_ms(call)) {
        loop_timer_start(&call->pause, pause);
        return;
    }
    call->done(call,
               may_be_done && !kinds[call->kind].is_repeatable ? STATUS_TIMED_OUT
                                                               : STATUS_UNAVAILABLE,
               NULL);
}

/* An answer with a code other than 200. */
static void refuse(struct etcd_call *call, enum status fault)
{
    struct etcd *etcd = call->etcd;

    if (fault == STATUS_UNAVAILABLE) {
        fail(call, fault, true);
    } else if (fault == STATUS_SUSPENDED && etcd->user != NULL && !call->has_new_token &&
               call != &etcd->login) {
        forget_token(etcd);
        wait_for_token(call);
    } else {
        note_up(etcd);
        call->done(call, fault == STATUS_SUSPENDED ? STATUS_DENIED : fault, NULL);
    }
}

/* What code 200 may say, too. */
static enum status outcome(const struct etcd_call *call, const struct etcd_result *result)
{
    if (call->kind == ETCD_TRANSACTION && !result->succeeded) {
        return STATUS_CONFLICT;
    }
    if (call->kind == ETCD_KEEP_ALIVE && result->ttl_s == 0) {
        return STATUS_NOT_FOUND;
    }
    return call->kind == ETCD_GRANT && result->lease == 0 ? STATUS_CORRUPT : STATUS_OK;
}

static void answer(struct etcd_call *call)
{
    struct etcd_result result;
    struct arena arena;

    arena_init(&arena);
    enum status status = etcd_wire_result(buffer_view(&call->fetch.answer), &arena, &result);

    buffer_wipe(&call->fetch.answer);
    buffer_init(&call->fetch.answer, ANSWER_SIZE_MAX);
    if (status == STATUS_OK) {
        note_up(call->etcd);
        status = outcome(call, &result);
    } else {
        note_down(call->etcd, status);
    }
    call->done(call, status, status == STATUS_OK ? &result : NULL);
    arena_done(&arena);
}

static void on_end(struct http_fetch *fetch, enum status status, unsigned code)
{
    struct etcd_call *call = CONTAINER_OF(fetch, struct etcd_call, fetch);

    if (status == STATUS_OK && code == 200) {
        answer(call);
    } else if (status == STATUS_OK) {
        refuse(call, etcd_wire_fault(buffer_view(&fetch->answer)));
    } else if (status == STATUS_UNAVAILABLE) {
        fail(call, status, false);
    } else if (status == STATUS_TIMED_OUT || status == STATUS_CORRUPT) {
        fail(call, STATUS_UNAVAILABLE, true); /* silent, or cut off */
    } else {
        note_down(call->etcd, status);
        call->done(call, status, NULL);
    }
}

/* ---- Streams ---- */

struct loop *etcd_loop(const struct etcd *etcd)
{
    return etcd->loop;
}

enum status etcd_stream(struct etcd *etcd, const char *path, struct slice body,
                        struct http_fetch *fetch)
{
    if (needs_token(etcd)) {
        log_in(etcd);
        return STATUS_AGAIN;
    }
    send(etcd, path, body, 0, fetch);
    return STATUS_OK;
}

void etcd_stream_lives(struct etcd *etcd)
{
    note_up(etcd);
}

void etcd_stream_ended(struct etcd *etcd, enum status status)
{
    if (status == STATUS_SUSPENDED) {
        forget_token(etcd);
    } else if (status != STATUS_EXPIRED) {
        note_down(etcd, status);
    }
}

/* ---- The client ---- */

static void free_texts(struct etcd *etcd)
{
    for (size_t i = 0; i < etcd->endpoint_count; i++) {
        memory_free(etcd->endpoints[i]);
    }
    memory_free(etcd->user);
    buffer_wipe(&etcd->password);
    buffer_wipe(&etcd->token);
}

struct etcd *etcd_new(const struct etcd_options *options)
{
    struct etcd *etcd = NEW(struct etcd);
    struct http_agent_options agent = {
        .loop = options->loop,
        .authorities_path = options->authorities_path,
        .certificate_path = options->certificate_path,
        .key_path = options->key_path,
    };

    CHECK(options->endpoint_count > 0);
    etcd->loop = options->loop;
    etcd->agent = http_agent_new(&agent);
    etcd->endpoint_count =
        options->endpoint_count < ENDPOINT_COUNT_MAX ? options->endpoint_count : ENDPOINT_COUNT_MAX;
    for (size_t i = 0; i < etcd->endpoint_count; i++) {
        etcd->endpoints[i] = copy_text(options->endpoints[i]);
    }
    etcd->user = copy_text(options->user);
    buffer_init(&etcd->password, SECRET_SIZE_MAX);
    buffer_append(&etcd->password,
                  slice_prefix(slice_of(options->password != NULL ? options->password : ""),
                               SECRET_SIZE_MAX));
    buffer_init(&etcd->token, SECRET_SIZE_MAX);
    etcd->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    random_octets(&etcd->random.state, sizeof(etcd->random.state));
    /* Not all begin with the same one. */
    etcd->endpoint = random_below(&etcd->random, etcd->endpoint_count);
    etcd_call_init(&etcd->login, etcd);
    return etcd;
}

void etcd_free(struct etcd *etcd)
{
    if (etcd == NULL) {
        return;
    }
    CHECK(etcd->waiting == NULL);
    etcd_call_done(&etcd->login);
    http_agent_free(etcd->agent);
    free_texts(etcd);
    memory_free(etcd);
}
