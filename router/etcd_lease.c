#include "router/etcd_lease.h"

#include "core/check.h"
#include "core/memory.h"

enum { TTL_LEAST_S = 2, RENEWALS = 3, PAUSE_MS = 200 };

struct etcd_lease {
    struct etcd *etcd;
    const struct etcd_lease_listener *listener;
    struct etcd_call call;
    struct loop_timer timer; /* to the next renewal, or the next attempt */
    struct loop_timer end;   /* of what is certain */
    uint64_t ttl_s;
    uint64_t asked_ms; /* the lease is as old as the question, not as the answer */
    uint64_t id;       /* 0: none */
};

static void ask(struct etcd_lease *lease);

static void lose(struct etcd_lease *lease)
{
    lease->id = 0;
    loop_timer_stop(&lease->end);
    if (lease->listener->on_lost != NULL) {
        lease->listener->on_lost(lease->listener->context);
    }
}

/* Its time is over by our clock, whatever etcd thinks. */
static void on_time_over(struct loop_timer *timer)
{
    struct etcd_lease *lease = CONTAINER_OF(timer, struct etcd_lease, end);

    etcd_call_cancel(&lease->call);
    loop_timer_start(&lease->timer, 0);
    lose(lease);
}

static void hold(struct etcd_lease *lease)
{
    uint64_t age_ms = loop_now_ms(etcd_loop(lease->etcd)) - lease->asked_ms;
    uint64_t ttl_ms = lease->ttl_s * 1000;

    loop_timer_start(&lease->end, ttl_ms > age_ms ? ttl_ms - age_ms : 0);
    loop_timer_start(&lease->timer, ttl_ms / RENEWALS);
}

static void on_granted(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct etcd_lease *lease = CONTAINER_OF(call, struct etcd_lease, call);

    if (status != STATUS_OK) {
        loop_timer_start(&lease->timer, PAUSE_MS);
        return;
    }
    lease->id = result->lease;
    hold(lease);
    lease->listener->on_held(lease->listener->context, lease->id);
}

static void on_renewed(struct etcd_call *call, enum status status, const struct etcd_result *result)
{
    struct etcd_lease *lease = CONTAINER_OF(call, struct etcd_lease, call);

    if (status == STATUS_OK) {
        hold(lease);
        return;
    }
    loop_timer_start(&lease->timer, PAUSE_MS);
    if (status == STATUS_NOT_FOUND) {
        lose(lease);
    }
}

static void ask(struct etcd_lease *lease)
{
    lease->asked_ms = loop_now_ms(etcd_loop(lease->etcd));
    if (lease->id == 0) {
        etcd_grant(&lease->call, lease->ttl_s, on_granted);
    } else {
        etcd_keep_alive(&lease->call, lease->id, on_renewed);
    }
}

static void on_timer(struct loop_timer *timer)
{
    ask(CONTAINER_OF(timer, struct etcd_lease, timer));
}

struct etcd_lease *etcd_lease_new(struct etcd *etcd, uint64_t ttl_s,
                                  const struct etcd_lease_listener *listener)
{
    struct etcd_lease *lease = NEW(struct etcd_lease);

    CHECK(ttl_s >= TTL_LEAST_S);
    lease->etcd = etcd;
    lease->listener = listener;
    lease->ttl_s = ttl_s;
    etcd_call_init(&lease->call, etcd);
    loop_timer_init(&lease->timer, etcd_loop(etcd), on_timer);
    loop_timer_init(&lease->end, etcd_loop(etcd), on_time_over);
    ask(lease);
    return lease;
}

void etcd_lease_free(struct etcd_lease *lease)
{
    if (lease == NULL) {
        return;
    }
    loop_timer_stop(&lease->timer);
    loop_timer_stop(&lease->end);
    etcd_call_done(&lease->call);
    memory_free(lease);
}

uint64_t etcd_lease_id(const struct etcd_lease *lease)
{
    return lease->id;
}
