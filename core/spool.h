/* The octets of one message on their way in: in memory while they are few, then in an unlinked
 * temporary file. Nothing is acknowledged from a spool, so it is never synced.
 *
 *     init -> append, append, ... -> view -> done
 */
#ifndef AVISO_CORE_SPOOL_H
#define AVISO_CORE_SPOOL_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

struct spool {
    const char *folder; /* of the temporary file; borrowed */
    struct buffer
        head; /* all of it until it is over `memory_size_max`, then what is not written yet */
    size_t memory_size_max;
    uint64_t size;     /* octets appended */
    uint64_t size_max; /* octets allowed */
    int file;          /* or -1 */
    void *mapping;     /* of the file, once viewed */
    enum status fault; /* of the first write that failed */
};

/* An empty spool, which opens no file before it must. */
void spool_init(struct spool *spool, const char *folder, size_t memory_size_max, uint64_t size_max);

/* Closes and so removes the file. */
void spool_done(struct spool *spool);

/* TOO_LARGE: over `size_max`, nothing was appended. NO_SPACE, IO_ERROR: the spool is of no use any
 * more. */
NODISCARD enum status spool_append(struct spool *spool, struct slice bytes);

/* All octets in one run, valid until spool_done(); a file is mapped. Nothing may be appended after.
 * NO_SPACE, IO_ERROR: as above. */
NODISCARD enum status spool_view(struct spool *spool, struct slice *out_bytes);

#endif
