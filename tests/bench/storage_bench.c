/* How fast a node takes deliveries: clients in this process, through RPC, shard, log and apply.
 *
 *     storage_bench FOLDER [messages] [octets] [clients] [shards] [accounts]
 *
 * Each client has one delivery in flight. Prints messages a second, CPU a message, and latencies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/random.h"
#include "storage/node.h"
#include "tests/fakes/node_client.h"

enum { LOOPS = 2, SHARDS_MAX = 64, LATENCIES = 100000 };

struct bench {
    struct node *node;
    uint32_t shards[SHARDS_MAX];
    uint64_t *accounts;
    uint64_t account_count;
    uint64_t shard_count;
    uint64_t octets;
    uint64_t messages; /* of one loop */
};

struct crowd;

/* One client. */
struct sender {
    struct rpc_call call; /* the first */
    struct crowd *crowd;
    uint64_t began_us;
};

/* The clients of one loop. */
struct crowd {
    struct bench *bench;
    struct loop *loop;
    struct loop_message begin;
    struct loop_message end;
    ProtobufCService *channel;
    struct sender *senders;
    uint64_t sender_count;
    uint64_t sent;
    uint64_t done;
    uint64_t failed;
    struct random random;
    struct rpc_octets *body;
    uint32_t *latencies_us;
};

static void send_next(struct sender *sender);

static void on_delivered(const Aviso__DeliverReply *reply, void *context)
{
    struct sender *sender = context;
    struct crowd *crowd = sender->crowd;
    uint64_t now_us = clock_monotonic_us();

    crowd->latencies_us[crowd->done % LATENCIES] = (uint32_t)(now_us - sender->began_us);
    crowd->done++;
    crowd->failed += reply == NULL || reply->outcomes[0]->status != STATUS_OK;
    if (crowd->sent < crowd->bench->messages) {
        send_next(sender);
    } else if (crowd->done == crowd->bench->messages) {
        loop_stop(crowd->loop);
    }
}

static void send_next(struct sender *sender)
{
    struct crowd *crowd = sender->crowd;
    struct bench *bench = crowd->bench;
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};
    char id[16];
    char body_id[32];
    static char digest[800];
    uint64_t keys[2] = {random_next(&crowd->random), random_next(&crowd->random)};
    uint32_t frame_size = (uint32_t)bench->octets;
    uint64_t account = random_below(&crowd->random, bench->account_count);

    crowd->sent++;
    number_put_u64(id, (clock_wall_ms() << 16) | (random_next(&crowd->random) & 0xffff));
    number_put_u64(id + 8, random_next(&crowd->random));
    for (size_t index = 0; index < sizeof(body_id); index += 8) {
        number_put_u64(body_id + index, random_next(&crowd->random));
    }
    recipient.account = bench->accounts[account];
    request.request_id = (ProtobufCBinaryData){sizeof(id), (uint8_t *)id};
    request.recipients = recipients;
    request.n_recipients = 1;
    request.digest = (ProtobufCBinaryData){sizeof(digest), (uint8_t *)digest};
    request.header_size = 600;
    request.header_frame_size = 300;
    request.body_sha256 = (ProtobufCBinaryData){sizeof(body_id), (uint8_t *)body_id};
    request.body_size = bench->octets;
    request.n_frame_sizes = 1;
    request.frame_sizes = &frame_size;
    request.n_thread_keys = 2;
    request.thread_keys = keys;
    rpc_call_init(&sender->call, bench->shards[account % bench->shard_count]);
    sender->call.octets = rpc_octets_ref(crowd->body);
    sender->began_us = clock_monotonic_us();
    aviso__delivery__deliver(crowd->channel, &request, on_delivered, sender);
}

static void begin(struct loop_message *message)
{
    struct crowd *crowd = CONTAINER_OF(message, struct crowd, begin);

    for (uint64_t index = 0; index < crowd->sender_count; index++) {
        crowd->senders[index].crowd = crowd;
        send_next(&crowd->senders[index]);
    }
}

static void make_accounts(struct bench *bench)
{
    struct node_client client;

    node_client_open(&client, node_services(bench->node));
    bench->accounts = memory_zeroed(bench->account_count * sizeof(uint64_t));
    for (uint64_t index = 0; index < bench->account_count; index++) {
        Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;

        request.request_id = node_client_id(&client);
        request.address = wire_from_slice(SLICE("someone@example.org"));
        const Aviso__CreateAccountReply *reply =
            node_client_call(&client, bench->shards[index % bench->shard_count], "CreateAccount",
                             &request.base, (struct slice){0});

        bench->accounts[index] = reply != NULL ? reply->account : 0;
    }
    node_client_close(&client);
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static int compare(const void *one, const void *other)
{
    uint32_t first = *(const uint32_t *)one;
    uint32_t second = *(const uint32_t *)other;

    return (first > second) - (first < second);
}

static void open_crowd(struct crowd *crowd, struct bench *bench, uint64_t clients, uint64_t seed)
{
    char *octets;

    *crowd = (struct crowd){
        .bench = bench,
        .loop = loop_new("crowd"),
        .begin = {.run = begin},
        .senders = memory_zeroed(clients * sizeof(struct sender)),
        .sender_count = clients,
        .random = {seed},
        .latencies_us = memory_zeroed(LATENCIES * sizeof(uint32_t)),
    };
    crowd->channel = rpc_local_channel_new(crowd->loop, &aviso__delivery__descriptor,
                                           node_services(bench->node));
    crowd->body = rpc_octets_reserve(300 + bench->octets, &octets);
    random_octets(octets, 300 + bench->octets);
}

static void close_crowd(struct crowd *crowd)
{
    rpc_octets_unref(crowd->body);
    rpc_channel_free(crowd->channel);
    loop_free(crowd->loop);
    memory_free(crowd->senders);
    memory_free(crowd->latencies_us);
}

static void print(struct bench *bench, struct crowd *crowds, double seconds, double cpu)
{
    uint64_t total = bench->messages * LOOPS;
    uint64_t failed = 0;
    uint64_t applied = 0;
    uint64_t batches = 0;
    uint64_t memtables = 0;
    struct shard_state state;
    struct rusage usage;

    for (size_t index = 0; index < LOOPS; index++) {
        failed += crowds[index].failed;
    }
    for (size_t index = 0; node_shard_state(bench->node, index, &state); index++) {
        applied += state.applied_count;
        batches += state.batch_count;
    }
    getrusage(RUSAGE_SELF, &usage);
    if (node_property(bench->node, "rocksdb.cur-size-all-mem-tables", &memtables) != STATUS_OK) {
        memtables = 0;
    }
    uint64_t sampled = bench->messages < LATENCIES ? bench->messages : LATENCIES;

    qsort(crowds[0].latencies_us, sampled, sizeof(uint32_t), compare);
    printf("%.0f messages/s, %.1f us CPU a message, p50 %.2f ms, p99 %.2f ms, %llu failed\n"
           "%.1f entries a store write, memtables %.0f MiB, peak memory %.0f MiB\n",
           (double)total / seconds, cpu * 1e6 / (double)total,
           crowds[0].latencies_us[sampled / 2] / 1e3,
           crowds[0].latencies_us[sampled * 99 / 100] / 1e3, (unsigned long long)failed,
           (double)applied / (double)(batches > 0 ? batches : 1), (double)memtables / 1048576,
           (double)usage.ru_maxrss / 1024);
}

static uint64_t number_at(int count, char **arguments, int index, uint64_t standard)
{
    uint64_t number = standard;

    if (index < count &&
        number_parse(slice_of(arguments[index]), UINT32_MAX, &number) != STATUS_OK) {
        fprintf(stderr, "not a number: %s\n", arguments[index]);
        exit(2);
    }
    return number;
}

int main(int count, char **arguments)
{
    struct bench bench = {
        .messages = number_at(count, arguments, 2, 200000) / LOOPS,
        .octets = number_at(count, arguments, 3, 4096),
        .shard_count = number_at(count, arguments, 5, 8),
        .account_count = number_at(count, arguments, 6, 1000),
    };
    uint64_t clients = number_at(count, arguments, 4, 512) / LOOPS;
    struct crowd crowds[LOOPS];

    if (count < 2 || bench.shard_count > SHARDS_MAX || clients == 0 || bench.messages < clients) {
        fprintf(stderr, "storage_bench FOLDER [messages] [octets] [clients] [shards] [accounts]\n");
        return 2;
    }
    for (uint32_t index = 0; index < bench.shard_count; index++) {
        bench.shards[index] = index + 1;
    }
    struct node_options options = {
        .folder = arguments[1], .shards = bench.shards, .shard_count = bench.shard_count};

    if (node_open(&options, &bench.node) != STATUS_OK) {
        return 1;
    }
    make_accounts(&bench);
    for (size_t index = 0; index < LOOPS; index++) {
        open_crowd(&crowds[index], &bench, clients,
                   random_below(&(struct random){index}, 1u << 30));
    }
    double cpu = cpu_seconds();
    uint64_t began_us = clock_monotonic_us();

    for (size_t index = 0; index < LOOPS; index++) {
        loop_post(crowds[index].loop, &crowds[index].begin);
        loop_start(crowds[index].loop);
    }
    for (size_t index = 0; index < LOOPS; index++) {
        loop_join(crowds[index].loop);
    }
    double seconds = (double)(clock_monotonic_us() - began_us) / 1e6;

    cpu = cpu_seconds() - cpu;
    node_stop(bench.node);
    print(&bench, crowds, seconds, cpu);
    for (size_t index = 0; index < LOOPS; index++) {
        close_crowd(&crowds[index]);
    }
    node_close(bench.node);
    memory_free(bench.accounts);
    return 0;
}
