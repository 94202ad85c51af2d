/* Dates as IMAP commands and responses write them (RFC 3501 §9: date, date-time). */
#ifndef AVISO_FRONTEND_IMAP_IMAP_DATE_H
#define AVISO_FRONTEND_IMAP_IMAP_DATE_H

#include "core/buffer.h"
#include "frontend/imap/imap_parser.h"

/* date, quoted or not: "1-Feb-1994", as the number of days since 1970-01-01. */
bool imap_take_date(struct imap_parser *parser, int64_t *out_day);

/* date-time with its quotes, as milliseconds since 1970-01-01T00:00:00Z and minutes east of UTC.
 * Moments before 1970 are refused: nothing was received then. */
bool imap_take_date_time(struct imap_parser *parser, uint64_t *out_ms, int32_t *out_zone);

/* Appends the quoted date-time. */
void imap_append_date_time(struct buffer *output, uint64_t moment_ms, int32_t zone);

/* The day, in days since 1970-01-01, that it was in `zone` at a moment. */
int64_t imap_day_of(uint64_t moment_ms, int32_t zone);

#endif
