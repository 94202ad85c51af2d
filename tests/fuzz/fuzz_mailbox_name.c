/* Mailbox names: a normal name is its own normal form, and the wire has one form of each name. */
#include "core/check.h"
#include "mail/mailbox_name.h"
#include "mail/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_normal(struct slice text)
{
    struct buffer once;
    struct buffer twice;

    buffer_init(&once, MAILBOX_NAME_OCTETS_MAX);
    buffer_init(&twice, MAILBOX_NAME_OCTETS_MAX);
    if (mailbox_name_normalise(text, &once) == STATUS_OK) {
        CHECK(mailbox_name_normalise(buffer_view(&once), &twice) == STATUS_OK);
        CHECK(slice_equals(buffer_view(&once), buffer_view(&twice)));
    }
    buffer_done(&once);
    buffer_done(&twice);
}

static void check_wire(struct slice text)
{
    struct buffer name;
    struct buffer wire;
    struct buffer again;

    buffer_init(&name, 2 * text.size);
    buffer_init(&wire, MAILBOX_NAME_WIRE_GROWTH * text.size);
    buffer_init(&again, 2 * MAILBOX_NAME_WIRE_GROWTH * text.size);
    if (mailbox_name_decode(text, &name) == STATUS_OK) {
        CHECK(utf8_is_valid(buffer_view(&name)) && !utf8_is_beyond_ascii(text));
    }
    if (mailbox_name_encode(text, &wire) == STATUS_OK) {
        CHECK(mailbox_name_decode(buffer_view(&wire), &again) == STATUS_OK);
        CHECK(slice_equals(buffer_view(&again), text));
    }
    buffer_done(&name);
    buffer_done(&wire);
    buffer_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};

    check_normal(text);
    check_wire(text);
    return 0;
}
