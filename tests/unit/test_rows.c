/* Rows, keys and commands: what goes in comes out, and nothing else is taken. */
#include "core/random.h"
#include "storage/command.h"
#include "storage/keys.h"
#include "storage/rows.h"
#include "tests/unit/unit.h"

struct coder {
    struct buffer octets;
    struct arena arena;
};

static void setup(struct coder *coder)
{
    buffer_init(&coder->octets, ROW_SIZE_MAX);
    arena_init(&coder->arena);
}

static void done(struct coder *coder)
{
    buffer_done(&coder->octets);
    arena_done(&coder->arena);
}

static enum status decode(unsigned kind, struct slice octets, struct arena *arena,
                          struct buffer *output)
{
    union {
        struct meta_row meta;
        struct account_row account;
        struct name_row name;
        struct mailbox_row mailbox;
        struct uid_row uid;
        struct mail_row mail;
        struct thread_row thread;
        struct ref_row ref;
        struct once_row once;
        struct change_row change;
        struct dir_row dir;
        struct hand_row hand;
    } row;
    enum status status = STATUS_INVALID;

#define TRY(name)                                                                                  \
    status = name##_row_decode(octets, &row.name);                                                 \
    if (status == STATUS_OK) {                                                                     \
        name##_row_encode(&row.name, output);                                                      \
    }                                                                                              \
    break
#define TRY_LIST(name)                                                                             \
    status = name##_row_decode(octets, arena, &row.name);                                          \
    if (status == STATUS_OK) {                                                                     \
        name##_row_encode(&row.name, output);                                                      \
    }                                                                                              \
    break
    switch (kind) {
    case 0:
        TRY(meta);
    case 1:
        TRY(account);
    case 2:
        TRY(name);
    case 3:
        TRY_LIST(mailbox);
    case 4:
        TRY(uid);
    case 5:
        TRY(mail);
    case 6:
        TRY(thread);
    case 7:
        TRY(ref);
    case 8:
        TRY(once);
    case 9:
        TRY_LIST(change);
    case 10:
        TRY(hand);
    default:
        TRY_LIST(dir);
    }
    return status;
}

enum { KINDS = 12 };

/* One of each kind, with something in every field. */
static void encode_sample(unsigned kind, struct buffer *output)
{
    static const struct slice words[] = {{"$one", 4}, {"two", 3}};
    static const struct uid_run runs[] = {{1, 1}, {3, 900}, {1000, UINT32_MAX}};
    static const struct mailbox_change changes[] = {{1, false, runs, 3, runs, 1},
                                                    {9, true, NULL, 0, runs, 2}};

    switch (kind) {
    case 0:
        meta_row_encode(&(struct meta_row){1, 2, UINT64_MAX, 4, 5, 6, 7, 8, 9, {"conf", 4}},
                        output);
        break;
    case 1:
        account_row_encode(&(struct account_row){.address = SLICE("a@b"),
                                                 .credential = SLICE("$x$"),
                                                 .suspended = true,
                                                 .quota_octets = UINT64_MAX,
                                                 .used_octets = 1,
                                                 .modseq = 300,
                                                 .log_from = 299,
                                                 .email_last = 70000,
                                                 .mailbox_last = 3,
                                                 .uid_validity_last = UINT32_MAX,
                                                 .name_count = 4,
                                                 .created_ms = 5,
                                                 .log_trim_ms = 6},
                           output);
        break;
    case 2:
        name_row_encode(&(struct name_row){7, true}, output);
        break;
    case 3:
        mailbox_row_encode(&(struct mailbox_row){.name = SLICE("INBOX"),
                                                 .special_use = SLICE("Sent"),
                                                 .uid_validity = 1,
                                                 .uid_next = 200,
                                                 .recent_from = 100,
                                                 .modseq = 9,
                                                 .created_modseq = 1,
                                                 .message_count = 50,
                                                 .unseen_count = 50,
                                                 .deleted_count = 1,
                                                 .recent_count = 2,
                                                 .size_octets = 12345,
                                                 .keywords = words,
                                                 .keyword_count = 2},
                           output);
        break;
    case 4:
        uid_row_encode(&(struct uid_row){.email = 1,
                                         .thread = 2,
                                         .modseq = 3,
                                         .flags = 31,
                                         .keywords = {0, 7, 255},
                                         .keyword_count = 3,
                                         .size_octets = 4,
                                         .header_size = 5,
                                         .received_ms = 6,
                                         .received_zone = -720,
                                         .saved_ms = 7},
                       output);
        break;
    case 5:
        mail_row_encode(&(struct mail_row){.references = 1,
                                           .body_id = {1, 2, 3},
                                           .body_size = 9,
                                           .frame_count = 1,
                                           .header_prefix = SLICE("X: y\r\n"),
                                           .digest = SLICE("digest"),
                                           .thread_keys = SLICE("12345678")},
                        output);
        break;
    case 6:
        thread_row_encode(&(struct thread_row){5, 6}, output);
        break;
    case 7:
        ref_row_encode(&(struct ref_row){1, 2, 3, 3, 5}, output);
        break;
    case 8:
        once_row_encode(&(struct once_row){41, STATUS_EXISTS, SLICE("reply")}, output);
        break;
    case 9:
        change_row_encode(&(struct change_row){1, true, true, changes, 2}, output);
        break;
    case 10:
        hand_row_encode(&(struct hand_row){.shard = 3,
                                           .made_ms = 4,
                                           .body_id = {1, 2, 3},
                                           .body_size = 5,
                                           .frame_count = 1,
                                           .header_frame = SLICE("zstd"),
                                           .request = SLICE("packed")},
                        output);
        break;
    default:
        dir_row_encode(&(struct dir_row){4, 1, 2, 3, 4, words, 2}, output);
    }
}

static void rows_come_back_as_they_were(void **state)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct coder coder;
        struct buffer again;

        setup(&coder);
        buffer_init(&again, ROW_SIZE_MAX);
        encode_sample(kind, &coder.octets);
        assert_int_equal(decode(kind, buffer_view(&coder.octets), &coder.arena, &again), STATUS_OK);
        assert_true(slice_equals(buffer_view(&again), buffer_view(&coder.octets)));
        buffer_done(&again);
        done(&coder);
    }
}

static void every_cut_and_every_rest_is_corrupt(void **state)
{
    for (unsigned kind = 0; kind < KINDS; kind++) {
        struct coder coder;
        struct buffer again;

        setup(&coder);
        buffer_init(&again, ROW_SIZE_MAX);
        encode_sample(kind, &coder.octets);
        for (size_t size = 0; size < coder.octets.size; size++) {
            struct slice cut = slice_prefix(buffer_view(&coder.octets), size);

            assert_int_equal(decode(kind, cut, &coder.arena, &again), STATUS_CORRUPT);
        }
        buffer_append_octet(&coder.octets, 0);
        assert_int_equal(decode(kind, buffer_view(&coder.octets), &coder.arena, &again),
                         STATUS_CORRUPT);
        coder.octets.data[0] = 2;
        assert_int_equal(decode(kind, buffer_view(&coder.octets), &coder.arena, &again),
                         STATUS_UNSUPPORTED);
        coder.octets.data[0] = 0;
        assert_int_equal(decode(kind, buffer_view(&coder.octets), &coder.arena, &again),
                         STATUS_CORRUPT);
        buffer_done(&again);
        done(&coder);
    }
}

/* What is accepted has one encoding only: else two replicas could differ and both be right. */
static void whatever_decodes_encodes_to_the_same_octets(void **state)
{
    struct random random = {1};

    for (unsigned round = 0; round < 200000; round++) {
        static struct coder coder;
        static struct buffer again;
        unsigned kind = round % KINDS;

        if (round == 0) {
            setup(&coder);
            buffer_init(&again, ROW_SIZE_MAX);
        }
        buffer_clear(&coder.octets);
        buffer_clear(&again);
        encode_sample(kind, &coder.octets);
        for (uint64_t flips = 1 + random_below(&random, 3); flips > 0; flips--) {
            coder.octets.data[random_below(&random, coder.octets.size)] =
                (char)random_next(&random);
        }
        if (decode(kind, buffer_view(&coder.octets), &coder.arena, &again) == STATUS_OK) {
            assert_true(slice_equals(buffer_view(&again), buffer_view(&coder.octets)));
        }
        arena_clear(&coder.arena);
        if (round == 200000 - 1) {
            done(&coder);
            buffer_done(&again);
        }
    }
}

static void numbers_have_one_form(void **state)
{
    static const struct {
        const char *octets;
        size_t size;
        enum status status;
    } cases[] = {
        {"\x01\x05\x01", 3, STATUS_OK},
        {"\x01\x85\x00\x01", 4, STATUS_CORRUPT},             /* a longer 5 */
        {"\x01\xff\xff\xff\xff\x0f\x01", 7, STATUS_OK},      /* 2^32 - 1 */
        {"\x01\x80\x80\x80\x80\x10\x01", 7, STATUS_CORRUPT}, /* 2^32 */
        {"\x01\x05\x02", 3, STATUS_CORRUPT},                 /* no truth value */
        {"\x01\x00\x00", 3, STATUS_CORRUPT},                 /* neither mailbox nor subscribed */
        {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, STATUS_CORRUPT},
    };
    struct name_row row;

    for (size_t index = 0; index < COUNT_OF(cases); index++) {
        struct slice octets = {cases[index].octets, cases[index].size};

        assert_int_equal(name_row_decode(octets, &row), cases[index].status);
    }
}

static void keys_sort_as_their_numbers(void **state)
{
    struct key one;
    struct key other;
    struct slice low = key_uid(&one, 1, 5, 255, 0xffffffff);

    assert_true(slice_compare(low, key_uid(&other, 1, 5, 256, 0)) < 0);
    assert_true(slice_compare(low, key_uid(&other, 1, 6, 0, 0)) < 0);
    assert_true(slice_compare(low, key_uid(&other, 2, 0, 0, 0)) < 0);
    assert_true(slice_compare(low, key_mail(&other, 1, 0, 0)) < 0);
    assert_int_equal(key_part_uid(low), 0xffffffff);
    assert_int_equal(key_part_mailbox(low), 255);
    assert_int_equal(key_part_account(low), 5);
    assert_int_equal(key_part_last64(key_log(&one, 1, 5, UINT64_MAX)), UINT64_MAX);
    assert_slice_equals(key_part_name(key_name(&one, 1, 5, SLICE("a/b"))), "a/b");
}

static void the_key_after_a_prefix_ends_it(void **state)
{
    struct key key;

    assert_slice_equals(key_after(&key, SLICE("ab")), "ac");
    assert_slice_equals(key_after(&key, SLICE("a\xff\xff")), "b");
    assert_int_equal(key_after(&key, SLICE("\xff\xff")).size, 0);
    assert_int_equal(key_part_uid(SLICE("short")), 0);
}

static void commands_are_read_as_written_and_within_limits(void **state)
{
    struct buffer payload;
    struct command command = {COMMAND_DELIVER, 123456789, SLICE("request"), SLICE("octets")};
    struct command read;

    buffer_init(&payload, COMMAND_SIZE_MAX);
    command_encode(&command, &payload);
    assert_int_equal(payload.size, command_size(&command));
    assert_int_equal(command_decode(buffer_view(&payload), &read), STATUS_OK);
    assert_int_equal(read.kind, COMMAND_DELIVER);
    assert_int_equal(read.wall_ms, 123456789);
    assert_slice_equals(read.request, "request");
    assert_slice_equals(read.octets, "octets");
    for (size_t size = 0; size < COMMAND_HEAD_SIZE + 7; size++) {
        assert_int_equal(command_decode(slice_prefix(buffer_view(&payload), size), &read),
                         STATUS_INVALID);
    }
    payload.data[10] = 0x7f; /* the request's size */
    assert_int_equal(command_decode(buffer_view(&payload), &read), STATUS_TOO_LARGE);
    payload.data[1] = 0;
    assert_int_equal(command_decode(buffer_view(&payload), &read), STATUS_UNSUPPORTED);
    payload.data[0] = 9;
    assert_int_equal(command_decode(buffer_view(&payload), &read), STATUS_UNSUPPORTED);
    buffer_done(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_as_they_were),
        cmocka_unit_test(every_cut_and_every_rest_is_corrupt),
        cmocka_unit_test(whatever_decodes_encodes_to_the_same_octets),
        cmocka_unit_test(numbers_have_one_form),
        cmocka_unit_test(keys_sort_as_their_numbers),
        cmocka_unit_test(the_key_after_a_prefix_ends_it),
        cmocka_unit_test(commands_are_read_as_written_and_within_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
