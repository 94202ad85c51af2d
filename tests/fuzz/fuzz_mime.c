/* Whole messages: each has a digest, whose octets decode to what encodes to the same octets. */
#include "core/check.h"
#include "mail/mime.h"
#include "mail/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_part(const struct digest_part *part, const struct digest_part *parent,
                       uint64_t size)
{
    CHECK(part->body_offset == part->header_offset + part->header_size);
    CHECK(part->body_offset + part->body_size <= size);
    CHECK(part->lines <= part->body_size);
    CHECK(parent == NULL ||
          (part->header_offset >= parent->body_offset &&
           part->body_offset + part->body_size <= parent->body_offset + parent->body_size));
    for (size_t i = 0; i < part->child_count; i++) {
        check_part(&part->children[i], part, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice message = {(const char *)data, size};
    struct arena arena;
    struct digest parsed;
    struct digest decoded;
    struct buffer once;
    struct buffer twice;

    arena_init(&arena);
    buffer_init(&once, DIGEST_SIZE_MAX);
    buffer_init(&twice, DIGEST_SIZE_MAX);
    mime_parse(message, &arena, &parsed);
    CHECK(parsed.size == size && parsed.header_size <= size);
    CHECK(utf8_is_valid(parsed.preview) && utf8_is_valid(parsed.base_subject));
    check_part(&parsed.root, NULL, size);
    CHECK(digest_encode(&parsed, &once) == STATUS_OK);
    CHECK(digest_decode(buffer_view(&once), &arena, &decoded) == STATUS_OK);
    check_part(&decoded.root, NULL, size);
    CHECK(digest_encode(&decoded, &twice) == STATUS_OK);
    CHECK(slice_equals(buffer_view(&once), buffer_view(&twice)));
    buffer_done(&once);
    buffer_done(&twice);
    arena_done(&arena);
    return 0;
}
