/* net/rpc_frame.h by table, and the RPC port against peers that are none of ours. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "core/buffer.h"
#include "core/check.h"
#include "core/number.h"
#include "net/rpc_frame.h"
#include "tests/fakes/rpc_stage.h"
#include "tests/unit/unit.h"

enum { CLUSTER = 4711, PATIENCE_SECONDS = 20 };

/* ---- Headers ---- */

static void a_header_is_what_was_written(void **state)
{
    struct rpc_frame written = {
        .kind = RPC_FRAME_REQUEST,
        .message_size = RPC_MESSAGE_SIZE_MAX,
        .octets_size = RPC_OCTETS_SIZE_MAX,
        .status = STATUS_CORRUPT,
        .service = 0xfedcba98,
        .method = 0xfedc,
        .shard = 0x01020304,
        .request = UINT64_C(0x0102030405060708),
        .argument = 0xffffffff,
    };
    struct rpc_frame read;
    char header[RPC_FRAME_HEADER_SIZE];

    rpc_frame_encode(&written, header);
    assert_int_equal(rpc_frame_decode((struct slice){header, sizeof(header)}, &read), STATUS_OK);
    char again[RPC_FRAME_HEADER_SIZE];

    rpc_frame_encode(&read, again);
    assert_memory_equal(header, again, sizeof(again));
    for (size_t size = 0; size < sizeof(header); size++) {
        assert_int_equal(rpc_frame_decode((struct slice){header, size}, &read), STATUS_AGAIN);
    }
}

static const struct example {
    const char *name;
    size_t offset; /* of a number that is written over a good header */
    uint32_t number;
    enum status status;
} examples[] = {
    {"a message of 2^31", 0, UINT32_C(1) << 31, STATUS_TOO_LARGE},
    {"a message over the limit", 0, RPC_MESSAGE_SIZE_MAX + 1, STATUS_TOO_LARGE},
    {"octets over the limit", 4, RPC_OCTETS_SIZE_MAX + 1, STATUS_TOO_LARGE},
    {"the kind 0", 8, 0, STATUS_INVALID},
    {"a kind of tomorrow", 8, 10u << 24, STATUS_INVALID},
    {"a flag of tomorrow", 8, 2u << 24 | 1u << 16, STATUS_INVALID},
    {"a cancel with a message", 8, 6u << 24, STATUS_TOO_LARGE},

};

static void headers_that_are_none_are_refused(void **state)
{
    struct rpc_frame good = {.kind = RPC_FRAME_REQUEST, .message_size = 10};
    struct rpc_frame read;
    char header[RPC_FRAME_HEADER_SIZE];

    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        print_message("  %s\n", examples[i].name);
        rpc_frame_encode(&good, header);
        number_put_u32(header + examples[i].offset, examples[i].number);
        assert_int_equal(rpc_frame_decode((struct slice){header, sizeof(header)}, &read),
                         examples[i].status);
    }
    struct rpc_frame end = {.kind = RPC_FRAME_END};

    rpc_frame_encode(&end, header);
    number_put_u16(header + 10, 999);
    assert_int_equal(rpc_frame_decode((struct slice){header, sizeof(header)}, &read), STATUS_OK);
    assert_int_equal(read.status, STATUS_UNSUPPORTED);
}

static void a_greeting_needs_a_version_in_common(void **state)
{
    struct rpc_hello hello = {RPC_VERSION, RPC_VERSION, 1, CLUSTER, 5};
    struct rpc_hello read;
    char octets[RPC_HELLO_SIZE];
    struct slice message = {octets, sizeof(octets)};

    rpc_hello_encode(&hello, octets);
    assert_int_equal(rpc_hello_decode(message, &read), STATUS_OK);
    assert_int_equal(read.cluster, CLUSTER);
    assert_int_equal(read.features, 5);
    assert_int_equal(rpc_hello_decode(slice_prefix(message, RPC_HELLO_SIZE - 1), &read),
                     STATUS_INVALID);
    hello.version_least = hello.version_most = RPC_VERSION + 1;
    rpc_hello_encode(&hello, octets);
    assert_int_equal(rpc_hello_decode(message, &read), STATUS_UNSUPPORTED);
    octets[0] = 'X';
    assert_int_equal(rpc_hello_decode(message, &read), STATUS_INVALID);
}

/* ---- The port ---- */

static int connect_to(const struct stage *stage)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(rpc_server_port(stage->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(client >= 0);
    CHECK(connect(client, (const struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    return client;
}

static void put_frame(struct buffer *bytes, struct rpc_frame frame, struct slice message)
{
    char header[RPC_FRAME_HEADER_SIZE];

    frame.message_size += (uint32_t)message.size;
    rpc_frame_encode(&frame, header);
    buffer_append(bytes, (struct slice){header, sizeof(header)});
    buffer_append(bytes, message);
}

static void put_hello(struct buffer *bytes, uint64_t cluster)
{
    struct rpc_hello hello = {RPC_VERSION, RPC_VERSION, 1, cluster, 0};
    char octets[RPC_HELLO_SIZE];

    rpc_hello_encode(&hello, octets);
    put_frame(bytes, (struct rpc_frame){.kind = RPC_FRAME_HELLO},
              (struct slice){octets, sizeof(octets)});
}

/* Reads until the server ends; how many octets that were. */
static size_t read_to_end(int client)
{
    char octets[4096];
    size_t size = 0;
    ssize_t got = 0;

    while ((got = recv(client, octets, sizeof(octets), 0)) > 0) {
        size += (size_t)got;
    }
    /* Ended or reset, but not by our own patience. */
    assert_true(got == 0 || errno == ECONNRESET);
    close(client);
    return size;
}

static void read_frame(int client, struct rpc_frame *out_frame)
{
    char octets[RPC_FRAME_HEADER_SIZE + 4096];

    assert_int_equal(recv(client, octets, RPC_FRAME_HEADER_SIZE, MSG_WAITALL),
                     RPC_FRAME_HEADER_SIZE);
    assert_int_equal(rpc_frame_decode((struct slice){octets, RPC_FRAME_HEADER_SIZE}, out_frame),
                     STATUS_OK);
    if (out_frame->message_size > 0) {
        assert_int_equal(recv(client, octets, out_frame->message_size, MSG_WAITALL),
                         out_frame->message_size);
    }
}

static void say(int client, struct buffer *bytes)
{
    assert_int_equal(send(client, bytes->data, bytes->size, MSG_NOSIGNAL), bytes->size);
    buffer_clear(bytes);
}

static void peers_that_break_the_protocol_are_cut(void **state)
{
    const uint32_t directory = rpc_frame_service("aviso.Directory");
    const struct {
        const char *name;
        bool greets;
        uint64_t cluster;
        struct rpc_frame frame;
    } broken[] = {
        {"no greeting", false, 0, {.kind = RPC_FRAME_REQUEST, .service = directory}},
        {"another cluster", true, 1, {.kind = RPC_FRAME_PING}},
        {"a second greeting", true, CLUSTER, {.kind = RPC_FRAME_HELLO}},
        {"a large message",
         true,
         CLUSTER,
         {.kind = RPC_FRAME_REQUEST, .service = directory, .message_size = UINT32_C(1) << 31}},
        {"an answer to nothing", true, CLUSTER, {.kind = RPC_FRAME_REPLY}},
        {"an id that is in use",
         true,
         CLUSTER,
         {.kind = RPC_FRAME_REQUEST, .service = directory, .request = 99}},
    };
    struct stage stage;
    struct buffer bytes;

    stage_carrier = STAGE_TCP;
    stage_open(&stage);
    buffer_init(&bytes, 4096);
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        int client = connect_to(&stage);

        print_message("  %s\n", broken[i].name);
        if (broken[i].greets) {
            put_hello(&bytes, broken[i].cluster);
        }
        if (broken[i].frame.request == 99) {
            put_frame(&bytes, broken[i].frame, SLICE("\x12\x04kept"));
            put_frame(&bytes, broken[i].frame, SLICE("\x12\x04kept"));
        } else {
            put_frame(&bytes, broken[i].frame, (struct slice){0});
        }
        say(client, &bytes);
        read_to_end(client);
    }
    int client = connect_to(&stage);

    assert_int_equal(send(client, "EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n", 45, 0), 45);
    assert_int_equal(read_to_end(client), RPC_FRAME_HEADER_SIZE + RPC_HELLO_SIZE);
    buffer_done(&bytes);
    stage_close(&stage);
}

static void hostile_requests_are_answered_one_by_one(void **state)
{
    const uint32_t directory = rpc_frame_service("aviso.Directory");
    const struct {
        const char *name;
        struct rpc_frame frame;
        struct slice message;
        enum status status;
    } requests[] = {
        {"no such service", {.service = directory + 1}, SLICE(""), STATUS_UNSUPPORTED},
        {"no such method", {.service = directory, .method = 999}, SLICE(""), STATUS_UNSUPPORTED},
        {"a wrong wire type", {.service = directory}, SLICE("\x0a\x01x"), STATUS_INVALID},
        {"a length of 2^31",
         {.service = directory},
         SLICE("\x12\x80\x80\x80\x80\x08"),
         STATUS_INVALID},
        {"a method that refuses",
         {.service = directory, .method = 1},
         SLICE(""),
         STATUS_UNSUPPORTED},
    };
    struct stage stage;
    struct buffer bytes;
    struct rpc_frame answer;

    stage_carrier = STAGE_TCP;
    stage_open(&stage);
    buffer_init(&bytes, 4096);
    int client = connect_to(&stage);

    put_hello(&bytes, CLUSTER);
    say(client, &bytes);
    read_frame(client, &answer);
    assert_int_equal(answer.kind, RPC_FRAME_HELLO);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct rpc_frame frame = requests[i].frame;

        print_message("  %s\n", requests[i].name);
        frame.kind = RPC_FRAME_REQUEST;
        frame.request = i;
        put_frame(&bytes, frame, requests[i].message);
        say(client, &bytes);
        read_frame(client, &answer);
        assert_int_equal(answer.kind, RPC_FRAME_END);
        assert_int_equal(answer.request, i);
        assert_int_equal(answer.status, requests[i].status);
    }
    close(client);
    buffer_done(&bytes);
    stage_close(&stage);
}

static void a_million_small_frames_are_only_dropped(void **state)
{
    enum { FRAMES = 1000 * 1000, AT_ONCE = 1000 };
    struct stage stage;
    struct buffer bytes;
    struct rpc_frame answer;

    stage_carrier = STAGE_TCP;
    stage_open(&stage);
    buffer_init(&bytes, (AT_ONCE + 2) * (RPC_FRAME_HEADER_SIZE + RPC_HELLO_SIZE));
    int client = connect_to(&stage);

    put_hello(&bytes, CLUSTER);
    say(client, &bytes);
    read_frame(client, &answer);
    for (size_t sent = 0; sent < FRAMES; sent += AT_ONCE) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            put_frame(&bytes,
                      (struct rpc_frame){.kind = i % 2 == 0 ? RPC_FRAME_CREDIT : RPC_FRAME_CANCEL,
                                         .request = i,
                                         .argument = UINT32_MAX},
                      (struct slice){0});
        }
        say(client, &bytes);
    }
    put_frame(&bytes, (struct rpc_frame){.kind = RPC_FRAME_PING}, (struct slice){0});
    say(client, &bytes);
    read_frame(client, &answer);
    assert_int_equal(answer.kind, RPC_FRAME_PONG);
    close(client);
    buffer_done(&bytes);
    stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_what_was_written),
        cmocka_unit_test(headers_that_are_none_are_refused),
        cmocka_unit_test(a_greeting_needs_a_version_in_common),
        cmocka_unit_test(peers_that_break_the_protocol_are_cut),
        cmocka_unit_test(hostile_requests_are_answered_one_by_one),
        cmocka_unit_test(a_million_small_frames_are_only_dropped),
    };

    return cmocka_run_group_tests_name("rpc_wire", tests, NULL, NULL);
}
