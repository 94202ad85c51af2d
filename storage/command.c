#include "storage/command.h"

#include "core/check.h"
#include "core/number.h"

enum { COMMAND_VERSION = 1 };

bool command_kind_is_known(unsigned kind)
{
    switch (kind) {
    case COMMAND_PUT_ENTRY:
    case COMMAND_REMOVE_ENTRY:
    case COMMAND_CREATE_ACCOUNT:
    case COMMAND_UPDATE_ACCOUNT:
    case COMMAND_REMOVE_ACCOUNT:
    case COMMAND_CREATE_MAILBOX:
    case COMMAND_RENAME_MAILBOX:
    case COMMAND_DELETE_MAILBOX:
    case COMMAND_SUBSCRIBE:
    case COMMAND_CLAIM_RECENT:
    case COMMAND_STORE_FLAGS:
    case COMMAND_EXPUNGE:
    case COMMAND_COPY_MESSAGES:
    case COMMAND_PUT_FRAME:
    case COMMAND_DELIVER:
    case COMMAND_HAND_OVER:
    case COMMAND_SETTLE_HANDOVER:
    case COMMAND_TRIM:
    case COMMAND_REMOVE_STEP:
        return true;
    default:
        return false;
    }
}

size_t command_size(const struct command *command)
{
    return COMMAND_HEAD_SIZE + command->request.size + command->octets.size;
}

void command_encode(const struct command *command, struct buffer *output)
{
    CHECK(command->request.size <= COMMAND_REQUEST_SIZE_MAX);
    CHECK(command->octets.size <= COMMAND_OCTETS_SIZE_MAX);
    char *head = buffer_reserve(output, COMMAND_HEAD_SIZE);

    head[0] = COMMAND_VERSION;
    head[1] = (char)command->kind;
    number_put_u64(head + 2, command->wall_ms);
    number_put_u32(head + 10, (uint32_t)command->request.size);
    buffer_grew(output, COMMAND_HEAD_SIZE);
    buffer_append(output, command->request);
    buffer_append(output, command->octets);
}

enum status command_decode(struct slice payload, struct command *out_command)
{
    if (payload.size == 0) {
        return STATUS_INVALID;
    }
    if (payload.data[0] != COMMAND_VERSION) {
        return STATUS_UNSUPPORTED;
    }
    if (payload.size < COMMAND_HEAD_SIZE) {
        return STATUS_INVALID;
    }
    unsigned kind = (unsigned char)payload.data[1];
    size_t request_size = number_get_u32(payload.data + 10);
    struct slice rest = slice_skip(payload, COMMAND_HEAD_SIZE);

    if (!command_kind_is_known(kind)) {
        return STATUS_UNSUPPORTED;
    }
    if (request_size > COMMAND_REQUEST_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (request_size > rest.size) {
        return STATUS_INVALID;
    }
    if (rest.size - request_size > COMMAND_OCTETS_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    *out_command = (struct command){
        .kind = (enum command_kind)kind,
        .wall_ms = number_get_u64(payload.data + 2),
        .request = slice_prefix(rest, request_size),
        .octets = slice_skip(rest, request_size),
    };
    return STATUS_OK;
}
