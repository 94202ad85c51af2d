/* A set of UIDs, or of any numbers from 1 to 2^32-1, with ranks: a mailbox's UIDs in order are the
 * messages 1, 2, 3, ... of IMAP, so the rank of a UID is its sequence number.
 *
 * Over compressed bitmaps (CRoaring): 200,000 messages without gaps take a few hundred octets.
 * Pure. */
#ifndef AVISO_MAIL_UID_SET_H
#define AVISO_MAIL_UID_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

struct uid_set;

enum { UID_SET_TEXT_ELEMENTS_MAX = 100000 };

/* An empty set. free accepts NULL. */
struct uid_set *uid_set_new(void);
struct uid_set *uid_set_copy(const struct uid_set *set);
void uid_set_free(struct uid_set *set);

/* 0 is no UID and is left out. Of a range both ends belong to it; an empty one changes nothing. */
void uid_set_add(struct uid_set *set, uint32_t uid);
void uid_set_add_range(struct uid_set *set, uint32_t first, uint32_t last);
void uid_set_remove(struct uid_set *set, uint32_t uid);
void uid_set_remove_range(struct uid_set *set, uint32_t first, uint32_t last);

/* Octets of memory, to bound caches. */
size_t uid_set_memory(const struct uid_set *set);

/* What is in it. */
bool uid_set_contains(const struct uid_set *set, uint32_t uid);
bool uid_set_equals(const struct uid_set *set, const struct uid_set *other);
uint32_t uid_set_count(const struct uid_set *set);

/* The lowest and the highest; 0 of an empty set. */
uint32_t uid_set_first(const struct uid_set *set);
uint32_t uid_set_last(const struct uid_set *set);

/* How many are not over `uid`: the sequence number of a member. */
uint32_t uid_set_rank(const struct uid_set *set, uint32_t uid);

/* The member of a rank from 1 on; 0 when there is none. */
uint32_t uid_set_select(const struct uid_set *set, uint32_t rank);

/* Leave their result in `set`. */
void uid_set_unite(struct uid_set *set, const struct uid_set *other);
void uid_set_intersect(struct uid_set *set, const struct uid_set *other);
void uid_set_subtract(struct uid_set *set, const struct uid_set *other);

/* The first run of successive members that are `from` or above; false when there is none. To see
 * all runs begin with 1 and go on from `*out_last` + 1, until that wraps to 0. */
bool uid_set_run(const struct uid_set *set, uint32_t from, uint32_t *out_first, uint32_t *out_last);

/* Reads a sequence-set (RFC 3501 §9: "1:3,5,9:*"), all of `text`, into an empty `set`. "*" stands
 * for `largest`; where that is 0, it stands for nothing. "5:2" is "2:5". INVALID: another grammar,
 * or 0. TOO_LARGE: over UID_SET_TEXT_ELEMENTS_MAX elements. */
NODISCARD enum status uid_set_parse(struct slice text, uint32_t largest, struct uid_set *set);

/* Appends the same form, ascending and as short as it gets; nothing for an empty set. */
void uid_set_print(const struct uid_set *set, struct buffer *output);

/* The form on the wire and on disk: runs as varints of gap and length, at most 10 octets a run.
 * Decoding fills an empty `set`. INVALID: not such octets. */
void uid_set_encode(const struct uid_set *set, struct buffer *output);
NODISCARD enum status uid_set_decode(struct slice octets, struct uid_set *set);

#endif
