/* What the files of the mailbox client share; nobody else includes it. */
#ifndef AVISO_ROUTER_MAILBOX_WORK_H
#define AVISO_ROUTER_MAILBOX_WORK_H

#include "core/arena.h"
#include "proto/mailbox.pb-c.h"
#include "router/attempt.h"
#include "router/mailbox_client.h"

enum { UIDS_PER_REQUEST = 16384 };

/* A request of any kind on its way. What only one kind needs hangs on `arena`. */
struct mailbox_work {
    struct attempt attempt;
    struct router *router;
    struct mailbox_call *call;
    struct account_place place;
    uint32_t mailbox;
    struct arena arena;
    struct uid_set *left;    /* of a change: UIDs of the requests to come */
    struct uid_set *sources; /* of a change: what it did so far */
    struct uid_set *targets;
    struct mailbox_change *change;
    struct body_range *body;
    uint32_t rest_from; /* of rows: the first UID not asked for; 0: none */
};

/* Of one call, until it is answered or cancelled. */
struct mailbox_work *mailbox_work_new(struct router *router, struct mailbox_call *call,
                                      struct account_place place);
void mailbox_work_free(struct mailbox_work *work);

/* The work of an attempt, with its call given back to the owner. */
struct mailbox_call *mailbox_work_detach(struct mailbox_work *work);

/* Sends a request of the service. */
void mailbox_work_send(struct mailbox_work *work, const char *method,
                       const ProtobufCMessage *request, attempt_done_fn *done);

/* A fresh request id, living in the work's arena. */
ProtobufCBinaryData mailbox_work_id(struct mailbox_work *work);

/* The wire's octets of a set, in the arena; and back: NULL when they are none. */
ProtobufCBinaryData mailbox_wire_of_uids(struct mailbox_work *work, const struct uid_set *uids);
struct uid_set *mailbox_uids_of_wire(ProtobufCBinaryData octets);

/* Rows of a reply as `struct message_row`, texts borrowed. CORRUPT: a header frame cannot be read.
 */
NODISCARD enum status mailbox_rows_of_wire(Aviso__MessageRow *const *wire, size_t count,
                                           struct arena *arena, struct message_row **out_rows);

/* Texts of a reply as slices, borrowed. */
const struct slice *mailbox_texts_of_wire(const ProtobufCBinaryData *texts, size_t count,
                                          struct arena *arena);

/* A record of a reply, texts borrowed. */
struct mailbox_record mailbox_record_of_wire(const Aviso__MailboxRecord *wire, struct arena *arena);

#endif
