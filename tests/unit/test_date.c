/* Dates as mail writes them, now and once. */
#include "mail/date.h"
#include "tests/unit/unit.h"

static void dates_are_read_and_printed(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
        int64_t unix_seconds;
    } cases[] = {
        {"Mon, 23 Nov 2026 09:00:00 +0100", "Mon, 23 Nov 2026 09:00:00 +0100", 1795420800},
        {"23 Nov 2026 09:00 +0100", "Mon, 23 Nov 2026 09:00:00 +0100", 1795420800},
        {"Thu,\r\n 1 Jan 1970 00:00:00 GMT", "Thu, 1 Jan 1970 00:00:00 +0000", 0},
        {"Thu, 01 Jan 70 00:00:00 (a (nested\\)) one) EST", "Thu, 1 Jan 1970 00:00:00 -0500",
         18000},
        {"29 Feb 2000 23:59:60 -0800", "Wed, 1 Mar 2000 00:00:00 -0800", 951897600},
        {"Fri, 21 Nov 97 09:55:06 PDT", "Fri, 21 Nov 1997 09:55:06 -0700", 880131306},
        {"21 Nov 03 1:2:3 Z", "Fri, 21 Nov 2003 01:02:03 +0000", 1069376523},
        {"31 Dec 9999 23:59:59 +0000", "Fri, 31 Dec 9999 23:59:59 +0000", 253402300799},
        {"1 Jan 0001 00:00:00 +0000", "Mon, 1 Jan 0001 00:00:00 +0000", -62135596800},
        {"29 Feb 2001 00:00:00 +0000", NULL, 0},
        {"31 Apr 2001 00:00:00 +0000", NULL, 0},
        {"1 Jan 0000 00:00:00 +0000", NULL, 0},
        {"1 Jan 10000 00:00:00 +0000", NULL, 0},
        {"1 Jan 2001 24:00:00 +0000", NULL, 0},
        {"1 Jan 2001 00:00:00 +9900", NULL, 0},
        {"1 Jan", NULL, 0},
        {"Mon", NULL, 0},
        {"", NULL, 0},
        {"((((((", NULL, 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct date date;
        struct buffer printed;

        buffer_init(&printed, 100);
        enum status status = date_parse(slice_of(cases[i].text), &date);

        assert_int_equal(status, cases[i].printed != NULL ? STATUS_OK : STATUS_INVALID);
        if (status == STATUS_OK) {
            date_print(&date, &printed);
            assert_slice_equals(buffer_view(&printed), cases[i].printed);
            assert_true(date.unix_ms == cases[i].unix_seconds * 1000);
        }
        buffer_done(&printed);
    }
}

static void imap_dates_are_strict(void **state)
{
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
    } cases[] = {
        {"23-Nov-2026 09:00:00 +0100", "23-Nov-2026 09:00:00 +0100"},
        {" 1-Jan-2000 00:00:00 -0330", "01-Jan-2000 00:00:00 -0330"},
        {"01-Jan-0000 00:00:00 +0000", NULL},
        {"01-Jan-9999 00:00:00 +0000", "01-Jan-9999 00:00:00 +0000"},
        {"01-Jan-2000 00:00 +0000", NULL},
        {"01-Jan-2000 00:00:00", NULL},
        {"01-Jan-2000 00:00:00 GMT", NULL},
        {"01-Jan-2000 00:00:00 +0000 x", NULL},
        {"32-Jan-2000 00:00:00 +0000", NULL},
        {"01 Jan 2000 00:00:00 +0000", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct date date;
        struct buffer printed;

        buffer_init(&printed, 100);
        enum status status = date_parse_imap(slice_of(cases[i].text), &date);

        assert_int_equal(status, cases[i].printed != NULL ? STATUS_OK : STATUS_INVALID);
        if (status == STATUS_OK) {
            date_print_imap(&date, &printed);
            assert_slice_equals(buffer_view(&printed), cases[i].printed);
        }
        buffer_done(&printed);
    }
}

/* Each day of eight centuries has its own number, and is itself again. */
static void every_day_has_its_number(void **state)
{
    int64_t expected = 0;
    int64_t first = 0;

    assert_int_equal(date_day(1600, 1, 1, &first), STATUS_OK);
    for (uint32_t year = 1600; year < 2400; year++) {
        for (uint32_t month = 1; month <= 12; month++) {
            for (uint32_t day = 1; day <= 31; day++) {
                int64_t number = 0;

                if (date_day(year, month, day, &number) == STATUS_OK) {
                    struct date noon = {.unix_ms = number * 86400000 + 43200000};

                    assert_true(number == first + expected++);
                    assert_true(date_day_of(&noon) == number);
                }
            }
        }
    }
    assert_int_equal(expected, 292194);
}

static void a_day_is_counted_in_its_own_zone(void **state)
{
    struct date date;
    int64_t day = 0;

    assert_int_equal(date_parse(SLICE("1 Jan 2000 00:30:00 +0100"), &date), STATUS_OK);
    assert_int_equal(date_day(2000, 1, 1, &day), STATUS_OK);
    assert_true(date_day_of(&date) == day);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_and_printed),
        cmocka_unit_test(imap_dates_are_strict),
        cmocka_unit_test(every_day_has_its_number),
        cmocka_unit_test(a_day_is_counted_in_its_own_zone),
    };

    return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
