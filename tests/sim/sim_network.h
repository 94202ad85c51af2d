/* What travels between two nodes: a message with its payloads, in one piece of memory. */
#ifndef AVISO_TESTS_SIM_SIM_NETWORK_H
#define AVISO_TESTS_SIM_SIM_NETWORK_H

#include "tests/sim/sim.h"

struct envelope {
    unsigned group;
    unsigned from_slot, to_slot;
    uint64_t sent_us;
    struct raft_message message;
    struct raft_configuration configuration;
    size_t count;
    struct raft_entry *entries;
    struct slice *payloads;
    struct raft_configuration *configurations; /* of entries */
    size_t size;                               /* of all of it, in memory */
};

#endif
