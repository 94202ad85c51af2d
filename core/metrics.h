/* Counters, gauges and histograms, and their text for Prometheus (exposition format 0.0.4).
 *
 * A metric is a static variable of the module that counts; it registers itself before main().
 * Labels are few and fixed: never an account, never an address. Adding is one atomic instruction,
 * from any thread.
 *
 *     METRIC_COUNTER(accepted, "aviso_smtp_accepted_total", "", "Messages acknowledged.");
 *     metric_add(&accepted, 1);
 */
#ifndef AVISO_CORE_METRICS_H
#define AVISO_CORE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/buffer.h"

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE, METRIC_KIND_HISTOGRAM };

/* Bounds of histograms: 250 µs, doubled, the last open. */
enum { METRIC_BUCKETS = 16, METRIC_BUCKET_LEAST_US = 250 };

struct metric {
    const char *name;
    const char *labels; /* "protocol=\"imap\"" or empty */
    const char *help;
    enum metric_kind kind;
    _Atomic int64_t value; /* of a histogram: the sum in microseconds */
    _Atomic uint64_t buckets[METRIC_BUCKETS];
    struct metric *next;
};

#define METRIC_COUNTER(variable, name, labels, help)                                               \
    METRIC_DEFINE(variable, name, labels, help, METRIC_KIND_COUNTER)
#define METRIC_GAUGE(variable, name, labels, help)                                                 \
    METRIC_DEFINE(variable, name, labels, help, METRIC_KIND_GAUGE)
#define METRIC_HISTOGRAM(variable, name, labels, help)                                             \
    METRIC_DEFINE(variable, name, labels, help, METRIC_KIND_HISTOGRAM)

#define METRIC_DEFINE(variable, name, labels, help, kind)                                          \
    static struct metric variable = {name, labels, help, kind, 0, {0}, NULL};                      \
    __attribute__((constructor)) static void register_##variable(void)                             \
    {                                                                                              \
        metric_register(&variable);                                                                \
    }                                                                                              \
    struct metric

/* Metrics of one name must register with the same kind. Before main() only. */
void metric_register(struct metric *metric);

static inline void metric_add(struct metric *metric, int64_t amount)
{
    atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

static inline void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

/* One observation of a histogram, in microseconds. */
void metric_observe_us(struct metric *metric, uint64_t microseconds);

/* Appends all metrics, by name. */
void metrics_print(struct buffer *output);

#endif
