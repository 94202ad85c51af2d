/* Stored rows: the first octet says of which kind. What decodes encodes to the same octets. */
#include "core/check.h"
#include "storage/rows.h"
#include "tests/fuzz/fuzz.h"

/* Decodes `octets` as a row of `name` and, if it is one, checks that it has no other form. */
#define TRY(name, ...)                                                                             \
    do {                                                                                           \
        struct name##_row row;                                                                     \
                                                                                                   \
        if (name##_row_decode(octets, __VA_ARGS__ & row) == STATUS_OK) {                           \
            name##_row_encode(&row, &encoded);                                                     \
            CHECK(slice_equals(buffer_view(&encoded), octets));                                    \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice octets = {(const char *)data + 1, size - 1};
    struct buffer encoded;
    struct arena arena;

    if (size < 1 || size > ROW_SIZE_MAX / 2) {
        return 0;
    }
    buffer_init(&encoded, ROW_SIZE_MAX);
    arena_init(&arena);
    switch (data[0] % 12) {
    case 0:
        TRY(meta, );
        break;
    case 1:
        TRY(account, );
        break;
    case 2:
        TRY(name, );
        break;
    case 3:
        TRY(mailbox, &arena, );
        break;
    case 4:
        TRY(uid, );
        break;
    case 5:
        TRY(mail, );
        break;
    case 6:
        TRY(thread, );
        break;
    case 7:
        TRY(ref, );
        break;
    case 8:
        TRY(once, );
        break;
    case 9:
        TRY(change, &arena, );
        break;
    case 10:
        TRY(hand, );
        break;
    default:
        TRY(dir, &arena, );
    }
    buffer_done(&encoded);
    arena_done(&arena);
    return 0;
}
