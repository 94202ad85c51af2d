/* The inside of a storage member, for the files of it. */
#ifndef AVISO_ROLES_STORAGE_MEMBER_PARTS_H
#define AVISO_ROLES_STORAGE_MEMBER_PARTS_H

#include "roles/storage_member.h"
#include "router/etcd_lease.h"
#include "router/numbered.h"

enum { MEMBER_KEY_SIZE_MAX = 256, MEMBER_HINTS_MAX = 100 };

/* A shard as this node has it, by the shard's number. */
struct member_shard {
    uint64_t replica;       /* that is held; 0: none */
    bool is_busy;           /* something was asked of the node, and is not done */
    uint64_t rest_until_ms; /* after a failure or a transfer */
};

struct storage_member {
    const struct settings *settings;
    struct cluster_link *link;
    uint32_t number;
    struct node *node; /* NULL: it does not serve yet */
    struct loop_timer tick;
    struct numbered shards; /* struct member_shard */
    struct numbered peers;  /* struct shard_map_node: what the node was told */

    struct etcd_lease *lease;
    struct etcd_lease_listener lease_listener;
    struct etcd_call registration;
    bool is_registering;
    struct etcd_call hints;
    bool writes_hints;
    struct etcd_call record;
    bool writes_record;
};

/* What the node does for a shard ends on its loops; `done` runs on the link's. */
struct member_errand {
    struct loop_message message;
    struct storage_member *member;
    uint32_t shard;
    uint64_t replica; /* that is held when it went well */
    enum status status;
    void (*done)(struct member_errand *errand);
};

/* Marks the shard busy. The errand is for member_errand_done(). */
struct member_errand *member_errand_new(struct storage_member *member, uint32_t shard,
                                        void (*done)(struct member_errand *errand));
/* A node_done_fn; the context is the errand. */
void member_errand_done(void *context, enum status status);

/* The shard, made if it was not known. */
struct member_shard *member_shard(struct storage_member *member, uint32_t shard);

/* Holds what the map says, and gives up what it no longer says (storage_replicas.c). */
void member_hold_replicas(struct storage_member *member);

/* Learns what the node's folder holds. */
void member_learn_replicas(struct storage_member *member);

/* Of the shards that this node leads: hints, outcomes, wishes (storage_leader.c). */
void member_lead(struct storage_member *member);

#endif
