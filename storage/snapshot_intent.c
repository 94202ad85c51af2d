/* The intention to install a snapshot, as a file of its folder:
 *
 *     aviso snapshot 1
 *     position TERM INDEX
 *     configuration OCTETS, in hexadecimal
 *     file SIZE SUM
 *     ...
 *     crc32c NUMBER */
#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/snapshot.h"
#include "storage/text_file.h"

enum { FORMAT_VERSION = 1 };

#define INTENT_SIZE_MAX ((size_t)1024 + SNAPSHOT_FILES_MAX * (size_t)64)

static const char *const file_name = "installing";

/* ---- The text ---- */

static void encode(const struct snapshot_manifest *manifest, struct buffer *output)
{
    const struct raft_position *position = &manifest->snapshot.position;

    buffer_printf(output, "aviso snapshot %d\nposition %llu %llu\nconfiguration ", FORMAT_VERSION,
                  (unsigned long long)position->term, (unsigned long long)position->index);
    text_put_configuration(output, &manifest->snapshot.configuration);
    buffer_append_octet(output, '\n');
    for (size_t index = 0; index < manifest->file_count; index++) {
        buffer_printf(output, "file %llu %u\n", (unsigned long long)manifest->files[index].size,
                      manifest->files[index].sum);
    }
    text_put_sum(output, 0);
}

static enum status decode_file(struct slice line, struct snapshot_manifest *manifest)
{
    uint64_t sum = 0;
    size_t size = (manifest->file_count + 1) * sizeof(*manifest->files);

    if (manifest->file_count == SNAPSHOT_FILES_MAX ||
        !slice_equals(slice_cut(&line, ' '), SLICE("file"))) {
        return STATUS_CORRUPT;
    }
    manifest->files = memory_resized(manifest->files, size);
    struct snapshot_file *file = &manifest->files[manifest->file_count++];

    *file = (struct snapshot_file){0};
    if (text_take_number(&line, UINT64_MAX, &file->size) != STATUS_OK ||
        text_take_number(&line, UINT32_MAX, &sum) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    file->sum = (uint32_t)sum;
    return STATUS_OK;
}

static enum status decode(struct slice text, struct snapshot_manifest *manifest)
{
    struct raft_position *position = &manifest->snapshot.position;
    enum status status = text_check_sum(&text);

    if (status == STATUS_OK) {
        status = text_check_head(&text, SLICE("aviso snapshot "), FORMAT_VERSION);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct slice line = slice_cut(&text, '\n');

    if (!slice_equals(slice_cut(&line, ' '), SLICE("position")) ||
        text_take_number(&line, UINT64_MAX, &position->term) != STATUS_OK ||
        text_take_number(&line, UINT64_MAX, &position->index) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    line = slice_cut(&text, '\n');
    if (!slice_equals(slice_cut(&line, ' '), SLICE("configuration"))) {
        return STATUS_CORRUPT;
    }
    status = text_read_configuration(line, &manifest->snapshot.configuration);
    while (status == STATUS_OK && text.size > 0) {
        status = decode_file(slice_cut(&text, '\n'), manifest);
    }
    return status;
}

/* ---- The file ---- */

enum status snapshot_intend(const struct snapshot_manifest *manifest, const char *folder)
{
    struct buffer text;

    buffer_init(&text, INTENT_SIZE_MAX);
    encode(manifest, &text);
    enum status status = text_file_save(folder, file_name, buffer_view(&text));

    buffer_done(&text);
    CRASH_POINT("snapshot.intended");
    return status;
}

enum status snapshot_intended(const char *folder, struct snapshot_manifest *out_manifest)
{
    struct snapshot_manifest manifest = {.file_count = 0};
    struct buffer text;

    buffer_init(&text, INTENT_SIZE_MAX);
    enum status status = text_file_load(folder, file_name, &text);

    if (status == STATUS_OK) {
        status = decode(buffer_view(&text), &manifest);
    }
    buffer_done(&text);
    if (status == STATUS_OK) {
        *out_manifest = manifest;
    } else {
        snapshot_manifest_done(&manifest);
    }
    return status;
}
