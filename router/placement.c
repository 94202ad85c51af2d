#include "router/placement.h"

#include "core/macros.h"
#include "router/placement_state.h"

/* What is being decided. */
struct deciding {
    struct placement_state state;
    struct placement_move *moves;
    size_t count;
    size_t count_max;
};

const char *placement_reason_text(enum placement_reason reason)
{
    static const char *const texts[] = {
        [PLACEMENT_REPLACE] = "a node is away", [PLACEMENT_DRAIN] = "a node is emptied",
        [PLACEMENT_ADD] = "too few voters",     [PLACEMENT_REMOVE] = "too many voters",
        [PLACEMENT_SPREAD] = "spread",          [PLACEMENT_BALANCE] = "balance",
        [PLACEMENT_LEADER] = "leaders",
    };

    return texts[reason];
}

/* ---- One move ---- */

/* Nobody else may lead than who stays. */
static void keep_leader_wish(struct cluster_shard *shard)
{
    const struct cluster_replica *wished = cluster_replicas_find(&shard->wish, shard->leader_wish);

    if (wished == NULL || wished->role != CLUSTER_VOTER) {
        shard->leader_wish = 0;
    }
}

/* Puts the move down, unless the voters that are alive could not decide it. `to` 0 or `from` 0: no
 * replica more, or less. */
static bool move(struct deciding *deciding, const struct cluster_shard_entry *entry,
                 enum placement_reason reason, uint32_t from, uint32_t to)
{
    struct placement_move made = {reason, entry->revision, entry->shard};
    struct cluster_shard *shard = &made.shard;

    shard->wish = shard->now;
    cluster_replicas_remove(&shard->wish, from);
    if (to != 0 &&
        cluster_replicas_put(&shard->wish, (struct cluster_replica){to, shard->life_next,
                                                                    CLUSTER_VOTER}) != STATUS_OK) {
        return false;
    }
    if (shard->life_next == UINT32_MAX || !placement_has_quorum(&deciding->state, &shard->now) ||
        !placement_has_quorum(&deciding->state, &shard->wish)) {
        return false;
    }
    shard->life_next += to != 0;
    keep_leader_wish(shard);
    placement_count(&deciding->state, &shard->now, -1);
    placement_count(&deciding->state, &shard->wish, 1);
    placement_mark_busy(&deciding->state, &shard->now, &shard->wish);
    deciding->moves[deciding->count++] = made;
    return true;
}

static bool is_idle(const struct placement_load *load)
{
    return load == NULL || !load->is_busy;
}

/* ---- What is wrong with a shard ---- */

static bool is_lost(const struct deciding *deciding, const struct placement_load *load)
{
    return load == NULL ||
           (!load->node->is_alive && load->node->away_ms >= deciding->state.view->replace_after_ms);
}

/* The replica that has to go: first what is lost, then what is to be emptied. NULL: none. */
static const struct cluster_replica *find_bad(const struct deciding *deciding,
                                              const struct cluster_shard *shard,
                                              enum placement_reason *out_reason)
{
    const struct cluster_replica *drained = NULL;

    for (size_t i = 0; i < shard->now.count; i++) {
        const struct cluster_replica *replica = &shard->now.list[i];
        const struct placement_load *load = placement_load(&deciding->state, replica->node);

        if (is_lost(deciding, load)) {
            *out_reason = PLACEMENT_REPLACE;
            return replica;
        }
        if (load->node->is_draining && load->node->is_alive) {
            drained = replica;
        }
    }
    *out_reason = PLACEMENT_DRAIN;
    return drained;
}

/* Leaders go before replicas do, while the one who leads still can hand over in good order. */
static bool move_leader_away(struct deciding *deciding, const struct cluster_shard_entry *entry,
                             uint32_t node)
{
    struct placement_load *best = NULL;
    uint32_t wished = entry->shard.leader_wish;

    if (!entry->has_leader || entry->leader.node != node) {
        return false;
    }
    if (wished != node && cluster_replicas_find(&entry->shard.now, wished) != NULL &&
        placement_is_fit(placement_load(&deciding->state, wished))) {
        return true; /* asked for already: the replica waits */
    }
    for (size_t i = 0; i < entry->shard.now.count; i++) {
        struct placement_load *load =
            placement_load(&deciding->state, entry->shard.now.list[i].node);

        if (placement_is_fit(load) && entry->shard.now.list[i].role == CLUSTER_VOTER &&
            (best == NULL || load->leaders < best->leaders)) {
            best = load;
        }
    }
    if (best == NULL) {
        return false;
    }
    struct placement_move made = {PLACEMENT_LEADER, entry->revision, entry->shard};

    made.shard.leader_wish = best->node->id;
    best->leaders++;
    deciding->moves[deciding->count++] = made;
    return true;
}

static bool replace_bad(struct deciding *deciding, const struct cluster_shard_entry *entry)
{
    enum placement_reason reason;
    const struct cluster_replica *bad = find_bad(deciding, &entry->shard, &reason);
    struct cluster_replicas rest = entry->shard.now;

    if (bad == NULL) {
        return false;
    }
    if (reason == PLACEMENT_DRAIN && move_leader_away(deciding, entry, bad->node)) {
        return true;
    }
    cluster_replicas_remove(&rest, bad->node);
    if (reason == PLACEMENT_DRAIN && !is_idle(placement_load(&deciding->state, bad->node))) {
        return true; /* its turn comes */
    }
    /* A learner, or one voter too many, needs nobody in its place. */
    if (cluster_replicas_voters(&rest) >= entry->shard.voters) {
        move(deciding, entry, reason, bad->node, 0);
        return true;
    }
    const struct placement_load *to =
        placement_best(&deciding->state, &rest, &entry->shard.region, false);

    if (to != NULL) {
        move(deciding, entry, reason, bad->node, to->node->id);
    }
    return true;
}

/* A wish that waits for a node which went away, or is to be emptied, is taken back; what came of it
 * by then is dealt with as anything else is. */
static bool take_back(struct deciding *deciding, const struct cluster_shard_entry *entry)
{
    struct placement_move made = {PLACEMENT_REPLACE, entry->revision, entry->shard};
    bool is_hopeless = false;

    for (size_t i = 0; i < entry->shard.wish.count; i++) {
        const struct cluster_replica *replica = &entry->shard.wish.list[i];
        const struct placement_load *load = placement_load(&deciding->state, replica->node);
        const struct cluster_replica *now = cluster_replicas_find(&entry->shard.now, replica->node);

        is_hopeless = is_hopeless || ((now == NULL || now->role != replica->role) &&
                                      (is_lost(deciding, load) || load->node->is_draining));
    }
    if (!is_hopeless) {
        return false;
    }
    made.shard.wish = entry->shard.now;
    deciding->moves[deciding->count++] = made;
    return true;
}

/* Of too many the one without which the others are spread best; of those the most loaded. */
static uint32_t least_needed(const struct deciding *deciding,
                             const struct cluster_shard_entry *entry)
{
    uint32_t node = 0;
    unsigned best_spread = 0;
    uint32_t most = 0;

    for (size_t i = 0; i < entry->shard.now.count; i++) {
        uint32_t candidate = entry->shard.now.list[i].node;
        const struct placement_load *load = placement_load(&deciding->state, candidate);
        struct cluster_replicas rest = entry->shard.now;

        if (entry->has_leader && entry->leader.node == candidate) {
            continue;
        }
        cluster_replicas_remove(&rest, candidate);
        unsigned spread = placement_spread(&deciding->state, &rest);
        uint32_t replicas = load != NULL ? load->replicas : UINT32_MAX;

        if (node == 0 || spread > best_spread || (spread == best_spread && replicas > most)) {
            node = candidate;
            best_spread = spread;
            most = replicas;
        }
    }
    return node;
}

static bool fix_count(struct deciding *deciding, const struct cluster_shard_entry *entry)
{
    size_t voters = cluster_replicas_voters(&entry->shard.now);

    if (voters < entry->shard.voters) {
        const struct placement_load *to =
            placement_best(&deciding->state, &entry->shard.now, &entry->shard.region, false);

        return to != NULL && move(deciding, entry, PLACEMENT_ADD, 0, to->node->id);
    }
    if (voters > entry->shard.voters) {
        uint32_t from = least_needed(deciding, entry);

        return from != 0 && is_idle(placement_load(&deciding->state, from)) &&
               move(deciding, entry, PLACEMENT_REMOVE, from, 0);
    }
    return false;
}

/* ---- What could be better ---- */

/* Moves the replica on `from` to where it makes the shard spread better, or at least as well and
 * the load more even. */
static bool improve_from(struct deciding *deciding, const struct cluster_shard_entry *entry,
                         uint32_t from, bool for_spread)
{
    struct placement_state *state = &deciding->state;
    const struct placement_load *source = placement_load(state, from);
    struct cluster_replicas rest = entry->shard.now;

    cluster_replicas_remove(&rest, from);
    const struct placement_load *to = placement_best(state, &rest, &entry->shard.region, false);

    if (to == NULL || source == NULL || source->is_busy || to->node->id == from) {
        return false;
    }
    struct cluster_replicas after = rest;

    if (cluster_replicas_put(&after, (struct cluster_replica){to->node->id, 1, CLUSTER_VOTER}) !=
        STATUS_OK) {
        return false;
    }
    unsigned before_spread = placement_spread(state, &entry->shard.now);
    unsigned after_spread = placement_spread(state, &after);
    bool is_better = for_spread ? after_spread > before_spread
                                : after_spread == before_spread && placement_evens(source, to);

    return is_better && move(deciding, entry, for_spread ? PLACEMENT_SPREAD : PLACEMENT_BALANCE,
                             from, to->node->id);
}

static bool all_are_fit(const struct deciding *deciding, const struct cluster_shard *shard)
{
    bool all_fit = true;

    for (size_t i = 0; i < shard->now.count; i++) {
        all_fit =
            all_fit && placement_is_fit(placement_load(&deciding->state, shard->now.list[i].node));
    }
    return all_fit;
}

static bool improve(struct deciding *deciding, const struct cluster_shard_entry *entry,
                    bool for_spread)
{
    if (!all_are_fit(deciding, &entry->shard)) {
        return false; /* first things first */
    }
    for (size_t i = 0; i < entry->shard.now.count; i++) {
        if (entry->shard.now.list[i].role == CLUSTER_VOTER &&
            improve_from(deciding, entry, entry->shard.now.list[i].node, for_spread)) {
            return true;
        }
    }
    return false;
}

/* To the voter on the node with the fewest leaders, when that has two less. */
static bool spread_leader(struct deciding *deciding, const struct cluster_shard_entry *entry)
{
    uint32_t leads = entry->shard.leader_wish != 0 ? entry->shard.leader_wish : entry->leader.node;
    struct placement_load *from = placement_load(&deciding->state, leads);
    struct placement_load *best = NULL;

    if (!entry->has_leader || from == NULL) {
        return false;
    }
    for (size_t i = 0; i < entry->shard.now.count; i++) {
        struct placement_load *load =
            placement_load(&deciding->state, entry->shard.now.list[i].node);

        if (placement_is_fit(load) && entry->shard.now.list[i].role == CLUSTER_VOTER &&
            load->leaders + 1 < from->leaders && (best == NULL || load->leaders < best->leaders)) {
            best = load;
        }
    }
    if (best == NULL) {
        return false;
    }
    struct placement_move made = {PLACEMENT_LEADER, entry->revision, entry->shard};

    made.shard.leader_wish = best->node->id;
    from->leaders--;
    best->leaders++;
    deciding->moves[deciding->count++] = made;
    return true;
}

/* ---- All shards ---- */

enum pass { PASS_WISH, PASS_BAD, PASS_COUNT, PASS_SPREAD, PASS_BALANCE, PASS_LEADERS, PASSES };

static bool decide_shard(struct deciding *deciding, const struct cluster_shard_entry *entry,
                         enum pass pass)
{
    if ((pass == PASS_WISH) != (entry->shard.wish.count > 0)) {
        return false; /* what goes on, goes on */
    }
    switch (pass) {
    case PASS_WISH:
        return take_back(deciding, entry);
    case PASS_BAD:
        return replace_bad(deciding, entry);
    case PASS_COUNT:
        return fix_count(deciding, entry);
    case PASS_SPREAD:
        return improve(deciding, entry, true);
    case PASS_BALANCE:
        return improve(deciding, entry, false);
    default:
        return spread_leader(deciding, entry);
    }
}

/* Has a move of this decision already. */
static bool is_decided(const struct deciding *deciding, uint32_t shard)
{
    bool decided = false;

    for (size_t i = 0; i < deciding->count; i++) {
        decided = decided || deciding->moves[i].shard.id == shard;
    }
    return decided;
}

size_t placement_decide(const struct placement_view *view, struct placement_move *out_moves,
                        size_t move_count_max)
{
    struct deciding deciding = {.moves = out_moves, .count_max = move_count_max};

    placement_state_init(&deciding.state, view);
    for (enum pass pass = PASS_WISH; pass < PASSES; pass++) {
        for (size_t i = 0; i < view->shard_count && deciding.count < move_count_max; i++) {
            const struct cluster_shard_entry *entry = &view->shards[i];

            if (entry->shard.id != 0 && !is_decided(&deciding, entry->shard.id)) {
                decide_shard(&deciding, entry, pass);
            }
        }
    }
    placement_state_done(&deciding.state);
    return deciding.count;
}

enum status placement_found(const struct placement_view *view, uint32_t voters, size_t shard_count,
                            struct cluster_shard *out_shards)
{
    struct placement_state state;
    enum status status = STATUS_OK;

    placement_state_init(&state, view);
    for (size_t i = 0; status == STATUS_OK && i < shard_count; i++) {
        struct cluster_shard shard = {.id = (uint32_t)i + 1,
                                      .generation = 1,
                                      .voters = voters,
                                      .founders = voters,
                                      .life_next = voters + 1};

        for (uint32_t life = 1; status == STATUS_OK && life <= voters; life++) {
            const struct placement_load *to =
                placement_best(&state, &shard.now, &shard.region, true);

            status = to == NULL
                         ? STATUS_UNAVAILABLE
                         : cluster_replicas_put(&shard.now, (struct cluster_replica){
                                                                to->node->id, life, CLUSTER_VOTER});
        }
        placement_count(&state, &shard.now, 1);
        out_shards[i] = shard;
    }
    placement_state_done(&state);
    return status;
}
