/* What the files of the directory client share; nobody else includes it. */
#ifndef AVISO_ROUTER_DIRECTORY_WORK_H
#define AVISO_ROUTER_DIRECTORY_WORK_H

#include "proto/directory.pb-c.h"
#include "router/attempt.h"
#include "router/directory.h"
#include "router/directory_cache.h"

/* A request of any kind on its way. What only one kind needs hangs on `arena`. */
struct directory_work {
    struct attempt attempt;
    struct router *router;
    struct directory_call *call; /* NULL: cancelled while `turn` is posted */
    struct arena arena;
    struct loop_message turn; /* an answer from the cache comes later, too */
    bool is_posted;
    struct slice name;      /* that is asked for */
    uint64_t asked_ms;      /* when, or the account's state */
    uint64_t forgotten;     /* by the cache until then */
    struct slice sender_of; /* the account's address, of directory_may_send_as() */
    struct account_call account;
    struct resolving *resolving;
    struct listing *listing;
};

/* Embedded nowhere: it outlives a cancelled call while a turn is posted. */
struct directory_work *directory_work_new(struct router *router, struct directory_call *call);

/* The work ends here: cancels what is in flight, and goes once no turn is posted. */
void directory_work_free(struct directory_work *work);

/* Gives the call back to its owner. */
struct directory_call *directory_work_detach(struct directory_work *work);

/* `run` gets the work later, from the loop. */
void directory_work_post(struct directory_work *work, void (*run)(struct loop_message *turn));

/* For `run`: the work, or NULL when it was cancelled meanwhile, and is gone. */
struct directory_work *directory_work_of_turn(struct loop_message *turn);

/* Sends the look-up of `work->name`. */
void directory_work_look(struct directory_work *work, attempt_done_fn *done);

/* The entry of a reply, with its targets in `arena`; texts borrow from the reply. */
struct directory_entry directory_entry_of_wire(const Aviso__DirectoryEntry *wire,
                                               struct arena *arena);

/* Puts what a look-up said into the cache. */
void directory_work_learn(struct directory_work *work, enum status status,
                          const struct directory_entry *entry);

#endif
