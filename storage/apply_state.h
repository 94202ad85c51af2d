/* What the parts of apply share: the machine itself and the rows it works on.
 *
 * Reads answer NOT_FOUND where nothing is, and CORRUPT, UNSUPPORTED or IO_ERROR where the shard has
 * to stop: those go up unchanged from everywhere. Rows read borrow until the batch is settled. */
#ifndef AVISO_STORAGE_APPLY_STATE_H
#define AVISO_STORAGE_APPLY_STATE_H

#include "core/buffer.h"
#include "storage/apply.h"
#include "storage/keys.h"
#include "storage/overlay.h"

/* What an observer is to be told once the batch is written. */
struct apply_event {
    struct apply_event *next;
    bool is_uid;
    struct apply_change change;
    uint32_t uid;
    enum apply_uid_act act;
    uint32_t flags;
};

struct apply_events {
    struct apply_event *first;
    struct apply_event **end;
};

struct apply {
    uint32_t shard;
    struct apply_observer observer;
    struct store *store;
    struct overlay overlay;
    struct meta_row meta;         /* with the committed steps */
    struct meta_row meta_settled; /* as the store has it */
    char configuration[RAFT_CONFIGURATION_SIZE_MAX];
    char configuration_settled[RAFT_CONFIGURATION_SIZE_MAX];
    struct arena batch; /* replies and events: until settled */
    struct apply_events events;
    size_t pending_size;

    /* The step in hand. */
    struct arena step;
    struct buffer row; /* one being encoded */
    struct meta_row step_meta;
    struct apply_events step_events;
    uint64_t index;
    uint64_t now_ms;
    struct slice once_reply; /* what is remembered; no data: the reply itself */
};

/* One command, unpacked. */
struct apply_request {
    const void *message; /* of the type that its kind names */
    struct slice octets;
};

/* Carries a command out. `out_reply` is packed into apply->batch. On a failure the step is taken
 * back, so it may have written. */
typedef enum status apply_run_fn(struct apply *apply, const struct apply_request *request,
                                 struct slice *out_reply);

/* One for each kind of command. */
apply_run_fn apply_put_entry, apply_remove_entry;
apply_run_fn apply_create_account, apply_update_account, apply_remove_account;
apply_run_fn apply_create_mailbox, apply_rename_mailbox, apply_delete_mailbox, apply_subscribe;
apply_run_fn apply_claim_recent, apply_store_flags, apply_expunge, apply_copy_messages;
apply_run_fn apply_put_frame, apply_deliver;
apply_run_fn apply_hand_over, apply_settle_handover;
apply_run_fn apply_trim, apply_remove_step;

/* One row each. */
NODISCARD enum status state_get_account(struct apply *apply, uint64_t account,
                                        struct account_row *out_row);
NODISCARD enum status state_get_name(struct apply *apply, uint64_t account, struct slice name,
                                     struct name_row *out_row);
NODISCARD enum status state_get_mailbox(struct apply *apply, uint64_t account, uint32_t mailbox,
                                        struct mailbox_row *out_row);
NODISCARD enum status state_get_uid(struct apply *apply, uint64_t account, uint32_t mailbox,
                                    uint32_t uid, struct uid_row *out_row);
NODISCARD enum status state_get_mail(struct apply *apply, uint64_t account, uint64_t email,
                                     struct mail_row *out_row);
NODISCARD enum status state_get_ref(struct apply *apply, struct slice sha256,
                                    struct ref_row *out_row);
NODISCARD enum status state_get_hand(struct apply *apply, uint64_t id, struct hand_row *out_row);

/* The same, written. */
void state_put_account(struct apply *apply, uint64_t account, const struct account_row *row);
void state_put_name(struct apply *apply, uint64_t account, struct slice name,
                    const struct name_row *row);
void state_put_mailbox(struct apply *apply, uint64_t account, uint32_t mailbox,
                       const struct mailbox_row *row);
void state_put_uid(struct apply *apply, uint64_t account, uint32_t mailbox, uint32_t uid,
                   const struct uid_row *row);
void state_put_mail(struct apply *apply, uint64_t account, uint64_t email,
                    const struct mail_row *row);
void state_put_ref(struct apply *apply, struct slice sha256, const struct ref_row *row);
void state_put_hand(struct apply *apply, uint64_t id, const struct hand_row *row);
void state_delete(struct apply *apply, struct slice key);

/* Tells the observer later, if the step succeeds and is written. */
void state_changed(struct apply *apply, const struct apply_change *change);
void state_uid_changed(struct apply *apply, uint64_t account, uint32_t mailbox, uint32_t uid,
                       enum apply_uid_act act, uint32_t flags);

/* ---- Bodies (apply_body.c) ---- */

/* One more email uses the body: NOT_FOUND when it is not there as a whole, INVALID when it is not
 * of that size. `out_frame_count` frames. */
NODISCARD enum status body_ref(struct apply *apply, struct slice sha256, uint64_t body_size,
                               uint32_t *out_frame_count);

/* One less; the last takes the frames with it. */
NODISCARD enum status body_unref(struct apply *apply, struct slice sha256);

/* Lays all frames down, unless the body is there; nobody uses it yet. */
NODISCARD enum status body_put(struct apply *apply, struct slice sha256, uint64_t body_size,
                               const uint32_t *frame_sizes, size_t frame_count,
                               struct slice frames);

/* Whether it is there as a whole: as body_ref() says. */
NODISCARD enum status body_check(struct apply *apply, struct slice sha256, uint64_t body_size);

/* Takes away what body_put() laid down if nobody used it. */
NODISCARD enum status body_drop_unused(struct apply *apply, struct slice sha256);

/* Drops the bodies that were pending before `before_ms`, so many at most. */
NODISCARD enum status body_trim(struct apply *apply, uint64_t before_ms, size_t count_max);

/* ---- Emails (apply_email.c) ---- */

/* Joins the email to the thread of its keys, or begins one named after it. */
NODISCARD enum status email_join_thread(struct apply *apply, uint64_t account, uint64_t email,
                                        const uint64_t *keys, size_t count, uint64_t *out_thread);

/* Changes by how many mailboxes an email is referred to; at 0 it goes with all that is its own. One
 * that is not there any more is no failure: its account is being removed. */
NODISCARD enum status email_refer(struct apply *apply, uint64_t account, uint64_t email,
                                  int32_t change);

/* Removes an email whatever refers to it; `row` is its row. */
NODISCARD enum status email_remove(struct apply *apply, uint64_t account, uint64_t email,
                                   const struct mail_row *row);

#endif
