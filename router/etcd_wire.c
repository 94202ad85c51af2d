#include "router/etcd_wire.h"

#include <string.h>

#include <jansson.h>

#include "core/base64.h"
#include "core/check.h"
#include "core/number.h"

/* Of gRPC, which the gateway passes on. */
enum {
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

/* ---- Requests ---- */

static void write_octets(const char *name, struct slice octets, struct buffer *output)
{
    buffer_printf(output, "\"%s\":\"", name);
    base64_encode(octets, output);
    buffer_append_octet(output, '"');
}

static void write_number(const char *name, uint64_t number, struct buffer *output)
{
    buffer_printf(output, ",\"%s\":\"%llu\"", name, (unsigned long long)number);
}

static void write_keys(const struct etcd_range *range, struct buffer *output)
{
    write_octets("key", range->key, output);
    if (range->end.size > 0) {
        buffer_append_octet(output, ',');
        write_octets("range_end", range->end, output);
    }
}

void etcd_wire_range(const struct etcd_range *range, struct buffer *output)
{
    buffer_append_octet(output, '{');
    write_keys(range, output);
    write_number("revision", range->revision, output);
    write_number("limit", range->limit, output);
    buffer_append_octet(output, '}');
}

static void write_compare(const struct etcd_compare *compare, struct buffer *output)
{
    bool is_create = compare->target == ETCD_CREATE_REVISION;

    buffer_append_octet(output, '{');
    write_octets("key", compare->key, output);
    buffer_printf(output, ",\"result\":\"EQUAL\",\"target\":\"%s\"", is_create ? "CREATE" : "MOD");
    write_number(is_create ? "create_revision" : "mod_revision", compare->revision, output);
    buffer_append_octet(output, '}');
}

static void write_operation(const struct etcd_operation *operation, struct buffer *output)
{
    buffer_printf(output, "{\"%s\":{",
                  operation->is_delete ? "request_delete_range" : "request_put");
    write_octets("key", operation->key, output);
    if (!operation->is_delete) {
        buffer_append_octet(output, ',');
        write_octets("value", operation->value, output);
        write_number("lease", operation->lease, output);
    }
    buffer_printf(output, "}}");
}

void etcd_wire_transaction(const struct etcd_transaction *transaction, struct buffer *output)
{
    buffer_printf(output, "{\"compare\":[");
    for (size_t i = 0; i < transaction->compare_count; i++) {
        buffer_printf(output, "%s", i > 0 ? "," : "");
        write_compare(&transaction->compares[i], output);
    }
    buffer_printf(output, "],\"success\":[");
    for (size_t i = 0; i < transaction->operation_count; i++) {
        buffer_printf(output, "%s", i > 0 ? "," : "");
        write_operation(&transaction->operations[i], output);
    }
    buffer_printf(output, "]}");
}

void etcd_wire_lease(uint64_t lease, uint64_t ttl_s, struct buffer *output)
{
    buffer_printf(output, "{\"ID\":\"%llu\"", (unsigned long long)lease);
    if (ttl_s > 0) {
        write_number("TTL", ttl_s, output);
    }
    buffer_append_octet(output, '}');
}

void etcd_wire_watch(const struct etcd_range *range, struct buffer *output)
{
    buffer_printf(output, "{\"create_request\":{");
    write_keys(range, output);
    write_number("start_revision", range->revision, output);
    buffer_printf(output, ",\"progress_notify\":true,\"fragment\":true}}\n");
}

static int append_text(const char *text, size_t size, void *context)
{
    buffer_append(context, (struct slice){text, size});
    return 0;
}

enum status etcd_wire_login(struct slice user, struct slice password, struct buffer *output)
{
    json_t *login = json_pack("{s:s%, s:s%}", "name", user.data, user.size, "password",
                              password.data != NULL ? password.data : "", password.size);

    if (login == NULL) {
        return STATUS_INVALID;
    }
    CHECK(json_dump_callback(login, append_text, output, JSON_COMPACT) == 0);
    json_decref(login);
    return STATUS_OK;
}

void etcd_wire_prefix_end(struct slice prefix, struct buffer *output)
{
    CHECK(prefix.size > 0 && prefix.data[prefix.size - 1] != '\xff');
    buffer_append(output, slice_prefix(prefix, prefix.size - 1));
    buffer_append_octet(output, (char)(prefix.data[prefix.size - 1] + 1));
}

/* ---- Answers ---- */

/* What is not there is 0; what is no number makes `*whole` false. */
static uint64_t read_number(const json_t *object, const char *name, bool *whole)
{
    const json_t *value = json_object_get(object, name);
    uint64_t number = 0;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        return (uint64_t)json_integer_value(value);
    }
    if (value != NULL &&
        (!json_is_string(value) ||
         number_parse((struct slice){json_string_value(value), json_string_length(value)},
                      UINT64_MAX, &number) != STATUS_OK)) {
        *whole = false;
    }
    return number;
}

static struct slice read_octets(const json_t *object, const char *name, struct arena *arena,
                                size_t size_max, bool *whole)
{
    const json_t *value = json_object_get(object, name);
    struct slice text = {json_string_value(value), json_string_length(value)};
    struct slice octets = {0};
    struct buffer decoded;

    if (value == NULL) {
        return octets;
    }
    buffer_init(&decoded, size_max);
    if (text.data == NULL || base64_decode(text, &decoded) != STATUS_OK) {
        *whole = false;
    } else {
        octets = arena_copy(arena, buffer_view(&decoded));
    }
    buffer_done(&decoded);
    return octets;
}

static void read_entry(const json_t *object, struct arena *arena, struct etcd_entry *entry,
                       bool *whole)
{
    entry->key = read_octets(object, "key", arena, ETCD_KEY_SIZE_MAX + 3, whole);
    entry->value = read_octets(object, "value", arena, ETCD_VALUE_SIZE_MAX * 2, whole);
    entry->create_revision = read_number(object, "create_revision", whole);
    entry->mod_revision = read_number(object, "mod_revision", whole);
    entry->lease = read_number(object, "lease", whole);
    *whole = *whole && entry->key.size > 0;
}

static json_t *load(struct slice text)
{
    return json_loadb(text.data != NULL ? text.data : "", text.size, JSON_REJECT_DUPLICATES, NULL);
}

static void fill_result(const json_t *root, struct arena *arena, struct etcd_result *result,
                        bool *whole)
{
    const json_t *header = json_object_get(root, "header");
    const json_t *entries = json_object_get(root, "kvs");
    const json_t *token = json_object_get(root, "token");
    size_t count = json_array_size(entries);
    struct etcd_entry *list = arena_array(arena, count, sizeof(*list));

    *result = (struct etcd_result){
        .cluster = read_number(header, "cluster_id", whole),
        .revision = read_number(header, "revision", whole),
        .entries = list,
        .entry_count = count,
        .has_more = json_is_true(json_object_get(root, "more")),
        .succeeded = json_is_true(json_object_get(root, "succeeded")),
        .lease = read_number(root, "ID", whole),
        .ttl_s = read_number(root, "TTL", whole),
        .token =
            arena_copy(arena, (struct slice){json_string_value(token), json_string_length(token)}),
    };
    *whole = *whole && json_is_object(header) && (entries == NULL || json_is_array(entries));
    for (size_t i = 0; i < count; i++) {
        read_entry(json_array_get(entries, i), arena, &list[i], whole);
    }
}

enum status etcd_wire_result(struct slice text, struct arena *arena, struct etcd_result *out_result)
{
    json_t *root = load(text);
    const json_t *inner = json_object_get(root, "result"); /* what streams, streams in this */
    struct etcd_result result;
    bool whole = true;

    fill_result(inner != NULL ? inner : root, arena, &result, &whole);
    json_decref(root);
    if (!whole) {
        return STATUS_CORRUPT;
    }
    *out_result = result;
    return STATUS_OK;
}

static struct slice text_of(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);

    return json_is_string(text) ? (struct slice){json_string_value(text), json_string_length(text)}
                                : SLICE("");
}

static bool says(struct slice text, const char *words)
{
    return slice_search(text, slice_of(words)) < text.size;
}

/* Where a text is looked at, versions of etcd differ in the code or use one for several things. */
static enum status fault_of(json_int_t code, struct slice text)
{
    if (code == GRPC_UNAUTHENTICATED || says(text, "invalid auth token") ||
        says(text, "auth store is old")) {
        return STATUS_SUSPENDED;
    }
    if (code == GRPC_PERMISSION_DENIED || says(text, "permission denied") ||
        says(text, "authentication failed") || says(text, "user name is empty") ||
        says(text, "authentication is not enabled")) {
        return STATUS_DENIED;
    }
    switch (code) {
    case GRPC_OUT_OF_RANGE:
        return STATUS_EXPIRED;
    case GRPC_NOT_FOUND:
        return STATUS_NOT_FOUND;
    case GRPC_UNAVAILABLE:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_INTERNAL:
        return STATUS_UNAVAILABLE;
    default:
        return says(text, "no leader") || says(text, "timed out") ? STATUS_UNAVAILABLE
                                                                  : STATUS_INVALID;
    }
}

/* {"error": "text", "code": 14} of an answer, {"error": {"grpc_code": 14, "message": "text"}} of a
 * stream, {"code": 14, "message": "text"} of newer versions. */
static enum status fault_in(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    const json_t *object = json_is_object(error) ? error : root;
    const json_t *code = json_object_get(object, "grpc_code");
    struct slice message = text_of(object, "message");

    if (code == NULL) {
        code = json_object_get(object, "code");
    }
    return fault_of(json_integer_value(code), message.size > 0 ? message : text_of(root, "error"));
}

enum status etcd_wire_fault(struct slice text)
{
    json_t *root = load(text);
    enum status status = fault_in(root);

    json_decref(root);
    return status;
}

/* ---- News of a watch ---- */

static void fill_events(const json_t *events, struct arena *arena, struct etcd_news *news,
                        bool *whole)
{
    size_t count = json_array_size(events);
    struct etcd_event *list = arena_array(arena, count, sizeof(*list));

    for (size_t i = 0; i < count; i++) {
        const json_t *event = json_array_get(events, i);

        list[i].is_delete = slice_equals(text_of(event, "type"), SLICE("DELETE"));
        read_entry(json_object_get(event, "kv"), arena, &list[i].entry, whole);
    }
    news->events = list;
    news->event_count = count;
}

static void fill_news(const json_t *result, struct arena *arena, struct etcd_news *news,
                      bool *whole)
{
    const json_t *header = json_object_get(result, "header");
    const json_t *events = json_object_get(result, "events");

    *news = (struct etcd_news){
        .cluster = read_number(header, "cluster_id", whole),
        .revision = read_number(header, "revision", whole),
        .is_created = json_is_true(json_object_get(result, "created")),
        .is_fragment = json_is_true(json_object_get(result, "fragment")),
        .is_cancelled = json_is_true(json_object_get(result, "canceled")),
        .compact_revision = read_number(result, "compact_revision", whole),
    };
    *whole = *whole && json_is_object(header) && (events == NULL || json_is_array(events));
    fill_events(events, arena, news, whole);
    if (news->is_cancelled) {
        news->fault = news->compact_revision > 0 ? STATUS_EXPIRED
                                                 : fault_of(0, text_of(result, "cancel_reason"));
    }
}

enum status etcd_wire_news(struct slice line, struct arena *arena, struct etcd_news *out_news)
{
    json_t *root = load(line);
    const json_t *result = json_object_get(root, "result");
    struct etcd_news news = {.is_cancelled = true};
    bool whole = true;

    if (json_is_object(result)) {
        fill_news(result, arena, &news, &whole);
    } else {
        whole = json_object_get(root, "error") != NULL;
        news.fault = fault_in(root);
    }
    json_decref(root);
    if (!whole) {
        return STATUS_CORRUPT;
    }
    *out_news = news;
    return STATUS_OK;
}
