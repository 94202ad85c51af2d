/* Which replicas a node holds, durably: what must be known of each before its log and its state can
 * be believed.
 *
 * A file of text in the node's folder, a line each, with a checksum in the last line. It is written
 * under another name, synced and renamed, so it is there as a whole or as it was:
 *
 *     aviso replicas 1
 *     replica SHARD ID GENERATION STATE INDEX CONFIGURATION
 *     ...
 *     crc32c NUMBER
 *
 * (CONFIGURATION: raft_configuration_encode() in hexadecimal, "-" for that of no replicas). */
#ifndef AVISO_STORAGE_REPLICA_BOOK_H
#define AVISO_STORAGE_REPLICA_BOOK_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/raft/raft.h"

enum replica_state {
    REPLICA_FRESH,      /* has promised nothing yet: log and state need not know it */
    REPLICA_BEGUN,      /* without its log, it is not to be trusted */
    REPLICA_INSTALLING, /* a snapshot is taking the place of its state and its log */
    REPLICA_LEAVING,    /* on its way out: log and state are to be forgotten */
};

struct replica_record {
    uint32_t shard;
    uint64_t id;         /* replica_id.h */
    uint64_t generation; /* of the shard */
    enum replica_state state;
    /* That its group began with, or that of the snapshot which was installed last. The state may
     * know a later one. */
    struct raft_configuration_at base;
};

struct replica_book {
    struct replica_record *records; /* by shard */
    size_t count;
};

/* An empty one. */
void replica_book_init(struct replica_book *book);
void replica_book_done(struct replica_book *book);

/* The record of `shard`, or NULL. Borrows until the next put or remove. */
struct replica_record *replica_book_find(const struct replica_book *book, uint32_t shard);

/* Puts one in, or in place of that of its shard. */
void replica_book_put(struct replica_book *book, const struct replica_record *record);

/* Harmless when there is none. */
void replica_book_remove(struct replica_book *book, uint32_t shard);

/* The text of the file. */
void replica_book_encode(const struct replica_book *book, struct buffer *output);

/* All of `text`, into an empty book. CORRUPT, UNSUPPORTED; then the book is empty again. */
NODISCARD enum status replica_book_decode(struct replica_book *book, struct slice text);

/* The file `replicas` in `folder`. NOT_FOUND: there is none. CORRUPT, UNSUPPORTED, IO_ERROR. */
NODISCARD enum status replica_book_load(struct replica_book *book, const char *folder);

/* Durable when it answers OK; blocks. NO_SPACE, IO_ERROR: as it was before. */
NODISCARD enum status replica_book_save(const struct replica_book *book, const char *folder);

#endif
