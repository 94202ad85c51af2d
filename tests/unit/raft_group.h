/* Replicas of storage/raft in memory: their logs, their disks, the messages between them, one step
 * at a time under the test's hand. It does the duties of raft.h in their order, and can be told to
 * leave the disk to the test. What every run of Raft must hold is checked all along. */
#ifndef AVISO_TESTS_UNIT_RAFT_GROUP_H
#define AVISO_TESTS_UNIT_RAFT_GROUP_H

#include "core/buffer.h"
#include "storage/raft/raft.h"

enum { GROUP_NODES_MAX = 16, GROUP_TEXT_SIZE = 16 };

/* An entry with its payload: a word. */
struct group_entry {
    struct raft_entry entry;
    struct raft_configuration configuration;
    char text[GROUP_TEXT_SIZE];
};

struct group_log {
    struct raft_position compacted;
    struct raft_configuration configuration; /* in force there */
    struct group_entry *entries;             /* after it */
    size_t count;
    size_t capacity;
};

/* A message on its way, with copies of all it borrows. */
struct group_message {
    struct raft_message message;
    struct group_entry *entries;
    struct raft_configuration configuration;
};

struct group_messages {
    struct group_message **items;
    size_t count;
    size_t capacity;
};

/* A write that is not durable yet, and what waits for it. */
struct group_write {
    bool writes;
    struct raft_mark mark;
    bool has_hard_state;
    struct raft_hard_state hard_state;
    uint64_t truncate_from;
    struct group_entry *entries;
    size_t entry_count;
    struct group_messages messages;
};

struct group_node {
    uint64_t id;
    struct raft *raft; /* NULL while it is down */
    struct raft_options options;
    bool holds_writes; /* durable only by group_persist() */
    bool cut_off;      /* nothing passes */
    struct raft_hard_state disk_hard_state;
    struct group_log disk;
    struct group_log memory; /* with what is being written */
    struct group_write **writes;
    size_t write_count;
    size_t write_capacity;
    uint64_t applied_index;
    uint64_t flushed_index;               /* applied, durably */
    uint32_t make_for;                    /* peers that wait for a snapshot: a set of 1 << id */
    struct raft_snapshot_effect snapshot; /* to be fetched or installed; else ABANDON */
    uint64_t wake_at_ms;
    enum raft_role role; /* as it was traced last */
    uint64_t term;
    char proposed[GROUP_TEXT_SIZE];
};

struct group {
    struct buffer *trace; /* NULL: silent */
    uint64_t now_ms;
    struct group_node nodes[GROUP_NODES_MAX];
    size_t node_count;
    struct group_messages messages;
    /* Checked: */
    bool reads_name_indexes; /* a read's context is the last index acknowledged when it began */
    struct group_entry *committed; /* by index - 1: what anyone has applied; term 0: nobody yet */
    size_t committed_count;
    size_t committed_capacity;
    uint64_t *leader_of_term;
    size_t term_count;
    const char *broken; /* the promise that was broken, or NULL */
};

void group_init(struct group *group, struct buffer *trace);
void group_done(struct group *group);

/* Adds a node that begins with what is on `disk` (taken over). */
struct group_node *group_add(struct group *group, const struct raft_options *options,
                             struct raft_hard_state hard_state, struct group_log disk);
struct group_node *group_find(struct group *group, uint64_t id);

void group_log_append(struct group_log *log, const struct group_entry *entry);

/* Steps a node and carries out what follows, all but the delivery of messages. */
enum status group_step(struct group *group, struct group_node *node, struct raft_event event);

enum status group_propose(struct group *group, struct group_node *node, const char *text,
                          size_t count, uint32_t size);

/* Takes the message at `index` off its way: it arrives, or it is lost. `group_duplicate` leaves it
 * on its way too. */
void group_deliver(struct group *group, size_t index);
void group_drop(struct group *group, size_t index);
void group_duplicate(struct group *group, size_t index);

/* The oldest write of the node becomes durable. False: there is none. */
bool group_persist(struct group *group, struct group_node *node);

/* All that is not durable is lost, and of the applied state what is after `flushed_index`. */
void group_crash(struct group *group, struct group_node *node, uint64_t flushed_index);
void group_restart(struct group *group, struct group_node *node);

/* Lets go of the log up to `index`, which is applied. */
enum status group_compact(struct group *group, struct group_node *node, uint64_t index);

/* What the node was asked to do about a snapshot happens: it is ready for a peer (as of the applied
 * index), fetched, installed. */
enum status group_snapshot_ready(struct group *group, struct group_node *node, uint64_t peer);
enum status group_snapshot_fetched(struct group *group, struct group_node *node);
enum status group_snapshot_installed(struct group *group, struct group_node *node);

/* Delivers, persists and serves snapshots until nothing is left to do. Ticks nobody. */
void group_stabilize(struct group *group);

/* Moves time forward, ticking each node when it wants to be woken. */
void group_advance(struct group *group, uint64_t ms);

/* The leader of the highest term, or NULL. */
struct group_node *group_leader(struct group *group);

/* Two logs with one position in common agree on all before (§5.3). Sets `broken`. */
void group_check_logs(struct group *group);

/* Appends one line. */
void group_print_message(struct buffer *output, const struct raft_message *message);
void group_print_configuration(struct buffer *output,
                               const struct raft_configuration *configuration);
void group_print_state(struct group *group, struct group_node *node, struct buffer *output);

#endif
