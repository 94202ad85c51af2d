#include "core/log.h"
#include "roles/storage_member_parts.h"
#include "storage/replica_id.h"

enum { REST_MS = 1000, TRANSFER_REST_MS = 10000, HINT_SIZE_MAX = 1024 };

static uint64_t now_ms(const struct storage_member *member)
{
    return loop_now_ms(cluster_link_loop(member->link));
}

/* ---- Configurations and records ---- */

static bool is_settled(const struct shard_state *state)
{
    return !raft_configuration_is_joint(&state->configuration) &&
           state->configuration_index <= state->commit_index;
}

/* STATUS_TOO_LARGE cannot be: both have the same limit. */
static enum status replicas_of(const struct raft_configuration *configuration,
                               struct cluster_replicas *out_replicas)
{
    enum status status = STATUS_OK;

    *out_replicas = (struct cluster_replicas){0};
    for (size_t i = 0; status == STATUS_OK && i < configuration->count; i++) {
        const struct raft_replica *replica = &configuration->replicas[i];

        status = cluster_replicas_put(
            out_replicas,
            (struct cluster_replica){
                .node = replica_id_node(replica->id),
                .life = (uint32_t)replica->id,
                .role = (replica->parts & RAFT_VOTER) != 0 ? CLUSTER_VOTER : CLUSTER_LEARNER,
            });
    }
    return status;
}

/* The next configuration on the way to `wish`: voters-to-be learn first, and take their places in
 * one change when they have caught up. */
static enum status next_configuration(const struct raft_configuration *now,
                                      const struct cluster_replicas *wish,
                                      struct raft_configuration *out_next)
{
    struct raft_configuration next = {0};
    struct raft_configuration learning = *now;
    bool is_new = false;
    enum status status = STATUS_OK;

    for (size_t i = 0; status == STATUS_OK && i < wish->count; i++) {
        struct raft_replica replica = {
            .id = replica_id_make(wish->list[i].node, wish->list[i].life),
            .parts = wish->list[i].role == CLUSTER_VOTER ? RAFT_VOTER : RAFT_LEARNER,
        };

        status = raft_configuration_put(&next, replica);
        if (status == STATUS_OK && raft_configuration_find(now, replica.id) == NULL) {
            is_new = true;
            replica.parts = RAFT_LEARNER;
            status = raft_configuration_put(&learning, replica);
        }
    }
    *out_next = is_new ? learning : next;
    return status;
}

/* ---- Outcomes: what Raft decided goes to etcd, by compare-and-swap ---- */

static void on_recorded(struct etcd_call *call, enum status status,
                        const struct etcd_result *result)
{
    struct storage_member *member = CONTAINER_OF(call, struct storage_member, record);

    member->writes_record = false; /* after a conflict the newer record is looked at */
}

static void record(struct storage_member *member, const struct cluster_shard_entry *entry,
                   const struct cluster_replicas *now)
{
    struct cluster_shard shard = entry->shard;
    struct buffer key;
    struct buffer value;

    if (member->writes_record) {
        return;
    }
    shard.now = *now;
    if (cluster_replicas_equal(&shard.wish, now)) {
        shard.wish = (struct cluster_replicas){0};
    }
    member->writes_record = true;
    buffer_init(&key, MEMBER_KEY_SIZE_MAX);
    buffer_init(&value, CLUSTER_RECORD_SIZE_MAX);
    cluster_key_number(cluster_link_prefix(member->link), "shards", shard.id, &key);
    cluster_shard_print(&shard, &value);
    struct etcd_compare compare = {buffer_view(&key), ETCD_MOD_REVISION, entry->revision};
    struct etcd_operation put = {.key = buffer_view(&key), .value = buffer_view(&value)};

    etcd_commit(&member->record, &(struct etcd_transaction){&compare, 1, &put, 1}, on_recorded);
    buffer_done(&key);
    buffer_done(&value);
}

/* ---- Wishes ---- */

static void on_changed(struct member_errand *errand)
{
    struct member_shard *shard = member_shard(errand->member, errand->shard);

    if (errand->status != STATUS_OK) {
        shard->rest_until_ms = now_ms(errand->member) + REST_MS;
    }
    if (errand->status == STATUS_INVALID || errand->status == STATUS_TOO_LARGE) {
        log_error("storage.bad_wish", log_number("shard", errand->shard),
                  log_status(errand->status));
    }
}

static void change(struct storage_member *member, const struct cluster_shard *shard,
                   const struct shard_state *state)
{
    struct raft_configuration next;

    if (next_configuration(&state->configuration, &shard->wish, &next) != STATUS_OK) {
        return;
    }
    struct member_errand *errand = member_errand_new(member, shard->id, on_changed);

    node_change_shard(member->node, shard->id, &next, member_errand_done, errand);
}

static void on_transferred(struct member_errand *errand)
{
    struct member_shard *shard = member_shard(errand->member, errand->shard);

    shard->rest_until_ms = now_ms(errand->member) + TRANSFER_REST_MS;
}

/* To the replica that is wished to lead, if it votes. */
static void transfer(struct storage_member *member, const struct cluster_shard *shard,
                     const struct cluster_replicas *now)
{
    const struct cluster_replica *wished = cluster_replicas_find(now, shard->leader_wish);

    if (wished == NULL || wished->role != CLUSTER_VOTER || wished->node == member->number) {
        return;
    }
    struct member_errand *errand = member_errand_new(member, shard->id, on_transferred);

    node_transfer_shard(member->node, shard->id, replica_id_make(wished->node, wished->life),
                        member_errand_done, errand);
}

static void lead_shard(struct storage_member *member, const struct shard_state *state,
                       const struct cluster_shard_entry *entry)
{
    const struct cluster_shard *shard = &entry->shard;
    const struct member_shard *ours = member_shard(member, state->id);
    struct cluster_replicas now;

    if (shard->id == 0 || !is_settled(state) ||
        replicas_of(&state->configuration, &now) != STATUS_OK) {
        return;
    }
    if (!cluster_replicas_equal(&shard->now, &now) ||
        (shard->wish.count > 0 && cluster_replicas_equal(&shard->wish, &now))) {
        record(member, entry, &now);
    } else if (ours->is_busy || now_ms(member) < ours->rest_until_ms) {
        /* Later. */
    } else if (shard->wish.count > 0) {
        change(member, shard, state);
    } else {
        transfer(member, shard, &now);
    }
}

/* ---- Hints ---- */

struct hints {
    struct etcd_operation puts[MEMBER_HINTS_MAX];
    char keys[MEMBER_HINTS_MAX][MEMBER_KEY_SIZE_MAX];
    char values[MEMBER_HINTS_MAX][HINT_SIZE_MAX];
    size_t count;
};

static struct slice keep(const struct buffer *text, char *room)
{
    for (size_t i = 0; i < text->size; i++) {
        room[i] = text->data[i];
    }
    return (struct slice){room, text->size};
}

static void add_hint(struct storage_member *member, struct hints *hints,
                     const struct shard_state *state)
{
    struct cluster_leader leader = {
        .shard = state->id, .node = member->number, .term = state->term};
    struct buffer key;
    struct buffer value;

    if (hints->count == MEMBER_HINTS_MAX) {
        return; /* the next time */
    }
    buffer_init(&key, MEMBER_KEY_SIZE_MAX);
    buffer_init(&value, HINT_SIZE_MAX);
    cluster_key_number(cluster_link_prefix(member->link), "leaders", state->id, &key);
    cluster_leader_print(&leader, &value);
    hints->puts[hints->count] = (struct etcd_operation){
        .key = keep(&key, hints->keys[hints->count]),
        .value = keep(&value, hints->values[hints->count]),
        .lease = etcd_lease_id(member->lease),
    };
    hints->count++;
    buffer_done(&key);
    buffer_done(&value);
}

static void on_hinted(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    CONTAINER_OF(call, struct storage_member, hints)->writes_hints = false;
}

static void write_hints(struct storage_member *member, const struct hints *hints)
{
    if (hints->count > 0 && !member->writes_hints && etcd_lease_id(member->lease) != 0) {
        member->writes_hints = true;
        etcd_commit(&member->hints, &(struct etcd_transaction){NULL, 0, hints->puts, hints->count},
                    on_hinted);
    }
}

static bool is_known(const struct cluster_shard_entry *entry, const struct storage_member *member)
{
    return entry != NULL && entry->has_leader && entry->leader.node == member->number;
}

/* The hint of an older term may be that of a leader that does not know yet. */
void member_lead(struct storage_member *member)
{
    static struct hints hints; /* of the one loop; too large for a stack */
    const struct cluster_map *map = cluster_link_map(member->link);
    struct shard_state state;

    hints.count = 0;
    for (size_t i = 0; node_shard_state(member->node, i, &state); i++) {
        const struct cluster_shard_entry *entry = cluster_map_shard(map, state.id);

        if (state.role != RAFT_LEADER || state.status != STATUS_OK) {
            continue;
        }
        if (!is_known(entry, member)) {
            add_hint(member, &hints, &state);
        }
        if (entry != NULL) {
            lead_shard(member, &state, entry);
        }
    }
    write_hints(member, &hints);
}
