/* Messages of a mailbox one after the other: what StoreFlags, Expunge and CopyMessages have in
 * common. */
#ifndef AVISO_STORAGE_APPLY_MESSAGES_H
#define AVISO_STORAGE_APPLY_MESSAGES_H

#include "storage/apply_edit.h"

/* Called for each message, ascending. A failure ends the walk. */
typedef enum status message_visit_fn(void *context, uint32_t uid, const struct uid_row *row);

/* Visits the messages of the mailbox that are in `uids`, as they were before the walk. */
NODISCARD enum status messages_walk(struct apply *apply, uint64_t account, uint32_t mailbox,
                                    const struct uid_runs *uids, message_visit_fn *visit,
                                    void *context);

#endif
