#include "mail/mailbox_name.h"

#include <unicode/ucnv.h>

#include "mail/utf8.h"

/* ---- The name that is kept ---- */

static enum status check_levels(struct slice name)
{
    size_t levels = 0;

    if (name.size == 0 || name.data[name.size - 1] == MAILBOX_NAME_SEPARATOR) {
        return STATUS_INVALID;
    }
    while (name.size > 0) {
        if (slice_cut(&name, MAILBOX_NAME_SEPARATOR).size == 0) {
            return STATUS_INVALID;
        }
        if (++levels > MAILBOX_NAME_LEVELS_MAX) {
            return STATUS_TOO_LARGE;
        }
    }
    return STATUS_OK;
}

static bool has_control(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

enum status mailbox_name_normalise(struct slice name, struct buffer *output)
{
    struct slice inbox = SLICE("INBOX");
    struct slice rest = name;
    struct buffer composed;

    if (name.size > MAILBOX_NAME_OCTETS_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (has_control(name)) {
        return STATUS_INVALID;
    }
    enum status status = check_levels(name);
    struct slice first = slice_cut(&rest, MAILBOX_NAME_SEPARATOR);

    buffer_init(&composed, MAILBOX_NAME_OCTETS_MAX);
    if (status == STATUS_OK) {
        status = utf8_compose(name, &composed);
    }
    if (status == STATUS_OK && composed.size > buffer_room(output)) {
        status = STATUS_TOO_LARGE;
    }
    if (status == STATUS_OK) {
        bool is_inbox = slice_equals_ignoring_case(first, inbox);

        buffer_append(output, is_inbox ? inbox : SLICE(""));
        buffer_append(output, slice_skip(buffer_view(&composed), is_inbox ? inbox.size : 0));
    }
    buffer_done(&composed);
    return status;
}

/* ---- Modified UTF-7: a charset that ICU knows, and stops at what is wrong in it ---- */

static UConverter *open_converter(void)
{
    UErrorCode error = U_ZERO_ERROR;
    UConverter *converter = ucnv_open("IMAP-mailbox-name", &error);

    if (converter != NULL) {
        ucnv_setToUCallBack(converter, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &error);
        ucnv_setFromUCallBack(converter, UCNV_FROM_U_CALLBACK_STOP, NULL, NULL, NULL, &error);
    }
    return U_SUCCESS(error) ? converter : NULL;
}

typedef int32_t convert_fn(UConverterType type, UConverter *converter, char *target,
                           int32_t capacity, const char *source, int32_t size, UErrorCode *error);

static enum status convert(convert_fn *run, struct slice text, size_t growth, struct buffer *output)
{
    UErrorCode error = U_ZERO_ERROR;

    if (text.size == 0) {
        return STATUS_OK;
    }
    if (text.size > (size_t)INT32_MAX / growth || buffer_room(output) < growth * text.size) {
        return STATUS_TOO_LARGE;
    }
    UConverter *converter = open_converter();

    if (converter == NULL) {
        return STATUS_UNSUPPORTED;
    }
    int32_t capacity = (int32_t)(growth * text.size);
    int32_t size = run(UCNV_UTF8, converter, buffer_reserve(output, (size_t)capacity), capacity,
                       text.data, (int32_t)text.size, &error);

    ucnv_close(converter);
    if (U_FAILURE(error)) {
        return STATUS_INVALID;
    }
    buffer_grew(output, (size_t)size);
    return STATUS_OK;
}

static int32_t to_wire(UConverterType type, UConverter *converter, char *target, int32_t capacity,
                       const char *source, int32_t size, UErrorCode *error)
{
    return ucnv_fromAlgorithmic(converter, type, target, capacity, source, size, error);
}

enum status mailbox_name_encode(struct slice name, struct buffer *output)
{
    return utf8_is_valid(name) ? convert(to_wire, name, MAILBOX_NAME_WIRE_GROWTH, output)
                               : STATUS_INVALID;
}

enum status mailbox_name_decode(struct slice wire, struct buffer *output)
{
    size_t size_before = output->size;
    struct buffer again;
    enum status status = convert(ucnv_toAlgorithmic, wire, 2, output);

    if (status != STATUS_OK) {
        return status;
    }
    /* Only the form that the name has is its form. */
    struct slice name = slice_skip(buffer_view(output), size_before);

    buffer_init(&again, MAILBOX_NAME_WIRE_GROWTH * name.size);
    if (mailbox_name_encode(name, &again) != STATUS_OK ||
        !slice_equals(buffer_view(&again), wire)) {
        output->size = size_before;
        status = STATUS_INVALID;
    }
    buffer_done(&again);
    return status;
}
