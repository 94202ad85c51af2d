#include "roles/cluster_command.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"
#include "roles/cluster_link.h"
#include "router/placement.h"
#include "router/slot.h"

enum {
    PATIENCE_S = 15,
    BATCH_COUNT = 100, /* etcd takes 128 operations in a transaction */
    KEY_SIZE_MAX = 256,
    NUMBERS_MAX = 3,
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_EXISTS = 4,
    EXIT_UNAVAILABLE = 5,
};

struct command {
    const struct settings *settings;
    struct cluster_link *link;
    void (*run)(struct command *command, const struct cluster_map *map); /* NULL: it has run */
    uint32_t numbers[NUMBERS_MAX]; /* the arguments, in their order */
    struct etcd_call call;
    bool has_call;
    atomic_int exit_code;
    sem_t done;

    /* Of `init`. */
    struct cluster_shard *shards;
    uint32_t shard_count;
    uint32_t written; /* records, of shards and slots alike */
};

static void finish(struct command *command, int exit_code)
{
    atomic_store(&command->exit_code, exit_code);
    sem_post(&command->done);
}

static void begin_call(struct command *command)
{
    if (!command->has_call) {
        command->has_call = true;
        etcd_call_init(&command->call, cluster_link_etcd(command->link));
    }
}

static int exit_of(enum status status)
{
    if (status != STATUS_OK) {
        fprintf(stderr, "aviso: etcd: %s\n", status_text(status));
    }
    return status == STATUS_OK         ? EXIT_DONE
           : status == STATUS_CONFLICT ? EXIT_EXISTS
                                       : EXIT_UNAVAILABLE;
}

/* ---- init ---- */

/* Operations whose keys and values are in one buffer: slices of it are made at the end. */
struct batch {
    struct buffer text;
    size_t sizes[BATCH_COUNT + 1][2]; /* of key and value */
    size_t count;
};

static void end_record(struct batch *batch, size_t begin, size_t middle)
{
    batch->sizes[batch->count][0] = middle - begin;
    batch->sizes[batch->count][1] = batch->text.size - middle;
    batch->count++;
}

static void add_record(const struct command *command, uint32_t index, struct batch *batch)
{
    struct slice prefix = cluster_link_prefix(command->link);
    uint32_t shard = index / 2;
    size_t begin = batch->text.size;

    if (index % 2 == 0) {
        cluster_key_number(prefix, "shards", command->shards[shard].id, &batch->text);
        size_t middle = batch->text.size;

        cluster_shard_print(&command->shards[shard], &batch->text);
        end_record(batch, begin, middle);
        return;
    }
    struct cluster_slots slots = {
        .first = shard * SLOT_COUNT / command->shard_count,
        .last = (shard + 1) * SLOT_COUNT / command->shard_count - 1,
        .shard = command->shards[shard].id,
    };

    cluster_key_slots(prefix, slots.first, slots.last, &batch->text);
    size_t middle = batch->text.size;

    cluster_slots_print(&slots, &batch->text);
    end_record(batch, begin, middle);
}

/* The last of all: before it, nobody takes the rest for a cluster. */
static void add_config(const struct command *command, struct batch *batch)
{
    struct cluster_config config = {0};
    size_t begin = batch->text.size;

    while (config.id == 0) {
        random_octets(&config.id, sizeof(config.id));
    }
    cluster_key_config(cluster_link_prefix(command->link), &batch->text);
    size_t middle = batch->text.size;

    cluster_config_print(&config, &batch->text);
    end_record(batch, begin, middle);
}

static void on_written(struct etcd_call *call, enum status status,
                       const struct etcd_result *result);

/* Of two who found the same cluster one is first to write a batch, or to end. */
static void write_batch(struct command *command)
{
    struct batch batch = {.count = 0};
    struct etcd_operation operations[BATCH_COUNT + 1];
    struct buffer key;

    buffer_init(&batch.text, (BATCH_COUNT + 1) * (KEY_SIZE_MAX + CLUSTER_RECORD_SIZE_MAX));
    while (batch.count < BATCH_COUNT && command->written < command->shard_count * 2) {
        add_record(command, command->written++, &batch);
    }
    if (batch.count < BATCH_COUNT) {
        add_config(command, &batch);
        command->written++;
    }
    struct slice rest = buffer_view(&batch.text);

    for (size_t i = 0; i < batch.count; i++) {
        operations[i] = (struct etcd_operation){.key = slice_prefix(rest, batch.sizes[i][0])};
        rest = slice_skip(rest, batch.sizes[i][0]);
        operations[i].value = slice_prefix(rest, batch.sizes[i][1]);
        rest = slice_skip(rest, batch.sizes[i][1]);
    }
    buffer_init(&key, KEY_SIZE_MAX);
    cluster_key_config(cluster_link_prefix(command->link), &key);
    struct etcd_compare is_new = {buffer_view(&key), ETCD_CREATE_REVISION, 0};

    begin_call(command);
    etcd_commit(&command->call, &(struct etcd_transaction){&is_new, 1, operations, batch.count},
                on_written);
    buffer_done(&key);
    buffer_done(&batch.text);
}

static void on_written(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct command *command = CONTAINER_OF(call, struct command, call);

    if (status == STATUS_OK && command->written <= command->shard_count * 2) {
        write_batch(command);
        return;
    }
    if (status == STATUS_OK) {
        printf("founded: %u shards\n", command->shard_count);
    }
    finish(command, exit_of(status));
}

static size_t count_alive(const struct cluster_map *map)
{
    size_t alive = 0;

    for (size_t i = 0; i < cluster_map_node_count(map); i++) {
        alive += cluster_map_node_at(map, i)->is_alive;
    }
    return alive;
}

static void run_init(struct command *command, const struct cluster_map *map)
{
    size_t count = cluster_map_node_count(map);
    struct placement_node *nodes = memory_zeroed((count + 1) * sizeof(*nodes));
    struct placement_view view = {.nodes = nodes, .node_count = count};

    if (cluster_map_config(map) != NULL) {
        memory_free(nodes);
        fputs("aviso: the cluster is there already\n", stderr);
        finish(command, EXIT_EXISTS);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct cluster_node_entry *entry = cluster_map_node_at(map, i);

        nodes[i] = (struct placement_node){
            .id = entry->node.id,
            .zone = entry->node.zone,
            .region = entry->node.region,
            .host = entry->node.host,
            .capacity = entry->node.capacity,
            .is_alive = entry->is_alive,
            .is_draining = cluster_map_is_draining(map, entry->node.id),
        };
    }
    command->shard_count = (uint32_t)command->settings->cluster_shards;
    command->shards = memory_zeroed(command->shard_count * sizeof(*command->shards));
    enum status status = placement_found(&view, (uint32_t)command->settings->cluster_voters,
                                         command->shard_count, command->shards);

    memory_free(nodes);
    if (status != STATUS_OK) {
        fprintf(stderr, "aviso: %zu storage nodes are alive, fewer than cluster.voters (%llu)\n",
                count_alive(map), (unsigned long long)command->settings->cluster_voters);
        finish(command, EXIT_FAILED);
        return;
    }
    write_batch(command);
}

/* ---- status ---- */

static void print_replicas(const struct cluster_replicas *replicas, uint32_t leader)
{
    for (size_t i = 0; i < replicas->count; i++) {
        printf(" %u%s%s", replicas->list[i].node,
               replicas->list[i].role == CLUSTER_LEARNER ? "(learns)" : "",
               replicas->list[i].node == leader ? "*" : "");
    }
}

static void print_shard(const struct cluster_shard_entry *entry)
{
    printf("shard %-5u", entry->shard.id);
    print_replicas(&entry->shard.now, entry->has_leader ? entry->leader.node : 0);
    if (entry->shard.wish.count > 0) {
        printf("  ->");
        print_replicas(&entry->shard.wish, 0);
    }
    printf("\n");
}

static void run_status(struct command *command, const struct cluster_map *map)
{
    const struct cluster_config *config = cluster_map_config(map);

    if (config == NULL) {
        printf("no cluster yet\n");
    } else {
        printf("cluster %llx: %zu shards\n", (unsigned long long)config->id,
               cluster_map_shard_count(map));
    }
    for (size_t i = 0; i < cluster_map_node_count(map); i++) {
        const struct cluster_node_entry *entry = cluster_map_node_at(map, i);

        printf("node %-11u %s:%u zone=%s region=%s %s%s\n", entry->node.id,
               entry->node.address.text, entry->node.port, entry->node.zone.text,
               entry->node.region.text, entry->is_alive ? "alive" : "away",
               cluster_map_is_draining(map, entry->node.id) ? " draining" : "");
    }
    for (size_t i = 0; i < cluster_map_shard_count(map); i++) {
        print_shard(cluster_map_shard_at(map, i));
    }
    finish(command, config != NULL ? EXIT_DONE : EXIT_NOT_FOUND);
}

/* ---- drain, undrain, lead, move ---- */

static void on_done(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    finish(CONTAINER_OF(call, struct command, call), exit_of(status));
}

static bool knows_node(const struct command *command, const struct cluster_map *map)
{
    bool known = cluster_map_node(map, command->numbers[0]) != NULL;

    for (size_t i = 0; i < cluster_map_shard_count(map); i++) {
        known = known || cluster_replicas_find(&cluster_map_shard_at(map, i)->shard.now,
                                               command->numbers[0]) != NULL;
    }
    return known;
}

static void run_drain(struct command *command, const struct cluster_map *map)
{
    struct buffer key;

    if (!knows_node(command, map)) {
        fprintf(stderr, "aviso: there is no node %u\n", command->numbers[0]);
        finish(command, EXIT_NOT_FOUND);
        return;
    }
    buffer_init(&key, KEY_SIZE_MAX);
    cluster_key_number(cluster_link_prefix(command->link), "drains", command->numbers[0], &key);
    begin_call(command);
    etcd_put(&command->call, buffer_view(&key), SLICE("{\"version\":1}"), 0, on_done);
    buffer_done(&key);
}

static void run_undrain(struct command *command, const struct cluster_map *map)
{
    struct buffer key;

    buffer_init(&key, KEY_SIZE_MAX);
    cluster_key_number(cluster_link_prefix(command->link), "drains", command->numbers[0], &key);
    begin_call(command);
    etcd_delete(&command->call, buffer_view(&key), on_done);
    buffer_done(&key);
}

static void write_shard(struct command *command, const struct cluster_shard *shard,
                        uint64_t revision)
{
    struct buffer key;
    struct buffer value;

    buffer_init(&key, KEY_SIZE_MAX);
    buffer_init(&value, CLUSTER_RECORD_SIZE_MAX);
    cluster_key_number(cluster_link_prefix(command->link), "shards", shard->id, &key);
    cluster_shard_print(shard, &value);
    struct etcd_compare is_same = {buffer_view(&key), ETCD_MOD_REVISION, revision};
    struct etcd_operation put = {.key = buffer_view(&key), .value = buffer_view(&value)};

    begin_call(command);
    etcd_commit(&command->call, &(struct etcd_transaction){&is_same, 1, &put, 1}, on_done);
    buffer_done(&key);
    buffer_done(&value);
}

static void refuse(struct command *command, int exit_code, const char *why)
{
    fprintf(stderr, "aviso: %s\n", why);
    finish(command, exit_code);
}

/* NULL: said already. */
static const struct cluster_shard_entry *find_shard(struct command *command,
                                                    const struct cluster_map *map)
{
    const struct cluster_shard_entry *entry = cluster_map_shard(map, command->numbers[0]);

    if (entry == NULL || entry->shard.id == 0) {
        refuse(command, EXIT_NOT_FOUND, "there is no such shard");
        return NULL;
    }
    if (entry->shard.wish.count > 0) {
        refuse(command, EXIT_EXISTS, "the shard is being moved already");
        return NULL;
    }
    return entry;
}

static void run_lead(struct command *command, const struct cluster_map *map)
{
    const struct cluster_shard_entry *entry = find_shard(command, map);

    if (entry == NULL) {
        return;
    }
    struct cluster_shard shard = entry->shard;
    const struct cluster_replica *replica = cluster_replicas_find(&shard.now, command->numbers[1]);

    if (replica == NULL || replica->role != CLUSTER_VOTER) {
        refuse(command, EXIT_NOT_FOUND, "the node has no vote in this shard");
        return;
    }
    shard.leader_wish = replica->node;
    write_shard(command, &shard, entry->revision);
}

static void run_move(struct command *command, const struct cluster_map *map)
{
    const struct cluster_shard_entry *entry = find_shard(command, map);
    const struct cluster_node_entry *to = cluster_map_node(map, command->numbers[2]);

    if (entry == NULL) {
        return;
    }
    struct cluster_shard shard = entry->shard;
    const struct cluster_replica *from = cluster_replicas_find(&shard.now, command->numbers[1]);

    if (from == NULL || to == NULL || !to->is_alive) {
        refuse(command, EXIT_NOT_FOUND, "not from a node of the shard to one that is alive");
        return;
    }
    struct cluster_replica moved = {to->node.id, shard.life_next++, from->role};

    shard.wish = shard.now;
    cluster_replicas_remove(&shard.wish, from->node);
    if (cluster_replicas_find(&shard.wish, moved.node) != NULL ||
        cluster_replicas_put(&shard.wish, moved) != STATUS_OK) {
        refuse(command, EXIT_EXISTS, "the node has a replica of this shard");
        return;
    }
    shard.leader_wish = shard.leader_wish == from->node ? 0 : shard.leader_wish;
    write_shard(command, &shard, entry->revision);
}

/* ---- The command ---- */

static void on_changed(void *context, const struct cluster_map *map)
{
    struct command *command = context;
    void (*run)(struct command *, const struct cluster_map *) = command->run;

    command->run = NULL;
    if (run != NULL) {
        run(command, map);
    }
}

static const struct verb {
    const char *name;
    int argument_count;
    void (*run)(struct command *command, const struct cluster_map *map);
} verbs[] = {
    {"init", 0, run_init},       {"status", 0, run_status}, {"drain", 1, run_drain},
    {"undrain", 1, run_undrain}, {"lead", 2, run_lead},     {"move", 3, run_move},
};

static bool read_numbers(char **words, int count, uint32_t *out_numbers)
{
    for (int i = 0; i < count; i++) {
        uint64_t number = 0;

        if (number_parse(slice_of(words[i]), UINT32_MAX, &number) != STATUS_OK) {
            return false;
        }
        out_numbers[i] = (uint32_t)number;
    }
    return true;
}

static const struct verb *find_verb(char **words, int word_count, uint32_t *out_numbers)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (word_count == verbs[i].argument_count + 1 && strcmp(words[0], verbs[i].name) == 0 &&
            read_numbers(words + 1, word_count - 1, out_numbers)) {
            return &verbs[i];
        }
    }
    return NULL;
}

static void await_end(struct command *command)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    while (sem_timedwait(&command->done, &end) != 0) {
        if (errno != EINTR) {
            fputs("aviso: etcd does not answer\n", stderr);
            return;
        }
    }
}

int cluster_command(const struct settings *settings, char **words, int word_count)
{
    struct command command = {.settings = settings, .exit_code = EXIT_UNAVAILABLE};
    const struct verb *verb = find_verb(words, word_count, command.numbers);

    if (verb == NULL) {
        fputs("usage: aviso cluster init|status|drain NODE|undrain NODE|lead SHARD NODE|\n"
              "                     move SHARD FROM TO [--config FILE]\n",
              stderr);
        return EXIT_USAGE;
    }
    command.run = verb->run;
    CHECK(sem_init(&command.done, 0, 0) == 0);
    /* Only once it is assigned may the loop use it: the first change comes over the network. */
    if (cluster_link_open(settings, on_changed, &command, &command.link) != STATUS_OK) {
        sem_destroy(&command.done);
        return EXIT_FAILED;
    }
    await_end(&command);
    cluster_link_stop(command.link);
    if (command.has_call) {
        etcd_call_done(&command.call);
    }
    cluster_link_close(command.link);
    memory_free(command.shards);
    sem_destroy(&command.done);
    return atomic_load(&command.exit_code);
}
