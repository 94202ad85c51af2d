#include "tests/sim/sim_network.h"

#include <inttypes.h>
#include <string.h>

#include "core/check.h"
#include "core/crc32c.h"
#include "core/memory.h"
#include "storage/crash_point.h"

enum { LIFE = 1000 };

uint64_t shard_id(const struct shard *shard)
{
    return shard->lives * LIFE + shard->node->id;
}

struct shard *shard_by_id(struct sim *sim, unsigned group, uint64_t id)
{
    for (unsigned slot = 0; slot < sim->node_count; slot++) {
        struct shard *shard = &sim->nodes[slot].shards[group];

        if (shard_id(shard) == id) {
            return shard;
        }
    }
    return NULL;
}

bool network_reaches(struct sim *sim, unsigned from, unsigned to)
{
    return !sim->links[from][to].cut;
}

/* ---- Packing: payloads come from the sender's log at the moment of sending ---- */

static size_t payload_octets(const struct log_entries *entries)
{
    size_t octets = 0;

    for (size_t i = 0; i < entries->count; i++) {
        octets += entries->items[i].payload.size;
    }
    return octets;
}

static void pack_entry(struct envelope *envelope, const struct log_entry *entry, char **room)
{
    size_t place = envelope->count++;
    struct raft_entry *packed = &envelope->entries[place];

    memcpy(*room, entry->payload.data, entry->payload.size);
    envelope->payloads[place] = (struct slice){*room, entry->payload.size};
    *room += entry->payload.size;
    *packed = (struct raft_entry){
        .index = entry->position.index,
        .term = entry->position.term,
        .size = (uint32_t)entry->payload.size,
        .kind = entry->kind,
    };
    if (entry->kind == RAFT_ENTRY_CONFIGURATION) {
        CHECK(raft_configuration_decode(entry->payload, &envelope->configurations[place]) ==
              STATUS_OK);
        packed->configuration = &envelope->configurations[place];
    }
}

static struct envelope *pack(struct shard *shard, const struct raft_message *message,
                             const struct log_entries *entries)
{
    bool has_configuration = false;

    for (size_t i = 0; i < entries->count; i++) {
        has_configuration |= entries->items[i].kind == RAFT_ENTRY_CONFIGURATION;
    }
    size_t heads = entries->count * (sizeof(struct raft_entry) + sizeof(struct slice));
    size_t configurations =
        has_configuration ? entries->count * sizeof(struct raft_configuration) : 0;
    size_t size = sizeof(struct envelope) + heads + configurations + payload_octets(entries);
    struct envelope *envelope = memory_resized(NULL, size);

    *envelope = (struct envelope){.group = shard->group, .message = *message, .size = size};
    envelope->entries = (struct raft_entry *)(envelope + 1);
    envelope->payloads = (struct slice *)(envelope->entries + entries->count);
    envelope->configurations = (struct raft_configuration *)(envelope->payloads + entries->count);
    char *room = (char *)envelope->configurations + configurations;
    for (size_t i = 0; i < entries->count; i++) {
        pack_entry(envelope, &entries->items[i], &room);
    }
    return envelope;
}

/* A copy on the heap whose pointers lead into itself. */
static struct envelope *copied(const struct envelope *envelope)
{
    struct envelope *copy = memory_resized(NULL, envelope->size);
    ptrdiff_t shift = (char *)copy - (const char *)envelope;

    memcpy(copy, envelope, envelope->size);
    copy->entries = (struct raft_entry *)((char *)copy->entries + shift);
    copy->payloads = (struct slice *)((char *)copy->payloads + shift);
    copy->configurations = (struct raft_configuration *)((char *)copy->configurations + shift);
    for (size_t i = 0; i < copy->count; i++) {
        copy->payloads[i].data += shift;
        if (copy->entries[i].configuration != NULL) {
            copy->entries[i].configuration = &copy->configurations[i];
        }
    }
    return copy;
}

/* ---- Arrival ---- */

static void run_arrival(struct sim *sim, void *context, uint64_t argument)
{
    struct envelope *envelope = context;
    struct node *node = &sim->nodes[envelope->to_slot];
    struct raft_message *message = &envelope->message;

    if (node->up && node->paused_until_us > sim->now_us) {
        sim_at_owned(sim, node->paused_until_us, run_arrival, envelope);
        return;
    }
    const struct link *link = &sim->links[envelope->from_slot][envelope->to_slot];
    if (link->holds_until_us > sim->now_us) {
        sim_at_owned(sim, sim->now_us + 5 * MS, run_arrival,
                     envelope); /* it may be let go before */
        return;
    }
    message->entries = envelope->count > 0 ? envelope->entries : NULL;
    if (message->configuration != NULL) {
        message->configuration = &envelope->configuration;
    }
    sim->envelopes--;
    if (node->up && !link->severed && shard_id(&node->shards[envelope->group]) == message->to) {
        sim_mix(sim, hash_mix(message->kind * 64 + message->from * 8 + message->to,
                              sim->now_us ^ (message->term << 40)));
        SIM_TRACE(sim,
                  "%" PRIu64 " <- %" PRIu64 "  group %u %s%s term %" PRIu64 " index %" PRIu64
                  " at %" PRIu64 ":%" PRIu64 " +%zu commit %" PRIu64,
                  message->to, message->from, envelope->group,
                  raft_message_kind_text(message->kind), message->refused ? " refused" : "",
                  message->term, message->index, message->position.term, message->position.index,
                  message->entry_count, message->commit);
        sim->running = node;
        shard_receive(&node->shards[envelope->group], envelope);
        node_end_event(node);
    }
    memory_free(envelope);
}

/* When it arrives. Once nothing fails any more, a link keeps the order, as the transport does. */
static uint64_t arrival_us(struct sim *sim, struct link *link)
{
    const struct plan *plan = &sim->plan;
    uint64_t delay = sim_between(sim, STREAM_NETWORK, plan->delay_min_us, plan->delay_max_us);

    if (!sim->healed && sim_happens(sim, STREAM_NETWORK, plan->spike_ppm)) {
        delay += sim_chance(sim, STREAM_NETWORK, plan->spike_us + 1);
    }
    if (link->slow_us > 0) {
        delay += link->slow_us / 2 + sim_chance(sim, STREAM_NETWORK, link->slow_us);
    }
    uint64_t at_us = sim->now_us + (delay < MESSAGE_LIFE_MAX ? delay : MESSAGE_LIFE_MAX);
    if (sim->healed && at_us < link->last_us) {
        at_us = link->last_us;
    }
    link->last_us = at_us > link->last_us ? at_us : link->last_us;
    return at_us;
}

static bool is_lost(struct sim *sim, const struct link *link)
{
    return link->cut || sim_happens(sim, STREAM_NETWORK, link->loss_ppm) ||
           (!sim->healed && sim_happens(sim, STREAM_NETWORK, sim->plan.loss_ppm));
}

/* ---- Connections ---- */

static void run_lost(struct sim *sim, void *context, uint64_t argument)
{
    struct node *node = context;
    const struct node *peer = &sim->nodes[argument];

    if (!node->up || node == peer) {
        return;
    }
    sim->running = node;
    CRASH_POINT("node.disconnected");
    for (unsigned i = 0; i < sim->plan.groups && !node->dying; i++) {
        if (node->shards[i].phase == SHARD_RUNS && peer->shards[i].created) {
            enum status status = shard_step(
                &node->shards[i],
                (struct raft_event){.kind = RAFT_PEER_LOST, .peer = shard_id(&peer->shards[i])});

            (void)status;
        }
    }
    node_end_event(node);
}

void network_disconnect(struct node *node, const struct node *peer)
{
    struct sim *sim = node->sim;

    if (sim->plan.reports_losses && node->up && sim_happens(sim, STREAM_NETWORK, 800000)) {
        sim_at(sim, sim->now_us + sim_chance(sim, STREAM_NETWORK, 200 * MS), run_lost, node,
               peer->slot);
    }
}

static void tell_lost(struct shard *shard, uint64_t peer)
{
    struct sim *sim = shard->node->sim;

    if (sim->plan.reports_losses && sim_happens(sim, STREAM_NETWORK, 200000)) {
        shard->reports_peer = peer;
    }
}

void network_send(struct shard *shard, const struct raft_message *message)
{
    struct node *from = shard->node;
    struct sim *sim = from->sim;
    struct shard *peer = shard_by_id(sim, shard->group, message->to);
    struct node *to = peer == NULL ? NULL : peer->node;
    struct log_entries entries = {0};

    if (from->dying) {
        return;
    }
    check_sent(shard, message);
    if (to == NULL || to == from) {
        return;
    }
    struct link *link = &sim->links[from->slot][to->slot];
    if (message->entry_count > 0) {
        uint64_t low = message->position.index + 1;
        enum status status = log_read(from->log, shard->group, low, low + message->entry_count,
                                      SIZE_MAX, false, &entries);

        if (status != STATUS_OK || entries.count != message->entry_count) {
            if (status == STATUS_OK) {
                log_entries_done(&entries);
            }
            if (status == STATUS_CORRUPT) {
                shard->found_rot = true;
            }
            shard->reports_peer = message->to;
            return;
        }
        check_append(shard, message, &entries);
    }
    if (is_lost(sim, link)) {
        tell_lost(shard, message->to);
    } else {
        struct envelope *envelope = pack(shard, message, &entries);

        envelope->from_slot = from->slot;
        envelope->to_slot = to->slot;
        envelope->sent_us = sim->now_us;
        if (message->configuration != NULL) {
            envelope->configuration = *message->configuration;
        }
        if (!sim->healed && sim_happens(sim, STREAM_NETWORK, sim->plan.double_ppm)) {
            sim->envelopes++;
            sim_at_owned(sim, arrival_us(sim, link), run_arrival, copied(envelope));
        }
        sim->envelopes++;
        sim_at_owned(sim, arrival_us(sim, link), run_arrival, envelope);
    }
    if (message->entry_count > 0) {
        log_entries_done(&entries);
    }
}
