/* The names of rows in the store (DESIGN: the storage node). Numbers are big-endian, so that the
 * order of octets is the order of numbers; the shard comes first, then the kind of row. */
#ifndef AVISO_STORAGE_KEYS_H
#define AVISO_STORAGE_KEYS_H

#include "core/slice.h"

enum row_kind {
    ROW_META = 0x01,   /* how far the shard has applied */
    ROW_DIR = 0x10,    /* slot (2), name: directory entry */
    ROW_ACCT = 0x20,   /* account (8) */
    ROW_NAME = 0x21,   /* account (8), name: a mailbox's name or a subscription */
    ROW_MBOX = 0x22,   /* account (8), mailbox (4) */
    ROW_UID = 0x23,    /* account (8), mailbox (4), uid (4) */
    ROW_MAIL = 0x24,   /* account (8), email (8) */
    ROW_HEAD = 0x25,   /* account (8), email (8): header block, zstd */
    ROW_LOG = 0x26,    /* account (8), modseq (8): change record */
    ROW_THREAD = 0x27, /* account (8), hash (8): thread that a key belongs to */
    ROW_BODY = 0x30,   /* sha256 (32), frame (4): zstd frame */
    ROW_REF = 0x31,    /* sha256 (32): size, frames, references */
    ROW_PEND = 0x32,   /* time (8), sha256 (32): a body that no message uses yet */
    ROW_HAND = 0x40,   /* id (8): a delivery for another shard */
    ROW_ONCE = 0x50,   /* request id (16) */
    ROW_WORK = 0x60,   /* account (8), mailbox (4; 0: all of it): to be removed */
};

enum {
    KEY_SIZE_MAX = 1200,
    KEY_PREFIX_SIZE = 5,         /* shard and kind */
    KEY_ACCOUNT_PREFIX_SIZE = 13 /* shard, kind and account */
};

/* A key with its own room. */
struct key {
    char octets[KEY_SIZE_MAX];
    size_t size;
};

/* The name of one row. `name` has at most KEY_SIZE_MAX - 32 octets. */
struct slice key_meta(struct key *key, uint32_t shard);
struct slice key_dir(struct key *key, uint32_t shard, uint32_t slot, struct slice name);
struct slice key_acct(struct key *key, uint32_t shard, uint64_t account);
struct slice key_name(struct key *key, uint32_t shard, uint64_t account, struct slice name);
struct slice key_mbox(struct key *key, uint32_t shard, uint64_t account, uint32_t mailbox);
struct slice key_uid(struct key *key, uint32_t shard, uint64_t account, uint32_t mailbox,
                     uint32_t uid);
struct slice key_mail(struct key *key, uint32_t shard, uint64_t account, uint64_t email);
struct slice key_head(struct key *key, uint32_t shard, uint64_t account, uint64_t email);
struct slice key_log(struct key *key, uint32_t shard, uint64_t account, uint64_t modseq);
struct slice key_thread(struct key *key, uint32_t shard, uint64_t account, uint64_t hash);
struct slice key_body(struct key *key, uint32_t shard, struct slice sha256, uint32_t frame);
struct slice key_ref(struct key *key, uint32_t shard, struct slice sha256);
struct slice key_pend(struct key *key, uint32_t shard, uint64_t time_ms, struct slice sha256);
struct slice key_hand(struct key *key, uint32_t shard, uint64_t id);
struct slice key_once(struct key *key, uint32_t shard, struct slice request_id);
struct slice key_work(struct key *key, uint32_t shard, uint64_t account, uint32_t mailbox);

/* What all keys of a shard begin with. */
struct slice key_shard(struct key *key, uint32_t shard);

/* Bounds: the first key of a kind, the first after it; the same for an account's rows. */
struct slice key_kind_low(struct key *key, uint32_t shard, enum row_kind kind);
struct slice key_kind_high(struct key *key, uint32_t shard, enum row_kind kind);
struct slice key_account_low(struct key *key, uint32_t shard, enum row_kind kind, uint64_t account);
struct slice key_account_high(struct key *key, uint32_t shard, enum row_kind kind,
                              uint64_t account);

/* The first key after all that begin with `prefix`; empty when there is none. `prefix` may be in
 * `key` itself. */
struct slice key_after(struct key *key, struct slice prefix);

/* The parts of a key that the functions above made; 0 or empty where it is too short. */
uint32_t key_part_uid(struct slice key);
uint32_t key_part_mailbox(struct slice key);
uint64_t key_part_account(struct slice key);
uint64_t key_part_hand(struct slice key); /* of ROW_HAND */
uint64_t key_part_last64(struct slice key);
struct slice key_part_name(struct slice key); /* of ROW_NAME */

#endif
