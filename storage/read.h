/* The reading methods of the services: from a view of the store to a reply.
 *
 * Functions of their arguments: a loop runs them over what is in memory, and where that is not
 * enough (AGAIN) a worker does over a snapshot. CORRUPT: a row is; the shard has to stop. */
#ifndef AVISO_STORAGE_READ_H
#define AVISO_STORAGE_READ_H

#include "net/rpc.h"
#include "storage/keys.h"
#include "storage/rows.h"
#include "storage/store.h"
#include "storage/uid_cache.h"

enum read_kind {
    READ_LOOK,
    READ_LIST_ENTRIES,
    READ_GET_ACCOUNT,
    READ_LIST_MAILBOXES,
    READ_OPEN_MAILBOX,
    READ_GET_ROWS,
    READ_GET_CHANGES,
    READ_GET_BODY,
    READ_NEXT_HANDOVER,
    READ_GET_HANDOVER_FRAME,
    READ_KIND_COUNT,
};

struct read {
    struct store_view view;
    uint32_t shard;
    struct arena *arena;       /* of the reply, at least until it is sent */
    struct uid_cache *cache;   /* the loop's; NULL: on a worker */
    struct rpc_octets *octets; /* out: beside the reply; the caller's */
    struct mailbox_uids uids;  /* out: what OpenMailbox read on a worker; the caller's */
    uint64_t uids_account;     /* out: of which mailbox, also with AGAIN */
    uint32_t uids_mailbox;
};

/* `message` is the request of that kind; `out_reply` lives in the arena. */
NODISCARD enum status read_run(struct read *read, enum read_kind kind, const void *message,
                               const ProtobufCMessage **out_reply);

/* ---- What the methods share ---- */

typedef enum status read_fn(struct read *read, const void *message,
                            const ProtobufCMessage **out_reply);

/* One for each kind. */
read_fn read_look, read_list_entries, read_get_account, read_list_mailboxes, read_open_mailbox;
read_fn read_get_rows, read_get_changes, read_get_body;
read_fn read_next_handover, read_get_handover_frame;

/* One row each, from the view. */
NODISCARD enum status read_account(struct read *read, uint64_t account,
                                   struct account_row *out_row);
NODISCARD enum status read_mailbox(struct read *read, uint64_t account, uint32_t mailbox,
                                   struct mailbox_row *out_row);

#endif
