/* A real etcd of one member, with a folder of its own, and a loop on which its clients live. Every
 * wait is bounded. */
#ifndef AVISO_TESTS_FAKES_ETCD_SERVER_H
#define AVISO_TESTS_FAKES_ETCD_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buffer.h"
#include "net/loop.h"

struct etcd_server {
    char folder[64];
    char url[64];
    uint16_t port;
    uint16_t peer_port;
    bool has_tls;  /* then a certificate and its key are in the folder; set before the start */
    pid_t process; /* 0: it does not run */
};

/* A folder, and ports that nobody uses. */
void etcd_server_prepare(struct etcd_server *server);

/* Starts it, again or for the first time, and waits until it answers. */
void etcd_server_start(struct etcd_server *server);

/* kill -9. */
void etcd_server_kill(struct etcd_server *server);

/* Kills it and removes its folder. */
void etcd_server_remove(struct etcd_server *server);

/* Where its certificate is. */
void etcd_server_certificate(const struct etcd_server *server, char *out_path, size_t size);

/* POST, beside the client that is tested; the answer has to be 200. */
void etcd_server_post(const struct etcd_server *server, const char *path, const char *json);
/* A put of text under a key, both without base64. */
void etcd_server_put(const struct etcd_server *server, const char *key, const char *value);
void etcd_server_delete(const struct etcd_server *server, const char *key);
/* Forgets all revisions before the present one. */
void etcd_server_compact(const struct etcd_server *server);

/* Runs `work` on `loop`, which runs on a thread of its own, and waits for its end. */
void run_on(struct loop *loop, void (*work)(void *context), void *context);

/* Until `is_true` is, looked at on `loop`; fails the test after a minute. */
void await_on(struct loop *loop, bool (*is_true)(void *context), void *context);

#endif
