/* The operator, who in a real cluster is the placer in etcd: looks every now and then, and moves
 * each group one step towards its wish: enough voters, none of them lost, replicas that left told
 * to go. */
#include <inttypes.h>

#include "core/check.h"
#include "core/memory.h"
#include "storage/crash_point.h"
#include "tests/sim/sim.h"

struct shard *operator_leader(struct sim *sim, unsigned group)
{
    struct shard *found = NULL;

    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        struct shard *shard = &sim->nodes[slot].shards[group];

        if (shard_leads(shard) && shard->generation == sim->groups[group].generation &&
            (found == NULL || replica_state(shard->replica).hard_state.term >
                                  replica_state(found->replica).hard_state.term)) {
            found = shard;
        }
    }
    return found;
}

/* ---- How much may break: a quorum of every configuration in force anywhere must stay ---- */

static bool is_lost(struct sim *sim, unsigned group, uint64_t id)
{
    const struct shard *shard = shard_by_id(sim, group, id);

    return shard == NULL || shard->node->retired || shard->lost || shard->at_risk || !shard->hosted;
}

static bool survives(struct sim *sim, unsigned group,
                     const struct raft_configuration *configuration, uint64_t without)
{
    uint32_t left = 0;

    for (size_t i = 0; i < configuration->count; i++) {
        uint64_t id = configuration->replicas[i].id;

        if (id != without && !is_lost(sim, group, id)) {
            left |= 1U << i;
        }
    }
    return raft_configuration_quorum(configuration, left);
}

bool operator_can_lose_shard(struct sim *sim, const struct shard *shard)
{
    if (sim->groups[shard->group].disaster) {
        return false;
    }
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        const struct shard *other = &sim->nodes[slot].shards[shard->group];

        if (other->hosted && other->generation == sim->groups[shard->group].generation &&
            other->configuration.count > 0 &&
            !survives(sim, shard->group, &other->configuration, shard_id(shard))) {
            return false;
        }
    }
    return true;
}

bool operator_can_lose(struct sim *sim, const struct node *node)
{
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        if (node->shards[i].hosted && !operator_can_lose_shard(sim, &node->shards[i])) {
            return false;
        }
    }
    return true;
}

/* ---- One step of a group ---- */

static bool is_free(const struct node *node, unsigned group)
{
    const struct shard *shard = &node->shards[group];

    return node->exists && !node->retired && node->up && !shard->hosted &&
           shard->phase == SHARD_NONE && !shard->append_is_out;
}

static struct node *choose_free(struct sim *sim, unsigned group)
{
    unsigned first = (unsigned)sim_chance(sim, STREAM_OPERATOR, sim->node_count);

    for (unsigned i = 0; i < sim->node_count; i++) {
        struct node *node = &sim->nodes[(first + i) % sim->node_count];

        if (is_free(node, group)) {
            return node;
        }
    }
    return NULL;
}

static enum status propose(struct shard *leader, const struct raft_configuration *wish)
{
    struct sim *sim = leader->node->sim;
    struct raft_event event = {.kind = RAFT_CONFIGURATION_PROPOSED, .configuration = wish};

    if (!survives(sim, leader->group, wish, 0)) {
        return STATUS_DENIED;
    }
    sim->running = leader->node;
    enum status status = shard_step(leader, event);
    if (status == STATUS_OK) {
        sim_tell(sim, "group %u: node %" PRIu64 " begins a change of configuration, %zu replicas",
                 leader->group, shard_id(leader), wish->count);
    }
    node_end_event(leader->node);
    return status;
}

static void remove_replica(struct raft_configuration *configuration, size_t place)
{
    for (size_t i = place; i + 1 < configuration->count; i++) {
        configuration->replicas[i] = configuration->replicas[i + 1];
    }
    configuration->count--;
    configuration->replicas[configuration->count] = (struct raft_replica){0};
}

/* A configuration for a replica that is yet to be added: none. */
static void add_learner(struct sim *sim, struct raft_configuration *wish, unsigned group)
{
    struct node *node = choose_free(sim, group);
    static const struct raft_configuration none;

    if (node != NULL && wish->count < RAFT_REPLICAS_MAX) {
        shard_host(&node->shards[group], sim->groups[group].generation, &none);
        CHECK(raft_configuration_put(wish, (struct raft_replica){shard_id(&node->shards[group]),
                                                                 RAFT_LEARNER, 0}) == STATUS_OK);
    }
}

static unsigned count_parts(const struct raft_configuration *configuration, uint8_t part)
{
    unsigned count = 0;

    for (size_t i = 0; i < configuration->count; i++) {
        count += (configuration->replicas[i].parts & part) != 0;
    }
    return count;
}

static bool is_caught_up(const struct shard *leader, uint64_t id)
{
    struct raft_peer peer;

    return replica_peer(leader->replica, id, &peer) == STATUS_OK && peer.mode == RAFT_REPLICATE &&
           peer.match + 50 > replica_state(leader->replica).last.index;
}

static void wander(struct sim *sim, struct shard *leader, struct raft_configuration *wish)
{
    size_t place = (size_t)sim_chance(sim, STREAM_OPERATOR, wish->count);
    struct raft_replica *replica = &wish->replicas[place];

    switch (sim_chance(sim, STREAM_OPERATOR, 5)) {
    case 0: /* one goes, as long as two stay */
        if (count_parts(wish, RAFT_VOTER) > 2 || (replica->parts & RAFT_LEARNER) != 0) {
            remove_replica(wish, place);
        }
        break;
    case 1:
        add_learner(sim, wish, leader->group);
        break;
    case 2: /* a voter becomes a learner */
        if (count_parts(wish, RAFT_VOTER) > 2 && (replica->parts & RAFT_VOTER) != 0) {
            replica->parts = RAFT_LEARNER;
        }
        break;
    case 3: /* a learner takes a voter's place, in one change */
        for (size_t i = 0; i < wish->count; i++) {
            if ((wish->replicas[i].parts & RAFT_LEARNER) != 0 &&
                is_caught_up(leader, wish->replicas[i].id) && (replica->parts & RAFT_VOTER) != 0) {
                wish->replicas[i].parts = RAFT_VOTER;
                remove_replica(wish, place);
                break;
            }
        }
        break;
    default:
        replica->priority = (uint8_t)sim_chance(sim, STREAM_OPERATOR, 3);
        break;
    }
}

/* Towards the wish; true when there was something to do. */
static bool mend(struct sim *sim, struct shard *leader, struct raft_configuration *wish)
{
    for (size_t i = 0; i < wish->count; i++) {
        if (is_lost(sim, leader->group, wish->replicas[i].id) &&
            (count_parts(wish, RAFT_VOTER) > 1 || (wish->replicas[i].parts & RAFT_LEARNER) != 0)) {
            remove_replica(wish, i);
            return true;
        }
    }
    for (size_t i = 0; i < wish->count; i++) {
        if ((wish->replicas[i].parts & RAFT_LEARNER) != 0 &&
            count_parts(wish, RAFT_VOTER) < sim->plan.voters &&
            is_caught_up(leader, wish->replicas[i].id)) {
            wish->replicas[i].parts = RAFT_VOTER;
            return true;
        }
    }
    if (count_parts(wish, RAFT_VOTER) + count_parts(wish, RAFT_LEARNER) < sim->plan.voters) {
        size_t before = wish->count;

        add_learner(sim, wish, leader->group);
        return wish->count > before;
    }
    return false;
}

/* For scripts: false when it has to be tried again later. */
bool operator_add(struct sim *sim, unsigned group)
{
    struct shard *leader = operator_leader(sim, group);

    if (leader == NULL) {
        return false;
    }
    struct raft_configuration wish = *replica_state(leader->replica).configuration;
    size_t before = wish.count;
    if (raft_configuration_is_joint(&wish)) {
        return false;
    }
    if (before > sim->plan.voters) {
        return true;
    }
    add_learner(sim, &wish, group);
    return wish.count > before && propose(leader, &wish) == STATUS_OK;
}

/* The learner takes the place of a voter, in one change: of the leader itself. */
bool operator_swap(struct sim *sim, unsigned group)
{
    struct shard *leader = operator_leader(sim, group);

    if (leader == NULL) {
        return false;
    }
    struct raft_configuration wish = *replica_state(leader->replica).configuration;
    if (raft_configuration_is_joint(&wish)) {
        return false;
    }
    for (size_t i = 0; i < wish.count; i++) {
        if ((wish.replicas[i].parts & RAFT_LEARNER) != 0 &&
            is_caught_up(leader, wish.replicas[i].id)) {
            uint64_t goes = shard_id(leader);

            wish.replicas[i].parts = RAFT_VOTER;
            for (size_t place = 0; place < wish.count; place++) {
                if (wish.replicas[place].id == goes) {
                    remove_replica(&wish, place);
                }
            }
            return propose(leader, &wish) == STATUS_OK;
        }
    }
    return false;
}

void operator_wander(struct sim *sim, unsigned group)
{
    struct shard *leader = operator_leader(sim, group);

    if (leader == NULL || sim->groups[group].disaster) {
        return;
    }
    struct raft_configuration wish = *replica_state(leader->replica).configuration;
    if (raft_configuration_is_joint(&wish)) {
        return;
    }
    wander(sim, leader, &wish);
    enum status status = propose(leader, &wish);
    (void)status;
}

/* How soon the node of a replica hears that it is to leave, or acts on it: those that are damaged
 * and those of a generation that is over wait for their turn, and these cannot be reached for as
 * long as they are cut off. Some clusters leave those that were removed running. */
static unsigned dismissal_ppm(const struct shard *shard, const struct shard *leader)
{
    const struct sim *sim = shard->node->sim;

    if (shard->lost) {
        return 1000000;
    }
    if (shard->generation != sim->groups[shard->group].generation) {
        return sim->links[leader->node->slot][shard->node->slot].cut ? 0 : 150000;
    }
    if (!sim->plan.leaves_removed) {
        return 300000;
    }
    return sim->healed ? 0 : 20000;
}

/* Replicas that no configuration has any more, and those of a generation that is over. */
static void dismiss_others(struct sim *sim, struct group *group, struct shard *leader)
{
    struct raft_state state = replica_state(leader->replica);

    if (state.configuration_index > state.commit_index) {
        return;
    }
    struct raft_configuration configuration = *state.configuration;
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        struct shard *shard = &sim->nodes[slot].shards[group->number];

        if (!shard->hosted || raft_configuration_find(&configuration, shard_id(shard)) != NULL ||
            shard->phase == SHARD_FORCING) {
            continue;
        }
        if (sim_happens(sim, STREAM_OPERATOR, dismissal_ppm(shard, leader))) {
            shard_dismiss(shard);
        }
    }
}

static void look_after(struct sim *sim, unsigned number)
{
    struct group *group = &sim->groups[number];
    struct shard *leader = operator_leader(sim, number);

    if (leader == NULL || group->disaster) {
        return;
    }
    dismiss_others(sim, group, leader);
    if (!shard_leads(leader)) {
        return;
    }
    struct raft_configuration wish = *replica_state(leader->replica).configuration;
    if (!raft_configuration_is_joint(&wish) && mend(sim, leader, &wish)) {
        enum status status = propose(leader, &wish);

        SIM_TRACE(sim, "group %u: the operator's change: %s", number, status_text(status));
    }
}

static void run_look(struct sim *sim, void *context, uint64_t argument)
{
    for (unsigned i = 0; i < sim->plan.groups; i++) {
        look_after(sim, i);
    }
    sim_at(sim, sim->now_us + sim_between(sim, STREAM_OPERATOR, SECOND, 4 * SECOND), run_look, NULL,
           0);
}

void operator_start(struct sim *sim)
{
    sim_at(sim, sim->now_us + SECOND, run_look, NULL, 0);
}

/* ---- A forced configuration ---- */

void operator_force_now(struct shard *shard)
{
    struct sim *sim = shard->node->sim;
    struct group *group = &sim->groups[shard->group];

    shard->append = (struct log_append){0};
    enum status status = replica_force(shard->node->log, shard->group, shard_id(shard),
                                       group->generation + 1, &shard->append);
    if (status == STATUS_IO_ERROR) {
        node_die(shard->node);
        return;
    }
    if (status != STATUS_OK) {
        sim_fail(sim, "group %u cannot be forced: %s", shard->group, status_text(status));
        return;
    }
    CRASH_POINT("shard.forced");
    shard->append_is_out = true;
    node_writer_wake(shard->node);
}

void operator_forced(struct shard *shard, bool is_good)
{
    struct sim *sim = shard->node->sim;

    if (!is_good) {
        shard_retry_later(shard);
        return;
    }
    operator_finish_force(sim, shard);
    shard_open(shard);
}

/* etcd holds the new generation from here on. */
void operator_finish_force(struct sim *sim, struct shard *shard)
{
    struct group *group = &sim->groups[shard->group];

    group->generation++;
    shard->generation = group->generation;
    group->disaster = false;
    sim_tell(sim, "group %u: node %" PRIu64 " is the only voter of generation %" PRIu64,
             shard->group, shard_id(shard), group->generation);
    check_forced(sim, shard->group, shard);
}
