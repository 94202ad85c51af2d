#include "tests/fakes/etcd_server.h"

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "core/base64.h"
#include "core/check.h"
#include "core/clock.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "tests/unit/unit.h"

enum { PATIENCE_MS = 60 * 1000, ANSWER_SIZE_MAX = 1024 * 1024 };

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int file = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(file >= 0 && bind(file, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(file, (struct sockaddr *)&address, &size) == 0);
    close(file);
    return ntohs(address.sin_port);
}

void etcd_server_prepare(struct etcd_server *server)
{
    *server = (struct etcd_server){.folder = "/tmp/aviso-etcd-XXXXXX"};
    CHECK(mkdtemp(server->folder) != NULL);
    server->port = free_port();
    server->peer_port = free_port();
}

void etcd_server_certificate(const struct etcd_server *server, char *out_path, size_t size)
{
    snprintf(out_path, size, "%s/certificate.pem", server->folder);
}

static void make_certificate(const struct etcd_server *server, char *certificate, char *key)
{
    const char *names[] = {"127.0.0.1"};

    etcd_server_certificate(server, certificate, 128);
    snprintf(key, 128, "%s/key.pem", server->folder);
    enum status status = tls_make_self_signed(names, 1, certificate, key);

    CHECK(status == STATUS_OK || status == STATUS_EXISTS);
}

static _Noreturn void become_etcd(const struct etcd_server *server, const char *certificate,
                                  const char *key)
{
    char data[96];
    char log[96];
    char peer_url[64];
    char cluster[96];

    snprintf(data, sizeof(data), "%s/data", server->folder);
    snprintf(log, sizeof(log), "%s/log", server->folder);
    snprintf(peer_url, sizeof(peer_url), "http://127.0.0.1:%u", server->peer_port);
    snprintf(cluster, sizeof(cluster), "default=%s", peer_url);
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    /* It ends with the test, however that ends. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) {
        _exit(1);
    }
    const char *const arguments[] = {"etcd",
                                     "--data-dir",
                                     data,
                                     "--listen-client-urls",
                                     server->url,
                                     "--advertise-client-urls",
                                     server->url,
                                     "--listen-peer-urls",
                                     peer_url,
                                     "--initial-advertise-peer-urls",
                                     peer_url,
                                     "--initial-cluster",
                                     cluster,
                                     "--unsafe-no-fsync",
                                     server->has_tls ? "--cert-file" : NULL,
                                     certificate,
                                     "--key-file",
                                     key,
                                     NULL};

    execvp("etcd", (char *const *)arguments);
    _exit(127);
}

static enum status post(const struct etcd_server *server, const char *path, const char *json,
                        unsigned *out_code)
{
    char url[128];
    char certificate[128];
    struct buffer answer;
    struct http_call call = {.method = "POST",
                             .url = url,
                             .content_type = "application/json",
                             .body = slice_of(json),
                             .authorities_path = server->has_tls ? certificate : NULL,
                             .timeout_ms = PATIENCE_MS};

    etcd_server_certificate(server, certificate, sizeof(certificate));
    snprintf(url, sizeof(url), "%s%s", server->url, path);
    buffer_init(&answer, ANSWER_SIZE_MAX);
    enum status status = http_client_call(&call, out_code, &answer);

    if (status == STATUS_OK && *out_code != 200) {
        print_message("etcd says: %.*s\n", (int)answer.size, answer.data);
    }
    buffer_done(&answer);
    return status;
}

void etcd_server_start(struct etcd_server *server)
{
    uint64_t begin_ms = clock_monotonic_ms();
    char certificate[128];
    char key[128];
    unsigned code = 0;

    CHECK(server->process == 0);
    snprintf(server->url, sizeof(server->url), "http%s://127.0.0.1:%u", server->has_tls ? "s" : "",
             server->port);
    make_certificate(server, certificate, key);
    server->process = fork();
    CHECK(server->process >= 0);
    if (server->process == 0) {
        become_etcd(server, certificate, key);
    }
    /* Answered with 200 once it leads itself. */
    while (post(server, "/v3/maintenance/status", "{}", &code) != STATUS_OK || code != 200) {
        CHECK(clock_monotonic_ms() - begin_ms < PATIENCE_MS);
        CHECK(waitpid(server->process, NULL, WNOHANG) == 0);
        poll(NULL, 0, 20);
    }
}

void etcd_server_kill(struct etcd_server *server)
{
    CHECK(server->process > 0 && kill(server->process, SIGKILL) == 0);
    CHECK(waitpid(server->process, NULL, 0) == server->process);
    server->process = 0;
}

void etcd_server_remove(struct etcd_server *server)
{
    char command[128];

    if (server->process > 0) {
        etcd_server_kill(server);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", server->folder);
    CHECK(system(command) == 0);
}

void etcd_server_post(const struct etcd_server *server, const char *path, const char *json)
{
    unsigned code = 0;

    assert_int_equal(post(server, path, json, &code), STATUS_OK);
    assert_int_equal(code, 200);
}

static void post_key(const struct etcd_server *server, const char *path, const char *key,
                     const char *value)
{
    struct buffer json;

    buffer_init(&json, ANSWER_SIZE_MAX);
    buffer_printf(&json, "{\"key\":\"");
    base64_encode(slice_of(key), &json);
    if (value != NULL) {
        buffer_printf(&json, "\",\"value\":\"");
        base64_encode(slice_of(value), &json);
    }
    buffer_printf(&json, "\"}%c", '\0');
    etcd_server_post(server, path, json.data);
    buffer_done(&json);
}

void etcd_server_put(const struct etcd_server *server, const char *key, const char *value)
{
    post_key(server, "/v3/kv/put", key, value);
}

void etcd_server_delete(const struct etcd_server *server, const char *key)
{
    post_key(server, "/v3/kv/deleterange", key, NULL);
}

void etcd_server_compact(const struct etcd_server *server)
{
    char url[128];
    char json[96];
    unsigned code = 0;
    struct buffer answer;
    struct http_call call = {.method = "POST",
                             .url = url,
                             .body = SLICE("{\"key\":\"AA==\"}"),
                             .timeout_ms = PATIENCE_MS};

    snprintf(url, sizeof(url), "%s/v3/kv/range", server->url);
    buffer_init(&answer, ANSWER_SIZE_MAX);
    assert_int_equal(http_client_call(&call, &code, &answer), STATUS_OK);
    struct slice rest = buffer_view(&answer);

    rest = slice_skip(rest, slice_search(rest, SLICE("\"revision\":\"")) + 12);
    struct slice revision = slice_cut(&rest, '"');

    snprintf(json, sizeof(json), "{\"revision\":\"%.*s\",\"physical\":true}", (int)revision.size,
             revision.data);
    buffer_done(&answer);
    etcd_server_post(server, "/v3/kv/compaction", json);
}

/* ---- Work on a loop ---- */

struct errand {
    struct loop_message message;
    void (*work)(void *context);
    void *context;
    sem_t done;
};

static void run_errand(struct loop_message *message)
{
    struct errand *errand = CONTAINER_OF(message, struct errand, message);

    errand->work(errand->context);
    sem_post(&errand->done);
}

void run_on(struct loop *loop, void (*work)(void *context), void *context)
{
    struct errand errand = {.message.run = run_errand, .work = work, .context = context};

    CHECK(sem_init(&errand.done, 0, 0) == 0);
    loop_post(loop, &errand.message);
    while (sem_wait(&errand.done) != 0) {
    }
    sem_destroy(&errand.done);
}

struct question {
    bool (*is_true)(void *context);
    void *context;
    bool answer;
};

static void look(void *context)
{
    struct question *question = context;

    question->answer = question->is_true(question->context);
}

void await_on(struct loop *loop, bool (*is_true)(void *context), void *context)
{
    uint64_t begin_ms = clock_monotonic_ms();
    struct question question = {is_true, context, false};

    run_on(loop, look, &question);
    while (!question.answer) {
        if (clock_monotonic_ms() - begin_ms > PATIENCE_MS) {
            fail_msg("what was awaited did not come");
        }
        poll(NULL, 0, 2);
        run_on(loop, look, &question);
    }
}
