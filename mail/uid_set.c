#include "mail/uid_set.h"

#include <inttypes.h>

#include <roaring/roaring.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"

struct uid_set {
    roaring_bitmap_t *bitmap;
};

static struct uid_set *wrap(roaring_bitmap_t *bitmap)
{
    struct uid_set *set = NEW(struct uid_set);

    CHECK(bitmap != NULL);
    set->bitmap = bitmap;
    return set;
}

struct uid_set *uid_set_new(void)
{
    return wrap(roaring_bitmap_create());
}

struct uid_set *uid_set_copy(const struct uid_set *set)
{
    return wrap(roaring_bitmap_copy(set->bitmap));
}

void uid_set_free(struct uid_set *set)
{
    if (set != NULL) {
        roaring_bitmap_free(set->bitmap);
        memory_free(set);
    }
}

void uid_set_add(struct uid_set *set, uint32_t uid)
{
    uid_set_add_range(set, uid, uid);
}

void uid_set_add_range(struct uid_set *set, uint32_t first, uint32_t last)
{
    first += first == 0;
    if (first == last) {
        roaring_bitmap_add(set->bitmap, first);
    } else if (first < last) {
        roaring_bitmap_add_range_closed(set->bitmap, first, last);
    }
}

void uid_set_remove(struct uid_set *set, uint32_t uid)
{
    roaring_bitmap_remove(set->bitmap, uid);
}

void uid_set_remove_range(struct uid_set *set, uint32_t first, uint32_t last)
{
    if (first <= last) {
        roaring_bitmap_remove_range_closed(set->bitmap, first, last);
    }
}

size_t uid_set_memory(const struct uid_set *set)
{
    return sizeof(*set) + sizeof(*set->bitmap) + roaring_bitmap_size_in_bytes(set->bitmap);
}

bool uid_set_contains(const struct uid_set *set, uint32_t uid)
{
    return roaring_bitmap_contains(set->bitmap, uid);
}

bool uid_set_equals(const struct uid_set *set, const struct uid_set *other)
{
    return roaring_bitmap_equals(set->bitmap, other->bitmap);
}

uint32_t uid_set_count(const struct uid_set *set)
{
    return (uint32_t)roaring_bitmap_get_cardinality(set->bitmap);
}

uint32_t uid_set_first(const struct uid_set *set)
{
    return roaring_bitmap_is_empty(set->bitmap) ? 0 : roaring_bitmap_minimum(set->bitmap);
}

uint32_t uid_set_last(const struct uid_set *set)
{
    return roaring_bitmap_is_empty(set->bitmap) ? 0 : roaring_bitmap_maximum(set->bitmap);
}

uint32_t uid_set_rank(const struct uid_set *set, uint32_t uid)
{
    return (uint32_t)roaring_bitmap_rank(set->bitmap, uid);
}

uint32_t uid_set_select(const struct uid_set *set, uint32_t rank)
{
    uint32_t uid = 0;

    return rank > 0 && roaring_bitmap_select(set->bitmap, rank - 1, &uid) ? uid : 0;
}

void uid_set_unite(struct uid_set *set, const struct uid_set *other)
{
    roaring_bitmap_or_inplace(set->bitmap, other->bitmap);
}

void uid_set_intersect(struct uid_set *set, const struct uid_set *other)
{
    roaring_bitmap_and_inplace(set->bitmap, other->bitmap);
}

void uid_set_subtract(struct uid_set *set, const struct uid_set *other)
{
    roaring_bitmap_andnot_inplace(set->bitmap, other->bitmap);
}

enum { RUN_STEPS = 32 };

/* The last member of the run that begins at `first`: members up to some UID are as many as UIDs for
 * as long as the run lasts, so it ends where a doubling and then a halving search says. */
static uint32_t end_of_run(const roaring_bitmap_t *bitmap, uint32_t first)
{
    uint32_t most = roaring_bitmap_maximum(bitmap);
    uint64_t before = roaring_bitmap_rank(bitmap, first) - 1;
    uint32_t inside = first;
    uint32_t step = 1;

    while (inside < most) {
        uint32_t probe = most - inside < step ? most : inside + step;

        if (roaring_bitmap_rank(bitmap, probe) - before == (uint64_t)probe - first + 1) {
            inside = probe;
            step = step < UINT32_MAX / 2 ? step * 2 : step;
        } else if (step == 1 || probe == inside + 1) {
            break;
        } else {
            step = (probe - inside) / 2;
        }
    }
    return inside;
}

bool uid_set_run(const struct uid_set *set, uint32_t from, uint32_t *out_first, uint32_t *out_last)
{
    roaring_uint32_iterator_t iterator;

    if (from == 0) {
        return false;
    }
    roaring_init_iterator(set->bitmap, &iterator);
    if (!roaring_move_uint32_iterator_equalorlarger(&iterator, from)) {
        return false;
    }
    *out_first = iterator.current_value;
    *out_last = iterator.current_value;
    /* Most runs are short, and a few steps are cheaper than one rank. */
    for (size_t i = 0; i < RUN_STEPS; i++) {
        if (!roaring_advance_uint32_iterator(&iterator) ||
            iterator.current_value != *out_last + 1) {
            return true;
        }
        *out_last = iterator.current_value;
    }
    *out_last = end_of_run(set->bitmap, *out_last);
    return true;
}

/* ---- The text of RFC 3501 §9 ---- */

/* seq-number = nz-number / "*" */
static enum status take_number(struct slice *rest, uint32_t largest, uint32_t *out_number)
{
    uint64_t number = 0;

    if (slice_starts_with(*rest, SLICE("*"))) {
        *rest = slice_skip(*rest, 1);
        *out_number = largest;
        return STATUS_OK;
    }
    if (number_take(rest, UINT32_MAX, &number) != STATUS_OK || number == 0) {
        return STATUS_INVALID;
    }
    *out_number = (uint32_t)number;
    return STATUS_OK;
}

static enum status parse_element(struct slice element, uint32_t largest, struct uid_set *set)
{
    uint32_t first = 0;
    uint32_t last = 0;
    bool has_number = slice_find(element, '*') == element.size;
    enum status status = take_number(&element, largest, &first);

    last = first;
    if (status == STATUS_OK && slice_starts_with(element, SLICE(":"))) {
        element = slice_skip(element, 1);
        status = take_number(&element, largest, &last);
    }
    if (status != STATUS_OK || element.size > 0) {
        return STATUS_INVALID;
    }
    if (has_number || largest > 0) {
        uid_set_add_range(set, first < last ? first : last, first < last ? last : first);
    }
    return STATUS_OK;
}

enum status uid_set_parse(struct slice text, uint32_t largest, struct uid_set *set)
{
    bool more = true;

    for (size_t count = 0; more; count++) {
        struct slice element = slice_prefix(text, slice_find(text, ','));

        if (count == UID_SET_TEXT_ELEMENTS_MAX) {
            return STATUS_TOO_LARGE;
        }
        more = element.size < text.size;
        text = slice_skip(text, element.size + 1);
        enum status status = parse_element(element, largest, set);

        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

void uid_set_print(const struct uid_set *set, struct buffer *output)
{
    const char *comma = "";
    uint32_t first = 0;
    uint32_t last = 0;

    for (uint32_t from = 1; uid_set_run(set, from, &first, &last); from = last + 1) {
        buffer_printf(output, "%s%" PRIu32, comma, first);
        if (last > first) {
            buffer_printf(output, ":%" PRIu32, last);
        }
        comma = ",";
    }
}

/* ---- Runs as varints: least significant seven bits first ---- */

static void put_varint(uint32_t number, struct buffer *output)
{
    for (; number >= 0x80; number >>= 7) {
        buffer_append_octet(output, (char)(number | 0x80));
    }
    buffer_append_octet(output, (char)number);
}

static enum status take_varint(struct slice *rest, uint32_t *out_number)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 35 && rest->size > 0; shift += 7) {
        unsigned char octet = (unsigned char)rest->data[0];

        *rest = slice_skip(*rest, 1);
        number |= (uint64_t)(octet & 0x7f) << shift;
        if (octet < 0x80) {
            *out_number = (uint32_t)number;
            return number <= UINT32_MAX ? STATUS_OK : STATUS_INVALID;
        }
    }
    return STATUS_INVALID;
}

void uid_set_encode(const struct uid_set *set, struct buffer *output)
{
    uint32_t first = 0;
    uint32_t last = 0;
    uint32_t before = 0;

    for (uint32_t from = 1; uid_set_run(set, from, &first, &last); from = last + 1) {
        put_varint(first - before - 1, output);
        put_varint(last - first, output);
        before = last;
    }
}

enum status uid_set_decode(struct slice octets, struct uid_set *set)
{
    uint64_t before = 0;

    while (octets.size > 0) {
        uint32_t gap = 0;
        uint32_t length = 0;

        if (take_varint(&octets, &gap) != STATUS_OK || take_varint(&octets, &length) != STATUS_OK) {
            return STATUS_INVALID;
        }
        uint64_t first = before + 1 + gap;

        if (first + length > UINT32_MAX) {
            return STATUS_INVALID;
        }
        uid_set_add_range(set, (uint32_t)first, (uint32_t)(first + length));
        before = first + length;
    }
    return STATUS_OK;
}
