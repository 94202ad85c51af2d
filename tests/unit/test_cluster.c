/* Three nodes, and later a fourth, in this process, with their real logs, stores and sockets: what
 * was acknowledged is there on all of them, whoever leads and whoever went away meanwhile. */
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/number.h"
#include "net/rpc_server.h"
#include "storage/node.h"
#include "storage/replica_id.h"
#include "tests/fakes/node_client.h"
#include "tests/unit/unit.h"

enum { NODES = 4, FIRST_NODES = 3, SHARDS = 3, TRIES_MAX = 6000, PAUSE_MS = 5 };

struct site {
    char folder[64];
    struct node *node; /* NULL: it is down */
    struct rpc_server *server;
    uint16_t port;
    struct node_client client;
};

struct cluster {
    struct site sites[NODES];
    size_t guess[SHARDS + 1]; /* who leads, by shard */
    uint64_t accounts[SHARDS + 1];
    uint32_t uids[SHARDS + 1]; /* the last one given */
};

/* ---- Nodes ---- */

static struct raft_configuration first_configuration(void)
{
    struct raft_configuration configuration = {0};

    for (uint32_t number = 1; number <= FIRST_NODES; number++) {
        struct raft_replica replica = {.id = replica_id_make(number, 1), .parts = RAFT_VOTER};

        assert_int_equal(raft_configuration_put(&configuration, replica), STATUS_OK);
    }
    return configuration;
}

static void serve(struct site *site, uint32_t number)
{
    size_t loop_count;
    struct rpc_server_options options = {
        .address = "127.0.0.1",
        .port = site->port,
        .services = node_services(site->node),
        .cluster = 77,
        .node = number,
    };

    options.loops = node_loops(site->node, &loop_count);
    options.loop_count = loop_count;
    assert_int_equal(rpc_server_open(&options, &site->server), STATUS_OK);
    site->port = rpc_server_port(site->server);
}

static void open_site(struct cluster *cluster, size_t index)
{
    struct site *site = &cluster->sites[index];
    struct node_replica replicas[SHARDS];
    struct node_options options = {
        .folder = site->folder,
        .node = (uint32_t)index + 1,
        .replicas = replicas,
        .replica_count = index < FIRST_NODES ? SHARDS : 0,
        .cluster = 77,
        .election_timeout_ms = 300,
        .loop_count = 2,
        .worker_count = 1,
        .block_cache_size = 8 << 20,
        .write_buffer_size = 4 << 20,
        .log_segment_size = 4 << 20,
    };

    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        replicas[shard - 1] = (struct node_replica){
            .shard = shard,
            .id = replica_id_make(options.node, 1),
            .configuration = first_configuration(),
        };
    }
    assert_int_equal(node_open(&options, &site->node), STATUS_OK);
    serve(site, options.node);
    node_client_open(&site->client, node_services(site->node));
}

/* Lets two nodes know where the other one is. */
static void join(struct cluster *cluster, size_t one, size_t other)
{
    struct site *left = &cluster->sites[one];
    struct site *right = &cluster->sites[other];

    if (left->node == NULL || right->node == NULL) {
        return;
    }
    assert_int_equal(node_set_peer(left->node, (uint32_t)other + 1, "127.0.0.1", right->port),
                     STATUS_OK);
    assert_int_equal(node_set_peer(right->node, (uint32_t)one + 1, "127.0.0.1", left->port),
                     STATUS_OK);
}

static void join_all(struct cluster *cluster)
{
    for (size_t one = 0; one < NODES; one++) {
        for (size_t other = 0; other < one; other++) {
            join(cluster, one, other);
        }
    }
}

/* Neither hears the other any more. */
static void cut_off(struct cluster *cluster, size_t index)
{
    for (size_t other = 0; other < NODES; other++) {
        if (other != index && cluster->sites[other].node != NULL) {
            assert_int_equal(
                node_set_peer(cluster->sites[index].node, (uint32_t)other + 1, NULL, 0), STATUS_OK);
            assert_int_equal(
                node_set_peer(cluster->sites[other].node, (uint32_t)index + 1, NULL, 0), STATUS_OK);
        }
    }
}

static void on_server_stopped(struct loop_message *message)
{
}

static void close_site(struct cluster *cluster, size_t index)
{
    struct site *site = &cluster->sites[index];
    struct loop_message stopped = {.run = on_server_stopped};
    size_t loop_count;

    node_hand_over(site->node);
    node_client_close(&site->client);
    rpc_server_stop(site->server, 0, node_loops(site->node, &loop_count)[0], &stopped);
    node_stop(site->node);
    rpc_server_free(site->server);
    node_close(site->node);
    site->node = NULL;
}

static void open_cluster(struct cluster *cluster)
{
    *cluster = (struct cluster){0};
    for (size_t index = 0; index < NODES; index++) {
        struct site *site = &cluster->sites[index];

        snprintf(site->folder, sizeof(site->folder), "/tmp/aviso-cluster-XXXXXX");
        assert_non_null(mkdtemp(site->folder));
        if (index < FIRST_NODES) {
            open_site(cluster, index);
        }
    }
    join_all(cluster);
}

static int remove_file(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    return remove(path);
}

static void close_cluster(struct cluster *cluster)
{
    for (size_t index = 0; index < NODES; index++) {
        struct site *site = &cluster->sites[index];

        if (site->node != NULL) {
            close_site(cluster, index);
        }
        assert_int_equal(nftw(site->folder, remove_file, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

/* ---- A client that follows leaders ---- */

static void pause_a_little(void)
{
    struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

    nanosleep(&pause, NULL);
}

static void guess_again(struct cluster *cluster, uint32_t shard, const struct node_client *asked)
{
    uint32_t hint = asked->status == STATUS_NOT_LEADER ? asked->leader_hint : 0;
    size_t next = (cluster->guess[shard] + 1) % NODES;

    cluster->guess[shard] = hint > 0 && hint <= NODES ? hint - 1 : next;
    pause_a_little();
}

static const void *call(struct cluster *cluster, uint32_t shard, const char *method,
                        const ProtobufCMessage *request, struct slice octets)
{
    for (int count = 0; count < TRIES_MAX; count++) {
        struct site *site = &cluster->sites[cluster->guess[shard]];

        if (site->node == NULL) {
            cluster->guess[shard] = (cluster->guess[shard] + 1) % NODES;
            continue;
        }
        const void *reply = node_client_call(&site->client, shard, method, request, octets);

        if (site->client.status == STATUS_OK) {
            return reply;
        }
        assert_true(site->client.status == STATUS_NOT_LEADER ||
                    site->client.status == STATUS_UNAVAILABLE);
        guess_again(cluster, shard, &site->client);
    }
    fail_msg("nobody leads shard %u", shard);
    return NULL;
}

static void make_accounts(struct cluster *cluster)
{
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        Aviso__CreateAccountRequest request = AVISO__CREATE_ACCOUNT_REQUEST__INIT;

        request.request_id = node_client_id(&cluster->sites[0].client);
        request.address = wire_from_slice(SLICE("ann@example.org"));
        const Aviso__CreateAccountReply *reply =
            call(cluster, shard, "CreateAccount", &request.base, (struct slice){0});

        cluster->accounts[shard] = reply->account;
    }
}

/* A message to each shard's account, whose UID is the next. */
static void deliver_round(struct cluster *cluster, size_t size)
{
    char *octets = test_malloc(size);

    memset(octets, 'x', size);
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
        Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
        Aviso__DeliverRecipient *recipients[] = {&recipient};
        uint32_t frame_size = (uint32_t)size;
        char id[32] = {0};
        struct site *any = cluster->sites;

        while (any->node == NULL) {
            any++;
        }
        recipient.account = cluster->accounts[shard];
        request.request_id = node_client_id(&any->client);
        memcpy(id, request.request_id.data, 16);
        memcpy(octets, id, 16);
        request.recipients = recipients;
        request.n_recipients = 1;
        request.body_sha256 = (ProtobufCBinaryData){sizeof(id), (uint8_t *)id};
        request.body_size = size;
        request.frame_sizes = &frame_size;
        request.n_frame_sizes = 1;
        const Aviso__DeliverReply *reply =
            call(cluster, shard, "Deliver", &request.base, (struct slice){octets, size});

        assert_int_equal(reply->outcomes[0]->status, STATUS_OK);
        assert_int_equal(reply->outcomes[0]->uid, ++cluster->uids[shard]);
    }
    test_free(octets);
}

/* What the leader says, it says after all that was acknowledged. */
static void check_counts(struct cluster *cluster)
{
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        Aviso__GetAccountRequest request = AVISO__GET_ACCOUNT_REQUEST__INIT;

        request.account = cluster->accounts[shard];
        const Aviso__Account *reply =
            call(cluster, shard, "GetAccount", &request.base, (struct slice){0});

        assert_int_equal(reply->used_messages, cluster->uids[shard]);
    }
}

/* False: there is no replica of it. */
static bool look_at(struct cluster *cluster, size_t index, uint32_t shard,
                    struct shard_state *out_state)
{
    for (size_t place = 0; cluster->sites[index].node != NULL &&
                           node_shard_state(cluster->sites[index].node, place, out_state);
         place++) {
        if (out_state->id == shard && out_state->status != STATUS_NOT_LEADER) {
            assert_int_equal(out_state->status, STATUS_OK);
            return true;
        }
    }
    return false;
}

static size_t leader_of(struct cluster *cluster, uint32_t shard)
{
    struct shard_state state;

    for (int count = 0; count < TRIES_MAX; count++) {
        for (size_t index = 0; index < NODES; index++) {
            if (look_at(cluster, index, shard, &state) && state.role == RAFT_LEADER) {
                return index;
            }
        }
        pause_a_little();
    }
    fail_msg("nobody leads shard %u", shard);
    return 0;
}

static bool are_equal(struct cluster *cluster, uint32_t shard, size_t *out_count)
{
    struct shard_state first = {0};
    struct shard_state state;

    *out_count = 0;
    for (size_t index = 0; index < NODES; index++) {
        if (!look_at(cluster, index, shard, &state)) {
            continue;
        }
        if ((*out_count)++ == 0) {
            first = state;
        }
        if (state.applied_index != first.applied_index) {
            return false;
        }
        assert_int_equal(state.digest, first.digest);
    }
    return true;
}

/* All replicas come to the same index, with the same digest. */
static void settle(struct cluster *cluster)
{
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        size_t replicas = 0;
        bool is_equal = false;

        for (int count = 0; count < TRIES_MAX && !is_equal; count++) {
            is_equal = are_equal(cluster, shard, &replicas);
            if (!is_equal) {
                pause_a_little();
            }
        }
        assert_true(is_equal);
        assert_int_equal(replicas, FIRST_NODES);
    }
}

/* ---- An operator ---- */

struct outcome {
    sem_t done;
    enum status status;
};

static void on_done(void *context, enum status status)
{
    struct outcome *outcome = context;

    outcome->status = status;
    sem_post(&outcome->done);
}

static enum status wait_for(struct outcome *outcome)
{
    sem_wait(&outcome->done);
    return outcome->status;
}

static void add_replica(struct cluster *cluster, size_t index, uint32_t shard, uint64_t id,
                        enum status expected)
{
    struct node_replica replica = {.shard = shard, .id = id};
    struct outcome outcome;

    sem_init(&outcome.done, 0, 0);
    node_add_replica(cluster->sites[index].node, &replica, on_done, &outcome);
    assert_int_equal(wait_for(&outcome), expected);
    sem_destroy(&outcome.done);
}

static void remove_replica(struct cluster *cluster, size_t index, uint32_t shard, uint64_t id)
{
    struct outcome outcome;

    sem_init(&outcome.done, 0, 0);
    node_remove_replica(cluster->sites[index].node, shard, id, on_done, &outcome);
    assert_int_equal(wait_for(&outcome), STATUS_OK);
    sem_destroy(&outcome.done);
}

/* What asks the leader until it is done. */
static void at_leader(struct cluster *cluster, uint32_t shard,
                      const struct raft_configuration *wished, uint64_t next_leader)
{
    enum status status = STATUS_AGAIN;

    for (int count = 0; count < TRIES_MAX && status != STATUS_OK; count++) {
        struct node *node = cluster->sites[leader_of(cluster, shard)].node;
        struct outcome outcome;

        sem_init(&outcome.done, 0, 0);
        if (wished != NULL) {
            node_change_shard(node, shard, wished, on_done, &outcome);
        } else {
            node_transfer_shard(node, shard, next_leader, on_done, &outcome);
        }
        status = wait_for(&outcome);
        sem_destroy(&outcome.done);
        assert_true(status == STATUS_OK || status == STATUS_NOT_LEADER || status == STATUS_BUSY ||
                    status == STATUS_UNAVAILABLE || status == STATUS_TIMED_OUT);
        if (status != STATUS_OK) {
            pause_a_little();
        }
    }
    assert_int_equal(status, STATUS_OK);
}

static struct raft_configuration configuration_of(const uint32_t *numbers, const uint8_t *parts,
                                                  size_t count)
{
    struct raft_configuration configuration = {0};

    for (size_t index = 0; index < count; index++) {
        struct raft_replica replica = {.id = replica_id_make(numbers[index], 1),
                                       .parts = parts[index]};

        assert_int_equal(raft_configuration_put(&configuration, replica), STATUS_OK);
    }
    return configuration;
}

/* ---- Tests ---- */

static void three_nodes_hold_the_same(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    for (int count = 0; count < 50; count++) {
        deliver_round(&cluster, 3000);
    }
    check_counts(&cluster);
    settle(&cluster);
    close_cluster(&cluster);
}

static void writes_go_on_without_a_node_that_comes_back_and_catches_up(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    deliver_round(&cluster, 3000);
    for (size_t index = 0; index < FIRST_NODES; index++) {
        close_site(&cluster, index);
        for (int count = 0; count < 40; count++) {
            deliver_round(&cluster, 30000);
        }
        check_counts(&cluster);
        open_site(&cluster, index);
        join_all(&cluster);
        deliver_round(&cluster, 100);
        settle(&cluster);
    }
    close_cluster(&cluster);
}

static void a_leader_that_is_cut_off_is_replaced_and_follows(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    deliver_round(&cluster, 3000);
    for (int round = 0; round < 3; round++) {
        size_t leader = leader_of(&cluster, 1);

        cut_off(&cluster, leader);
        for (int count = 0; count < 20; count++) {
            deliver_round(&cluster, 3000);
        }
        check_counts(&cluster);
        join_all(&cluster);
        settle(&cluster);
    }
    close_cluster(&cluster);
}

static void all_at_once_begin_again_where_they_were(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    for (int round = 0; round < 2; round++) {
        for (int count = 0; count < 20; count++) {
            deliver_round(&cluster, 3000);
        }
        for (size_t index = 0; index < FIRST_NODES; index++) {
            close_site(&cluster, index);
        }
        for (size_t index = 0; index < FIRST_NODES; index++) {
            open_site(&cluster, index);
        }
        join_all(&cluster);
        check_counts(&cluster);
    }
    settle(&cluster);
    close_cluster(&cluster);
}

/* First a learner, then in one change a voter in place of another, which forgets all of it. */
static void replace_replica(struct cluster *cluster, uint32_t shard)
{
    struct raft_configuration learning = configuration_of(
        (uint32_t[]){1, 2, 3, 4}, (uint8_t[]){RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_LEARNER}, 4);
    struct raft_configuration replaced =
        configuration_of((uint32_t[]){2, 3, 4}, (uint8_t[]){RAFT_VOTER, RAFT_VOTER, RAFT_VOTER}, 3);

    add_replica(cluster, 3, shard, replica_id_make(4, 1), STATUS_OK);
    add_replica(cluster, 3, shard, replica_id_make(4, 1), STATUS_OK);
    add_replica(cluster, 3, shard, replica_id_make(4, 2), STATUS_EXISTS);
    at_leader(cluster, shard, &learning, 0);
    at_leader(cluster, shard, &replaced, 0);
    at_leader(cluster, shard, &replaced, 0);
    remove_replica(cluster, 0, shard, replica_id_make(1, 1));
    remove_replica(cluster, 0, shard, replica_id_make(1, 1));
}

static void a_replica_is_replaced_by_one_of_another_node(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    for (int count = 0; count < 30; count++) {
        deliver_round(&cluster, 3000);
    }
    open_site(&cluster, 3);
    join_all(&cluster);
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        replace_replica(&cluster, shard);
        deliver_round(&cluster, 3000);
    }
    settle(&cluster);
    close_site(&cluster, 1); /* two of the three are left, one of them the new one */
    deliver_round(&cluster, 3000);
    check_counts(&cluster);
    close_site(&cluster, 0);
    open_site(&cluster, 1);
    join_all(&cluster);
    settle(&cluster);
    close_cluster(&cluster);
}

/* A node that holds nothing of a shard any more holds it again, under another name. */
static void a_replica_comes_back_with_another_life(void **state)
{
    struct cluster cluster;
    struct raft_configuration without =
        configuration_of((uint32_t[]){1, 2}, (uint8_t[]){RAFT_VOTER, RAFT_VOTER}, 2);
    struct raft_configuration with = without;
    struct raft_replica again = {.id = replica_id_make(3, 2), .parts = RAFT_LEARNER};

    open_cluster(&cluster);
    make_accounts(&cluster);
    deliver_round(&cluster, 3000);
    at_leader(&cluster, 1, &without, 0);
    remove_replica(&cluster, 2, 1, replica_id_make(3, 1));
    deliver_round(&cluster, 3000);
    add_replica(&cluster, 2, 1, again.id, STATUS_OK);
    assert_int_equal(raft_configuration_put(&with, again), STATUS_OK);
    at_leader(&cluster, 1, &with, 0);
    again.parts = RAFT_VOTER;
    assert_int_equal(raft_configuration_put(&with, again), STATUS_OK);
    at_leader(&cluster, 1, &with, 0);
    deliver_round(&cluster, 3000);
    settle(&cluster);
    close_cluster(&cluster);
}

/* The entries that a new replica would need are not in any log any more. */
static void flush_all(struct cluster *cluster)
{
    struct shard_state state;

    settle(cluster);
    for (size_t index = 0; index < NODES; index++) {
        if (cluster->sites[index].node != NULL) {
            assert_int_equal(node_flush(cluster->sites[index].node), STATUS_OK);
        }
    }
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        assert_true(look_at(cluster, leader_of(cluster, shard), shard, &state));
        assert_true(state.first_index > 10);
    }
}

static void a_replica_begins_with_files_where_the_log_is_gone(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    for (int count = 0; count < 50; count++) {
        deliver_round(&cluster, 30000);
    }
    flush_all(&cluster);
    open_site(&cluster, 3);
    join_all(&cluster);
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        replace_replica(&cluster, shard);
        deliver_round(&cluster, 3000);
    }
    settle(&cluster);
    close_site(&cluster, 3);
    deliver_round(&cluster, 3000);
    open_site(&cluster, 3);
    join_all(&cluster);
    settle(&cluster);
    close_site(&cluster, 1); /* two are left, one of them the new one */
    deliver_round(&cluster, 3000);
    check_counts(&cluster);
    close_site(&cluster, 0);
    open_site(&cluster, 1);
    join_all(&cluster);
    settle(&cluster);
    close_cluster(&cluster);
}

static void leadership_goes_where_it_is_sent(void **state)
{
    struct cluster cluster;

    open_cluster(&cluster);
    make_accounts(&cluster);
    for (size_t index = 0; index < FIRST_NODES; index++) {
        if (leader_of(&cluster, 2) != index) {
            at_leader(&cluster, 2, NULL, replica_id_make((uint32_t)index + 1, 1));
            assert_int_equal(leader_of(&cluster, 2), index);
        }
        deliver_round(&cluster, 3000);
    }
    settle(&cluster);
    close_cluster(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_nodes_hold_the_same),
        cmocka_unit_test(writes_go_on_without_a_node_that_comes_back_and_catches_up),
        cmocka_unit_test(a_leader_that_is_cut_off_is_replaced_and_follows),
        cmocka_unit_test(all_at_once_begin_again_where_they_were),
        cmocka_unit_test(a_replica_is_replaced_by_one_of_another_node),
        cmocka_unit_test(a_replica_comes_back_with_another_life),
        cmocka_unit_test(a_replica_begins_with_files_where_the_log_is_gone),
        cmocka_unit_test(leadership_goes_where_it_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
