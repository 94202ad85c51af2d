/* Charsets: whatever the octets, UTF-8 comes out; in pieces the same; and folding is stable. */
#include "core/check.h"
#include "mail/charset.h"
#include "mail/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_fold(struct slice text)
{
    struct buffer once;
    struct buffer twice;

    buffer_init(&once, 16 * text.size);
    buffer_init(&twice, 64 * text.size);
    CHECK(utf8_fold(text, &once) == STATUS_OK);
    CHECK(utf8_is_valid(buffer_view(&once)));
    CHECK(utf8_fold(buffer_view(&once), &twice) == STATUS_OK);
    buffer_done(&once);
    buffer_done(&twice);
}

/* The input is a charset's name, a line end, and the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct slice name = slice_cut(&text, '\n');
    struct charset_decoder *decoder = NULL;
    struct buffer whole;
    struct buffer pieces;

    buffer_init(&whole, CHARSET_GROWTH * text.size + 16);
    buffer_init(&pieces, CHARSET_GROWTH * text.size + 16);
    if (charset_to_utf8(name, text, &whole) == STATUS_OK) {
        CHECK(utf8_is_valid(buffer_view(&whole)));
        CHECK(charset_decoder_new(name, &decoder) == STATUS_OK);
        charset_decoder_decode(decoder, slice_prefix(text, text.size / 2), false, &pieces);
        charset_decoder_decode(decoder, slice_skip(text, text.size / 2), true, &pieces);
        CHECK(utf8_is_valid(buffer_view(&pieces)));
        /* Converters with shifts (UTF-7, ISO-2022) read broken text otherwise when it is cut. */
        CHECK(!slice_is(name, "utf-8") || slice_equals(buffer_view(&whole), buffer_view(&pieces)));
        charset_decoder_free(decoder);
        check_fold(buffer_view(&whole));
    } else {
        CHECK(whole.size == 0);
    }
    buffer_done(&whole);
    buffer_done(&pieces);
    return 0;
}
