#include "router/shard_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/memory.h"

enum { FILE_VERSION = 1, FILE_SIZE_MAX = 4 * 1024 * 1024, PATH_SIZE_MAX = 4096 };

struct shard_map {
    atomic_uint references; /* maps cross loops */
    uint32_t shard_count;
    uint32_t *shards; /* ids, ascending */
    uint32_t slots[SLOT_COUNT];

    /* Of a cluster. */
    uint64_t cluster;
    struct shard_map_shard *details; /* of each shard, in their order; or NULL */
    struct shard_map_node *nodes;    /* by ascending id */
    uint32_t node_count;
};

static struct shard_map *make(uint32_t shard_count)
{
    struct shard_map *map = NEW(struct shard_map);

    atomic_init(&map->references, 1);
    map->shard_count = shard_count;
    map->shards = memory_zeroed(shard_count * sizeof(*map->shards));
    return map;
}

struct shard_map *shard_map_new(uint32_t shard_count)
{
    CHECK(shard_count >= 1 && shard_count <= SHARD_COUNT_MAX);
    struct shard_map *map = make(shard_count);

    for (uint32_t i = 0; i < shard_count; i++) {
        map->shards[i] = i + 1;
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        map->slots[slot] = map->shards[slot % shard_count];
    }
    return map;
}

struct shard_map *shard_map_ref(struct shard_map *map)
{
    atomic_fetch_add(&map->references, 1);
    return map;
}

void shard_map_unref(struct shard_map *map)
{
    if (map != NULL && atomic_fetch_sub(&map->references, 1) == 1) {
        memory_free(map->shards);
        memory_free(map->details);
        memory_free(map->nodes);
        memory_free(map);
    }
}

uint32_t shard_map_shard_count(const struct shard_map *map)
{
    return map->shard_count;
}

uint32_t shard_map_shard_at(const struct shard_map *map, uint32_t index)
{
    CHECK(index < map->shard_count);
    return map->shards[index];
}

/* The place of `shard`; the count when there is none. */
static uint32_t place_of(const struct shard_map *map, uint32_t shard)
{
    uint32_t low = 0;
    uint32_t high = map->shard_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (map->shards[middle] < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < map->shard_count && map->shards[low] == shard ? low : map->shard_count;
}

bool shard_map_has_shard(const struct shard_map *map, uint32_t shard)
{
    return place_of(map, shard) < map->shard_count;
}

uint32_t shard_map_shard_of_slot(const struct shard_map *map, uint32_t slot)
{
    CHECK(slot < SLOT_COUNT);
    return map->slots[slot];
}

/* ---- Of a cluster ---- */

static void *copy_of(const void *list, size_t size)
{
    void *copy = memory_zeroed(size > 0 ? size : 1);

    return size > 0 ? memcpy(copy, list, size) : copy;
}

struct shard_map *shard_map_build(const struct shard_map_parts *parts)
{
    CHECK(parts->shard_count >= 1 && parts->shard_count <= SHARD_COUNT_MAX);
    struct shard_map *map = make(parts->shard_count);

    map->cluster = parts->cluster;
    map->details = copy_of(parts->shards, parts->shard_count * sizeof(*parts->shards));
    map->nodes = copy_of(parts->nodes, parts->node_count * sizeof(*parts->nodes));
    map->node_count = parts->node_count;
    for (uint32_t i = 0; i < map->node_count; i++) {
        map->nodes[i].cluster = map->cluster;
    }
    for (uint32_t i = 0; i < parts->shard_count; i++) {
        map->shards[i] = parts->shards[i].id;
        CHECK(i == 0 || map->shards[i] > map->shards[i - 1]);
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        map->slots[slot] = parts->slots[slot];
        CHECK(shard_map_has_shard(map, map->slots[slot]));
    }
    return map;
}

uint64_t shard_map_cluster(const struct shard_map *map)
{
    return map->cluster;
}

const struct shard_map_shard *shard_map_shard(const struct shard_map *map, uint32_t shard)
{
    uint32_t place = place_of(map, shard);

    return map->details != NULL && place < map->shard_count ? &map->details[place] : NULL;
}

static int compare_node(const void *id, const void *node)
{
    uint32_t one = *(const uint32_t *)id;
    uint32_t other = ((const struct shard_map_node *)node)->id;

    return one < other ? -1 : one > other;
}

const struct shard_map_node *shard_map_node(const struct shard_map *map, uint32_t node)
{
    return map->nodes == NULL
               ? NULL
               : bsearch(&node, map->nodes, map->node_count, sizeof(*map->nodes), compare_node);
}

/* ---- The file ---- */

static enum status read_file(const char *path, struct buffer *output)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = 0;

    if (file < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO_ERROR;
    }
    do {
        size_t room = buffer_room(output) < 65536 ? buffer_room(output) : 65536;

        size = read(file, buffer_reserve(output, room), room);
        buffer_grew(output, size > 0 ? (size_t)size : 0);
    } while (size > 0);
    close(file);
    return size < 0 ? STATUS_IO_ERROR : buffer_room(output) == 0 ? STATUS_CORRUPT : STATUS_OK;
}

/* A number of the array; 0, which is no shard, for anything else. */
static uint32_t shard_of(const json_t *array, size_t index)
{
    json_int_t number = json_integer_value(json_array_get(array, index));

    return number >= 1 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static enum status fill(const json_t *shards, const json_t *slots, struct shard_map *map)
{
    for (uint32_t i = 0; i < map->shard_count; i++) {
        map->shards[i] = shard_of(shards, i);
        if (map->shards[i] == 0 || (i > 0 && map->shards[i] <= map->shards[i - 1])) {
            return STATUS_CORRUPT;
        }
    }
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        map->slots[slot] = shard_of(slots, slot);
        if (!shard_map_has_shard(map, map->slots[slot])) {
            return STATUS_CORRUPT;
        }
    }
    return STATUS_OK;
}

enum status shard_map_parse(struct slice text, struct shard_map **out_map)
{
    json_t *root =
        json_loadb(text.data != NULL ? text.data : "", text.size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *shards = json_object_get(root, "shards");
    const json_t *slots = json_object_get(root, "slots");
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    size_t count = json_array_size(shards);
    struct shard_map *map = NULL;
    enum status status = STATUS_CORRUPT;

    if (version > FILE_VERSION) {
        status = STATUS_UNSUPPORTED;
    } else if (version == FILE_VERSION && count >= 1 && count <= SHARD_COUNT_MAX &&
               json_array_size(slots) == SLOT_COUNT) {
        map = make((uint32_t)count);
        status = fill(shards, slots, map);
    }
    json_decref(root);
    if (status != STATUS_OK) {
        shard_map_unref(map);
        return status;
    }
    *out_map = map;
    return STATUS_OK;
}

enum status shard_map_load(const char *path, struct shard_map **out_map)
{
    struct buffer text;

    buffer_init(&text, FILE_SIZE_MAX);
    enum status status = read_file(path, &text);

    if (status == STATUS_OK) {
        status = shard_map_parse(buffer_view(&text), out_map);
    }
    buffer_done(&text);
    return status;
}

static void print(const struct shard_map *map, struct buffer *output)
{
    buffer_printf(output, "{\"version\": %d,\n \"shards\": [", FILE_VERSION);
    for (uint32_t i = 0; i < map->shard_count; i++) {
        buffer_printf(output, "%s%u", i > 0 ? ", " : "", map->shards[i]);
    }
    buffer_printf(output, "],\n \"slots\": [");
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        buffer_printf(output, "%s%u", slot > 0 ? ", " : "", map->slots[slot]);
    }
    buffer_printf(output, "]}\n");
}

static bool write_durably(int file, struct slice text)
{
    while (text.size > 0) {
        ssize_t written = write(file, text.data, text.size);

        if (written < 0) {
            return false;
        }
        text = slice_skip(text, (size_t)written);
    }
    return fsync(file) == 0;
}

/* The folder's entry is durable only when the folder is. */
static bool sync_folder_of(const char *path)
{
    struct slice folder = slice_of(path);
    char text[PATH_SIZE_MAX];

    while (folder.size > 0 && folder.data[folder.size - 1] != '/') {
        folder.size--;
    }
    snprintf(text, sizeof(text), "%.*s", (int)(folder.size > 0 ? folder.size : 1),
             folder.size > 0 ? path : ".");
    int file = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;

    if (file >= 0) {
        close(file);
    }
    return synced;
}

enum status shard_map_save(const struct shard_map *map, const char *path)
{
    char temporary[PATH_SIZE_MAX];
    struct buffer text;

    if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
        return STATUS_TOO_LARGE;
    }
    buffer_init(&text, FILE_SIZE_MAX);
    print(map, &text);
    int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = file >= 0 && write_durably(file, buffer_view(&text));

    if (file >= 0) {
        close(file);
    }
    buffer_done(&text);
    return written && rename(temporary, path) == 0 && sync_folder_of(path) ? STATUS_OK
                                                                           : STATUS_IO_ERROR;
}
