/* What is kept in etcd of a cluster, record by record, as JSON with a version. Pure.
 *
 *     PREFIX/config        who we are: never changes but for features
 *     PREFIX/nodes/ID      a storage node that is alive: under its lease
 *     PREFIX/drains/ID     a node that is to be emptied
 *     PREFIX/shards/ID     the replicas there are, and the ones that are wished
 *     PREFIX/slots/A-B     the shard that holds the directory's slots A to B
 *     PREFIX/leaders/ID    who leads a shard: a hint, under the leader's lease
 *     PREFIX/placer        who places replicas: an election
 *
 * PREFIX is /aviso/CLUSTER. Raft decides who belongs to a shard and who leads it; etcd follows: the
 * placer writes a wish, the shard's leader makes it so and writes what came of it. */
#ifndef AVISO_ROUTER_CLUSTER_RECORD_H
#define AVISO_ROUTER_CLUSTER_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

enum {
    CLUSTER_RECORD_SIZE_MAX = 16 * 1024, /* octets of any */
    CLUSTER_NAME_SIZE_MAX = 63,          /* of a cluster, a zone, a region, a host, a version */
    CLUSTER_ADDRESS_SIZE_MAX = 63,       /* numeric */
    CLUSTER_REPLICAS_MAX = 16,           /* of a shard: as many as a Raft configuration takes */
    CLUSTER_VOTERS_MAX = 7,
};

/* A text of letters, digits, ".", "_", "-" and ":" that ends with a NUL; empty: not known. */
struct cluster_name {
    char text[CLUSTER_NAME_SIZE_MAX + 1];
};

/* INVALID: other octets, or too long. */
NODISCARD enum status cluster_name_set(struct cluster_name *name, struct slice text);
bool cluster_name_equals(const struct cluster_name *one, const struct cluster_name *other);

struct cluster_config {
    uint64_t id;       /* of the cluster, in every hello; never 0 */
    uint64_t features; /* a set of bits; none is defined yet, and others are not known here */
};

struct cluster_node {
    uint32_t id;
    uint16_t port;
    struct cluster_name address; /* numeric, of its RPC */
    struct cluster_name zone;
    struct cluster_name region;
    struct cluster_name host; /* the machine: two replicas of a shard do not share it */
    struct cluster_name version;
    uint64_t capacity; /* octets of its disk; 0: not known */
};

enum cluster_role { CLUSTER_VOTER, CLUSTER_LEARNER };

struct cluster_replica {
    uint32_t node;
    uint32_t life; /* of this copy on the node; see storage/replica_id.h */
    enum cluster_role role;
};

struct cluster_replicas {
    size_t count;
    struct cluster_replica list[CLUSTER_REPLICAS_MAX]; /* by ascending node, one for each */
};

/* NULL: the node has none. */
const struct cluster_replica *cluster_replicas_find(const struct cluster_replicas *replicas,
                                                    uint32_t node);
bool cluster_replicas_equal(const struct cluster_replicas *one,
                            const struct cluster_replicas *other);
size_t cluster_replicas_voters(const struct cluster_replicas *replicas);
/* Puts one in at its place, or changes it. TOO_LARGE: there are CLUSTER_REPLICAS_MAX. */
NODISCARD enum status cluster_replicas_put(struct cluster_replicas *replicas,
                                           struct cluster_replica replica);
/* Harmless when there is none. */
void cluster_replicas_remove(struct cluster_replicas *replicas, uint32_t node);

struct cluster_shard {
    uint32_t id;
    uint64_t generation;          /* raised when a configuration was forced */
    uint32_t voters;              /* how many are wanted */
    uint32_t founders;            /* lives 1 to this are of the replicas it was founded with */
    uint32_t life_next;           /* above every life given in this shard */
    struct cluster_name region;   /* its home; empty: any */
    struct cluster_replicas now;  /* as the leader last wrote; one voter at least */
    struct cluster_replicas wish; /* count 0: none; else one voter at least */
    uint32_t leader_wish;         /* the node that is to lead; 0: any */
};

struct cluster_leader {
    uint32_t shard;
    uint32_t node;
    uint64_t term;
    uint32_t ready_count; /* nodes whose copy has all but the last moments */
    uint32_t ready[CLUSTER_REPLICAS_MAX];
};

struct cluster_slots {
    uint32_t first;
    uint32_t last;
    uint32_t shard;
};

/* Each reads one record, of which the number is that of the key. CORRUPT: it is none.
 * UNSUPPORTED: of a newer version. */
NODISCARD enum status cluster_config_parse(struct slice text, struct cluster_config *out_config);
NODISCARD enum status cluster_node_parse(uint32_t id, struct slice text,
                                         struct cluster_node *out_node);
NODISCARD enum status cluster_shard_parse(uint32_t id, struct slice text,
                                          struct cluster_shard *out_shard);
NODISCARD enum status cluster_leader_parse(uint32_t shard, struct slice text,
                                           struct cluster_leader *out_leader);
NODISCARD enum status cluster_slots_parse(uint32_t first, uint32_t last, struct slice text,
                                          struct cluster_slots *out_slots);

/* Each appends a record that its parser reads back as it was. */
void cluster_config_print(const struct cluster_config *config, struct buffer *output);
void cluster_node_print(const struct cluster_node *node, struct buffer *output);
void cluster_shard_print(const struct cluster_shard *shard, struct buffer *output);
void cluster_leader_print(const struct cluster_leader *leader, struct buffer *output);
void cluster_slots_print(const struct cluster_slots *slots, struct buffer *output);

#endif
