/* Who leads: §3.4, §3.6.1 of the dissertation, with pre-vote (§9.6) and leases (§4.2.3). */
#include "core/memory.h"
#include "storage/raft/replica.h"

/* ---- time ---- */

/* Replicas that others are preferred to wait longer, a quarter of the timeout for each of them, so
 * that these have campaigned before. At most one timeout: no one waits for ever. */
static uint64_t deference_ms(const struct raft *raft)
{
    const struct raft_configuration *members = raft_members(raft);
    const struct raft_replica *own = raft_configuration_find(members, raft->options.id);
    uint64_t better = 0;

    for (size_t i = 0; own != NULL && i < members->count; i++) {
        const struct raft_replica *other = &members->replicas[i];

        better += (other->parts & RAFT_VOTER) != 0 && other->priority > own->priority;
    }
    return raft->options.election_timeout_min_ms / 4 * (better < 4 ? better : 4);
}

void raft_reset_election(struct raft *raft)
{
    const struct raft_options *options = &raft->options;
    uint32_t spread = options->election_timeout_max_ms - options->election_timeout_min_ms;

    raft->election_at_ms = raft->now_ms + options->election_timeout_min_ms +
                           random_below(&raft->random, (uint64_t)spread + 1) + deference_ms(raft);
}

void raft_heard_leader(struct raft *raft, uint64_t leader)
{
    raft->leader = leader;
    raft->called_upon = false;
    raft->refuse_votes_until_ms = raft->now_ms + raft->options.election_timeout_min_ms;
    raft_reset_election(raft);
}

/* Where leases answer reads, only time ends one. */
static void end_lease(struct raft *raft)
{
    if (!raft->options.lease_reads) {
        raft->refuse_votes_until_ms = 0;
    }
}

void raft_leader_lost(struct raft *raft)
{
    uint64_t jitter_ms = random_below(&raft->random, raft->options.election_timeout_min_ms / 4 + 1);
    uint64_t soon_ms = raft->now_ms + jitter_ms + deference_ms(raft);

    raft_reads_fail(raft);
    raft->leader = 0;
    end_lease(raft);
    if (soon_ms < raft->refuse_votes_until_ms) {
        soon_ms = raft->refuse_votes_until_ms; /* its own vote is promised too */
    }
    if (soon_ms < raft->election_at_ms) {
        raft->election_at_ms = soon_ms;
    }
}

bool raft_in_lease(const struct raft *raft)
{
    if (raft->options.check_quorum_off || MUTANT(19)) {
        return false;
    }
    return raft->role == RAFT_LEADER || raft->now_ms < raft->refuse_votes_until_ms;
}

static bool is_voter_here(const struct raft *raft)
{
    for (size_t i = 0; i < raft->configuration_count; i++) {
        if (raft_configuration_votes(&raft->configurations[i].configuration, raft->options.id)) {
            return true;
        }
    }
    return false;
}

/* A replica that leaves may still be needed to commit the entry that removes it, as those that stay
 * may not have it yet: it stands for election until that is committed (§4.2.2), and does not count
 * itself. So does one that was called upon, see call_upon(). A replica that knows of no voters
 * never stands: nobody's majority is everybody's. */
bool raft_is_promotable(const struct raft *raft)
{
    return !raft->installing &&
           (is_voter_here(raft) || (raft->called_upon && raft_members(raft)->count > 0));
}

/* ---- roles ---- */

static void stop_leading(struct raft *raft)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        raft_progress_done(&raft->peers[i]);
    }
    memory_free(raft->peers);
    raft->peers = NULL;
    raft->peer_count = 0;
    raft->transfer_to = 0;
}

void raft_follow(struct raft *raft, uint64_t term, uint64_t leader)
{
    if (raft->role == RAFT_LEADER || term > raft->hard_state.term || leader != raft->leader) {
        raft_reads_fail(raft);
    }
    stop_leading(raft);
    if (term > raft->hard_state.term) {
        raft->hard_state = (struct raft_hard_state){.term = term};
        raft->outbox.hard_state_changed = true;
        end_lease(raft);
    }
    raft->role = RAFT_FOLLOWER;
    raft->leader = leader;
    raft_reset_election(raft);
}

static void become_leader(struct raft *raft)
{
    uint64_t last_index = raft_log_tail_last_index(&raft->log);

    raft->role = RAFT_LEADER;
    raft->leader = raft->options.id;
    raft->called_upon = false;
    raft->transfer_to = 0;
    raft->lease_given_up = false;
    raft_schedule_heartbeat(raft); /* the no-op tells of the new leader before */
    raft->prefer_tries = 1;
    raft->prefer_at_ms = raft->now_ms + 2 * (uint64_t)raft->options.election_timeout_max_ms;
    raft->uncommitted_cost = raft_log_tail_cost(&raft->log, raft->commit_index, last_index);
    raft->term_first_index = last_index + 1;
    raft_members_track(raft);
    /* Entries of older terms commit only beneath one of this term (§3.6.2), and a new leader does
     * not know what is committed before (§6.4): so it begins with an entry of its own. */
    if (MUTANT(13)) {
        raft->term_first_index = 0;
    } else {
        raft_append_own(raft, RAFT_ENTRY_NOOP, 0, NULL);
    }
}

/* ---- candidates ---- */

static void request_votes(struct raft *raft, enum raft_message_kind kind, uint64_t term)
{
    const struct raft_configuration *members = raft_members(raft);

    for (size_t i = 0; i < members->count; i++) {
        uint64_t id = members->replicas[i].id;
        struct raft_message request = raft_letter(raft, kind, id);

        if (id == raft->options.id || !raft_configuration_votes(members, id)) {
            continue;
        }
        request.term = term;
        request.position = raft_log_tail_last(&raft->log);
        request.forced = kind == RAFT_VOTE && raft->campaign_forced;
        /* A pre-vote binds nobody. A vote tells that this replica voted for itself. */
        if (kind == RAFT_PRE_VOTE || MUTANT(5)) {
            raft_outbox_send_eager(&raft->outbox, &request);
        } else {
            raft_outbox_send_durable(&raft->outbox, &request);
        }
    }
}

static void stand_for_election(struct raft *raft)
{
    raft->role = RAFT_CANDIDATE;
    raft->granted = 0;
    raft->refused = 0;
    raft->hard_state.term++;
    raft->hard_state.vote = raft->options.id;
    raft->outbox.hard_state_changed = true;
    raft_reset_election(raft);
    request_votes(raft, RAFT_VOTE, raft->hard_state.term);
}

/* Acts on a majority for it or against it. */
static void count_votes(struct raft *raft)
{
    const struct raft_configuration *members = raft_members(raft);

    if (raft_configuration_quorum(members, raft->granted)) {
        if (raft->role == RAFT_PRE_CANDIDATE) {
            stand_for_election(raft);
        } else {
            become_leader(raft);
        }
    } else if (!raft_configuration_quorum(members, ~raft->refused)) {
        raft_follow(raft, raft->hard_state.term, 0);
    }
}

static void count_vote(struct raft *raft, uint64_t from, bool refused)
{
    uint32_t place = 1U << raft_place(raft, from);

    if (((raft->granted | raft->refused) & place) == 0) {
        raft->granted |= refused ? 0 : place;
        raft->refused |= refused ? place : 0;
        count_votes(raft);
    }
}

void raft_campaign(struct raft *raft, enum raft_campaign how)
{
    bool asks_first = how == RAFT_CAMPAIGN_ASKED && !raft->options.pre_vote_off && !MUTANT(19);

    raft_follow(raft, raft->hard_state.term, 0);
    raft->campaign_forced = how == RAFT_CAMPAIGN_FORCED;
    if (!asks_first) {
        stand_for_election(raft);
        return;
    }
    raft->role = RAFT_PRE_CANDIDATE;
    raft->granted = 0;
    raft->refused = 0;
    request_votes(raft, RAFT_PRE_VOTE, raft->hard_state.term + 1);
    count_vote(raft, raft->options.id, false);
}

void raft_vote_persisted(struct raft *raft)
{
    if (raft->role == RAFT_CANDIDATE) {
        count_vote(raft, raft->options.id, false);
    }
}

void raft_receive_vote_answer(struct raft *raft, const struct raft_message *message)
{
    enum raft_role role =
        message->kind == RAFT_PRE_VOTE_ANSWER ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
    bool late = message->kind == RAFT_PRE_VOTE_ANSWER && !message->refused &&
                message->term != raft->hard_state.term + 1;

    if (raft->role == role && !late &&
        raft_place(raft, message->from) < raft_members(raft)->count) {
        count_vote(raft, message->from, message->refused);
    }
}

/* ---- voters ---- */

/* §3.6.1. The whole log counts, durable or not: answers for what is being written are on their way
 * already, and the leader that gets them may commit. */
static bool is_up_to_date(const struct raft *raft, struct raft_position candidate)
{
    uint64_t last_index = raft_log_tail_last_index(&raft->log);
    struct raft_position own = {0};

    raft_log_tail_at(&raft->log, MUTANT(7) ? raft->persisted_index : last_index, &own);
    return candidate.term > own.term ||
           (candidate.term == own.term && candidate.index >= own.index);
}

/* A candidate's configuration has this replica for a voter, and its log lacks what is here, so it
 * is refused; but by its own log this replica is no voter. Somebody was lost in the middle of a
 * change, and of those that are left only this one has the newest log: nobody else can win.
 * Therefore it stands itself, until it hears of a leader.
 *
 * That is live: a replica that refuses has a newer log than who asked, and stands (as a voter or
 * so), so the newest log that is asked in the end asks all voters of its own configuration, and
 * none of them that still is there refuses.
 *
 * That is safe, by what makes any election safe: a majority of the voters of the latest
 * configuration in the candidate's own log, none of whom has a newer log or votes twice in a term.
 * Whether the candidate is one of them plays no part in it, as it counts itself only where it is
 * (§4.2.2 lets a removed server stand on these grounds). Nor does it matter that its configuration
 * may be older than that of who asked: when the change is committed, a majority of the voters
 * before it have it in their logs, and refuse whoever lacks it; when it is not, it may be undone.
 *
 * It disturbs nobody: it asks for pre-votes first, and commits its no-op, and resigns by that in
 * favour of a voter. */
static void call_upon(struct raft *raft)
{
    if (!raft->called_upon && !is_voter_here(raft) && !MUTANT(24)) {
        raft->called_upon = true;
        raft_reset_election(raft);
    }
}

static void answer_pre_vote(struct raft *raft, const struct raft_message *message)
{
    struct raft_message answer = raft_letter(raft, RAFT_PRE_VOTE_ANSWER, message->from);
    bool is_newest = is_up_to_date(raft, message->position);
    bool granted = message->term > raft->hard_state.term && !raft_in_lease(raft) && is_newest;

    if (!is_newest && !raft_in_lease(raft)) {
        call_upon(raft);
    }
    answer.refused = !granted;
    answer.term = granted ? message->term : raft->hard_state.term;
    raft_outbox_send_eager(&raft->outbox, &answer);
}

void raft_receive_vote(struct raft *raft, const struct raft_message *message)
{
    struct raft_message answer = raft_letter(raft, RAFT_VOTE_ANSWER, message->from);
    uint64_t vote = raft->hard_state.vote;
    bool is_newest = is_up_to_date(raft, message->position);
    bool free;

    if (message->kind == RAFT_PRE_VOTE) {
        answer_pre_vote(raft, message);
        return;
    }
    /* Here the message's term is its own or, when that is higher, below its own. */
    free =
        vote == message->from || (vote == 0 && raft->leader == 0) || (MUTANT(6) && message->forced);
    answer.refused = message->term != raft->hard_state.term || !free || !is_newest;
    if (!is_newest && raft->leader == 0) {
        call_upon(raft);
    }
    if (!answer.refused) {
        raft->outbox.hard_state_changed |= vote != message->from;
        raft->hard_state.vote = message->from;
        raft_reset_election(raft);
    }
    if (MUTANT(5)) {
        raft_outbox_send_eager(&raft->outbox, &answer);
    } else {
        raft_outbox_send_durable(&raft->outbox, &answer);
    }
}
