#include "core/metrics.h"

#include <inttypes.h>
#include <string.h>

static struct metric *metrics; /* by name, then labels */

void metric_register(struct metric *metric)
{
    struct metric **place = &metrics;

    while (*place != NULL && strcmp((*place)->name, metric->name) < 0) {
        place = &(*place)->next;
    }
    metric->next = *place;
    *place = metric;
}

void metric_observe_us(struct metric *metric, uint64_t microseconds)
{
    size_t bucket = 0;

    for (uint64_t bound = METRIC_BUCKET_LEAST_US;
         bucket < METRIC_BUCKETS - 1 && microseconds > bound; bound *= 2) {
        bucket++;
    }
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    metric_add(metric, (int64_t)microseconds);
}

static void print_histogram(const struct metric *metric, struct buffer *output)
{
    const char *comma = metric->labels[0] != '\0' ? "," : "";
    uint64_t bound_us = METRIC_BUCKET_LEAST_US;
    uint64_t count = 0;

    for (size_t i = 0; i < METRIC_BUCKETS; i++, bound_us *= 2) {
        count += metric->buckets[i];
        if (i + 1 < METRIC_BUCKETS) {
            buffer_printf(output, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", metric->name,
                          metric->labels, comma, (double)bound_us / 1e6, count);
        }
    }
    buffer_printf(output, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", metric->name, metric->labels,
                  comma, count);
    const char *open = metric->labels[0] != '\0' ? "{" : "";
    const char *close = metric->labels[0] != '\0' ? "}" : "";

    buffer_printf(output, "%s_sum%s%s%s %g\n", metric->name, open, metric->labels, close,
                  (double)metric->value / 1e6);
    buffer_printf(output, "%s_count%s%s%s %" PRIu64 "\n", metric->name, open, metric->labels, close,
                  count);
}

void metrics_print(struct buffer *output)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *name_before = "";

    for (const struct metric *metric = metrics; metric != NULL; metric = metric->next) {
        if (strcmp(metric->name, name_before) != 0) {
            buffer_printf(output, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                          metric->name, kinds[metric->kind]);
            name_before = metric->name;
        }
        if (metric->kind == METRIC_KIND_HISTOGRAM) {
            print_histogram(metric, output);
            continue;
        }
        buffer_printf(output, "%s%s%s%s %" PRId64 "\n", metric->name,
                      metric->labels[0] != '\0' ? "{" : "", metric->labels,
                      metric->labels[0] != '\0' ? "}" : "", (int64_t)metric->value);
    }
}
