/* Small files of text that are there as a whole or as they were before: written under another name,
 * synced and renamed, with a checksum in the last line. */
#ifndef AVISO_STORAGE_TEXT_FILE_H
#define AVISO_STORAGE_TEXT_FILE_H

#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/raft/configuration.h"

/* Reads the file `name` in `folder` into `text`, whose size_max bounds it. NOT_FOUND, CORRUPT (too
 * large), IO_ERROR, DENIED. */
NODISCARD enum status text_file_load(const char *folder, const char *name, struct buffer *text);

/* Durable when it answers OK. NO_SPACE, IO_ERROR, DENIED: as it was before. */
NODISCARD enum status text_file_save(const char *folder, const char *name, struct slice text);

/* Appends the last line: "crc32c NUMBER", of what was appended since `begin`. */
void text_put_sum(struct buffer *text, size_t begin);

/* Checks the last line, and cuts it off. CORRUPT. */
NODISCARD enum status text_check_sum(struct slice *text);

/* Cuts the first line off: `words` and a version. CORRUPT; UNSUPPORTED: another version. */
NODISCARD enum status text_check_head(struct slice *text, struct slice words, unsigned version);

/* The number in front of the next blank, or of the end. CORRUPT. */
NODISCARD enum status text_take_number(struct slice *line, uint64_t most, uint64_t *out_number);

/* A configuration in hexadecimal; "-" for that of no replicas. CORRUPT, UNSUPPORTED. */
void text_put_configuration(struct buffer *text, const struct raft_configuration *configuration);
NODISCARD enum status text_read_configuration(struct slice text,
                                              struct raft_configuration *out_configuration);

#endif
