/* Frames of stored octets: what was compressed comes back, and nothing else gets in. */
#include <zstd.h>

#include "core/memory.h"
#include "router/frames.h"
#include "tests/unit/unit.h"

enum { ROOM = 1 << 20 };

struct frame {
    char *octets;
    size_t size;
};

static struct frame compress(struct slice bytes)
{
    struct frame frame = {memory_zeroed(frame_size_bound(bytes.size)), 0};

    frame.size = frame_compress(bytes, frame.octets);
    assert_true(frame.size <= frame_size_bound(bytes.size));
    return frame;
}

static struct slice view(const struct frame *frame)
{
    return (struct slice){frame->octets, frame->size};
}

/* Fills half with a pattern, half with what cannot be compressed. */
static char *make_octets(size_t size)
{
    char *octets = memory_zeroed(size + 1);
    uint32_t number = 1;

    for (size_t i = 0; i < size; i++) {
        number = number * 1664525 + 1013904223;
        octets[i] = i < size / 2 ? "pattern "[i % 8] : (char)(number >> 24);
    }
    return octets;
}

static void frame_gives_its_octets_back(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 256 * 1024, 700 * 1000};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *octets = make_octets(sizes[i]);
        struct frame frame = compress((struct slice){octets, sizes[i]});
        struct buffer output;

        buffer_init(&output, ROOM);
        buffer_append(&output, SLICE("before"));
        assert_int_equal(frame_decompress(view(&frame), sizes[i], &output), STATUS_OK);
        assert_int_equal(output.size, 6 + sizes[i]);
        assert_memory_equal(output.data, "before", 6);
        assert_memory_equal(output.data + 6, octets, sizes[i]);
        buffer_done(&output);
        memory_free(frame.octets);
        memory_free(octets);
    }
}

static void assert_refused(struct slice frame, size_t size_max, size_t room, enum status status)
{
    struct buffer output;

    buffer_init(&output, room + 1);
    buffer_append_octet(&output, 'x');
    assert_int_equal(frame_decompress(frame, size_max, &output), status);
    assert_int_equal(output.size, 1);
    assert_int_equal(output.data[0], 'x');
    buffer_done(&output);
}

static void bomb_is_refused(void **state)
{
    enum { BOMB_SIZE = 64 << 20 };
    char *zeros = memory_zeroed(BOMB_SIZE);
    struct frame bomb = compress((struct slice){zeros, BOMB_SIZE});

    memory_free(zeros);
    assert_true(bomb.size < 16 * 1024);
    assert_refused(view(&bomb), 256 * 1024, ROOM, STATUS_TOO_LARGE);
    assert_refused(view(&bomb), SIZE_MAX, ROOM, STATUS_TOO_LARGE);
    memory_free(bomb.octets);
}

static void limit_is_exact(void **state)
{
    struct frame frame = compress(SLICE("ten octets"));

    assert_refused(view(&frame), 9, ROOM, STATUS_TOO_LARGE);
    assert_refused(view(&frame), 100, 9, STATUS_TOO_LARGE);
    memory_free(frame.octets);
}

/* The size that a frame claims is not what it holds: at 5 octets from the start, with the single
 * segment flag (RFC 8878 §3.1.1.1) and one octet of size. */
static void frame_that_lies_about_its_size_is_refused(void **state)
{
    static const unsigned char claims[] = {0, 1, 9, 11, 255};
    struct frame frame = compress(SLICE("ten octets"));

    assert_int_equal((unsigned char)frame.octets[4] & 0xe0, 0x20);
    assert_int_equal(frame.octets[5], 10);
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        frame.octets[5] = (char)claims[i];
        assert_refused(view(&frame), 1000, ROOM, STATUS_CORRUPT);
    }
    memory_free(frame.octets);
}

static void frame_of_unknown_size_is_refused(void **state)
{
    char octets[200];
    ZSTD_CCtx *context = ZSTD_createCCtx();

    assert_non_null(context);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    size_t size = ZSTD_compress2(context, octets, sizeof(octets), "some text", 9);

    assert_false(ZSTD_isError(size));
    assert_refused((struct slice){octets, size}, 1000, ROOM, STATUS_CORRUPT);
    ZSTD_freeCCtx(context);
}

static void damage_is_refused(void **state)
{
    char *octets = make_octets(1000);
    struct frame frame = compress((struct slice){octets, 1000});

    assert_refused((struct slice){0}, 1000, ROOM, STATUS_CORRUPT);
    assert_refused(SLICE("no frame at all"), 1000, ROOM, STATUS_CORRUPT);
    for (size_t size = 0; size < frame.size; size++) {
        assert_refused(slice_prefix(view(&frame), size), 1000, ROOM, STATUS_CORRUPT);
    }
    memory_free(frame.octets);
    memory_free(octets);
}

/* Two frames in one are refused: ranges of a body count on one a frame. */
static void second_frame_is_refused(void **state)
{
    struct frame frame = compress(SLICE("ten octets"));
    struct buffer two;

    buffer_init(&two, ROOM);
    buffer_append(&two, view(&frame));
    buffer_append(&two, view(&frame));
    assert_refused(buffer_view(&two), 1000, ROOM, STATUS_CORRUPT);
    buffer_done(&two);
    memory_free(frame.octets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_gives_its_octets_back),
        cmocka_unit_test(bomb_is_refused),
        cmocka_unit_test(limit_is_exact),
        cmocka_unit_test(frame_that_lies_about_its_size_is_refused),
        cmocka_unit_test(frame_of_unknown_size_is_refused),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(second_frame_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
