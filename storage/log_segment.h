/* The segment files of a log: NNNNNNNN.log with records, in hexadecimal, and NNNNNNNN.spare.
 *
 * A segment is prepared under the name of a spare (space taken, header written, synced) and then
 * renamed, so a file named .log has a whole header, twice, unless it was damaged. The header tells
 * where the segment before ended: all there up to that offset is durable, and has to check. */
#ifndef AVISO_STORAGE_LOG_SEGMENT_H
#define AVISO_STORAGE_LOG_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macros.h"
#include "core/status.h"
#include "storage/file.h"

enum {
    LOG_SEGMENT_HEADER_SIZE = 4096, /* records follow */
};

struct log_segment {
    uint32_t sequence;
    struct file *file;
    unsigned reader_count; /* of log_read(): it is not given back meanwhile */
};

struct log_segment_header {
    uint32_t salt;         /* the log's */
    uint32_t sequence;     /* from 1 */
    uint32_t size;         /* octets that the file has */
    uint32_t previous_end; /* of the segment before; 0: there is none */
    uint64_t first_group;  /* what has a lower number is of another life of the file */
};

/* Segments by ascending sequence, and what can become one. */
struct log_segments {
    const struct file_system *files;
    char folder[FILE_PATH_SIZE_MAX - 32];
    uint32_t size; /* octets of a segment */
    struct log_segment *items;
    size_t count, capacity;
    uint32_t *spares; /* their numbers */
    size_t spare_count, spare_capacity;
    size_t spare_count_max;
    bool (*has_room)(void *context); /* asked before a segment is created; may be NULL */
    void *context;
};

/* Lists the folder; opens the segments. TOO_LARGE: the folder's name; INVALID: a segment's is out
 * of any order. */
NODISCARD enum status log_segments_open(struct log_segments *segments);
void log_segments_close(struct log_segments *segments);

/* NULL: not there. Valid until a segment comes or goes. */
struct log_segment *log_segments_find(struct log_segments *segments, uint32_t sequence);

/* NOT_FOUND: no header; CORRUPT: both are damaged; UNSUPPORTED: a newer version's; IO_ERROR. */
NODISCARD enum status log_segment_header_read(const struct log_segments *segments,
                                              struct file *file,
                                              struct log_segment_header *out_header);

/* Prepares the file of the next segment and gives it its name, all durably: from a spare, or new.
 * NO_SPACE leaves everything as it was. The file is the caller's until log_segments_add(). */
NODISCARD enum status log_segment_create(struct log_segments *segments,
                                         const struct log_segment_header *header,
                                         struct file **out_file);
void log_segments_add(struct log_segments *segments, uint32_t sequence, struct file *file);

/* Takes the oldest segment out of the table; its file goes to log_segment_retire(). */
struct log_segment log_segments_remove_oldest(struct log_segments *segments);

/* Makes a spare of a segment, or removes it when there are enough. Not durable: a segment that
 * comes back is found not to be needed. */
NODISCARD enum status log_segment_retire(struct log_segments *segments, struct log_segment segment);

#endif
