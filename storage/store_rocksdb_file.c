#include "storage/store_rocksdb_file.h"

#include <rocksdb/c.h>

#include "core/log.h"
#include "core/memory.h"

struct store_file {
    rocksdb_options_t *options;
    rocksdb_envoptions_t *environment;
    rocksdb_sstfilewriter_t *writer;
};

static enum status status_of(char *error)
{
    if (error == NULL) {
        return STATUS_OK;
    }
    log_error("store_file.failed", log_text("detail", slice_of(error)));
    rocksdb_free(error);
    return STATUS_IO_ERROR;
}

struct store_file *store_file_new(void)
{
    struct store_file *file = NEW(struct store_file);

    file->options = rocksdb_options_create();
    rocksdb_options_set_compression(file->options, rocksdb_lz4_compression);
    file->environment = rocksdb_envoptions_create();
    file->writer = rocksdb_sstfilewriter_create(file->environment, file->options);
    return file;
}

void store_file_free(struct store_file *file)
{
    if (file != NULL) {
        rocksdb_sstfilewriter_destroy(file->writer);
        rocksdb_envoptions_destroy(file->environment);
        rocksdb_options_destroy(file->options);
        memory_free(file);
    }
}

enum status store_file_begin(struct store_file *file, const char *path)
{
    char *error = NULL;

    rocksdb_sstfilewriter_open(file->writer, path, &error);
    return status_of(error);
}

enum status store_file_put(struct store_file *file, struct slice key, struct slice value)
{
    char *error = NULL;

    rocksdb_sstfilewriter_put(file->writer, key.data, key.size, value.data, value.size, &error);
    return status_of(error);
}

enum status store_file_end(struct store_file *file)
{
    char *error = NULL;

    rocksdb_sstfilewriter_finish(file->writer, &error);
    return status_of(error);
}
