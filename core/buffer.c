#include "core/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"

enum { CAPACITY_LEAST = 64 };

void buffer_init(struct buffer *buffer, size_t size_max)
{
    *buffer = (struct buffer){.size_max = size_max};
}

void buffer_done(struct buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (struct buffer){0};
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer->size_max - buffer->size);
    size_t needed = buffer->size + size;

    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity * 2 > needed ? buffer->capacity * 2 : needed;

        buffer->capacity = capacity > CAPACITY_LEAST ? capacity : CAPACITY_LEAST;
        buffer->data = memory_resized(buffer->data, buffer->capacity);
    }
    /* An empty buffer has no memory yet, and C knows no offset from nothing. */
    return buffer->data != NULL ? buffer->data + buffer->size : NULL;
}

void buffer_grew(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer->capacity - buffer->size);
    buffer->size += size;
}

void buffer_append(struct buffer *buffer, struct slice bytes)
{
    if (bytes.size == 0) {
        return;
    }
    memcpy(buffer_reserve(buffer, bytes.size), bytes.data, bytes.size);
    buffer->size += bytes.size;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);

    /* One octet more than is kept: vsnprintf ends with a NUL. */
    char *room = buffer_reserve(buffer, (size_t)size + 1);

    va_start(arguments, format);
    vsnprintf(room, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer->size);
    if (size == 0) {
        return;
    }
    memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

void buffer_release(struct buffer *buffer)
{
    size_t size_max = buffer->size_max;

    buffer_done(buffer);
    buffer->size_max = size_max;
}

void buffer_wipe(struct buffer *buffer)
{
    if (buffer->capacity > 0) {
        explicit_bzero(buffer->data, buffer->capacity);
    }
    buffer_release(buffer);
}
