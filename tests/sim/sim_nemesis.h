/* What the faults of the simulator share. */
#ifndef AVISO_TESTS_SIM_SIM_NEMESIS_H
#define AVISO_TESTS_SIM_SIM_NEMESIS_H

#include "tests/sim/sim.h"

/* ---- Whom it hits (sim_nemesis.c) ---- */

uint64_t nemesis_chance(struct sim *sim, uint64_t bound);
uint64_t nemesis_between(struct sim *sim, uint64_t low, uint64_t high);
struct node *nemesis_any(struct sim *sim);
struct node *nemesis_any_up(struct sim *sim); /* NULL: all are down */
/* More often than not a leader: that is where it hurts. NULL: all are down. */
struct node *nemesis_victim(struct sim *sim);
enum fake_disk_loss nemesis_any_loss(struct sim *sim);
int64_t nemesis_any_rate(struct sim *sim); /* of a clock, within what the plan allows */

/* ---- Links (sim_fault_network.c) ---- */

/* The link is the fault's that goes on; nemesis_mend_links_later() mends all that it still has. */
struct link *nemesis_take_link(struct sim *sim, unsigned from, unsigned to);
void nemesis_mend_links_later(struct sim *sim, uint64_t after_us);
/* From all other nodes, in both directions. */
void nemesis_isolate(struct sim *sim, struct node *node, uint64_t for_us);

/* ---- Disks (sim_fault_disk.c) ---- */

/* The disk is gone for ever, and with it the node; a new one comes in its slot. False: some group
 * could not bear that now. */
bool nemesis_lose_disk(struct sim *sim, struct node *node);
/* One node at a time has rot, or others could not make up for it. */
bool nemesis_is_rotten_anywhere(struct sim *sim);

/* ---- Each begins a fault ---- */

void fault_crash(struct sim *sim);
void fault_crash_point(struct sim *sim);
void fault_crash_storm(struct sim *sim);
void fault_crash_all(struct sim *sim);
void fault_partition(struct sim *sim);
void fault_one_way(struct sim *sim);
void fault_connection(struct sim *sim);
void fault_isolate_leader(struct sim *sim);
void fault_slow_links(struct sim *sim);
void fault_lossy_links(struct sim *sim);
void fault_clock_jump(struct sim *sim);
void fault_clock_rate(struct sim *sim);
void fault_sync_fails(struct sim *sim);
void fault_disk_lost(struct sim *sim);
void fault_disk_full(struct sim *sim);
void fault_disk_slow(struct sim *sim);
void fault_bit_rot(struct sim *sim);
void fault_state_rot(struct sim *sim);
void fault_transfer(struct sim *sim);
void fault_membership(struct sim *sim);
void fault_campaign(struct sim *sim);
void fault_pause(struct sim *sim);
void fault_lag(struct sim *sim);
void fault_force(struct sim *sim);
void fault_plot(struct sim *sim);

#endif
