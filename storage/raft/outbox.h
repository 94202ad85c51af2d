/* The effects that wait to be carried out: collected by the parts of the core, handed to the caller
 * as one set. */
#ifndef AVISO_STORAGE_RAFT_OUTBOX_H
#define AVISO_STORAGE_RAFT_OUTBOX_H

#include "storage/raft/raft.h"

struct raft_outbox_list {
    void *items;
    size_t count;
    size_t capacity;
};

struct raft_outbox {
    bool hard_state_changed;
    uint64_t truncate_from;
    uint64_t handed_index; /* the log was given all up to here, but for what is in `entries` */
    struct raft_outbox_list entries;
    struct raft_outbox_list eager;
    struct raft_outbox_list durable;
    struct raft_outbox_list reads;
    struct raft_outbox_list snapshots;
    struct raft_outbox_list configurations; /* pointers: copies that entries and messages borrow */
};

/* Frees what is in it. */
void raft_outbox_done(struct raft_outbox *outbox);

/* Forgets what was handed over. An array that a burst has made large is given back. */
void raft_outbox_clear(struct raft_outbox *outbox);

/* A copy that lives as long as the set; NULL of NULL. */
const struct raft_configuration *raft_outbox_keep(struct raft_outbox *outbox,
                                                  const struct raft_configuration *configuration);

/* Adds an entry for the log. */
void raft_outbox_append(struct raft_outbox *outbox, const struct raft_entry *entry);

/* The log must drop the entry at `index` and all after it, whether it was given them or not. */
void raft_outbox_truncate(struct raft_outbox *outbox, uint64_t index);

/* Adds a message, an answered read, work on a snapshot. */
void raft_outbox_send_eager(struct raft_outbox *outbox, const struct raft_message *message);
void raft_outbox_send_durable(struct raft_outbox *outbox, const struct raft_message *message);
void raft_outbox_read(struct raft_outbox *outbox, struct raft_read read);
void raft_outbox_snapshot(struct raft_outbox *outbox, const struct raft_snapshot_effect *effect);

/* Something of the set has to be written. */
bool raft_outbox_writes(const struct raft_outbox *outbox);

/* Fills the arrays of `out_effects`. */
void raft_outbox_show(const struct raft_outbox *outbox, struct raft_effects *out_effects);

/* Octets on the heap. */
size_t raft_outbox_memory(const struct raft_outbox *outbox);

#endif
