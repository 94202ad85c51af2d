/* The payload of a log entry: one command to a shard's state.
 *
 *     version (1), kind (1), wall time in ms (8), size of the request (4), the request as a
 * protobuf message, then the octets beside it
 *
 * All that apply needs is inside: the proposer's time, since apply has no clock. Kinds are numbers
 * for ever. */
#ifndef AVISO_STORAGE_COMMAND_H
#define AVISO_STORAGE_COMMAND_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

enum command_kind {
    COMMAND_PUT_ENTRY = 1,
    COMMAND_REMOVE_ENTRY = 2,

    COMMAND_CREATE_ACCOUNT = 10,
    COMMAND_UPDATE_ACCOUNT = 11,
    COMMAND_REMOVE_ACCOUNT = 12,

    COMMAND_CREATE_MAILBOX = 20,
    COMMAND_RENAME_MAILBOX = 21,
    COMMAND_DELETE_MAILBOX = 22,
    COMMAND_SUBSCRIBE = 23,
    COMMAND_CLAIM_RECENT = 24,
    COMMAND_STORE_FLAGS = 25,
    COMMAND_EXPUNGE = 26,
    COMMAND_COPY_MESSAGES = 27,

    COMMAND_PUT_FRAME = 40,
    COMMAND_DELIVER = 41,
    COMMAND_HAND_OVER = 42,
    COMMAND_SETTLE_HANDOVER = 43,

    /* The shard's own: no request. */
    COMMAND_TRIM = 60,        /* forget request ids and frames that are too old */
    COMMAND_REMOVE_STEP = 61, /* remove the next part of what is to be removed */
};

enum {
    COMMAND_HEAD_SIZE = 14,
    COMMAND_REQUEST_SIZE_MAX = 512 * 1024,     /* octets of the protobuf message */
    COMMAND_OCTETS_SIZE_MAX = 512 * 1024 - 64, /* octets beside it */
    COMMAND_SIZE_MAX = COMMAND_HEAD_SIZE + COMMAND_REQUEST_SIZE_MAX + COMMAND_OCTETS_SIZE_MAX
};

struct command {
    enum command_kind kind;
    uint64_t wall_ms;
    struct slice request;
    struct slice octets;
};

/* The sizes are within the limits above. */
size_t command_size(const struct command *command);

/* Appends command_size() octets. */
void command_encode(const struct command *command, struct buffer *output);

/* Reads all of `payload`, from which `out_command` borrows. UNSUPPORTED: another version, or a kind
 * that this version does not know. INVALID: cut short. TOO_LARGE. */
NODISCARD enum status command_decode(struct slice payload, struct command *out_command);

/* Whether a number is a kind of command. */
bool command_kind_is_known(unsigned kind);

#endif
