/* What the other files of net/ know of a loop: libuv's side of it, and scratch memory that all of
 * a loop's connections share, so that an idle one needs none of its own. */
#ifndef AVISO_NET_LOOP_UV_H
#define AVISO_NET_LOOP_UV_H

#include <uv.h>

#include "core/buffer.h"
#include "net/loop.h"

enum { LOOP_CHUNK_SIZE = 64 * 1024 };

/* For handles; they are closed before the loop is freed. */
uv_loop_t *loop_uv(struct loop *loop);

/* LOOP_CHUNK_SIZE octets each, valid within one callback of libuv: what was read, and the clear
 * text of it. */
char *loop_read_chunk(struct loop *loop);
char *loop_clear_chunk(struct loop *loop);

/* Memory of buffers that are filled and emptied within one turn, most of the time. Lends to an
 * empty `buffer` what is at hand, and takes back what an empty one holds. */
void loop_lend(struct loop *loop, struct buffer *buffer);
void loop_take_back(struct loop *loop, struct buffer *buffer);

/* Work put off until the loop has run the messages that it has by now, and is about to wait: what
 * they bring may be done with it at once. Embedded in its owner; on the loop only. */
struct loop_deferral {
    void (*run)(struct loop_deferral *deferral);
    struct loop_deferral *next;
    struct loop_deferral **link; /* what points to this one; NULL: not put off */
};

/* Once, however often it is put off before. Cancelling is harmless when it is not. */
void loop_defer(struct loop *loop, struct loop_deferral *deferral);
void loop_deferral_cancel(struct loop_deferral *deferral);

#endif
