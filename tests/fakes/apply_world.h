/* A shard's state machine on a store in memory, driven command by command: for tests of apply and
 * of reads. */
#ifndef AVISO_TESTS_FAKES_APPLY_WORLD_H
#define AVISO_TESTS_FAKES_APPLY_WORLD_H

#include "core/random.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "storage/apply.h"
#include "storage/command.h"
#include "storage/read.h"
#include "tests/fakes/memory_store.h"
#include "tests/unit/unit.h"

enum { WORLD_SHARD = 7, WORLD_BODY_ID_SIZE = 32 };

struct world {
    struct store *store;
    struct apply *apply;
    struct store_batch *batch;
    struct arena arena; /* requests, replies: until world_close() */
    uint64_t now_ms;
    uint64_t id_counter;
    size_t batch_entries; /* entries in one write; 1 */
    size_t in_batch;
    enum status status;                                               /* of the last command */
    void (*log)(void *context, uint64_t index, struct slice payload); /* sees every entry */
    void *log_context;
};

void world_open(struct world *world);
void world_close(struct world *world);

/* Writes what is in hand. */
void world_settle(struct world *world);

/* A request id of now, never the same twice. */
ProtobufCBinaryData world_id(struct world *world);
ProtobufCBinaryData bytes_of(const char *text);

/* Applies one command; the reply, unpacked, or NULL when it failed (then world->status says how).
 */
void *world_do(struct world *world, enum command_kind kind, const ProtobufCMessage *request,
               const ProtobufCMessageDescriptor *reply, struct slice octets);

/* An account with INBOX; the mailboxes of `names` besides, up to a NULL. */
uint64_t world_account(struct world *world, const char *const *names);

/* Delivers one message with the body `body` and gives its outcome. */
const Aviso__DeliverOutcome *world_deliver(struct world *world, uint64_t account,
                                           const char *mailbox, const char *body, uint32_t flags);

/* Runs a read; the reply, or NULL (then world->status). */
const void *world_read(struct world *world, enum read_kind kind, const ProtobufCMessage *request);

/* The record and UIDs of a mailbox; NULL: none. */
const Aviso__OpenMailboxReply *world_open_mailbox(struct world *world, uint64_t account,
                                                  const char *name);

/* "1:3,5" of the wire's encoding, and back. */
const char *world_uids_text(struct world *world, ProtobufCBinaryData octets);
ProtobufCBinaryData world_uids(struct world *world, const char *text);

/* Fails the test unless all counts, sizes and references of the whole store agree with its rows. */
void world_check(struct world *world);

#endif
