/* What stands in the rows of the store: compact, versioned, binary.
 *
 * Every row begins with its version (1 octet). Numbers are LEB128 in their shortest form, octets
 * have their size before them, and nothing follows the last field. Slices of a decoded row borrow
 * from its octets; arrays live in the arena given.
 *
 * Decoding answers CORRUPT for anything that encoding does not make (a number that is too long or
 * too large, UIDs out of order, a rest), and UNSUPPORTED for a newer version. */
#ifndef AVISO_STORAGE_ROWS_H
#define AVISO_STORAGE_ROWS_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/buffer.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"
#include "storage/raft/configuration.h"

enum {
    ROW_SIZE_MAX = 2 * 1024 * 1024, /* octets of any encoded row */
    ROW_BODY_ID_SIZE = 32,          /* SHA-256 */
};

/* How far a shard has applied, and what counts for all of it. */
struct meta_row {
    uint64_t applied_index;
    uint64_t applied_term;
    uint64_t digest;              /* over all operations of all entries */
    uint64_t clock_ms;            /* the latest time of any entry */
    uint64_t once_horizon_ms;     /* ids before it are forgotten */
    uint64_t once_last_ms;        /* the latest id or frame that waits to be forgotten */
    uint64_t account_count;       /* ever made here: the next id's counter */
    uint64_t work_count;          /* rows of ROW_WORK */
    uint64_t configuration_index; /* the entry of the configuration; 0: none was applied */
    struct slice configuration;   /* encoded (raft/configuration.h), at most its size limit */
};

struct account_row {
    struct slice address;
    struct slice credential;
    bool suspended;
    uint64_t quota_octets; /* 0: none; as the next */
    uint64_t quota_messages;
    uint64_t used_octets;
    uint64_t used_messages; /* a message in two mailboxes counts twice */
    uint64_t modseq;        /* the highest given */
    uint64_t log_from;      /* change records up to here are gone */
    uint64_t email_last;    /* the last id given; as the next */
    uint32_t mailbox_last;
    uint32_t uid_validity_last;
    uint32_t name_count; /* rows of ROW_NAME */
    uint64_t created_ms;
    uint64_t log_trim_ms; /* when change records were last trimmed by age */
};

/* What a name of an account is. */
struct name_row {
    uint32_t mailbox; /* 0: no mailbox, only a subscription */
    bool subscribed;
};

struct mailbox_row {
    struct slice name;
    struct slice special_use;
    uint32_t uid_validity;
    uint32_t uid_next;
    uint32_t recent_from;
    uint64_t modseq;
    uint64_t created_modseq;
    uint32_t message_count;
    uint32_t unseen_count;
    uint32_t deleted_count;
    uint32_t recent_count;
    uint64_t size_octets;
    const struct slice *keywords; /* a message names them by their place here */
    size_t keyword_count;
};

enum { UID_ROW_KEYWORDS_MAX = 64 };

/* A message in a mailbox. */
struct uid_row {
    uint64_t email;
    uint64_t thread;
    uint64_t modseq;
    uint32_t flags;                         /* of enum system_flag */
    uint8_t keywords[UID_ROW_KEYWORDS_MAX]; /* ascending places in mailbox_row.keywords */
    size_t keyword_count;
    uint64_t size_octets; /* prefix, header block and body */
    uint32_t header_size; /* prefix and header block uncompressed */
    uint64_t received_ms;
    int32_t received_zone;
    uint64_t saved_ms;
};

/* An email of an account, in as many mailboxes as `references`. */
struct mail_row {
    uint32_t references;
    char body_id[ROW_BODY_ID_SIZE];
    uint64_t body_size;
    uint32_t frame_count; /* 0: no body */
    struct slice header_prefix;
    struct slice digest;
    struct slice thread_keys; /* 8 octets each */
};

/* The thread that emails with one key share. */
struct thread_row {
    uint64_t thread;
    uint64_t references; /* emails that have the key */
};

/* A body and how many emails use it. */
struct ref_row {
    uint64_t references; /* 0: pending, see ROW_PEND */
    uint64_t body_size;
    uint32_t frame_count;
    uint32_t frames_here; /* how many distinct ones; all of them: whole */
    uint64_t pending_ms;  /* of its ROW_PEND row; 0: none */
};

/* A delivery for another shard, which waits to be handed over. */
struct hand_row {
    uint32_t shard; /* where it belongs */
    uint64_t made_ms;
    char body_id[ROW_BODY_ID_SIZE];
    uint64_t body_size;
    uint32_t frame_count; /* 0: no body */
    struct slice header_frame;
    struct slice request; /* a packed DeliverRequest, which brings no body frames */
};

/* What a request id came to. */
struct once_row {
    uint8_t command; /* enum command_kind */
    enum status status;
    struct slice reply; /* a packed message */
};

struct uid_run {
    uint32_t first;
    uint32_t last;
};

/* What one step of modseq changed in a mailbox. Runs ascend and do not touch. */
struct mailbox_change {
    uint32_t mailbox;
    bool gone; /* the mailbox itself */
    const struct uid_run *changed;
    size_t changed_count;
    const struct uid_run *vanished;
    size_t vanished_count;
};

struct change_row {
    uint64_t time_ms;
    bool mailbox_list;
    bool account;
    const struct mailbox_change *mailboxes;
    size_t mailbox_count;
};

struct dir_row {
    uint8_t kind; /* EntryKind */
    uint32_t shard;
    uint64_t account;
    uint64_t revision;
    uint64_t created_ms;
    const struct slice *targets;
    size_t target_count;
};

/* Appends to `output`, which has room for ROW_SIZE_MAX. */
void meta_row_encode(const struct meta_row *row, struct buffer *output);
void account_row_encode(const struct account_row *row, struct buffer *output);
void name_row_encode(const struct name_row *row, struct buffer *output);
void mailbox_row_encode(const struct mailbox_row *row, struct buffer *output);
void uid_row_encode(const struct uid_row *row, struct buffer *output);
void mail_row_encode(const struct mail_row *row, struct buffer *output);
void thread_row_encode(const struct thread_row *row, struct buffer *output);
void ref_row_encode(const struct ref_row *row, struct buffer *output);
void hand_row_encode(const struct hand_row *row, struct buffer *output);
void once_row_encode(const struct once_row *row, struct buffer *output);
void change_row_encode(const struct change_row *row, struct buffer *output);
void dir_row_encode(const struct dir_row *row, struct buffer *output);

/* All of `octets`. CORRUPT, UNSUPPORTED; then `out_row` may be half filled. */
NODISCARD enum status meta_row_decode(struct slice octets, struct meta_row *out_row);
NODISCARD enum status account_row_decode(struct slice octets, struct account_row *out_row);
NODISCARD enum status name_row_decode(struct slice octets, struct name_row *out_row);
NODISCARD enum status mailbox_row_decode(struct slice octets, struct arena *arena,
                                         struct mailbox_row *out_row);
NODISCARD enum status uid_row_decode(struct slice octets, struct uid_row *out_row);
NODISCARD enum status mail_row_decode(struct slice octets, struct mail_row *out_row);
NODISCARD enum status thread_row_decode(struct slice octets, struct thread_row *out_row);
NODISCARD enum status ref_row_decode(struct slice octets, struct ref_row *out_row);
NODISCARD enum status hand_row_decode(struct slice octets, struct hand_row *out_row);
NODISCARD enum status once_row_decode(struct slice octets, struct once_row *out_row);
NODISCARD enum status change_row_decode(struct slice octets, struct arena *arena,
                                        struct change_row *out_row);
NODISCARD enum status dir_row_decode(struct slice octets, struct arena *arena,
                                     struct dir_row *out_row);

#endif
