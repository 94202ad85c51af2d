/* LIST's patterns (RFC 3501 §6.3.8): '*' stands for any octets, '%' for any but the separator. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_LIST_PATTERN_H
#define AVISO_FRONTEND_IMAP_IMAP_LIST_PATTERN_H

#include "core/arena.h"
#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

enum { IMAP_SEPARATOR = '/', IMAP_PATTERN_SIZE_MAX = 4000 };

struct imap_list_pattern {
    struct slice octets; /* with no two wildcards side by side */
};

/* Makes a pattern of reference name and text. TOO_LARGE. */
NODISCARD enum status imap_list_pattern_make(struct arena *arena, struct slice reference,
                                             struct slice text,
                                             struct imap_list_pattern *out_pattern);

/* Whether all of `name` is what the pattern says; a leading INBOX level matches whatever its case.
 * In time proportional to the product of the sizes at most, whatever the wildcards. */
bool imap_list_pattern_matches(const struct imap_list_pattern *pattern, struct slice name);

#endif
