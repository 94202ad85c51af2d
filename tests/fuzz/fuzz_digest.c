/* Stored digests: any octets decode or are refused, and what decodes lies within the message. */
#include "core/check.h"
#include "mail/digest.h"
#include "tests/fuzz/fuzz.h"

static void check_part(const struct digest_part *part, uint64_t size)
{
    CHECK(part->body_offset <= size && part->body_size <= size - part->body_offset);
    for (size_t i = 0; i < part->child_count; i++) {
        check_part(&part->children[i], size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice octets = {(const char *)data, size};
    struct arena arena;
    struct digest digest;
    struct digest again;
    struct buffer encoded;

    arena_init(&arena);
    buffer_init(&encoded, DIGEST_SIZE_MAX);
    if (digest_decode(octets, &arena, &digest) == STATUS_OK) {
        check_part(&digest.root, digest.size);
        if (digest_encode(&digest, &encoded) == STATUS_OK) {
            CHECK(digest_decode(buffer_view(&encoded), &arena, &again) == STATUS_OK);
        }
    }
    CHECK(arena.allocated <= 64 * size + 1024 * 1024);
    buffer_done(&encoded);
    arena_done(&arena);
    return 0;
}
