#include "frontend/imap/imap_date.h"

#include "mail/date.h"

static const char month_names[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

static bool take_month(struct imap_parser *parser, uint32_t *out_month)
{
    for (uint32_t i = 0; i < COUNT_OF(month_names); i++) {
        if (imap_take_keyword(parser, month_names[i])) {
            *out_month = i + 1;
            return true;
        }
    }
    return false;
}

bool imap_take_date(struct imap_parser *parser, int64_t *out_day)
{
    bool quoted = imap_take_octet(parser, '"');
    uint32_t day = 0;
    uint32_t month = 0;
    uint32_t year = 0;

    if (!imap_take_number(parser, &day) || !imap_take_octet(parser, '-') ||
        !take_month(parser, &month) || !imap_take_octet(parser, '-') ||
        !imap_take_number(parser, &year) || date_day(year, month, day, out_day) != STATUS_OK) {
        parser->fault = "no such date";
        return false;
    }
    return !quoted || imap_take_octet(parser, '"');
}

bool imap_take_date_time(struct imap_parser *parser, uint64_t *out_ms, int32_t *out_zone)
{
    struct slice text;
    struct date date;

    if (!imap_is_next(parser, '"') || !imap_take_string(parser, &text)) {
        return false;
    }
    if (date_parse_imap(text, &date) != STATUS_OK || date.unix_ms < 0) {
        parser->fault = "no such date-time";
        return false;
    }
    *out_ms = (uint64_t)date.unix_ms;
    *out_zone = date.zone;
    return true;
}

void imap_append_date_time(struct buffer *output, uint64_t moment_ms, int32_t zone)
{
    struct date date = {.unix_ms = (int64_t)moment_ms, .zone = zone};

    buffer_append_octet(output, '"');
    date_print_imap(&date, output);
    buffer_append_octet(output, '"');
}

int64_t imap_day_of(uint64_t moment_ms, int32_t zone)
{
    struct date date = {.unix_ms = (int64_t)moment_ms, .zone = zone};

    return date_day_of(&date);
}
