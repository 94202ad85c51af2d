/* An account being changed by one step: its row, the mailboxes concerned, and what the change
 * record will say. All of it takes one modseq.
 *
 *     begin -> mailbox, mailbox_added, removed, changed... -> end (or nothing, when nothing
 * changed)
 */
#ifndef AVISO_STORAGE_APPLY_EDIT_H
#define AVISO_STORAGE_APPLY_EDIT_H

#include "storage/apply_state.h"
#include "storage/uid_runs.h"

/* A mailbox of the account. */
struct mailbox_edit {
    struct mailbox_edit *next;
    uint32_t id;
    struct mailbox_row row;
    bool is_dirty; /* `row` has to be written */
    bool is_gone;
    struct uid_runs changed;
    struct uid_runs vanished;
};

struct account_edit {
    struct apply *apply;
    uint64_t id;
    struct account_row row;
    uint64_t modseq;                /* that of this step */
    struct mailbox_edit *mailboxes; /* in the order of their first use */
    struct mailbox_edit **mailboxes_end;
    size_t mailbox_count;
    bool mailbox_list; /* a mailbox was made, renamed, deleted or subscribed */
    bool account_itself;
};

/* NOT_FOUND: no such account. */
NODISCARD enum status edit_begin(struct apply *apply, uint64_t account,
                                 struct account_edit *out_edit);

/* For an account that this step makes: `row` is its first. */
void edit_begin_new(struct apply *apply, uint64_t account, const struct account_row *row,
                    struct account_edit *out_edit);

/* A mailbox of it, always the same structure for the same id. NOT_FOUND. */
NODISCARD enum status edit_mailbox(struct account_edit *edit, uint32_t mailbox,
                                   struct mailbox_edit **out_mailbox);

/* The mailbox of a name. NOT_FOUND; a mere subscription is none. */
NODISCARD enum status edit_mailbox_of_name(struct account_edit *edit, struct slice name,
                                           struct mailbox_edit **out_mailbox);

/* A new one with the next id and UIDVALIDITY, whose name row the caller writes. */
struct mailbox_edit *edit_mailbox_new(struct account_edit *edit, struct slice name,
                                      struct slice special_use);

/* Puts a message in with the next UID (written to `out_uid`), stamps row->modseq, counts it.
 * TOO_LARGE: no UID is left. */
NODISCARD enum status edit_add_message(struct account_edit *edit, struct mailbox_edit *mailbox,
                                       struct uid_row *row, uint32_t *out_uid);

/* Takes a message out of the mailbox; its email is the caller's business. Ascending in one step. */
void edit_remove_message(struct account_edit *edit, struct mailbox_edit *mailbox, uint32_t uid,
                         const struct uid_row *row);

/* `row` becomes `changed`, which is stamped. Ascending in one step. */
void edit_change_message(struct account_edit *edit, struct mailbox_edit *mailbox, uint32_t uid,
                         const struct uid_row *row, struct uid_row *changed);

/* The place of a keyword in the mailbox's list, put there when it is new. Compared without regard
 * to case. TOO_LARGE: the list is full; INVALID: no keyword. */
NODISCARD enum status edit_keyword(struct account_edit *edit, struct mailbox_edit *mailbox,
                                   struct slice keyword, uint8_t *out_place);

/* Writes account, mailboxes and change record, and trims old records. */
NODISCARD enum status edit_end(struct account_edit *edit);

/* ---- Names (apply_names.c) ---- */

/* "INBOX" in any case is INBOX. */
struct slice mailbox_name_canonical(struct slice name);

/* INVALID: no name; TOO_LARGE: too long or too deep. */
NODISCARD enum status mailbox_name_check(struct slice name);

/* Makes the mailbox, and those above it that are missing. EXISTS, TOO_LARGE, INVALID. */
NODISCARD enum status edit_create_mailbox(struct account_edit *edit, struct slice name,
                                          struct slice special_use, bool subscribe,
                                          struct mailbox_edit **out_mailbox);

/* Makes those above `name` that are missing. */
NODISCARD enum status edit_create_parents(struct account_edit *edit, struct slice name);

#endif
