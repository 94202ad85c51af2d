/* Links that are cut, slow or lossy, and mended later. */
#include <inttypes.h>

#include "tests/sim/sim_nemesis.h"

static void run_mend_links(struct sim *sim, void *context, uint64_t argument)
{
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            struct link *link = &sim->links[from][to];

            if (link->fault == argument) {
                link->cut = link->severed = false;
                link->holds_until_us = 0;
                link->loss_ppm = 0;
                link->slow_us = 0;
            }
        }
    }
}

struct link *nemesis_take_link(struct sim *sim, unsigned from, unsigned to)
{
    struct link *link = &sim->links[from][to];

    link->fault = sim->fault_number;
    return link;
}

void nemesis_mend_links_later(struct sim *sim, uint64_t after_us)
{
    sim_at(sim, sim->now_us + after_us, run_mend_links, NULL, sim->fault_number);
}

void fault_partition(struct sim *sim)
{
    if (sim->node_count < 2) {
        return;
    }
    uint64_t side = 1 + nemesis_chance(sim, (1U << sim->node_count) - 2);
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            if (((side >> from) & 1) != ((side >> to) & 1)) {
                nemesis_take_link(sim, from, to)->cut = true;
            }
        }
    }
    sim_tell(sim, "partition: slots %#" PRIx64 " against the others", side);
    nemesis_mend_links_later(sim, nemesis_between(sim, 500 * MS, 25 * SECOND));
}

void fault_one_way(struct sim *sim)
{
    struct node *node = nemesis_victim(sim);
    bool outwards = nemesis_chance(sim, 2) == 0;

    if (node == NULL) {
        return;
    }
    for (unsigned other = 0; other < sim->node_count; other++) {
        if (other != node->slot && nemesis_chance(sim, 3) > 0) {
            (outwards ? nemesis_take_link(sim, node->slot, other)
                      : nemesis_take_link(sim, other, node->slot))
                ->cut = true;
        }
    }
    sim_tell(sim, "node %" PRIu64 " is %s in part", node->id, outwards ? "not heard" : "deaf");
    nemesis_mend_links_later(sim, nemesis_between(sim, 500 * MS, 25 * SECOND));
}

void nemesis_isolate(struct sim *sim, struct node *node, uint64_t for_us)
{
    for (unsigned other = 0; other < sim->node_count; other++) {
        if (other != node->slot) {
            nemesis_take_link(sim, node->slot, other)->cut = true;
            nemesis_take_link(sim, other, node->slot)->cut = true;
        }
    }
    sim_tell(sim, "node %" PRIu64 " is isolated", node->id);
    nemesis_mend_links_later(sim, for_us);
}

void fault_isolate_leader(struct sim *sim)
{
    struct shard *leader = operator_leader(sim, (unsigned)nemesis_chance(sim, sim->plan.groups));

    if (leader != NULL) {
        nemesis_isolate(sim, leader->node, nemesis_between(sim, SECOND, 20 * SECOND));
    }
}

void fault_lag(struct sim *sim)
{
    struct node *node = nemesis_any_up(sim);

    if (node != NULL) {
        nemesis_isolate(sim, node, nemesis_between(sim, 30 * SECOND, 90 * SECOND));
    }
}

static void worsen_links(struct sim *sim, bool slow)
{
    for (unsigned from = 0; from < sim->node_count; from++) {
        for (unsigned to = 0; to < sim->node_count; to++) {
            if (nemesis_chance(sim, 3) == 0) {
                struct link *link = nemesis_take_link(sim, from, to);

                link->slow_us = slow ? nemesis_between(sim, 50 * MS, 4 * SECOND) : 0;
                link->loss_ppm = slow ? 0 : (unsigned)nemesis_between(sim, 50000, 600000);
            }
        }
    }
    sim_tell(sim, "links are %s", slow ? "slow" : "lossy");
    nemesis_mend_links_later(sim, nemesis_between(sim, SECOND, 30 * SECOND));
}

/* It breaks, for both ends; both nodes live on and connect again. */
void fault_connection(struct sim *sim)
{
    struct node *one = nemesis_any(sim);
    struct node *other = nemesis_any(sim);

    if (one != other) {
        network_disconnect(one, other);
        network_disconnect(other, one);
    }
}

void fault_slow_links(struct sim *sim)
{
    worsen_links(sim, true);
}

void fault_lossy_links(struct sim *sim)
{
    worsen_links(sim, false);
}
