/* A message made ready to be stored: parsed once, compressed, hashed. This happens in the tier that
 * scales freely; storage moves opaque octets (DESIGN: a message's way in). */
#ifndef AVISO_ROUTER_INGEST_H
#define AVISO_ROUTER_INGEST_H

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "router/router.h"

enum { THREAD_KEYS_MAX = 64, BODY_ID_SIZE = 32 };

/* Shared by the deliveries that use it, counted. */
struct ingested {
    unsigned references;
    struct slice digest;             /* mail/digest.h */
    uint32_t header_size;            /* octets uncompressed, the empty line included */
    uint64_t body_size;              /* octets uncompressed */
    char body_id[BODY_ID_SIZE];      /* SHA-256 of the body */
    struct slice header_frame;       /* zstd */
    const struct slice *body_frames; /* zstd, BODY_FRAME_SIZE each but the last */
    size_t body_frame_count;
    uint64_t thread_keys[THREAD_KEYS_MAX];
    size_t thread_key_count;
};

/* One message being made ready, embedded in who waits for it. */
struct ingest {
    void (*done)(struct ingest *ingest, enum status status,
                 struct ingested *ingested); /* takes a reference */
    struct ingest_work *work;                /* the module's; NULL: nothing in flight */
};

/* `message` stays valid until `done` or ingest_cancel() returned. Small messages are worked on the
 * spot (and `done` still runs later), large ones by a worker. TOO_LARGE: the header block is over
 * HEADER_SIZE_MAX. */
void ingest_start(struct router *router, struct ingest *ingest, struct slice message,
                  void (*done)(struct ingest *ingest, enum status status,
                               struct ingested *ingested));

/* Waits for a worker that reads `message` right now. */
void ingest_cancel(struct ingest *ingest);

/* The same at once, on the calling thread: for tests and small messages. */
NODISCARD enum status ingest_message(struct slice message, struct ingested **out_ingested);

/* Not atomic: all references are of one loop. */
struct ingested *ingested_ref(struct ingested *ingested);
void ingested_unref(struct ingested *ingested);

#endif
