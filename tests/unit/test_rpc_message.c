/* net/rpc_message.h: what a hostile peer packs, by table. */
#include "core/buffer.h"
#include "net/rpc.h"
#include "net/rpc_message.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/mailbox.pb-c.h"
#include "proto/watch.pb-c.h"
#include "tests/unit/unit.h"

/* `count` times `piece`, unpacked as `descriptor`. */
static enum status unpack_repeated(const ProtobufCMessageDescriptor *descriptor, struct slice piece,
                                   size_t count, size_t *out_allocated)
{
    struct arena arena;
    struct buffer packed;
    ProtobufCMessage *message = NULL;

    arena_init(&arena);
    buffer_init(&packed, piece.size * count);
    for (size_t i = 0; i < count; i++) {
        buffer_append(&packed, piece);
    }
    enum status status = rpc_message_unpack(descriptor, buffer_view(&packed), &arena, &message);

    *out_allocated = arena.allocated;
    buffer_done(&packed);
    arena_done(&arena);
    return status;
}

#define PIECE(octets)                                                                              \
    {                                                                                              \
        (octets), sizeof(octets) - 1                                                               \
    }

static const struct example {
    const char *name;
    struct slice piece;
    size_t count;
    enum status status;
} examples[] = {
    {"nothing", PIECE(""), 1, STATUS_OK},
    {"a slot", PIECE("\x08\x2a"), 1, STATUS_OK},
    {"an unknown field is kept", PIECE("\xfa\x3f\x01x"), 1, STATUS_OK},
    {"a length of 2^31", PIECE("\x12\x80\x80\x80\x80\x08"), 1, STATUS_INVALID},
    {"a length of 2^64-1", PIECE("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 1,
     STATUS_INVALID},
    {"a wrong wire type", PIECE("\x0a\x01x"), 1, STATUS_INVALID},
    {"a wire type that is none", PIECE("\x0f"), 1, STATUS_INVALID},
    {"a number without an end", PIECE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1,
     STATUS_INVALID},
    {"an end in the middle", PIECE("\x12\x05x"), 1, STATUS_INVALID},
    {"the field number 0", PIECE("\x00\x01"), 1, STATUS_INVALID},
    {"a million of one field", PIECE("\x08\x01"), 1000000, STATUS_OK},
    {"a million unknown fields", PIECE("\x78\x01"), 1000000, STATUS_OK},
    {"over the limit", PIECE("\x08\x01"), RPC_MESSAGE_SIZE_MAX / 2 + 1, STATUS_TOO_LARGE},
};

static void hostile_messages_are_refused(void **state)
{
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t allocated = 0;

        print_message("  %s\n", examples[i].name);
        assert_int_equal(unpack_repeated(&aviso__look_request__descriptor, examples[i].piece,
                                         examples[i].count, &allocated),
                         examples[i].status);
        assert_true(allocated <= 96 * 1024 * 1024 + 64 * 1024);
    }
}

/* Two octets each that become a structure of two hundred. */
static void small_messages_that_need_much_memory_are_refused(void **state)
{
    size_t allocated = 0;

    assert_int_equal(unpack_repeated(&aviso__list_mailboxes_reply__descriptor, SLICE("\x0a\x00"),
                                     RPC_MESSAGE_SIZE_MAX / 2, &allocated),
                     STATUS_TOO_LARGE);
    assert_true(allocated <= 96 * 1024 * 1024 + 64 * 1024);
}

static void a_deep_nest_is_not_looked_into(void **state)
{
    enum { DEPTH = 10000 };
    struct arena arena;
    struct buffer packed;
    ProtobufCMessage *message = NULL;

    /* Each level is the only field, number 15, of the one around it; written inside out. */
    buffer_init(&packed, DEPTH * 4);
    char *octets = buffer_reserve(&packed, DEPTH * 4);
    size_t start = DEPTH * 4;

    for (size_t i = 0; i < DEPTH; i++) {
        size_t size = DEPTH * 4 - start;

        octets[--start] = (char)(size >> 14);
        octets[--start] = (char)((size >> 7 & 0x7f) | 0x80);
        octets[--start] = (char)((size & 0x7f) | 0x80);
        octets[--start] = 0x7a;
    }
    arena_init(&arena);
    struct slice nest = {octets, DEPTH * 4};

    assert_int_equal(
        rpc_message_unpack(&aviso__put_entry_request__descriptor, nest, &arena, &message),
        STATUS_OK);
    arena_done(&arena);
    buffer_done(&packed);
}

static void the_messages_of_all_services_are_bounded(void **state)
{
    assert_true(rpc_service_is_bounded(&aviso__accounts__descriptor));
    assert_true(rpc_service_is_bounded(&aviso__delivery__descriptor));
    assert_true(rpc_service_is_bounded(&aviso__directory__descriptor));
    assert_true(rpc_service_is_bounded(&aviso__mailboxes__descriptor));
    assert_true(rpc_service_is_bounded(&aviso__watches__descriptor));
}

static void a_message_within_itself_is_not_bounded(void **state)
{
    static ProtobufCMessageDescriptor node;
    static const ProtobufCFieldDescriptor field = {.type = PROTOBUF_C_TYPE_MESSAGE,
                                                   .descriptor = &node};
    static const ProtobufCMethodDescriptor method = {"Look", &node, &node};
    static const ProtobufCServiceDescriptor service = {.n_methods = 1, .methods = &method};

    node.n_fields = 1;
    node.fields = &field;
    assert_false(rpc_service_is_bounded(&service));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_messages_are_refused),
        cmocka_unit_test(small_messages_that_need_much_memory_are_refused),
        cmocka_unit_test(a_deep_nest_is_not_looked_into),
        cmocka_unit_test(the_messages_of_all_services_are_bounded),
        cmocka_unit_test(a_message_within_itself_is_not_bounded),
    };

    return cmocka_run_group_tests_name("rpc_message", tests, NULL, NULL);
}
