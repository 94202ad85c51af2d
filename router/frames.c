#include "router/frames.h"

#include <pthread.h>

#include <zstd.h>

#include "core/check.h"

/* Level 1 costs a third of level 3 and gives up a few percent: mail is mostly base64 and small
 * text. */
enum { LEVEL = 1 };

struct contexts {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
};

static _Thread_local struct contexts contexts;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_contexts(void *data)
{
    struct contexts *mine = data;

    ZSTD_freeCCtx(mine->compress);
    ZSTD_freeDCtx(mine->decompress);
    *mine = (struct contexts){0};
}

static void make_key(void)
{
    CHECK(pthread_key_create(&thread_end, free_contexts) == 0);
}

static struct contexts *contexts_of_thread(void)
{
    if (contexts.compress == NULL) {
        CHECK(pthread_once(&once, make_key) == 0);
        contexts = (struct contexts){ZSTD_createCCtx(), ZSTD_createDCtx()};
        CHECK(contexts.compress != NULL && contexts.decompress != NULL);
        CHECK(pthread_setspecific(thread_end, &contexts) == 0);
    }
    return &contexts;
}

size_t frame_size_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

size_t frame_compress(struct slice bytes, char *output)
{
    size_t size = ZSTD_compressCCtx(contexts_of_thread()->compress, output,
                                    ZSTD_compressBound(bytes.size), bytes.data, bytes.size, LEVEL);

    CHECK(ZSTD_isError(size) == 0);
    return size;
}

enum status frame_decompress(struct slice frame, size_t size_max, struct buffer *output)
{
    unsigned long long size = ZSTD_getFrameContentSize(frame.data, frame.size);

    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
        return STATUS_CORRUPT;
    }
    if (size > size_max || size > buffer_room(output)) {
        return STATUS_TOO_LARGE;
    }
    size_t written =
        ZSTD_decompressDCtx(contexts_of_thread()->decompress, buffer_reserve(output, (size_t)size),
                            (size_t)size, frame.data, frame.size);

    if (ZSTD_isError(written) != 0 || written != size) {
        return STATUS_CORRUPT;
    }
    buffer_grew(output, written);
    return STATUS_OK;
}
