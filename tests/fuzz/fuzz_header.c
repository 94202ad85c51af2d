/* Header blocks: the fields are all of the block, and what is decoded is UTF-8; what is written of
 * any value is one field, which decodes to the same text. */
#include "core/check.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/header_write.h"
#include "mail/trace.h"
#include "mail/utf8.h"
#include "tests/fuzz/fuzz.h"

static void read_fields(struct slice text)
{
    struct slice block = header_block(text);
    struct slice rest = block;
    struct header_field field;
    struct buffer decoded;
    size_t size = 0;

    CHECK(block.size <= text.size);
    buffer_init(&decoded, CHARSET_GROWTH * text.size);
    while (header_next(&rest, &field)) {
        size += field.whole.size;
        buffer_clear(&decoded);
        header_decode(field.value, &decoded);
        CHECK(utf8_is_valid(buffer_view(&decoded)));
    }
    CHECK(size + rest.size == block.size && rest.size <= 2);
    buffer_done(&decoded);
}

static struct header_field check_one_field(struct slice text)
{
    struct slice rest = text;
    struct header_field field = {0};

    CHECK(header_next(&rest, &field) && rest.size == 0);
    CHECK(slice_is(field.name, "X") && slice_ends_with(text, SLICE("\r\n")));
    while (text.size > 0) {
        struct slice line = slice_cut(&text, '\n');

        CHECK(line.size <= 998 && slice_find(line, '\r') == line.size - 1);
        CHECK(slice_find(line, '\0') == line.size);
    }
    return field;
}

static void write_fields(struct slice text)
{
    enum { ROOM = HEADER_WRITE_GROWTH * 2 * HEADER_WRITE_SIZE_MAX };
    struct trace_received received = {text, text, text, text, text, text, text, text, {0}};
    struct buffer output;
    struct buffer clean;

    buffer_init(&output, 2 * (size_t)ROOM);
    buffer_init(&clean, ROOM);
    if (header_write_text("X", text, &output) == STATUS_OK && utf8_is_valid(text)) {
        struct header_field field = check_one_field(buffer_view(&output));
        struct slice trimmed = slice_trim(text);

        header_decode(field.value, &clean);
        CHECK(clean.size <= trimmed.size);
        for (size_t i = 0; i < clean.size && clean.size == trimmed.size; i++) {
            unsigned char octet = (unsigned char)trimmed.data[i];

            CHECK(clean.data[i] == (octet < ' ' || octet == 0x7f ? ' ' : trimmed.data[i]));
        }
    }
    buffer_clear(&output);
    if (header_write("X", text, &output) == STATUS_OK) {
        check_one_field(buffer_view(&output));
    }
    buffer_clear(&output);
    if (header_write_parameter("X", SLICE("a"), "b", text, &output) == STATUS_OK) {
        check_one_field(buffer_view(&output));
    }
    buffer_clear(&output);
    if (header_write_mailbox("X", text, SLICE("a@b"), &output) == STATUS_OK) {
        check_one_field(buffer_view(&output));
    }
    buffer_clear(&output);
    CHECK(trace_write_received(&received, &output) == STATUS_OK);
    CHECK(output.size <= TRACE_FIELD_SIZE_MAX);
    CHECK(header_count(buffer_view(&output), "Received") == 1);
    buffer_done(&output);
    buffer_done(&clean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};

    read_fields(text);
    write_fields(text);
    return 0;
}
