/* A node's inside, for the files that it consists of:
 *
 *     node.c           its threads, files and services, and its care
 *     node_peers.c     the other nodes
 *     node_holdings.c  which shards it holds, from the book to their end */
#ifndef AVISO_STORAGE_NODE_PARTS_H
#define AVISO_STORAGE_NODE_PARTS_H

#include <semaphore.h>

#include "storage/node.h"
#include "storage/node_folder.h"
#include "storage/peers.h"
#include "storage/replica_book.h"

enum { NODE_SERVICE_COUNT = 7, NODE_LOOPS_MAX = 64 };

/* A shard that the node holds; `shard` is NULL when it cannot be served. */
struct holding {
    uint32_t id;
    enum status status;
    bool is_logged; /* the log knows it */
    bool is_booked; /* the book does */
    struct shard *shard;
    struct loop *loop;
    struct loop_message stopped;
    sem_t *halted; /* told by `stopped` */
};

/* What a loop has for the other nodes. */
struct node_side {
    struct node *node;
    struct loop *loop;
    struct peers *peers;
};

struct node {
    struct node_options options;
    struct node_folder folder;
    struct store *store;
    struct log *log;
    struct log_writer *writer;
    struct worker_pool *workers;
    struct worker_pool *care_workers; /* one thread: flushes */
    struct loop *loops[NODE_LOOPS_MAX];
    struct node_side sides[NODE_LOOPS_MAX]; /* by loop */
    struct replica_book book;
    struct holding *holdings; /* by id */
    size_t holding_count;
    ProtobufCService *service_list[NODE_SERVICE_COUNT];
    struct rpc_services services;
    struct loop_timer care;
    struct worker_job flush;
    bool is_flushing;
    bool is_running;
    bool has_failed; /* the writer's */
};

/* ---- node_peers.c ---- */

/* For a loop that is made already. */
void node_make_peers(struct node *node, size_t index);

/* Closes the connections to all, and waits for it. */
void node_stop_peers(struct node *node);

/* ---- node_holdings.c ---- */

/* Passed to log_open(). */
void node_on_recovered(void *context, struct log *log, const struct log_recovered *recovered);

/* Reads the book, and puts in what is wanted and not in it. */
NODISCARD enum status node_open_book(struct node *node);

/* Calls `each` for the shards of the loop that this is called on. */
void node_each_shard_here(struct node *node, void (*each)(void *context, struct shard *shard),
                          void *context);

/* Opens the shards of the book; one that fails is not served. */
void node_open_shards(struct node *node);

/* As rpc_services.route. */
struct loop *node_route(void *context, uint32_t shard);

/* Stops all shards, and the node's care, and waits for them. */
void node_halt(struct node *node);

/* Waits until `halted` was posted `count` times. */
void node_wait(sem_t *halted, size_t count);

/* Notes what has begun since it was opened, so that its log is missed when it is gone. */
void node_close_book(struct node *node);

#endif
