/* A listener that speaks a toy protocol on loops of its own, and a blocking client for it. Every
 * wait of the client is bounded: a server that says nothing fails the test. */
#ifndef AVISO_TESTS_FAKES_TOY_SERVER_H
#define AVISO_TESTS_FAKES_TOY_SERVER_H

#include <stdatomic.h>

#include "net/listener.h"

enum { TOY_LINE_SIZE_MAX = 64, TOY_LOOPS_MAX = 4 };

/* Greets with "hello", then takes lines:
 *
 *     ECHO text       "text"
 *     PEER            "address tls-version"
 *     WAIT            "waited", after a turn of the loop
 *     HOLD            "held", after toy_let_go()
 *     BIG n           n times "x", then "end", written as there is room
 *     OCTETS n        takes n octets as they come: "took n"
 *     PATIENCE ms     sets the idle timeout: "ok"
 *     TLS             "go", then the handshake; after it "secured"
 *     END             "bye"
 *
 * It says "too long" to an overlong line, "timeout" and "stopping" last. */
struct toy_server {
    struct protocol protocol;
    struct listener_options options; /* to be changed before toy_open() */
    struct loop *loops[TOY_LOOPS_MAX];
    struct listener *listener;
    struct loop_message let_go;
    void *held; /* the session that said HOLD; the first loop's */

    atomic_uint opened; /* sessions, in all */
    atomic_uint freed;
    atomic_uint lines; /* served, in all */
    atomic_uint holds; /* begun */
};

/* Fills in what tests may change: one loop, no TLS, no limits, patience without end. */
void toy_prepare(struct toy_server *server);
void toy_open(struct toy_server *server);

/* Stops in order, with the grace given, and frees all. */
void toy_close(struct toy_server *server, uint64_t grace_ms);

/* The two halves of it: from the stop on, sessions are told; the second waits for the end. */
void toy_stop(struct toy_server *server, uint64_t grace_ms);
void toy_await_end(struct toy_server *server);

/* Ends the wait of HOLD. */
void toy_let_go(struct toy_server *server);

/* A connected socket. */
int toy_connect(const struct toy_server *server);
void toy_say(int socket, const char *text);
void toy_say_octets(int socket, struct slice octets);

/* Reads exactly the octets of `text`, and fails on others. */
void toy_expect(int socket, const char *text);

/* Reads `size` octets of any kind. */
void toy_expect_size(int socket, size_t size);

/* Reads until the peer ends; `text` is all that comes before. */
void toy_expect_end(int socket, const char *text);

/* Waits until `count` is at least `least`. */
void toy_await(const atomic_uint *count, unsigned least);

#endif
