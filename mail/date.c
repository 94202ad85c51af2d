#include "mail/date.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/number.h"

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

enum { YEAR_MAX = 9999, ZONE_HOURS_MAX = 14, DAY_MS = 24 * 3600 * 1000 };

/* A date in its parts, as it is written. */
struct parts {
    uint32_t year;
    uint32_t month; /* 1 to 12 */
    uint32_t day;
    uint32_t hour;
    uint32_t minute;
    uint32_t second;
    int32_t zone;
};

/* ---- The calendar: proleptic Gregorian, years counted from March ---- */

static int64_t days_of(uint32_t year, uint32_t month, uint32_t day)
{
    int64_t shifted = (int64_t)year - (month <= 2);
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static uint32_t days_in_month(uint32_t year, uint32_t month)
{
    return (uint32_t)(month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1));
}

enum status date_day(uint32_t year, uint32_t month, uint32_t day, int64_t *out_day)
{
    if (year < 1 || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month)) {
        return STATUS_INVALID;
    }
    *out_day = days_of(year, month, day);
    return STATUS_OK;
}

static int64_t floor_divide(int64_t number, int64_t divisor)
{
    return number / divisor - (number % divisor < 0);
}

int64_t date_day_of(const struct date *date)
{
    return floor_divide(date->unix_ms + (int64_t)date->zone * 60000, DAY_MS);
}

static void cut(const struct date *date, struct parts *out_parts)
{
    int64_t local_ms = date->unix_ms + (int64_t)date->zone * 60000;
    int64_t days = floor_divide(local_ms, DAY_MS);
    int64_t seconds = (local_ms - days * DAY_MS) / 1000;
    int64_t shifted = days + 719468;
    int64_t era = floor_divide(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    *out_parts = (struct parts){
        .month = (uint32_t)(month < 10 ? month + 3 : month - 9),
        .day = (uint32_t)(day_of_year - (153 * month + 2) / 5 + 1),
        .hour = (uint32_t)(seconds / 3600),
        .minute = (uint32_t)(seconds / 60 % 60),
        .second = (uint32_t)(seconds % 60),
        .zone = date->zone,
    };
    out_parts->year = (uint32_t)(year_of_era + era * 400 + (out_parts->month <= 2));
}

static enum status join(const struct parts *parts, struct date *out_date)
{
    int64_t day = 0;

    /* 60 is a leap second (RFC 5322 §3.3). */
    if (date_day(parts->year, parts->month, parts->day, &day) != STATUS_OK || parts->hour > 23 ||
        parts->minute > 59 || parts->second > 60 || abs(parts->zone) > ZONE_HOURS_MAX * 60 + 59) {
        return STATUS_INVALID;
    }
    *out_date = (struct date){
        .unix_ms = day * DAY_MS + ((int64_t)parts->hour * 3600 + parts->minute * 60 +
                                   parts->second - parts->zone * 60) *
                                      1000,
        .zone = parts->zone,
    };
    return STATUS_OK;
}

/* ---- Tokens: words, numbers and signs, between blanks, line ends and comments ---- */

static void skip_blanks(struct slice *rest)
{
    unsigned depth = 0;

    for (; rest->size > 0; *rest = slice_skip(*rest, 1)) {
        char octet = rest->data[0];

        if (octet == '(') {
            depth++;
        } else if (octet == ')' && depth > 0) {
            depth--;
        } else if (depth > 0 && octet == '\\') {
            *rest = slice_skip(*rest, 1);
        } else if (depth == 0 && octet != ' ' && octet != '\t' && octet != '\r' && octet != '\n') {
            return;
        }
    }
}

static struct slice take_word(struct slice *rest)
{
    size_t size = 0;

    skip_blanks(rest);
    while (size < rest->size && ascii_lower(rest->data[size]) >= 'a' &&
           ascii_lower(rest->data[size]) <= 'z') {
        size++;
    }
    struct slice word = slice_prefix(*rest, size);

    *rest = slice_skip(*rest, size);
    return word;
}

static bool take_sign(struct slice *rest, char sign)
{
    skip_blanks(rest);
    if (rest->size == 0 || rest->data[0] != sign) {
        return false;
    }
    *rest = slice_skip(*rest, 1);
    return true;
}

/* A number of `least` to `most` digits; `out_digits` may be NULL. */
static bool take_digits(struct slice *rest, size_t least, size_t most, uint32_t *out_number,
                        size_t *out_digits)
{
    uint64_t number = 0;

    skip_blanks(rest);
    struct slice before = *rest;

    if (number_take(rest, YEAR_MAX, &number) != STATUS_OK) {
        return false;
    }
    size_t digits = before.size - rest->size;

    if (out_digits != NULL) {
        *out_digits = digits;
    }
    *out_number = (uint32_t)number;
    return digits >= least && digits <= most;
}

static bool take_month(struct slice *rest, uint32_t *out_month)
{
    struct slice word = take_word(rest);

    for (uint32_t i = 0; i < 12; i++) {
        if (slice_is(word, months[i])) {
            *out_month = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_time(struct slice *rest, bool seconds_needed, struct parts *parts)
{
    if (!take_digits(rest, 1, 2, &parts->hour, NULL) || !take_sign(rest, ':') ||
        !take_digits(rest, 1, 2, &parts->minute, NULL)) {
        return false;
    }
    return take_sign(rest, ':') ? take_digits(rest, 1, 2, &parts->second, NULL) : !seconds_needed;
}

/* "+hhmm" */
static bool take_zone(struct slice *rest, int32_t *out_zone)
{
    bool west = take_sign(rest, '-');
    uint32_t number = 0;

    if ((!west && !take_sign(rest, '+')) || !take_digits(rest, 4, 4, &number, NULL)) {
        return false;
    }
    *out_zone = (int32_t)(number / 100 * 60 + number % 100) * (west ? -1 : 1);
    return number % 100 < 60;
}

/* ---- RFC 5322 ---- */

/* Two digits up to 49 are this century, three or two above are since 1900 (§4.3). */
static uint32_t full_year(uint32_t year, size_t digits)
{
    return digits == 2 && year < 50 ? year + 2000 : digits <= 3 ? year + 1900 : year;
}

/* obs-zone: the four of North America, in standard and daylight time; all others say nothing. */
static int32_t named_zone(struct slice name)
{
    static const char letters[] = "ecmp";

    if (name.size == 3 && ascii_lower(name.data[2]) == 't') {
        for (int32_t i = 0; i < 4; i++) {
            if (ascii_lower(name.data[0]) == letters[i]) {
                return -60 * (5 + i - (ascii_lower(name.data[1]) == 'd'));
            }
        }
    }
    return 0;
}

enum status date_parse(struct slice text, struct date *out_date)
{
    struct parts parts = {0};
    size_t digits = 0;

    if (take_word(&text).size > 0) {
        (void)take_sign(&text, '.');
        (void)take_sign(&text, ',');
    }
    if (!take_digits(&text, 1, 2, &parts.day, NULL)) {
        return STATUS_INVALID;
    }
    (void)take_sign(&text, '-');
    if (!take_month(&text, &parts.month)) {
        return STATUS_INVALID;
    }
    (void)take_sign(&text, '-');
    if (!take_digits(&text, 2, 4, &parts.year, &digits) || !take_time(&text, false, &parts)) {
        return STATUS_INVALID;
    }
    parts.year = full_year(parts.year, digits);
    skip_blanks(&text);
    if (text.size > 0 && !take_zone(&text, &parts.zone)) {
        parts.zone = named_zone(take_word(&text));
    }
    return join(&parts, out_date);
}

static void print_zone(int32_t zone, struct buffer *output)
{
    int minutes = abs((int)zone);

    buffer_printf(output, "%c%02d%02d", zone < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void date_print(const struct date *date, struct buffer *output)
{
    struct parts parts;
    int64_t weekday = (date_day_of(date) % 7 + 7 + 4) % 7;

    cut(date, &parts);
    buffer_printf(output, "%s, %u %s %04u %02u:%02u:%02u ", weekdays[weekday], parts.day,
                  months[parts.month - 1], parts.year, parts.hour, parts.minute, parts.second);
    print_zone(date->zone, output);
}

/* ---- IMAP ---- */

enum status date_parse_imap(struct slice text, struct date *out_date)
{
    struct parts parts = {0};

    if (!take_digits(&text, 1, 2, &parts.day, NULL) || !take_sign(&text, '-') ||
        !take_month(&text, &parts.month) || !take_sign(&text, '-') ||
        !take_digits(&text, 4, 4, &parts.year, NULL) || !take_time(&text, true, &parts) ||
        !take_zone(&text, &parts.zone) || text.size > 0) {
        return STATUS_INVALID;
    }
    return join(&parts, out_date);
}

void date_print_imap(const struct date *date, struct buffer *output)
{
    struct parts parts;

    cut(date, &parts);
    buffer_printf(output, "%02u-%s-%04u %02u:%02u:%02u ", parts.day, months[parts.month - 1],
                  parts.year, parts.hour, parts.minute, parts.second);
    print_zone(date->zone, output);
}
