#include "core/log.h"
#include "roles/storage_member_parts.h"
#include "storage/replica_id.h"

enum { REST_MS = 2000 };

void member_learn_replicas(struct storage_member *member)
{
    struct shard_state state;

    for (size_t i = 0; node_shard_state(member->node, i, &state); i++) {
        member_shard(member, state.id)->replica = state.replica;
    }
}

static void rest(struct member_shard *shard, const struct storage_member *member)
{
    shard->rest_until_ms = loop_now_ms(cluster_link_loop(member->link)) + REST_MS;
}

/* ---- Holding one ---- */

/* Whether the record still is the one that the shard was founded with: then all its replicas begin
 * with that configuration, and else with none. A replica has its founding life once: a node that
 * lost its disk has another number. */
static bool is_as_founded(const struct cluster_shard *shard)
{
    bool as_founded = shard->now.count == shard->founders;

    for (size_t i = 0; i < shard->now.count; i++) {
        as_founded = as_founded && shard->now.list[i].life <= shard->founders &&
                     shard->now.list[i].role == CLUSTER_VOTER;
    }
    return as_founded;
}

static enum status make_replica(const struct storage_member *member,
                                const struct cluster_shard *shard,
                                const struct cluster_replica *ours,
                                struct node_replica *out_replica)
{
    struct node_replica replica = {
        .shard = shard->id,
        .id = replica_id_make(member->number, ours->life),
        .generation = shard->generation,
    };
    enum status status = STATUS_OK;

    for (size_t i = 0; is_as_founded(shard) && status == STATUS_OK && i < shard->now.count; i++) {
        const struct cluster_replica *each = &shard->now.list[i];

        status = raft_configuration_put(&replica.configuration,
                                        (struct raft_replica){
                                            .id = replica_id_make(each->node, each->life),
                                            .parts = RAFT_VOTER,
                                        });
    }
    *out_replica = replica;
    return status;
}

static void on_held(struct member_errand *errand)
{
    struct member_shard *shard = member_shard(errand->member, errand->shard);

    if (errand->status == STATUS_OK) {
        shard->replica = errand->replica;
        log_info("storage.replica_held", log_number("shard", errand->shard),
                 log_number("life", (uint32_t)errand->replica));
        return;
    }
    rest(shard, errand->member);
    log_error("storage.replica_not_held", log_number("shard", errand->shard),
              log_status(errand->status));
}

static void hold(struct storage_member *member, const struct cluster_shard *shard,
                 const struct cluster_replica *ours)
{
    struct node_replica replica;

    if (make_replica(member, shard, ours, &replica) != STATUS_OK) {
        return;
    }
    struct member_errand *errand = member_errand_new(member, shard->id, on_held);

    errand->replica = replica.id;
    node_add_replica(member->node, &replica, member_errand_done, errand);
}

/* ---- Giving one up ---- */

static void on_given_up(struct member_errand *errand)
{
    struct member_shard *shard = member_shard(errand->member, errand->shard);

    if (errand->status == STATUS_OK) {
        shard->replica = 0;
        log_info("storage.replica_given_up", log_number("shard", errand->shard));
    } else {
        rest(shard, errand->member);
    }
}

static void give_up(struct storage_member *member, uint32_t shard, uint64_t replica)
{
    struct member_errand *errand = member_errand_new(member, shard, on_given_up);

    node_remove_replica(member->node, shard, replica, member_errand_done, errand);
}

/* ---- What the map says ---- */

/* In a wish already, so that there is somebody to send to; the record may lag behind. */
static const struct cluster_replica *find_ours(const struct storage_member *member,
                                               const struct cluster_shard *shard)
{
    const struct cluster_replica *now = cluster_replicas_find(&shard->now, member->number);

    return now != NULL ? now : cluster_replicas_find(&shard->wish, member->number);
}

static void follow_record(struct storage_member *member, const struct cluster_shard *record)
{
    const struct cluster_replica *ours = find_ours(member, record);
    uint64_t wanted = ours != NULL ? replica_id_make(member->number, ours->life) : 0;
    const struct member_shard *shard = numbered_find(&member->shards, record->id);
    uint64_t held = shard != NULL ? shard->replica : 0;

    if (wanted == held ||
        (shard != NULL &&
         (shard->is_busy || loop_now_ms(cluster_link_loop(member->link)) < shard->rest_until_ms))) {
        return;
    }
    if (held != 0) {
        give_up(member, record->id, held);
    } else {
        hold(member, record, ours);
    }
}

/* A shard without a record is left alone: what etcd forgot is no reason to forget mail. */
void member_hold_replicas(struct storage_member *member)
{
    const struct cluster_map *map = cluster_link_map(member->link);

    for (size_t i = 0; i < cluster_map_shard_count(map); i++) {
        const struct cluster_shard *record = &cluster_map_shard_at(map, i)->shard;

        if (record->id != 0) {
            follow_record(member, record);
        }
    }
}
