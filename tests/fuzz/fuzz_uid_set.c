/* Sets of UIDs as text and as octets: what is read prints and encodes to what reads the same. */
#include "core/check.h"
#include "mail/uid_set.h"
#include "tests/fuzz/fuzz.h"

static void check_set(const struct uid_set *set)
{
    struct uid_set *again = uid_set_new();
    struct buffer text;
    struct buffer octets;

    buffer_init(&text, 1 << 24);
    buffer_init(&octets, 1 << 24);
    uid_set_print(set, &text);
    uid_set_encode(set, &octets);
    CHECK(uid_set_decode(buffer_view(&octets), again) == STATUS_OK);
    CHECK(uid_set_equals(set, again));
    uid_set_free(again);
    again = uid_set_new();
    CHECK(text.size == 0 || uid_set_parse(buffer_view(&text), 0, again) == STATUS_OK);
    CHECK(uid_set_equals(set, again));
    if (uid_set_count(set) > 0) {
        CHECK(uid_set_rank(set, uid_set_last(set)) == uid_set_count(set));
        CHECK(uid_set_select(set, 1) == uid_set_first(set));
        CHECK(uid_set_select(set, uid_set_count(set)) == uid_set_last(set));
    }
    uid_set_free(again);
    buffer_done(&text);
    buffer_done(&octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};
    struct uid_set *set = uid_set_new();

    if (uid_set_parse(input, 1000, set) == STATUS_OK) {
        check_set(set);
    }
    uid_set_free(set);
    set = uid_set_new();
    if (uid_set_decode(input, set) == STATUS_OK) {
        check_set(set);
    }
    uid_set_free(set);
    return 0;
}
