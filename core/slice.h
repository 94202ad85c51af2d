/* A borrowed view of bytes. Mail is bytes: a slice is not NUL-terminated and owns nothing. */
#ifndef AVISO_CORE_SLICE_H
#define AVISO_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t size; /* octets */
};

/* A slice of a string literal, also in a static initialiser. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

/* A slice of a C string, which must outlive it. */
struct slice slice_of(const char *text);

/* The first `size` octets of `slice`, or all of it when shorter. */
static inline struct slice slice_prefix(struct slice slice, size_t size)
{
    return (struct slice){slice.data, size < slice.size ? size : slice.size};
}

/* What follows the first `size` octets; empty when there are fewer. */
static inline struct slice slice_skip(struct slice slice, size_t size)
{
    size_t skipped = size < slice.size ? size : slice.size;

    /* Adding 0 to a NULL of an empty slice would be undefined. */
    return skipped == 0 ? slice : (struct slice){slice.data + skipped, slice.size - skipped};
}

/* Cuts `rest` at the first `separator`: returns what is before it and leaves what is after.
 * Without a separator, returns all of `rest` and leaves it empty. */
struct slice slice_cut(struct slice *rest, char separator);

/* Compares with a C string without regard to ASCII case: the rule of every mail protocol's
 * keywords. */
bool slice_is(struct slice slice, const char *keyword);

/* Compares octet by octet. */
bool slice_equals(struct slice one, struct slice other);

/* Compares without regard to ASCII case. */
bool slice_equals_ignoring_case(struct slice one, struct slice other);

/* Compares in a time that depends on the sizes alone: for secrets. */
bool slice_equals_secret(struct slice one, struct slice other);

/* Orders octet by octet, a prefix first: below 0, 0 or above 0. */
int slice_compare(struct slice one, struct slice other);

/* What a slice begins or ends with, octet by octet. */
bool slice_starts_with(struct slice slice, struct slice prefix);
bool slice_ends_with(struct slice slice, struct slice suffix);

/* The same, without regard to ASCII case. */
bool slice_starts_with_ignoring_case(struct slice slice, struct slice prefix);

/* The offset of the first `octet`, or the size of `slice` when there is none. */
static inline size_t slice_find(struct slice slice, char octet)
{
    const char *found = slice.size > 0 ? (const char *)memchr(slice.data, octet, slice.size) : NULL;

    return found != NULL ? (size_t)(found - slice.data) : slice.size;
}

/* The offset of the first `needle`, or the size of `slice` when there is none. Linear time. */
size_t slice_search(struct slice slice, struct slice needle);

/* Without the blanks and tabs at both ends. */
struct slice slice_trim(struct slice slice);

/* ASCII letters only, whatever the locale. */
char ascii_lower(char octet);

#endif
