#include "net/http_fetch.h"

#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "net/http_curl.h"
#include "net/loop_uv.h"

enum { KEEPALIVE_IDLE_S = 10, KEEPALIVE_PAUSE_S = 5, CONNECTIONS_MAX = 16 };

struct http_agent {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    char *authorities_path;
    char *certificate_path;
    char *key_path;
    struct http_transfer *transfers; /* in flight */
    bool acts;                       /* within libcurl or a continuation */
};

/* libcurl wants a poll for each of its sockets; libuv frees it later than libcurl forgets it. */
struct watched_socket {
    uv_poll_t poll;
    struct http_agent *agent;
    curl_socket_t socket;
};

struct http_transfer {
    struct http_agent *agent;
    struct http_fetch *fetch;
    CURL *curl;
    struct curl_slist *headers;
    struct http_transfer *next;
    struct http_transfer **place; /* what points to this one */
    bool has_news;
    bool is_invalid; /* it never was sent */
};

static void act(struct http_agent *agent, curl_socket_t socket, int events);

/* ---- What libcurl asks of the loop ---- */

static void on_poll(uv_poll_t *poll, int error, int events)
{
    struct watched_socket *watched = CONTAINER_OF(poll, struct watched_socket, poll);
    int flags = error < 0 ? CURL_CSELECT_ERR : 0;

    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    act(watched->agent, watched->socket, flags);
}

static void on_poll_closed(uv_handle_t *handle)
{
    memory_free(CONTAINER_OF((uv_poll_t *)handle, struct watched_socket, poll));
}

static struct watched_socket *watch_socket(struct http_agent *agent, curl_socket_t socket)
{
    struct watched_socket *watched = NEW(struct watched_socket);

    watched->agent = agent;
    watched->socket = socket;
    CHECK(uv_poll_init_socket(loop_uv(agent->loop), &watched->poll, socket) == 0);
    CHECK(curl_multi_assign(agent->multi, socket, watched) == CURLM_OK);
    return watched;
}

static int on_socket(CURL *curl, curl_socket_t socket, int what, void *context, void *assigned)
{
    struct watched_socket *watched = assigned;

    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            uv_close((uv_handle_t *)&watched->poll, on_poll_closed);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = watch_socket(context, socket);
    }
    int events =
        (what != CURL_POLL_IN ? UV_WRITABLE : 0) | (what != CURL_POLL_OUT ? UV_READABLE : 0);

    return uv_poll_start(&watched->poll, events, on_poll) == 0 ? 0 : -1;
}

static int on_timeout_change(CURLM *multi, long delay_ms, void *context)
{
    struct http_agent *agent = context;

    if (delay_ms < 0) {
        loop_timer_stop(&agent->timer);
    } else {
        loop_timer_start(&agent->timer, (uint64_t)delay_ms);
    }
    return 0;
}

static void on_timer(struct loop_timer *timer)
{
    act(CONTAINER_OF(timer, struct http_agent, timer), CURL_SOCKET_TIMEOUT, 0);
}

static size_t on_body(char *octets, size_t one, size_t size, void *context)
{
    struct http_transfer *transfer = context;

    if (size > buffer_room(&transfer->fetch->answer)) {
        return 0;
    }
    buffer_append(&transfer->fetch->answer, (struct slice){octets, size});
    transfer->has_news = true;
    return size;
}

/* ---- Continuations: after libcurl has returned, so that they may do as they like ---- */

static void free_transfer(struct http_transfer *transfer)
{
    transfer->fetch->transfer = NULL;
    *transfer->place = transfer->next;
    if (transfer->next != NULL) {
        transfer->next->place = transfer->place;
    }
    /* Also of one that never was added. */
    CHECK(curl_multi_remove_handle(transfer->agent->multi, transfer->curl) == CURLM_OK);
    curl_easy_cleanup(transfer->curl);
    curl_slist_free_all(transfer->headers);
    memory_free(transfer);
}

static void end_transfer(struct http_transfer *transfer, enum status status)
{
    struct http_fetch *fetch = transfer->fetch;
    long code = 0;
    long sent_size = 0;

    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(transfer->curl, CURLINFO_REQUEST_SIZE, &sent_size);
    if (status == STATUS_TIMED_OUT && sent_size == 0) {
        status = STATUS_UNAVAILABLE; /* there never was a connection */
    }
    free_transfer(transfer);
    fetch->on_end(fetch, status, (unsigned)code);
}

/* Any may be gone after each continuation, so that the search begins again. */
static bool deliver_octets(struct http_agent *agent)
{
    for (struct http_transfer *transfer = agent->transfers; transfer != NULL;
         transfer = transfer->next) {
        if (transfer->has_news && transfer->fetch->on_octets != NULL) {
            transfer->has_news = false;
            transfer->fetch->on_octets(transfer->fetch);
            return true;
        }
    }
    return false;
}

static bool deliver_invalid(struct http_agent *agent)
{
    for (struct http_transfer *transfer = agent->transfers; transfer != NULL;
         transfer = transfer->next) {
        if (transfer->is_invalid) {
            end_transfer(transfer, STATUS_INVALID);
            return true;
        }
    }
    return false;
}

static bool deliver_end(struct http_agent *agent)
{
    int left = 0;
    CURLMsg *message = curl_multi_info_read(agent->multi, &left);
    void *transfer = NULL;

    if (message == NULL) {
        return false;
    }
    if (message->msg == CURLMSG_DONE) {
        enum status status = http_curl_status(message->data.result);

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        end_transfer(transfer, status);
    }
    return true;
}

static void act(struct http_agent *agent, curl_socket_t socket, int events)
{
    int running = 0;

    agent->acts = true;
    CHECK(curl_multi_socket_action(agent->multi, socket, events, &running) == CURLM_OK);
    while (deliver_octets(agent) || deliver_invalid(agent) || deliver_end(agent)) {
    }
    agent->acts = false;
}

/* ---- Requests ---- */

static void set_options(struct http_transfer *transfer, const struct http_fetch_request *request)
{
    const struct http_agent *agent = transfer->agent;
    CURL *curl = transfer->curl;

    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS,
                     request->body.data != NULL ? request->body.data : "");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_PAUSE_S);
    if (agent->authorities_path != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, agent->authorities_path);
    }
    if (agent->certificate_path != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, agent->certificate_path);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, agent->key_path);
    }
}

static enum status make_headers(struct http_transfer *transfer,
                                const struct http_fetch_request *request)
{
    enum status status = http_curl_header(&transfer->headers, SLICE("Expect:"), SLICE(""));

    for (size_t i = 0; status == STATUS_OK && i < request->header_count; i++) {
        status = http_curl_header(&transfer->headers, request->headers[i].name,
                                  request->headers[i].value);
    }
    curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, transfer->headers);
    return status;
}

void http_fetch_init(struct http_fetch *fetch, size_t answer_size_max)
{
    *fetch = (struct http_fetch){0};
    buffer_init(&fetch->answer, answer_size_max);
}

void http_fetch_done(struct http_fetch *fetch)
{
    http_fetch_cancel(fetch);
    buffer_wipe(&fetch->answer);
}

void http_fetch_start(struct http_fetch *fetch, struct http_agent *agent,
                      const struct http_fetch_request *request)
{
    struct http_transfer *transfer = NEW(struct http_transfer);

    CHECK(fetch->transfer == NULL);
    buffer_clear(&fetch->answer);
    fetch->transfer = transfer;
    transfer->agent = agent;
    transfer->fetch = fetch;
    transfer->curl = http_curl_new();
    transfer->next = agent->transfers;
    transfer->place = &agent->transfers;
    if (transfer->next != NULL) {
        transfer->next->place = &transfer->next;
    }
    agent->transfers = transfer;
    set_options(transfer, request);
    transfer->is_invalid = make_headers(transfer, request) != STATUS_OK;
    if (transfer->is_invalid) {
        loop_timer_start(&agent->timer, 0);
    } else {
        CHECK(curl_multi_add_handle(agent->multi, transfer->curl) == CURLM_OK);
    }
}

void http_fetch_cancel(struct http_fetch *fetch)
{
    if (fetch->transfer != NULL) {
        free_transfer(fetch->transfer);
    }
}

/* ---- The agent ---- */

static char *copy_text(const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;

    return text != NULL ? memcpy(memory_resized(NULL, size), text, size) : NULL;
}

struct http_agent *http_agent_new(const struct http_agent_options *options)
{
    struct http_agent *agent = NEW(struct http_agent);

    curl_easy_cleanup(http_curl_new()); /* libcurl is ready from here on */
    agent->loop = options->loop;
    agent->authorities_path = copy_text(options->authorities_path);
    agent->certificate_path = copy_text(options->certificate_path);
    agent->key_path = copy_text(options->key_path);
    loop_timer_init(&agent->timer, options->loop, on_timer);
    agent->multi = curl_multi_init();
    CHECK(agent->multi != NULL);
    curl_multi_setopt(agent->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(agent->multi, CURLMOPT_SOCKETDATA, agent);
    curl_multi_setopt(agent->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
    curl_multi_setopt(agent->multi, CURLMOPT_TIMERDATA, agent);
    curl_multi_setopt(agent->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    return agent;
}

void http_agent_free(struct http_agent *agent)
{
    if (agent == NULL) {
        return;
    }
    CHECK(agent->transfers == NULL && !agent->acts);
    CHECK(curl_multi_cleanup(agent->multi) == CURLM_OK);
    loop_timer_stop(&agent->timer);
    memory_free(agent->authorities_path);
    memory_free(agent->certificate_path);
    memory_free(agent->key_path);
    memory_free(agent);
}
