/* Dates: what was read prints, and that reads as the same moment in the same zone. */
#include "core/check.h"
#include "mail/date.h"
#include "tests/fuzz/fuzz.h"

static void check_prints(const struct date *date)
{
    struct date again = {0};
    struct buffer text;

    buffer_init(&text, 100);
    date_print(date, &text);
    CHECK(date_parse(buffer_view(&text), &again) == STATUS_OK);
    CHECK(again.unix_ms == date->unix_ms && again.zone == date->zone);
    buffer_clear(&text);
    date_print_imap(date, &text);
    CHECK(date_parse_imap(buffer_view(&text), &again) == STATUS_OK);
    CHECK(again.unix_ms == date->unix_ms && again.zone == date->zone);
    (void)date_day_of(date);
    buffer_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct date date;

    if (date_parse(text, &date) == STATUS_OK) {
        check_prints(&date);
    }
    if (date_parse_imap(text, &date) == STATUS_OK) {
        check_prints(&date);
    }
    return 0;
}
