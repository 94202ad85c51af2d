/* Clients: each asks one thing at a time, at whichever node it believes to lead, and repeats a
 * write with the same operation until it is answered or tired. */
#include <inttypes.h>

#include "core/memory.h"
#include "tests/sim/sim.h"

enum { ATTEMPTS_MAX = 40, TRAVEL_MIN = 200, TRAVEL_MAX = 5 * MS };

static void run_think(struct sim *sim, void *context, uint64_t argument);
static void ask(struct client *client);

/* ---- Requests and answers on their way: their own loss, no partitions ---- */

struct request {
    struct client *client;
    unsigned slot;
    uint64_t attempt;
    struct operation operation;
};

struct reply {
    struct answer answer;
};

static bool is_lost(struct sim *sim)
{
    return !sim->healed && sim_happens(sim, STREAM_CLIENT, 5000);
}

static uint64_t travel(struct sim *sim)
{
    return sim->now_us + sim_between(sim, STREAM_CLIENT, TRAVEL_MIN, TRAVEL_MAX);
}

static void run_reply(struct sim *sim, void *context, uint64_t argument)
{
    struct answer answer = ((struct reply *)context)->answer;

    memory_free(context);
    client_answer(sim, &answer);
}

void client_reply(struct node *node, const struct answer *answer)
{
    struct sim *sim = node->sim;

    if (node->dying || answer->client >= CLIENTS_MAX || is_lost(sim)) {
        return;
    }
    struct reply *reply = NEW(struct reply);
    reply->answer = *answer;
    sim_at_owned(sim, travel(sim), run_reply, reply);
}

static void run_request(struct sim *sim, void *context, uint64_t argument)
{
    struct request *request = context;
    struct node *node = &sim->nodes[request->slot];
    struct client *client = request->client;

    if (node->up && node->paused_until_us > sim->now_us) {
        sim_at_owned(sim, node->paused_until_us, run_request, request);
        return;
    }
    if (node->up) {
        sim->running = node;
        shard_request(&node->shards[client->group], client->number, request->attempt,
                      &request->operation);
        node_end_event(node);
    } else {
        client_answer(sim, &(struct answer){.client = client->number,
                                            .attempt = request->attempt,
                                            .status = STATUS_UNAVAILABLE,
                                            .generation = UINT64_MAX});
    }
    memory_free(request);
}

/* ---- What to ask ---- */

/* `dice` is below 100; below the plan's share of reads, it is one. */
static void choose(struct client *client, uint64_t dice)
{
    struct sim *sim = client->sim;
    struct group *group = &sim->groups[client->group];
    struct operation *operation = &client->operation;

    *operation = (struct operation){
        .box = (unsigned)random_below(&client->random, STATE_BOXES),
        .began_us = sim->now_us,
    };
    operation->acked_uid = group->box_uid[operation->box];
    operation->acked_modseq = group->box_modseq[operation->box];
    operation->acked_index = group->acked_index;
    if (dice < sim->plan.read_percent) {
        operation->kind = OPERATION_READ;
        return;
    }
    operation->id = ++group->operation_last;
    operation->kind = OPERATION_DELIVER;
    if (dice % 4 == 0 && operation->acked_uid > 0) {
        operation->kind = OPERATION_FLAG;
        operation->uid = (uint32_t)(1 + random_below(&client->random, operation->acked_uid));
    }
}

static void think(struct client *client)
{
    struct sim *sim = client->sim;

    uint64_t think_us = sim->healed && sim->plan.think_us > SECOND ? SECOND : sim->plan.think_us;

    client->busy = false;
    client->thoughts++;
    sim_at(sim, sim->now_us + 1 + random_below(&client->random, think_us), run_think, client,
           client->thoughts);
}

static void run_think(struct sim *sim, void *context, uint64_t argument)
{
    struct client *client = context;

    if (sim->quiet || client->busy || client->thoughts != argument) {
        return;
    }
    client->busy = true;
    choose(client, random_below(&client->random, 100));
    ask(client);
}

void client_hurry(struct shard *shard, bool reads)
{
    struct sim *sim = shard->node->sim;

    for (unsigned i = 0; i < sim->plan.clients && !sim->quiet; i++) {
        struct client *client = &sim->clients[i];

        if (client->group == shard->group && !client->busy) {
            client->thoughts++;
            client->busy = true;
            client->target = shard->node->slot;
            choose(client, reads ? 0 : 99);
            ask(client);
            return;
        }
    }
}

static void run_timeout(struct sim *sim, void *context, uint64_t argument)
{
    struct client *client = context;

    if (client->busy && client->attempt == argument) {
        client->target = (unsigned)random_below(&client->random, sim->node_count);
        ask(client);
    }
}

static void ask(struct client *client)
{
    struct sim *sim = client->sim;
    struct request *request;

    if (client->operation.attempts++ >= ATTEMPTS_MAX) {
        think(client);
        return;
    }
    client->attempt++;
    sim_at(sim, sim->now_us + SECOND + random_below(&client->random, 3 * SECOND), run_timeout,
           client, client->attempt);
    if (is_lost(sim)) {
        return;
    }
    request = NEW(struct request);
    *request = (struct request){client, client->target, client->attempt, client->operation};
    sim_at_owned(sim, travel(sim), run_request, request);
}

static void run_again(struct sim *sim, void *context, uint64_t argument)
{
    struct client *client = context;

    if (client->busy && client->attempt == argument) {
        ask(client);
    }
}

static void try_again(struct client *client, const struct answer *answer)
{
    struct sim *sim = client->sim;
    struct shard *hint = shard_by_id(sim, client->group, answer->hint);

    if (hint != NULL && hint->node->slot != client->target &&
        random_below(&client->random, 8) != 0) {
        client->target = hint->node->slot;
    } else {
        client->target = (unsigned)random_below(&client->random, sim->node_count);
    }
    sim_at(sim, sim->now_us + 10 * MS + random_below(&client->random, 300 * MS), run_again, client,
           client->attempt);
}

void client_answer(struct sim *sim, const struct answer *answer)
{
    struct client *client = &sim->clients[answer->client];
    struct group *group = &sim->groups[client->group];

    if (!client->busy || client->attempt != answer->attempt) {
        return;
    }
    sim_mix(sim, hash_mix(answer->status, answer->outcome.modseq ^ sim->now_us));
    /* Of a generation that is written off nothing is believed. */
    if (answer->status != STATUS_OK || answer->generation < group->generation) {
        try_again(client, answer);
        return;
    }
    if (client->operation.kind == OPERATION_READ) {
        check_read(sim, client->group, &client->operation, answer);
        /* Reads go to any replica, so that followers and deposed leaders are asked too. */
        client->target = (unsigned)random_below(&client->random, sim->node_count);
    } else {
        check_acked(sim, client->group, &client->operation, answer);
    }
    think(client);
}

/* ---- A load that waits for nothing ---- */

/* As much as the slowest disks and links allow: the queue is never empty, and does not grow. */
static uint64_t flood_interval_us(const struct plan *plan)
{
    uint64_t round_us = 2 * (plan->sync_max_us + plan->delay_max_us);
    uint64_t a_message = plan->message_bytes_max > 1000 ? 4 : 1; /* entries */
    uint64_t interval_us = round_us * plan->groups / (a_message * plan->inflight_messages_max);

    return interval_us > 10 * MS ? interval_us : 10 * MS;
}

void client_press(struct shard *leader)
{
    struct sim *sim = leader->node->sim;
    struct operation operation = {.id = ++sim->groups[leader->group].operation_last,
                                  .kind = OPERATION_DELIVER};

    sim->running = leader->node;
    shard_request(leader, CLIENTS_MAX, 0, &operation);
    node_end_event(leader->node);
}

static void run_flood(struct sim *sim, void *context, uint64_t argument)
{
    struct client *client = context;
    struct shard *leader = operator_leader(sim, client->group);

    if (sim->quiet) {
        return;
    }
    if (leader != NULL) {
        client_press(leader);
    }
    if (sim->now_us < argument) {
        sim_at(sim, sim->now_us + flood_interval_us(&sim->plan), run_flood, client, argument);
    }
}

void client_flood(struct sim *sim, unsigned group, uint64_t until_us)
{
    sim_at(sim, sim->now_us, run_flood, &sim->clients[group], until_us);
}

void client_start(struct client *client)
{
    struct sim *sim = client->sim;

    client->group = client->number % sim->plan.groups;
    client->random.state = random_next(&sim->random[STREAM_CLIENT]);
    client->target = client->number % sim->node_count;
    think(client);
}
