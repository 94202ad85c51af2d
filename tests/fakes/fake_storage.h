/* Storage nodes behind the in-process channel, for the router's clients: says of each request what
 * the test wants, and keeps what was asked. Everything runs on one loop, the client's, which rests
 * between two plays.
 *
 *     open -> fill `script`, `serve` -> fake_storage_play -> look at `seen` -> close */
#ifndef AVISO_TESTS_FAKES_FAKE_STORAGE_H
#define AVISO_TESTS_FAKES_FAKE_STORAGE_H

#include <semaphore.h>

#include "net/rpc.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/watch.pb-c.h"
#include "router/router.h"

enum { FAKE_SERVICES = 5, FAKE_SEEN_MAX = 2000, FAKE_HELD_MAX = 64, FAKE_SCRIPT_MAX = 64 };

struct fake_storage;

/* One request being served. */
struct fake_request {
    const char *method;
    uint32_t shard;
    const ProtobufCMessage *message;
    ProtobufCClosure closure;
    void *call;
};

/* What was asked, in its order. */
struct fake_seen {
    const char *method;
    uint32_t shard;
    char id[16];         /* zeros: the method has none */
    size_t octets_size;  /* beside the message */
    size_t message_size; /* packed */
};

struct fake_storage {
    struct loop *loop;
    struct shard_map *map;
    struct router *router;
    ProtobufCService services[FAKE_SERVICES];
    ProtobufCService *pointers[FAKE_SERVICES];
    struct rpc_services served;
    uint64_t call_timeout_ms; /* of the router; set before the first play */
    uint64_t cache_ms;
    /* Outcomes of the next requests; OK: `serve` does it. */
    enum status script[FAKE_SCRIPT_MAX];
    size_t script_count;
    size_t script_next;
    /* Answers a request, or holds it (fake_hold). */
    void (*serve)(struct fake_storage *storage, const struct fake_request *request);
    struct fake_seen seen[FAKE_SEEN_MAX];
    size_t seen_count;
    struct fake_request held[FAKE_HELD_MAX];
    size_t held_count;
    struct loop_message begin;
    sem_t stopped;
    struct loop_message settled;
    unsigned turns_left;
    void (*run)(struct fake_storage *storage);
    void (*then)(struct fake_storage *storage);
};

/* Eight shards; `serve` is the test's. */
void fake_storage_open(struct fake_storage *storage,
                       void (*serve)(struct fake_storage *storage,
                                     const struct fake_request *request));
void fake_storage_close(struct fake_storage *storage);

/* Runs `run` on the loop, and waits for fake_storage_stop(). */
void fake_storage_play(struct fake_storage *storage, void (*run)(struct fake_storage *storage));
void fake_storage_stop(struct fake_storage *storage);

/* Runs `then` after all that is under way on the loop has gone its way. */
void fake_storage_settle(struct fake_storage *storage, void (*then)(struct fake_storage *storage));

/* Answers. `reply` is packed at once. */
void fake_reply(const struct fake_request *request, const ProtobufCMessage *reply);
void fake_fail(const struct fake_request *request, enum status status);

/* Keeps the request to answer it later. */
void fake_hold(struct fake_storage *storage, const struct fake_request *request);

/* How often the method was asked for. */
size_t fake_seen_count(const struct fake_storage *storage, const char *method);

#endif
