/* Dates of mail: RFC 5322 §3.3 with what is obsolete (§4.3), and IMAP's date-time (RFC 3501 §9).
 * Pure. */
#ifndef AVISO_MAIL_DATE_H
#define AVISO_MAIL_DATE_H

#include <stdint.h>

#include "core/buffer.h"
#include "core/macros.h"
#include "core/status.h"

/* A moment and the zone that it was written in. */
struct date {
    int64_t unix_ms; /* of UTC; years 1 to 9999 */
    int32_t zone;    /* minutes east of UTC */
};

/* Reads a Date field's value: "Mon, 23 Nov 2026 09:00:00 +0100", with comments, folding, two-digit
 * years and named zones as they occur. INVALID: not a date, or none of the calendar. */
NODISCARD enum status date_parse(struct slice text, struct date *out_date);

/* Appends "Mon, 23 Nov 2026 09:00:00 +0100". */
void date_print(const struct date *date, struct buffer *output);

/* Reads and appends IMAP's date-time without its quotes: "23-Nov-2026 09:00:00 +0100", or with a
 * blank in front of a day of one digit. INVALID as above. */
NODISCARD enum status date_parse_imap(struct slice text, struct date *out_date);
void date_print_imap(const struct date *date, struct buffer *output);

/* Days since 1970-01-01 of a day of the calendar, and of a moment in its own zone, disregarding the
 * zone: what SEARCH compares. INVALID: no such day. */
NODISCARD enum status date_day(uint32_t year, uint32_t month, uint32_t day, int64_t *out_day);
int64_t date_day_of(const struct date *date);

#endif
