#include "router/cluster_record.h"

#include <string.h>

#include <jansson.h>

#include "core/check.h"
#include "core/number.h"
#include "router/slot.h"

enum { RECORD_VERSION = 1 };

/* ---- Names ---- */

static bool is_in_name(char octet)
{
    char lower = ascii_lower(octet);

    return (lower >= 'a' && lower <= 'z') || (octet >= '0' && octet <= '9') || octet == '.' ||
           octet == '_' || octet == '-' || octet == ':';
}

enum status cluster_name_set(struct cluster_name *name, struct slice text)
{
    struct cluster_name made = {{0}};

    if (text.size > CLUSTER_NAME_SIZE_MAX) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_in_name(text.data[i])) {
            return STATUS_INVALID;
        }
        made.text[i] = text.data[i];
    }
    *name = made;
    return STATUS_OK;
}

bool cluster_name_equals(const struct cluster_name *one, const struct cluster_name *other)
{
    return memcmp(one->text, other->text, sizeof(one->text)) == 0;
}

/* ---- Replicas ---- */

static size_t place_of(const struct cluster_replicas *replicas, uint32_t node)
{
    size_t place = 0;

    while (place < replicas->count && replicas->list[place].node < node) {
        place++;
    }
    return place;
}

const struct cluster_replica *cluster_replicas_find(const struct cluster_replicas *replicas,
                                                    uint32_t node)
{
    size_t place = place_of(replicas, node);

    return place < replicas->count && replicas->list[place].node == node ? &replicas->list[place]
                                                                         : NULL;
}

bool cluster_replicas_equal(const struct cluster_replicas *one,
                            const struct cluster_replicas *other)
{
    bool equal = one->count == other->count;

    for (size_t i = 0; equal && i < one->count; i++) {
        equal = one->list[i].node == other->list[i].node &&
                one->list[i].life == other->list[i].life &&
                one->list[i].role == other->list[i].role;
    }
    return equal;
}

size_t cluster_replicas_voters(const struct cluster_replicas *replicas)
{
    size_t count = 0;

    for (size_t i = 0; i < replicas->count; i++) {
        count += replicas->list[i].role == CLUSTER_VOTER;
    }
    return count;
}

enum status cluster_replicas_put(struct cluster_replicas *replicas, struct cluster_replica replica)
{
    size_t place = place_of(replicas, replica.node);

    if (cluster_replicas_find(replicas, replica.node) == NULL) {
        if (replicas->count == CLUSTER_REPLICAS_MAX) {
            return STATUS_TOO_LARGE;
        }
        memmove(&replicas->list[place + 1], &replicas->list[place],
                (replicas->count - place) * sizeof(replica));
        replicas->count++;
    }
    replicas->list[place] = replica;
    return STATUS_OK;
}

void cluster_replicas_remove(struct cluster_replicas *replicas, uint32_t node)
{
    size_t place = place_of(replicas, node);

    if (cluster_replicas_find(replicas, node) != NULL) {
        replicas->count--;
        memmove(&replicas->list[place], &replicas->list[place + 1],
                (replicas->count - place) * sizeof(*replicas->list));
    }
}

/* ---- Reading ---- */

/* A record that is being read: what is amiss is noted, and asked at the end. */
struct reading {
    json_t *root;
    enum status status;
};

static void begin(struct reading *reading, struct slice text)
{
    *reading = (struct reading){.status = STATUS_CORRUPT};
    if (text.size == 0 || text.size > CLUSTER_RECORD_SIZE_MAX) {
        return;
    }
    reading->root = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    json_int_t version = json_integer_value(json_object_get(reading->root, "version"));

    reading->status = version == RECORD_VERSION  ? STATUS_OK
                      : version > RECORD_VERSION ? STATUS_UNSUPPORTED
                                                 : STATUS_CORRUPT;
}

static enum status end(struct reading *reading)
{
    json_decref(reading->root);
    return reading->status;
}

static void refuse_unless(struct reading *reading, bool is_good)
{
    if (!is_good && reading->status == STATUS_OK) {
        reading->status = STATUS_CORRUPT;
    }
}

static uint64_t read_number(struct reading *reading, const json_t *object, const char *name,
                            uint64_t least, uint64_t most)
{
    const json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);

    if (value == NULL && least == 0) {
        return 0;
    }
    bool is_good = json_is_integer(value) && number >= 0 && (uint64_t)number >= least &&
                   (uint64_t)number <= most;

    refuse_unless(reading, is_good);
    return is_good ? (uint64_t)number : least;
}

static void read_name(struct reading *reading, const char *name, struct cluster_name *out_name)
{
    const json_t *value = json_object_get(reading->root, name);
    struct slice text = {json_string_value(value), json_string_length(value)};

    if (value != NULL) {
        refuse_unless(reading,
                      json_is_string(value) && cluster_name_set(out_name, text) == STATUS_OK);
    }
}

/* 64 bits as text: JSON's readers differ over numbers of that size. */
static uint64_t read_bits(struct reading *reading, const char *name)
{
    const json_t *value = json_object_get(reading->root, name);
    struct slice text = {json_string_value(value), json_string_length(value)};
    uint64_t bits = 0;

    refuse_unless(reading,
                  json_is_string(value) && number_parse(text, UINT64_MAX, &bits) == STATUS_OK);
    return bits;
}

enum status cluster_config_parse(struct slice text, struct cluster_config *out_config)
{
    struct reading reading;
    struct cluster_config config = {0};

    begin(&reading, text);
    config.id = read_bits(&reading, "id");
    config.features = read_bits(&reading, "features");
    refuse_unless(&reading, config.id != 0);
    if (reading.status == STATUS_OK && config.features != 0) {
        reading.status = STATUS_UNSUPPORTED;
    }
    if (reading.status == STATUS_OK) {
        *out_config = config;
    }
    return end(&reading);
}

enum status cluster_node_parse(uint32_t id, struct slice text, struct cluster_node *out_node)
{
    struct reading reading;
    struct cluster_node node = {.id = id};

    begin(&reading, text);
    node.port = (uint16_t)read_number(&reading, reading.root, "port", 1, UINT16_MAX);
    read_name(&reading, "address", &node.address);
    read_name(&reading, "zone", &node.zone);
    read_name(&reading, "region", &node.region);
    read_name(&reading, "host", &node.host);
    read_name(&reading, "node_version", &node.version);
    node.capacity = read_number(&reading, reading.root, "capacity", 0, INT64_MAX);
    refuse_unless(&reading, id > 0 && node.address.text[0] != '\0');
    if (reading.status == STATUS_OK) {
        *out_node = node;
    }
    return end(&reading);
}

static struct cluster_replica read_replica(struct reading *reading, const json_t *object)
{
    const char *role = json_string_value(json_object_get(object, "role"));
    bool is_voter = role != NULL && strcmp(role, "voter") == 0;

    refuse_unless(reading, is_voter || (role != NULL && strcmp(role, "learner") == 0));
    return (struct cluster_replica){
        .node = (uint32_t)read_number(reading, object, "node", 1, UINT32_MAX),
        .life = (uint32_t)read_number(reading, object, "life", 1, UINT32_MAX),
        .role = is_voter ? CLUSTER_VOTER : CLUSTER_LEARNER,
    };
}

static void read_replicas(struct reading *reading, const char *name,
                          const struct cluster_shard *shard, struct cluster_replicas *replicas)
{
    const json_t *list = json_object_get(reading->root, name);
    size_t count = json_array_size(list);

    refuse_unless(reading, (list == NULL || json_is_array(list)) && count <= CLUSTER_REPLICAS_MAX);
    for (size_t i = 0; reading->status == STATUS_OK && i < count; i++) {
        struct cluster_replica replica = read_replica(reading, json_array_get(list, i));

        refuse_unless(reading, (i == 0 || replica.node > replicas->list[i - 1].node) &&
                                   replica.life < shard->life_next);
        replicas->list[replicas->count++] = replica;
    }
    refuse_unless(reading, count == 0 || cluster_replicas_voters(replicas) > 0);
}

enum status cluster_shard_parse(uint32_t id, struct slice text, struct cluster_shard *out_shard)
{
    struct reading reading;
    struct cluster_shard shard = {.id = id};

    begin(&reading, text);
    shard.generation = read_number(&reading, reading.root, "generation", 1, INT64_MAX);
    shard.voters = (uint32_t)read_number(&reading, reading.root, "voters", 1, CLUSTER_VOTERS_MAX);
    shard.founders =
        (uint32_t)read_number(&reading, reading.root, "founders", 1, CLUSTER_REPLICAS_MAX);
    shard.life_next = (uint32_t)read_number(&reading, reading.root, "life_next", 1, UINT32_MAX);
    shard.leader_wish = (uint32_t)read_number(&reading, reading.root, "leader_wish", 0, UINT32_MAX);
    read_name(&reading, "region", &shard.region);
    read_replicas(&reading, "replicas", &shard, &shard.now);
    read_replicas(&reading, "wish", &shard, &shard.wish);
    refuse_unless(&reading, id > 0 && shard.now.count > 0);
    if (reading.status == STATUS_OK) {
        *out_shard = shard;
    }
    return end(&reading);
}

enum status cluster_leader_parse(uint32_t shard, struct slice text,
                                 struct cluster_leader *out_leader)
{
    struct reading reading;
    struct cluster_leader leader = {.shard = shard};

    begin(&reading, text);
    leader.node = (uint32_t)read_number(&reading, reading.root, "node", 1, UINT32_MAX);
    leader.term = read_number(&reading, reading.root, "term", 0, INT64_MAX);
    const json_t *ready = json_object_get(reading.root, "ready");
    size_t count = json_array_size(ready);

    refuse_unless(&reading, count <= CLUSTER_REPLICAS_MAX);
    for (size_t i = 0; reading.status == STATUS_OK && i < count; i++) {
        json_int_t node = json_integer_value(json_array_get(ready, i));

        refuse_unless(&reading, node >= 1 && node <= UINT32_MAX);
        leader.ready[leader.ready_count++] = (uint32_t)node;
    }
    if (reading.status == STATUS_OK) {
        *out_leader = leader;
    }
    return end(&reading);
}

enum status cluster_slots_parse(uint32_t first, uint32_t last, struct slice text,
                                struct cluster_slots *out_slots)
{
    struct reading reading;
    struct cluster_slots slots = {.first = first, .last = last};

    begin(&reading, text);
    slots.shard = (uint32_t)read_number(&reading, reading.root, "shard", 1, UINT32_MAX);
    refuse_unless(&reading, first <= last && last < SLOT_COUNT);
    if (reading.status == STATUS_OK) {
        *out_slots = slots;
    }
    return end(&reading);
}
