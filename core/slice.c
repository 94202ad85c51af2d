#include "core/slice.h"

#include <string.h>

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

struct slice slice_cut(struct slice *rest, char separator)
{
    const char *found = rest->size > 0 ? memchr(rest->data, separator, rest->size) : NULL;
    size_t head_size = found != NULL ? (size_t)(found - rest->data) : rest->size;
    struct slice head = slice_prefix(*rest, head_size);

    *rest = slice_skip(*rest, head_size + 1);
    return head;
}

bool slice_is(struct slice slice, const char *keyword)
{
    return slice_equals_ignoring_case(slice, slice_of(keyword));
}

bool slice_equals(struct slice one, struct slice other)
{
    return one.size == other.size && (one.size == 0 || memcmp(one.data, other.data, one.size) == 0);
}

bool slice_equals_ignoring_case(struct slice one, struct slice other)
{
    return one.size == other.size && slice_starts_with_ignoring_case(one, other);
}

bool slice_equals_secret(struct slice one, struct slice other)
{
    size_t size = one.size < other.size ? one.size : other.size;
    volatile unsigned char difference = one.size != other.size;

    for (size_t i = 0; i < size; i++) {
        difference = (unsigned char)(difference | (one.data[i] ^ other.data[i]));
    }
    return difference == 0;
}

int slice_compare(struct slice one, struct slice other)
{
    size_t size = one.size < other.size ? one.size : other.size;
    int order = size > 0 ? memcmp(one.data, other.data, size) : 0;

    return order != 0 ? order : (one.size > other.size) - (one.size < other.size);
}

bool slice_starts_with(struct slice slice, struct slice prefix)
{
    return slice.size >= prefix.size && slice_equals(slice_prefix(slice, prefix.size), prefix);
}

bool slice_ends_with(struct slice slice, struct slice suffix)
{
    return slice.size >= suffix.size &&
           slice_equals(slice_skip(slice, slice.size - suffix.size), suffix);
}

bool slice_starts_with_ignoring_case(struct slice slice, struct slice prefix)
{
    if (slice.size < prefix.size) {
        return false;
    }
    for (size_t i = 0; i < prefix.size; i++) {
        if (ascii_lower(slice.data[i]) != ascii_lower(prefix.data[i])) {
            return false;
        }
    }
    return true;
}

size_t slice_search(struct slice slice, struct slice needle)
{
    const char *found = NULL;

    if (needle.size == 0) {
        return 0;
    }
    if (slice.size >= needle.size) {
        found = memmem(slice.data, slice.size, needle.data, needle.size);
    }
    return found != NULL ? (size_t)(found - slice.data) : slice.size;
}

struct slice slice_trim(struct slice slice)
{
    while (slice.size > 0 && (slice.data[0] == ' ' || slice.data[0] == '\t')) {
        slice = slice_skip(slice, 1);
    }
    while (slice.size > 0 &&
           (slice.data[slice.size - 1] == ' ' || slice.data[slice.size - 1] == '\t')) {
        slice.size--;
    }
    return slice;
}

char ascii_lower(char octet)
{
    return octet >= 'A' && octet <= 'Z' ? (char)(octet + ('a' - 'A')) : octet;
}
