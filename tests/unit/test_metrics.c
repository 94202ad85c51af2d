/* The text that a scraper reads. */
#include "core/metrics.h"
#include "tests/unit/unit.h"

METRIC_COUNTER(hits_a, "test_hits_total", "kind=\"a\"", "Hits.");
METRIC_COUNTER(hits_b, "test_hits_total", "kind=\"b\"", "Hits.");
METRIC_GAUGE(open, "test_open", "", "Open now.");
METRIC_HISTOGRAM(took, "test_took_seconds", "", "How long.");

static void metrics_print_by_name(void **state)
{
    struct buffer text;

    metric_add(&hits_a, 2);
    metric_add(&hits_b, 3);
    metric_set(&open, -1);
    metric_observe_us(&took, 250);
    metric_observe_us(&took, 251);
    metric_observe_us(&took, 1000000000);
    buffer_init(&text, 64 * 1024);
    metrics_print(&text);
    struct slice all = buffer_view(&text);

    assert_true(slice_search(all, SLICE("# HELP test_hits_total Hits.\n"
                                        "# TYPE test_hits_total counter\n")) < all.size);
    assert_true(slice_search(all, SLICE("test_hits_total{kind=\"a\"} 2\n")) < all.size);
    assert_true(slice_search(all, SLICE("test_hits_total{kind=\"b\"} 3\n")) < all.size);
    assert_true(slice_search(all, SLICE("test_open -1\n")) < all.size);
    assert_true(slice_search(all, SLICE("test_took_seconds_bucket{le=\"0.00025\"} 1\n"
                                        "test_took_seconds_bucket{le=\"0.0005\"} 2\n")) < all.size);
    assert_true(slice_search(all, SLICE("test_took_seconds_bucket{le=\"+Inf\"} 3\n")) < all.size);
    assert_true(slice_search(all, SLICE("test_took_seconds_count 3\n")) < all.size);
    buffer_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(metrics_print_by_name)};

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
