/* Transfer encodings: in any pieces the same octets come out, and not more than went in. */
#include "core/check.h"
#include "mail/transfer.h"
#include "tests/fuzz/fuzz.h"

static void decode(enum transfer_encoding encoding, struct slice input, size_t piece,
                   struct buffer *output)
{
    struct transfer_decoder decoder;

    transfer_decoder_init(&decoder, encoding);
    for (; input.size > 0; input = slice_skip(input, piece)) {
        transfer_decoder_decode(&decoder, slice_prefix(input, piece), output);
    }
    transfer_decoder_finish(&decoder, output);
    transfer_decoder_done(&decoder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data + 1, size > 0 ? size - 1 : 0};
    size_t piece = size > 0 ? data[0] % 16 + 1U : 1;

    for (int encoding = TRANSFER_IDENTITY; encoding <= TRANSFER_QUOTED_PRINTABLE; encoding++) {
        struct buffer whole;
        struct buffer pieces;

        buffer_init(&whole, input.size);
        buffer_init(&pieces, input.size);
        decode((enum transfer_encoding)encoding, input, input.size, &whole);
        decode((enum transfer_encoding)encoding, input, piece, &pieces);
        CHECK(slice_equals(buffer_view(&whole), buffer_view(&pieces)));
        buffer_done(&whole);
        buffer_done(&pieces);
    }
    return 0;
}
