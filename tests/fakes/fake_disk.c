#include "tests/fakes/fake_disk.h"

#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/macros.h"
#include "core/memory.h"
#include "core/random.h"

enum { SECTOR_SIZE = 512 };

enum sector_state {
    SECTOR_CLEAN,
    SECTOR_DIRTY,   /* the next sync writes it */
    SECTOR_DROPPED, /* a failed sync forgot it: readers see it, no sync writes it */
};

struct node {
    struct node *next;
    char *now;
    char *durable;
    unsigned char *sectors; /* enum sector_state */
    uint64_t size;
    uint64_t durable_size;
    uint64_t capacity; /* of all three, in whole sectors */
    unsigned open_count;
};

struct name {
    char path[FILE_PATH_SIZE_MAX];
    struct node *node;
};

struct directory {
    struct name *names;
    size_t count;
};

/* One change of names that is not durable. */
struct change {
    char from[FILE_PATH_SIZE_MAX]; /* empty: a creation */
    char to[FILE_PATH_SIZE_MAX];   /* empty: a removal */
    struct node *node;
};

struct file {
    struct node *node;
    uint64_t epoch;
};

struct fake_disk {
    struct file_system files;
    struct random random;
    struct node *nodes;
    struct directory now;
    struct directory durable;
    struct change *changes;
    size_t change_count;
    uint64_t epoch; /* an open file of an older one is void */
    uint64_t steps;
    uint64_t limit;
    bool is_off;

    uint64_t cut_at; /* in steps */
    enum fake_disk_loss cut_loss;
    uint64_t fail_sync_in;
    uint64_t fail_write_in;
    enum status fail_write_status;
    uint64_t fail_per_million;
};

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* ---- Names ---- */

static struct name *find_name(const struct directory *directory, const char *path)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->names[i].path, path) == 0) {
            return &directory->names[i];
        }
    }
    return NULL;
}

static void copy_path(char *to, const char *from)
{
    int size = snprintf(to, FILE_PATH_SIZE_MAX, "%s", from);

    CHECK(size >= 0 && size < FILE_PATH_SIZE_MAX);
}

static void remove_name(struct directory *directory, const char *path)
{
    struct name *name = find_name(directory, path);

    if (name != NULL) {
        *name = directory->names[--directory->count];
    }
}

static void set_name(struct directory *directory, const char *path, struct node *node)
{
    struct name *name = find_name(directory, path);

    if (name == NULL) {
        directory->names =
            memory_resized(directory->names, (directory->count + 1) * sizeof(struct name));
        name = &directory->names[directory->count++];
        copy_path(name->path, path);
    }
    name->node = node;
}

static void make_change(struct directory *directory, const struct change *change)
{
    if (change->from[0] != '\0') {
        remove_name(directory, change->from);
    }
    if (change->to[0] != '\0') {
        set_name(directory, change->to, change->node);
    }
}

static void change_names(struct fake_disk *disk, const char *from, const char *to,
                         struct node *node)
{
    disk->changes = memory_resized(disk->changes, (disk->change_count + 1) * sizeof(struct change));

    struct change *change = &disk->changes[disk->change_count++];

    copy_path(change->from, from);
    copy_path(change->to, to);
    change->node = node;
    make_change(&disk->now, change);
}

/* ---- Nodes ---- */

static bool is_named(const struct directory *directory, const struct node *node)
{
    for (size_t i = 0; i < directory->count; i++) {
        if (directory->names[i].node == node) {
            return true;
        }
    }
    return false;
}

static bool is_needed(const struct fake_disk *disk, const struct node *node)
{
    for (size_t i = 0; i < disk->change_count; i++) {
        if (disk->changes[i].node == node) {
            return true;
        }
    }
    return node->open_count > 0 || is_named(&disk->now, node) || is_named(&disk->durable, node);
}

static void free_node(struct node *node)
{
    memory_free(node->now);
    memory_free(node->durable);
    memory_free(node->sectors);
    memory_free(node);
}

static void sweep(struct fake_disk *disk)
{
    struct node **link = &disk->nodes;

    while (*link != NULL) {
        struct node *node = *link;

        if (is_needed(disk, node)) {
            link = &node->next;
        } else {
            *link = node->next;
            free_node(node);
        }
    }
}

static void reserve(struct node *node, uint64_t size)
{
    uint64_t capacity = (size + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;

    if (capacity <= node->capacity) {
        return;
    }

    uint64_t added = capacity - node->capacity;

    node->now = memory_resized(node->now, capacity);
    node->durable = memory_resized(node->durable, capacity);
    node->sectors = memory_resized(node->sectors, capacity / SECTOR_SIZE);
    memset(node->now + node->capacity, 0, added);
    memset(node->durable + node->capacity, 0, added);
    memset(node->sectors + node->capacity / SECTOR_SIZE, SECTOR_CLEAN, added / SECTOR_SIZE);
    node->capacity = capacity;
}

static void resize(struct node *node, uint64_t size)
{
    reserve(node, size);
    if (size < node->size) {
        memset(node->now + size, 0, node->size - size);
        for (uint64_t i = size / SECTOR_SIZE; i < node->capacity / SECTOR_SIZE; i++) {
            node->sectors[i] = SECTOR_DIRTY;
        }
    }
    node->size = size;
}

static void put(struct node *node, uint64_t offset, struct slice octets)
{
    if (octets.size == 0) {
        return;
    }
    if (offset + octets.size > node->size) {
        resize(node, offset + octets.size);
    }
    memcpy(node->now + offset, octets.data, octets.size);
    for (uint64_t i = offset / SECTOR_SIZE; i <= (offset + octets.size - 1) / SECTOR_SIZE; i++) {
        node->sectors[i] = SECTOR_DIRTY;
    }
}

static void sync_node(struct node *node, bool fails)
{
    for (uint64_t i = 0; i < node->capacity / SECTOR_SIZE; i++) {
        if (node->sectors[i] != SECTOR_DIRTY) {
            continue;
        }
        if (fails) {
            node->sectors[i] = SECTOR_DROPPED;
            continue;
        }
        memcpy(node->durable + i * SECTOR_SIZE, node->now + i * SECTOR_SIZE, SECTOR_SIZE);
        node->sectors[i] = SECTOR_CLEAN;
    }
    if (!fails) {
        node->durable_size = node->size;
    }
}

/* ---- Faults ---- */

static void lose_sectors(struct fake_disk *disk, struct node *node, uint64_t kept_per_cent)
{
    for (uint64_t i = 0; i < node->capacity / SECTOR_SIZE; i++) {
        char *now = node->now + i * SECTOR_SIZE;
        char *durable = node->durable + i * SECTOR_SIZE;

        if (node->sectors[i] == SECTOR_DIRTY) {
            uint64_t draw = random_below(&disk->random, 100);
            size_t kept = draw < kept_per_cent ? SECTOR_SIZE : 0;

            if (kept_per_cent > 0 && kept_per_cent < 100 && draw % 16 == 0) {
                kept = random_below(&disk->random, SECTOR_SIZE);
            }
            memcpy(durable, now, kept);
        }
        memcpy(now, durable, SECTOR_SIZE);
        node->sectors[i] = SECTOR_CLEAN;
    }
    if (node->size != node->durable_size && random_below(&disk->random, 100) < kept_per_cent) {
        node->durable_size = node->size;
    }
    node->size = node->durable_size;
    if (node->capacity == 0) {
        return;
    }
    memset(node->now + node->size, 0, node->capacity - node->size);
    memset(node->durable + node->size, 0, node->capacity - node->size);
}

static uint64_t kept_per_cent_of(struct fake_disk *disk, enum fake_disk_loss loss)
{
    static const uint64_t mixed[] = {0, 10, 50, 90, 99, 100};

    switch (loss) {
    case FAKE_DISK_KEEPS:
        return 100;
    case FAKE_DISK_LOSES:
        return 0;
    default:
        return mixed[random_below(&disk->random, COUNT_OF(mixed))];
    }
}

void fake_disk_power_off(struct fake_disk *disk, enum fake_disk_loss loss)
{
    uint64_t kept_per_cent = kept_per_cent_of(disk, loss);
    size_t changes = loss == FAKE_DISK_KEEPS ? disk->change_count
                     : loss == FAKE_DISK_LOSES
                         ? 0
                         : random_below(&disk->random, disk->change_count + 1);

    for (struct node *node = disk->nodes; node != NULL; node = node->next) {
        lose_sectors(disk, node, kept_per_cent);
    }
    for (size_t i = 0; i < changes; i++) {
        make_change(&disk->durable, &disk->changes[i]);
    }
    disk->change_count = 0;
    disk->now.count = 0;
    for (size_t i = 0; i < disk->durable.count; i++) {
        set_name(&disk->now, disk->durable.names[i].path, disk->durable.names[i].node);
    }
    disk->is_off = true;
    disk->cut_at = 0;
    disk->epoch++;
    sweep(disk);
}

void fake_disk_power_on(struct fake_disk *disk)
{
    disk->is_off = false;
    sweep(disk);
}

void fake_disk_kill(struct fake_disk *disk)
{
    disk->epoch++;
}

/* Counts a step. True: the power went with it. */
static bool takes_power(struct fake_disk *disk)
{
    disk->steps++;
    return disk->cut_at != 0 && disk->steps >= disk->cut_at;
}

static bool counts_down(uint64_t *left)
{
    return *left > 0 && --*left == 0;
}

static bool fails_by_chance(struct fake_disk *disk)
{
    return disk->fail_per_million > 0 &&
           random_below(&disk->random, 1000000) < disk->fail_per_million;
}

static bool is_void(const struct fake_disk *disk, const struct file *file)
{
    return disk->is_off || file->epoch != disk->epoch;
}

uint64_t fake_disk_used(const struct fake_disk *disk)
{
    uint64_t used = 0;

    for (const struct node *node = disk->nodes; node != NULL; node = node->next) {
        if (node->open_count > 0 || is_named(&disk->now, node)) {
            used += node->size;
        }
    }
    return used;
}

/* How large `node` may be without going over the limit. */
static uint64_t size_allowed(const struct fake_disk *disk, const struct node *node)
{
    uint64_t used = fake_disk_used(disk);

    return disk->limit > used ? node->size + least(disk->limit - used, UINT64_MAX - node->size)
                              : node->size;
}

/* ---- The file system ---- */

static enum status fake_open(void *context, const char *path, enum file_mode mode,
                             struct file **out_file)
{
    struct fake_disk *disk = context;
    struct name *name = find_name(&disk->now, path);

    if (disk->is_off) {
        return STATUS_IO_ERROR;
    }
    if (name == NULL && mode != FILE_CREATE) {
        return STATUS_NOT_FOUND;
    }

    struct node *node = name != NULL ? name->node : NULL;

    if (node == NULL) {
        if (takes_power(disk)) {
            fake_disk_power_off(disk, disk->cut_loss);
            return STATUS_IO_ERROR;
        }
        node = NEW(struct node);
        node->next = disk->nodes;
        disk->nodes = node;
        change_names(disk, "", path, node);
    }
    node->open_count++;
    *out_file = NEW(struct file);
    **out_file = (struct file){.node = node, .epoch = disk->epoch};
    return STATUS_OK;
}

static void fake_close(void *context, struct file *file)
{
    struct fake_disk *disk = context;

    file->node->open_count--;
    memory_free(file);
    sweep(disk);
}

static enum status fake_read(void *context, struct file *file, uint64_t offset, void *octets,
                             size_t size, size_t *out_size)
{
    struct fake_disk *disk = context;

    if (is_void(disk, file) || fails_by_chance(disk)) {
        return STATUS_IO_ERROR;
    }
    *out_size = offset < file->node->size ? least(size, file->node->size - offset) : 0;
    if (*out_size > 0) {
        memcpy(octets, file->node->now + offset, *out_size);
    }
    return STATUS_OK;
}

/* Writes the first `size` octets of `parts`. */
static void put_parts(struct node *node, uint64_t offset, const struct slice *parts, size_t count,
                      uint64_t size)
{
    for (size_t i = 0; i < count && size > 0; i++) {
        struct slice part = slice_prefix(parts[i], size);

        put(node, offset, part);
        offset += part.size;
        size -= part.size;
    }
}

static enum status fake_write(void *context, struct file *file, uint64_t offset,
                              const struct slice *parts, size_t count)
{
    struct fake_disk *disk = context;
    uint64_t size = 0;

    if (is_void(disk, file)) {
        return STATUS_IO_ERROR;
    }
    for (size_t i = 0; i < count; i++) {
        size += parts[i].size;
    }

    bool fails = counts_down(&disk->fail_write_in);

    if (fails || fails_by_chance(disk)) {
        put_parts(file->node, offset, parts, count, random_below(&disk->random, size + 1));
        return fails ? disk->fail_write_status : STATUS_IO_ERROR;
    }

    uint64_t allowed = size_allowed(disk, file->node);
    uint64_t fitting = offset > allowed ? 0 : least(size, allowed - offset);

    put_parts(file->node, offset, parts, count, fitting);
    if (takes_power(disk)) {
        fake_disk_power_off(disk, disk->cut_loss);
        return STATUS_IO_ERROR;
    }
    return fitting == size ? STATUS_OK : STATUS_NO_SPACE;
}

static enum status fake_sync(void *context, struct file *file)
{
    struct fake_disk *disk = context;

    if (is_void(disk, file)) {
        return STATUS_IO_ERROR;
    }
    if (takes_power(disk)) {
        fake_disk_power_off(disk, disk->cut_loss);
        return STATUS_IO_ERROR;
    }

    bool fails = counts_down(&disk->fail_sync_in) || fails_by_chance(disk);

    sync_node(file->node, fails);
    return fails ? STATUS_IO_ERROR : STATUS_OK;
}

static enum status fake_resize(struct fake_disk *disk, struct file *file, uint64_t size)
{
    if (is_void(disk, file)) {
        return STATUS_IO_ERROR;
    }
    if (size > size_allowed(disk, file->node)) {
        return STATUS_NO_SPACE;
    }
    resize(file->node, size);
    if (takes_power(disk)) {
        fake_disk_power_off(disk, disk->cut_loss);
        return STATUS_IO_ERROR;
    }
    return STATUS_OK;
}

static enum status fake_allocate(void *context, struct file *file, uint64_t size)
{
    struct fake_disk *disk = context;

    if (!is_void(disk, file) && size <= file->node->size) {
        return STATUS_OK;
    }
    return fake_resize(disk, file, size);
}

static enum status fake_truncate(void *context, struct file *file, uint64_t size)
{
    return fake_resize(context, file, size);
}

static enum status fake_size(void *context, struct file *file, uint64_t *out_size)
{
    if (is_void(context, file)) {
        return STATUS_IO_ERROR;
    }
    *out_size = file->node->size;
    return STATUS_OK;
}

static enum status change_name(struct fake_disk *disk, const char *from, const char *to)
{
    struct name *name = find_name(&disk->now, from);

    if (disk->is_off) {
        return STATUS_IO_ERROR;
    }
    if (name == NULL) {
        return STATUS_NOT_FOUND;
    }
    change_names(disk, from, to, name->node);
    if (takes_power(disk)) {
        fake_disk_power_off(disk, disk->cut_loss);
        return STATUS_IO_ERROR;
    }
    sweep(disk);
    return STATUS_OK;
}

static enum status fake_rename(void *context, const char *from, const char *to)
{
    return change_name(context, from, to);
}

static enum status fake_unlink(void *context, const char *path)
{
    return change_name(context, path, "");
}

/* The name without `folder`, or NULL when it is not directly in it. */
static const char *name_inside(const char *path, const char *folder)
{
    size_t size = strlen(folder);

    if (strncmp(path, folder, size) != 0 || path[size] != '/') {
        return NULL;
    }
    return strchr(path + size + 1, '/') == NULL ? path + size + 1 : NULL;
}

static enum status fake_list(void *context, const char *folder, file_list_fn *each,
                             void *each_context)
{
    struct fake_disk *disk = context;

    if (disk->is_off) {
        return STATUS_IO_ERROR;
    }
    for (size_t i = 0; i < disk->now.count; i++) {
        const char *name = name_inside(disk->now.names[i].path, folder);

        if (name != NULL) {
            each(each_context, name);
        }
    }
    return STATUS_OK;
}

static enum status fake_sync_folder(void *context, const char *folder)
{
    struct fake_disk *disk = context;
    size_t left = 0;

    if (disk->is_off) {
        return STATUS_IO_ERROR;
    }
    if (takes_power(disk)) {
        fake_disk_power_off(disk, disk->cut_loss);
        return STATUS_IO_ERROR;
    }
    for (size_t i = 0; i < disk->change_count; i++) {
        struct change *change = &disk->changes[i];

        if (name_inside(change->to[0] != '\0' ? change->to : change->from, folder) != NULL) {
            make_change(&disk->durable, change);
        } else {
            disk->changes[left++] = *change;
        }
    }
    disk->change_count = left;
    sweep(disk);
    return STATUS_OK;
}

/* ---- The disk ---- */

struct fake_disk *fake_disk_new(uint64_t seed)
{
    struct fake_disk *disk = NEW(struct fake_disk);

    disk->random.state = seed;
    disk->limit = UINT64_MAX;
    disk->files = (struct file_system){
        .context = disk,
        .open = fake_open,
        .close = fake_close,
        .read = fake_read,
        .write = fake_write,
        .sync = fake_sync,
        .allocate = fake_allocate,
        .truncate = fake_truncate,
        .size = fake_size,
        .rename = fake_rename,
        .unlink = fake_unlink,
        .list = fake_list,
        .sync_folder = fake_sync_folder,
    };
    return disk;
}

void fake_disk_free(struct fake_disk *disk)
{
    if (disk == NULL) {
        return;
    }
    disk->change_count = 0;
    disk->now.count = 0;
    disk->durable.count = 0;
    sweep(disk);
    CHECK(disk->nodes == NULL);
    memory_free(disk->changes);
    memory_free(disk->now.names);
    memory_free(disk->durable.names);
    memory_free(disk);
}

const struct file_system *fake_disk_files(struct fake_disk *disk)
{
    return &disk->files;
}

uint64_t fake_disk_steps(const struct fake_disk *disk)
{
    return disk->steps;
}

void fake_disk_cut_power_at(struct fake_disk *disk, uint64_t nth, enum fake_disk_loss loss)
{
    disk->cut_at = nth == 0 ? 0 : disk->steps + nth;
    disk->cut_loss = loss;
}

bool fake_disk_is_off(const struct fake_disk *disk)
{
    return disk->is_off;
}

void fake_disk_fail_sync_at(struct fake_disk *disk, uint64_t nth)
{
    disk->fail_sync_in = nth;
}

void fake_disk_fail_write_at(struct fake_disk *disk, uint64_t nth, enum status status)
{
    disk->fail_write_in = nth;
    disk->fail_write_status = status;
}

void fake_disk_fail_by_chance(struct fake_disk *disk, uint64_t per_million)
{
    disk->fail_per_million = per_million;
}

void fake_disk_limit(struct fake_disk *disk, uint64_t octets)
{
    disk->limit = octets;
}

enum status fake_disk_flip(struct fake_disk *disk, const char *path, uint64_t bit)
{
    struct name *name = find_name(&disk->now, path);

    if (name == NULL || bit / 8 >= name->node->size) {
        return STATUS_NOT_FOUND;
    }
    name->node->now[bit / 8] = (char)(name->node->now[bit / 8] ^ (1 << bit % 8));
    name->node->durable[bit / 8] = (char)(name->node->durable[bit / 8] ^ (1 << bit % 8));
    return STATUS_OK;
}

static struct node *copy_node(struct fake_disk *copy, const struct node *node)
{
    struct node *twin = NEW(struct node);

    reserve(twin, node->capacity);
    twin->size = node->size;
    twin->durable_size = node->durable_size;
    if (node->capacity > 0) {
        memcpy(twin->now, node->now, node->capacity);
        memcpy(twin->durable, node->durable, node->capacity);
        memcpy(twin->sectors, node->sectors, node->capacity / SECTOR_SIZE);
    }
    twin->next = copy->nodes;
    copy->nodes = twin;
    return twin;
}

static void copy_names(struct directory *to, const struct directory *from,
                       const struct node *original, struct node *twin)
{
    for (size_t i = 0; i < from->count; i++) {
        if (from->names[i].node == original) {
            set_name(to, from->names[i].path, twin);
        }
    }
}

struct fake_disk *fake_disk_copy(const struct fake_disk *disk, uint64_t seed)
{
    struct fake_disk *copy = fake_disk_new(seed);

    copy->changes = memory_resized(NULL, (disk->change_count + 1) * sizeof(struct change));
    copy->change_count = disk->change_count;
    memcpy(copy->changes, disk->changes, disk->change_count * sizeof(struct change));
    for (const struct node *node = disk->nodes; node != NULL; node = node->next) {
        struct node *twin = copy_node(copy, node);

        copy_names(&copy->now, &disk->now, node, twin);
        copy_names(&copy->durable, &disk->durable, node, twin);
        for (size_t i = 0; i < copy->change_count; i++) {
            if (disk->changes[i].node == node) {
                copy->changes[i].node = twin;
            }
        }
    }
    sweep(copy);
    return copy;
}
