/* A node's inside, for the files that it consists of:
 *
 *     node.c           its threads, files and services, and its care
 *     node_peers.c     the other nodes
 *     node_holdings.c  which shards it holds, from the book to their end
 *     node_operate.c   what it is told to do */
#ifndef AVISO_STORAGE_NODE_PARTS_H
#define AVISO_STORAGE_NODE_PARTS_H

#include <semaphore.h>

#include "storage/holdings.h"
#include "storage/node.h"
#include "storage/node_folder.h"
#include "storage/peers.h"
#include "storage/replica_book.h"

enum { NODE_SERVICE_COUNT = 8, NODE_LOOPS_MAX = 64 };

/* What a loop has for the other nodes. */
struct node_side {
    struct node *node;
    struct loop *loop;
    struct peers *peers;
};

struct node {
    struct node_options options;
    struct node_folder folder;
    char snapshot_folder[FILE_PATH_SIZE_MAX];
    struct store *store;
    struct log *log;
    struct log_writer *writer;
    struct worker_pool *workers;
    struct worker_pool *care_workers; /* one thread: flushes */
    struct worker_pool *operators;    /* one thread: replicas that come and go */
    struct loop *loops[NODE_LOOPS_MAX];
    struct node_side sides[NODE_LOOPS_MAX]; /* by loop */
    struct replica_book book;               /* the operators', once they run */
    struct holdings *holdings;
    ProtobufCService *service_list[NODE_SERVICE_COUNT];
    struct rpc_services services;
    struct loop_timer care;
    struct worker_job flush;
    bool is_flushing;
    bool is_running; /* the loops */
    bool has_handed_over;
    bool has_failed; /* the writer's */
};

/* ---- node_peers.c ---- */

/* For a loop that is made already. */
void node_make_peers(struct node *node, size_t index);

/* Closes the connections to all, and waits for it. */
void node_stop_peers(struct node *node);

/* ---- node_holdings.c ---- */

/* The holding of a shard, made when there is none; NULL: there are too many. */
struct holding *node_add_holding(struct node *node, uint32_t shard);

/* Passed to log_open(). */
void node_on_recovered(void *context, struct log *log, const struct log_recovered *recovered);

/* Reads the book, and puts in what is wanted and not in it. */
NODISCARD enum status node_open_book(struct node *node);
struct replica_record node_record_of(const struct node_replica *replica);

/* Opens the shards of the book; one that fails is not served. */
void node_open_shards(struct node *node);

/* Opens one, on its loop or before that runs. */
NODISCARD enum status node_open_shard(struct node *node, struct holding *holding,
                                      const struct replica_record *record);

/* Calls `each` for the shards of the loop that this is called on. */
void node_each_shard_here(struct node *node, void (*each)(void *context, struct shard *shard),
                          void *context);

/* Runs `run` on a loop of the node, and waits until it has. Not from a loop. */
void node_visit(struct node *node, struct loop *loop, void (*run)(void *context), void *context);

/* As rpc_services.route. */
struct loop *node_route(void *context, uint32_t shard);

/* Stops all shards, and waits for them. */
void node_halt(struct node *node);

/* Waits until `done` was posted `count` times. */
void node_wait(sem_t *done, size_t count);

/* Notes what has begun since it was opened, so that its log is missed when it is gone. */
void node_close_book(struct node *node);

/* ---- node_operate.c ---- */

/* Goes on with the removal of a replica that the book does not have, or as one that leaves. */
void node_finish_removal(struct node *node, uint32_t shard);

/* A submission of the node itself ended, whose context is NULL. */
void node_forgotten(struct log_append *append);

#endif
