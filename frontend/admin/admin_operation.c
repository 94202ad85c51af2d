#include "frontend/admin/admin_operation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/memory.h"
#include "mail/address.h"
#include "mail/utf8.h"

enum { MESSAGE_SIZE_MAX = 1024 };

/* ---- Answers ---- */

static void free_operation(struct admin_operation *operation)
{
    directory_call_cancel(&operation->directory);
    account_call_cancel(&operation->account);
    mailbox_call_cancel(&operation->mailbox);
    json_decref(operation->body);
    json_decref(operation->answer);
    buffer_wipe(&operation->credential);
    arena_done(&operation->arena);
    memory_free(operation);
}

void admin_answer(struct admin_operation *operation, unsigned code, json_t *answer)
{
    struct http_exchange *exchange = operation->exchange;
    char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(answer);
    free_operation(operation);
    if (exchange != NULL) {
        http_respond(exchange, code, text != NULL ? "application/json" : NULL,
                     text != NULL ? slice_of(text) : SLICE(""));
    }
    memory_free(text);
}

void admin_refuse(struct admin_operation *operation, unsigned code, const char *error,
                  const char *message, ...)
{
    char text[MESSAGE_SIZE_MAX];
    va_list arguments;

    va_start(arguments, message);
    vsnprintf(text, sizeof(text), message, arguments);
    va_end(arguments);
    json_t *answer = json_object();

    json_object_set_new(answer, "error", json_string(error));
    json_object_set_new(answer, "message", admin_json_text(slice_of(text)));
    admin_answer(operation, code, answer);
}

void admin_refuse_status(struct admin_operation *operation, enum status status, const char *what)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        admin_refuse(operation, 404, "not_found", "%s does not exist", what);
        return;
    case STATUS_EXISTS:
        admin_refuse(operation, 409, "exists", "%s exists already", what);
        return;
    case STATUS_CONFLICT:
        admin_refuse(operation, 409, "conflict",
                     "%s was changed by somebody else meanwhile; look at it and try again", what);
        return;
    case STATUS_TOO_LARGE:
        admin_refuse(operation, 413, "too_large", "%s is over a limit", what);
        return;
    case STATUS_NO_SPACE:
        admin_refuse(operation, 507, "no_space", "the disk of the storage node is full");
        return;
    case STATUS_TIMED_OUT:
        admin_refuse(operation, 504, "timed_out",
                     "storage did not answer in time; whether the change was made is not known: "
                     "look before you try again");
        return;
    case STATUS_UNAVAILABLE:
    case STATUS_BUSY:
        admin_refuse(operation, 503, "unavailable",
                     "storage cannot serve this now; try again in a moment");
        return;
    default:
        admin_refuse(operation, 500, "failed", "the request failed: %s", status_text(status));
    }
}

/* ---- What requests say ---- */

json_t *admin_json_text(struct slice text)
{
    struct buffer clean;

    if (utf8_is_valid(text)) {
        return json_stringn(text.data != NULL ? text.data : "", text.size);
    }
    buffer_init(&clean, text.size);
    for (size_t i = 0; i < text.size; i++) {
        buffer_append_octet(&clean, (unsigned char)text.data[i] < 0x80 ? text.data[i] : '?');
    }
    json_t *json = json_stringn(clean.data, clean.size);

    buffer_done(&clean);
    return json;
}

bool admin_take_domain(struct admin_operation *operation, struct slice text)
{
    struct buffer name;

    buffer_init(&name, ADDRESS_SIZE_MAX);
    buffer_append_octet(&name, '@');
    bool valid = address_canonical_domain(text, &name) == STATUS_OK;

    operation->name = arena_copy(&operation->arena, buffer_view(&name));
    operation->domain = operation->name;
    buffer_done(&name);
    if (!valid) {
        admin_refuse(operation, 400, "invalid", "that is not a domain: write it as example.org");
    }
    return valid;
}

bool admin_take_address(struct admin_operation *operation, struct slice text)
{
    struct buffer name;
    struct slice user;
    struct slice detail;
    struct slice domain;

    buffer_init(&name, ADDRESS_SIZE_MAX);
    bool valid = address_canonical(text, &name) == STATUS_OK;

    operation->name = arena_copy(&operation->arena, buffer_view(&name));
    buffer_done(&name);
    if (!valid) {
        admin_refuse(operation, 400, "invalid",
                     "that is not an address: write it as ann@example.org");
        return false;
    }
    address_split(operation->name, '+', &user, &detail, &domain);
    operation->domain = (struct slice){domain.data - 1, domain.size + 1};
    return true;
}

bool admin_take_text(struct admin_operation *operation, const char *member, struct slice *out_text)
{
    const json_t *value = json_object_get(operation->body, member);

    if (value == NULL || json_is_null(value)) {
        *out_text = (struct slice){0};
        return true;
    }
    if (!json_is_string(value)) {
        admin_refuse(operation, 400, "invalid", "%s must be a text", member);
        return false;
    }
    *out_text = (struct slice){json_string_value(value), json_string_length(value)};
    return true;
}

bool admin_take_number(struct admin_operation *operation, const char *member, uint64_t *out_number,
                       bool *out_given)
{
    const json_t *value = json_object_get(operation->body, member);

    *out_given = value != NULL && !json_is_null(value);
    if (!*out_given) {
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        admin_refuse(operation, 400, "invalid", "%s must be a number, 0 or more", member);
        return false;
    }
    *out_number = (uint64_t)json_integer_value(value);
    return true;
}

bool admin_take_query_domain(struct admin_operation *operation, const struct http_request *request)
{
    struct buffer text;

    buffer_init(&text, ADDRESS_SIZE_MAX);
    enum status status = http_request_query(request, "domain", &text);
    bool valid = status == STATUS_NOT_FOUND;

    if (status == STATUS_OK) {
        valid = admin_take_domain(operation, buffer_view(&text));
        operation->domain = valid ? slice_skip(operation->domain, 1) : operation->domain;
    } else if (!valid) {
        admin_refuse(operation, 400, "invalid", "the query cannot be read");
    }
    buffer_done(&text);
    return valid;
}
