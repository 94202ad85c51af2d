/* The compressed frames that header blocks and bodies are stored as (zstd, RFC 8878), each readable
 * on its own. Compression contexts are one a thread, and are used again. */
#ifndef AVISO_ROUTER_FRAMES_H
#define AVISO_ROUTER_FRAMES_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

/* The most octets that a frame of `size` octets may take. */
size_t frame_size_bound(size_t size);

/* Compresses `bytes` into `output`, which has room for the bound; returns the frame's size. */
size_t frame_compress(struct slice bytes, char *output);

/* Appends what `frame` holds. TOO_LARGE: over `size_max` octets, or over the room in `output`.
 * CORRUPT: not a frame. Then nothing is appended. */
NODISCARD enum status frame_decompress(struct slice frame, size_t size_max, struct buffer *output);

#endif
