/* Owned bytes that grow up to a fixed limit. */
#ifndef AVISO_CORE_BUFFER_H
#define AVISO_CORE_BUFFER_H

#include "core/macros.h"
#include "core/slice.h"

struct buffer {
    char *data;
    size_t size;     /* octets in use */
    size_t capacity; /* octets allocated */
    size_t size_max; /* octets allowed: the caller bounds what may be kept */
};

/* An empty buffer, which allocates nothing until its first append. */
void buffer_init(struct buffer *buffer, size_t size_max);

/* Frees the bytes; the buffer itself is the caller's. */
void buffer_done(struct buffer *buffer);

/* All of these stop the process past `size_max`: check the sizes of untrusted input before. */
void buffer_append(struct buffer *buffer, struct slice bytes);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for `size` more octets, to be written by the caller and then counted by buffer_grew(). */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_grew(struct buffer *buffer, size_t size);

/* Stops the process past `size_max`, as those above. */
static inline void buffer_append_octet(struct buffer *buffer, char octet)
{
    if (buffer->size == buffer->capacity || buffer->size == buffer->size_max) {
        buffer_reserve(buffer, 1);
    }
    buffer->data[buffer->size++] = octet;
}

/* How many octets may still be appended. */
static inline size_t buffer_room(const struct buffer *buffer)
{
    return buffer->size_max - buffer->size;
}

/* Forgets the bytes and keeps the memory. */
void buffer_clear(struct buffer *buffer);

/* Forgets the bytes and gives the memory back; the limit stays. */
void buffer_release(struct buffer *buffer);

/* The same after overwriting the bytes, for secrets. */
void buffer_wipe(struct buffer *buffer);

/* Drops the first `size` octets. */
void buffer_consume(struct buffer *buffer, size_t size);

/* Valid until the buffer changes. */
static inline struct slice buffer_view(const struct buffer *buffer)
{
    return (struct slice){buffer->data, buffer->size};
}

#endif
