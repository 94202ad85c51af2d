#include "core/check.h"
#include "router/etcd_work.h"

void etcd_get(struct etcd_call *call, const struct etcd_range *range, etcd_done_fn *done)
{
    buffer_clear(&call->body);
    etcd_wire_range(range, &call->body);
    etcd_start(call, ETCD_RANGE, done);
}

void etcd_commit(struct etcd_call *call, const struct etcd_transaction *transaction,
                 etcd_done_fn *done)
{
    CHECK(transaction->compare_count <= ETCD_OPERATION_COUNT_MAX &&
          transaction->operation_count <= ETCD_OPERATION_COUNT_MAX);
    buffer_clear(&call->body);
    etcd_wire_transaction(transaction, &call->body);
    etcd_start(call, ETCD_TRANSACTION, done);
}

static void commit_one(struct etcd_call *call, const struct etcd_operation *operation,
                       etcd_done_fn *done)
{
    struct etcd_transaction transaction = {.operations = operation, .operation_count = 1};

    etcd_commit(call, &transaction, done);
}

void etcd_put(struct etcd_call *call, struct slice key, struct slice value, uint64_t lease,
              etcd_done_fn *done)
{
    struct etcd_operation operation = {.key = key, .value = value, .lease = lease};

    commit_one(call, &operation, done);
}

void etcd_delete(struct etcd_call *call, struct slice key, etcd_done_fn *done)
{
    struct etcd_operation operation = {.is_delete = true, .key = key};

    commit_one(call, &operation, done);
}

static void ask_lease(struct etcd_call *call, enum etcd_kind kind, uint64_t lease, uint64_t ttl_s,
                      etcd_done_fn *done)
{
    buffer_clear(&call->body);
    etcd_wire_lease(lease, ttl_s, &call->body);
    etcd_start(call, kind, done);
}

void etcd_grant(struct etcd_call *call, uint64_t ttl_s, etcd_done_fn *done)
{
    ask_lease(call, ETCD_GRANT, 0, ttl_s, done);
}

void etcd_keep_alive(struct etcd_call *call, uint64_t lease, etcd_done_fn *done)
{
    ask_lease(call, ETCD_KEEP_ALIVE, lease, 0, done);
}

void etcd_revoke(struct etcd_call *call, uint64_t lease, etcd_done_fn *done)
{
    ask_lease(call, ETCD_REVOKE, lease, 0, done);
}
