/* How fields of rows become octets: numbers as LEB128 in their shortest form, octets with their
 * size before them. A reader remembers its first failure, so that a decoder reads on without asking
 * and looks once at the end. */
#ifndef AVISO_STORAGE_ROW_CODEC_H
#define AVISO_STORAGE_ROW_CODEC_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

/* Each appends one field. */
void row_put_number(struct buffer *output, uint64_t number);
void row_put_signed(struct buffer *output, int64_t number);
void row_put_octets(struct buffer *output, struct slice octets);

struct row_reader {
    struct slice rest;
    enum status status; /* OK until something was wrong */
};

/* Reads the version. One over `newest` makes the reader fail with UNSUPPORTED, 0 with CORRUPT. */
struct row_reader row_reader_begin(struct slice octets, unsigned newest);

/* The next field; 0 or empty after a failure. A number over `most` is one. */
uint64_t row_get_number(struct row_reader *reader, uint64_t most);
uint32_t row_get_u32(struct row_reader *reader);
int64_t row_get_signed(struct row_reader *reader, int64_t least, int64_t most);
bool row_get_bool(struct row_reader *reader);
struct slice row_get_octets(struct row_reader *reader, size_t size_max);

/* Exactly `size` octets without a size before them. */
struct slice row_get_fixed(struct row_reader *reader, size_t size);

/* A number of elements that follow, each of which takes one octet at least. */
size_t row_get_count(struct row_reader *reader, size_t most);

/* For a decoder that found a contradiction. */
void row_reader_fail(struct row_reader *reader);

/* OK when all was read and nothing failed. */
NODISCARD enum status row_reader_end(const struct row_reader *reader);

#endif
