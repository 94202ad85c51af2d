#include "roles/placer.h"

#include "core/log.h"
#include "core/memory.h"
#include "router/etcd_lease.h"
#include "router/etcd_watch.h"
#include "router/numbered.h"
#include "router/placement.h"

enum { LEASE_S = 10, TICK_MS = 1000, MOVES_MAX = 8, KEY_SIZE_MAX = 256 };

/* Since when a node is away, as far as we know. */
struct absence {
    uint64_t since_ms;
};

struct placer {
    const struct settings *settings;
    struct cluster_link *link;
    struct buffer key; /* of the election */
    struct etcd_lease *lease;
    struct etcd_lease_listener lease_listener;
    struct etcd_watch *election;
    struct etcd_watch_listener election_listener;
    bool is_listed;            /* so that `is_taken` means something */
    bool is_taken;             /* by anybody */
    uint64_t elected_revision; /* 0: not elected */
    struct etcd_call campaign;
    bool campaigns;
    struct etcd_call write;
    bool writes;
    struct numbered absences; /* struct absence, by node */
    struct loop_timer tick;
};

static uint64_t now_ms(const struct placer *placer)
{
    return loop_now_ms(cluster_link_loop(placer->link));
}

/* ---- The election ---- */

static void on_campaigned(struct etcd_call *call, enum status status,
                          const struct etcd_result *result)
{
    struct placer *placer = CONTAINER_OF(call, struct placer, campaign);

    placer->campaigns = false;
    if (status == STATUS_OK && etcd_lease_id(placer->lease) != 0) {
        placer->elected_revision = result->revision;
        log_info("placer.elected", log_number("revision", result->revision));
    }
}

static void campaign(struct placer *placer)
{
    uint64_t lease = etcd_lease_id(placer->lease);
    struct etcd_compare is_free = {buffer_view(&placer->key), ETCD_CREATE_REVISION, 0};
    struct etcd_operation put = {
        .key = buffer_view(&placer->key), .value = SLICE("{\"version\":1}"), .lease = lease};

    if (lease == 0 || !placer->is_listed || placer->is_taken || placer->campaigns) {
        return;
    }
    placer->campaigns = true;
    etcd_commit(&placer->campaign, &(struct etcd_transaction){&is_free, 1, &put, 1}, on_campaigned);
}

static void resign(struct placer *placer)
{
    if (placer->elected_revision != 0) {
        log_info("placer.resigned", log_number("revision", placer->elected_revision));
    }
    placer->elected_revision = 0;
}

static void on_lease_held(void *context, uint64_t lease)
{
    campaign(context);
}

static void on_lease_lost(void *context)
{
    resign(context);
}

static void on_taken(void *context, const struct etcd_entry *entry)
{
    ((struct placer *)context)->is_taken = true;
}

static void on_free(void *context, struct slice key)
{
    struct placer *placer = context;

    placer->is_taken = false;
    resign(placer);
}

static void on_settled(void *context, uint64_t revision)
{
    struct placer *placer = context;

    placer->is_listed = true;
    campaign(placer);
}

/* ---- What is decided about ---- */

static uint64_t away_ms(struct placer *placer, uint32_t node, bool is_alive)
{
    if (is_alive) {
        numbered_remove(&placer->absences, node);
        return 0;
    }
    struct absence *absence = numbered_put(&placer->absences, node);

    if (absence->since_ms == 0) {
        absence->since_ms = now_ms(placer);
    }
    return now_ms(placer) - absence->since_ms;
}

/* A node of which there is no record since we look: it was away before. */
static void note_strangers(struct placer *placer, const struct cluster_map *map,
                           const struct cluster_replicas *replicas)
{
    for (size_t i = 0; i < replicas->count; i++) {
        if (cluster_map_node(map, replicas->list[i].node) == NULL) {
            away_ms(placer, replicas->list[i].node, false);
        }
    }
}

static struct placement_node node_of(struct placer *placer, const struct cluster_map *map,
                                     uint32_t id)
{
    const struct cluster_node_entry *entry = cluster_map_node(map, id);
    bool is_alive = entry != NULL && entry->is_alive;
    struct placement_node node = {
        .id = id,
        .is_alive = is_alive,
        .is_draining = cluster_map_is_draining(map, id),
        .away_ms = away_ms(placer, id, is_alive),
    };

    if (entry != NULL) {
        node.zone = entry->node.zone;
        node.region = entry->node.region;
        node.host = entry->node.host;
        node.capacity = entry->node.capacity;
    }
    return node;
}

/* By ascending id: those with a record, and among them the strangers, who all are away. */
static size_t list_nodes(struct placer *placer, const struct cluster_map *map,
                         struct placement_node *nodes)
{
    struct numbered ids;
    size_t count = 0;

    numbered_init(&ids, 1);
    for (size_t i = 0; i < cluster_map_node_count(map); i++) {
        numbered_put(&ids, cluster_map_node_at(map, i)->node.id);
    }
    for (size_t i = 0; i < placer->absences.count; i++) {
        numbered_put(&ids, placer->absences.numbers[i]);
    }
    for (size_t i = 0; i < ids.count; i++) {
        nodes[count++] = node_of(placer, map, ids.numbers[i]);
    }
    numbered_done(&ids);
    return count;
}

/* ---- Moves ---- */

static void on_written(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct placer *placer = CONTAINER_OF(call, struct placer, write);

    placer->writes = false; /* after a conflict the next tick sees what changed */
}

static void write_moves(struct placer *placer, const struct placement_move *moves, size_t count)
{
    struct etcd_compare compares[MOVES_MAX + 1];
    struct etcd_operation puts[MOVES_MAX];
    struct buffer keys[MOVES_MAX];
    struct buffer values[MOVES_MAX];

    compares[0] = (struct etcd_compare){buffer_view(&placer->key), ETCD_CREATE_REVISION,
                                        placer->elected_revision};
    for (size_t i = 0; i < count; i++) {
        buffer_init(&keys[i], KEY_SIZE_MAX);
        buffer_init(&values[i], CLUSTER_RECORD_SIZE_MAX);
        cluster_key_number(cluster_link_prefix(placer->link), "shards", moves[i].shard.id,
                           &keys[i]);
        cluster_shard_print(&moves[i].shard, &values[i]);
        compares[i + 1] =
            (struct etcd_compare){buffer_view(&keys[i]), ETCD_MOD_REVISION, moves[i].revision};
        puts[i] =
            (struct etcd_operation){.key = buffer_view(&keys[i]), .value = buffer_view(&values[i])};
        log_info("placer.move", log_number("shard", moves[i].shard.id),
                 log_text("why", slice_of(placement_reason_text(moves[i].reason))));
    }
    placer->writes = true;
    etcd_commit(&placer->write, &(struct etcd_transaction){compares, count + 1, puts, count},
                on_written);
    for (size_t i = 0; i < count; i++) {
        buffer_done(&keys[i]);
        buffer_done(&values[i]);
    }
}

static void place(struct placer *placer)
{
    const struct cluster_map *map = cluster_link_map(placer->link);
    size_t shard_count = cluster_map_shard_count(map);
    struct cluster_shard_entry *shards = memory_zeroed((shard_count + 1) * sizeof(*shards));
    struct placement_move moves[MOVES_MAX];

    for (size_t i = 0; i < shard_count; i++) {
        shards[i] = *cluster_map_shard_at(map, i);
        note_strangers(placer, map, &shards[i].shard.now);
    }
    struct placement_node *nodes =
        memory_zeroed((cluster_map_node_count(map) + placer->absences.count + 1) * sizeof(*nodes));
    struct placement_view view = {
        .nodes = nodes,
        .node_count = list_nodes(placer, map, nodes),
        .shards = shards,
        .shard_count = shard_count,
        .replace_after_ms = placer->settings->replace_after_ms,
    };
    size_t count = placement_decide(&view, moves, MOVES_MAX);

    if (count > 0) {
        write_moves(placer, moves, count);
    }
    memory_free(nodes);
    memory_free(shards);
}

static void on_tick(struct loop_timer *timer)
{
    struct placer *placer = CONTAINER_OF(timer, struct placer, tick);

    loop_timer_start(timer, TICK_MS);
    if (placer->elected_revision == 0) {
        campaign(placer);
    } else if (!placer->writes && cluster_map_config(cluster_link_map(placer->link)) != NULL) {
        place(placer);
    }
}

/* ---- The placer ---- */

struct placer *placer_new(const struct settings *settings, struct cluster_link *link)
{
    struct placer *placer = NEW(struct placer);
    struct etcd *etcd = cluster_link_etcd(link);

    placer->settings = settings;
    placer->link = link;
    buffer_init(&placer->key, KEY_SIZE_MAX);
    buffer_append(&placer->key, cluster_link_prefix(link));
    buffer_append(&placer->key, SLICE("placer"));
    placer->lease_listener = (struct etcd_lease_listener){on_lease_held, on_lease_lost, placer};
    placer->election_listener = (struct etcd_watch_listener){on_taken, on_free, on_settled, placer};
    numbered_init(&placer->absences, sizeof(struct absence));
    etcd_call_init(&placer->campaign, etcd);
    etcd_call_init(&placer->write, etcd);
    loop_timer_init(&placer->tick, cluster_link_loop(link), on_tick);
    placer->lease = etcd_lease_new(etcd, LEASE_S, &placer->lease_listener);
    placer->election = etcd_watch_new(etcd, buffer_view(&placer->key), &placer->election_listener);
    loop_timer_start(&placer->tick, TICK_MS);
    return placer;
}

void placer_free(struct placer *placer)
{
    if (placer == NULL) {
        return;
    }
    loop_timer_stop(&placer->tick);
    etcd_watch_free(placer->election);
    etcd_lease_free(placer->lease);
    etcd_call_done(&placer->campaign);
    etcd_call_done(&placer->write);
    numbered_done(&placer->absences);
    buffer_done(&placer->key);
    memory_free(placer);
}
