#include "tests/unit/dialogue.h"

#include <stdio.h>

#include "core/check.h"
#include "core/number.h"
#include "tests/unit/dialogue_text.h"
#include "tests/unit/unit.h"

enum {
    CONNECTION_COUNT_MAX = 10,
    STEPS_MAX = 200 * 1000 * 1000, /* a session that wants something for ever is broken */
    FILE_SIZE_MAX = 4 * 1024 * 1024,
    HEARD_SIZE_MAX = 256 * 1024 * 1024,
};

struct player {
    const struct dialogue_stage *stage;
    const char *name;
    unsigned line_number;
    bool begins_with_tls;
    bool remote;
    struct dialogue_names names;
    struct line_connection {
        struct player *player;
        bool open;
        bool woken;
        bool overlong; /* dropping the rest of a line */
        void *session;
        enum session_next next;
        struct session_peer peer;
        struct buffer output; /* the port's */
        struct buffer input;  /* said by the client, not taken yet */
        struct buffer heard;  /* flushed by the session, not expected yet */
    } connections[CONNECTION_COUNT_MAX];
};

static _Noreturn void fail_line(const struct player *player, const char *why)
{
    print_error("%s:%u: %s\n", player->name, player->line_number, why);
    _fail(player->name, (int)player->line_number);
    check_failed(why, __FILE__, __LINE__);
}

/* ---- The connection ---- */

static void wake(void *context, enum session_next next)
{
    struct line_connection *connection = context;

    CHECK(connection->next == SESSION_WAITS);
    connection->next = next;
    connection->woken = true;
}

static void take_output(struct line_connection *connection)
{
    buffer_append(&connection->heard, buffer_view(&connection->output));
    buffer_clear(&connection->output);
}

static void flush(void *context)
{
    take_output(context);
}

static bool has_more(const void *context)
{
    const struct line_connection *connection = context;

    return connection->input.size > 0;
}

static void set_idle_timeout(void *context, uint64_t timeout_ms)
{
    CHECK(timeout_ms > 0);
}

static void open_connection(struct player *player, struct line_connection *connection)
{
    const struct session_port port = {
        .output = &connection->output,
        .peer = &connection->peer,
        .connection = connection,
        .wake = wake,
        .flush = flush,
        .set_idle_timeout = set_idle_timeout,
        .has_more = has_more,
    };

    CHECK(connection->session == NULL);
    connection->player = player;
    connection->open = true;
    connection->next = SESSION_READS;
    connection->peer = (struct session_peer){
        .address = player->remote ? SLICE("192.0.2.1") : SLICE("127.0.0.1"),
        .port = 40000,
        .is_loopback = !player->remote,
        .is_tls = player->begins_with_tls,
        .tls_version = player->begins_with_tls ? SLICE("TLSv1.3") : SLICE(""),
        .tls_cipher = player->begins_with_tls ? SLICE("TLS_AES_256_GCM_SHA384") : SLICE(""),
    };
    buffer_init(&connection->output, SESSION_OUTPUT_MAX);
    buffer_init(&connection->input, HEARD_SIZE_MAX);
    buffer_init(&connection->heard, HEARD_SIZE_MAX);
    connection->session =
        player->stage->protocol->open(&port, player->stage->protocol->context, &connection->next);
}

static void close_connection(struct line_connection *connection)
{
    if (connection->session != NULL) {
        connection->player->stage->protocol->free(connection->session);
        connection->session = NULL;
        buffer_done(&connection->input);
    }
    buffer_done(&connection->output);
    connection->next = SESSION_ENDS;
}

/* The first CRLF of the input, or its size. */
static size_t find_line_end(struct slice input)
{
    return slice_search(input, SLICE("\r\n"));
}

static bool feed_line(struct line_connection *connection, const struct protocol *protocol)
{
    struct slice input = buffer_view(&connection->input);
    size_t line_size = find_line_end(input);
    bool whole = line_size < input.size;

    if (connection->overlong) {
        buffer_consume(&connection->input, whole ? line_size + 2 : input.size);
        connection->overlong = !whole;
        return whole || input.size > 0;
    }
    if (line_size + 2 > protocol->line_size_max) {
        connection->overlong = true;
        connection->next = protocol->on_overlong_line(connection->session);
        return true;
    }
    if (!whole) {
        return false;
    }
    /* A copy of its own, so that a session that keeps the line is caught by the sanitizer. */
    struct buffer line;

    buffer_init(&line, line_size + 1);
    buffer_append(&line, slice_prefix(input, line_size));
    buffer_consume(&connection->input, line_size + 2);
    connection->next = protocol->on_line(connection->session, buffer_view(&line));
    buffer_done(&line);
    return true;
}

static bool feed_octets(struct line_connection *connection, const struct protocol *protocol)
{
    struct slice input = buffer_view(&connection->input);
    size_t taken = 0;

    if (input.size == 0) {
        return false;
    }
    connection->next = protocol->on_octets(connection->session, input, &taken);
    CHECK(taken <= input.size);
    buffer_consume(&connection->input, taken);
    return true;
}

static void start_tls(struct line_connection *connection, const struct protocol *protocol)
{
    if (connection->input.size > 0) {
        connection->next = SESSION_ENDS;
        return;
    }
    connection->peer.is_tls = true;
    connection->peer.tls_version = SLICE("TLSv1.3");
    connection->peer.tls_cipher = SLICE("TLS_AES_256_GCM_SHA384");
    connection->next = protocol->on_tls(connection->session);
}

/* One step of one connection; false when it can only wait. */
static bool step(struct line_connection *connection)
{
    const struct protocol *protocol = connection->player->stage->protocol;
    bool woken = connection->woken;

    connection->woken = false;
    take_output(connection);
    switch (connection->next) {
    case SESSION_READS:
        return feed_line(connection, protocol) || woken;
    case SESSION_READS_OCTETS:
        return feed_octets(connection, protocol) || woken;
    case SESSION_WRITES:
        connection->next = protocol->on_drained(connection->session);
        return true;
    case SESSION_STARTS_TLS:
        start_tls(connection, protocol);
        return true;
    case SESSION_WAITS:
    case SESSION_ENDS:
        break;
    }
    return woken;
}

/* Lets everybody go on until all wait for the client. */
static void settle(struct player *player)
{
    size_t steps = 0;
    bool progress = true;

    while (progress) {
        progress = false;
        for (size_t i = 0; i < CONNECTION_COUNT_MAX; i++) {
            struct line_connection *connection = &player->connections[i];

            while (connection->session != NULL && step(connection)) {
                progress = true;
                if (steps++ > STEPS_MAX) {
                    fail_line(player, "the session goes on for ever");
                }
            }
        }
        if (player->stage->turn != NULL && player->stage->turn(player->stage->context)) {
            progress = true;
        }
    }
    for (size_t i = 0; i < CONNECTION_COUNT_MAX; i++) {
        if (player->connections[i].session != NULL) {
            take_output(&player->connections[i]);
        }
    }
}

/* ---- The lines of the dialogue ---- */

static struct line_connection *connection_of(struct player *player, size_t number)
{
    struct line_connection *connection = &player->connections[number];

    if (!connection->open) {
        open_connection(player, connection);
        settle(player);
    }
    return connection;
}

static void client_says(struct player *player, struct line_connection *connection,
                        struct slice text, bool with_line_end)
{
    if (connection->session == NULL || connection->next == SESSION_ENDS) {
        fail_line(player, "the server has closed the connection");
    }
    if (!dialogue_expand(&player->names, text, &connection->input)) {
        fail_line(player, "a $(name) that nothing was kept under");
    }
    if (with_line_end) {
        buffer_append(&connection->input, SLICE("\r\n"));
    }
    settle(player);
}

/* Takes the next line heard. */
static bool hear(struct line_connection *connection, struct buffer *line)
{
    struct slice heard = buffer_view(&connection->heard);
    size_t line_size = find_line_end(heard);

    if (line_size == heard.size) {
        return false;
    }
    buffer_clear(line);
    buffer_append(line, slice_prefix(heard, line_size));
    buffer_consume(&connection->heard, line_size + 2);
    return true;
}

static void server_says(struct player *player, struct line_connection *connection,
                        struct slice pattern, bool after_others)
{
    struct buffer line;
    bool found = false;
    bool heard_any = false;

    buffer_init(&line, HEARD_SIZE_MAX);
    while (!found && (!heard_any || after_others) && hear(connection, &line)) {
        heard_any = true;
        found = dialogue_matches(&player->names, pattern, buffer_view(&line));
    }
    if (!found) {
        struct slice said = heard_any ? buffer_view(&line) : buffer_view(&connection->heard);

        print_error("%s:%u: expected '%.*s'\n  %s '%.*s'\n", player->name, player->line_number,
                    (int)pattern.size, pattern.data, heard_any ? "heard" : "heard no line, only",
                    (int)slice_prefix(said, 2000).size, said.data);
        fail_line(player, "the server said something else");
    }
    buffer_done(&line);
}

static void play_text(struct player *player, struct slice text);

static void play_file(struct player *player, const char *path)
{
    struct buffer content;
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        print_error("%s\n", path);
        fail_line(player, "no such file");
    }
    buffer_init(&content, FILE_SIZE_MAX);
    buffer_grew(&content, fread(buffer_reserve(&content, FILE_SIZE_MAX), 1, FILE_SIZE_MAX, file));
    fclose(file);
    play_text(player, buffer_view(&content));
    buffer_done(&content);
}

static void include(struct player *player, struct slice file_name)
{
    char path[256];
    const char *name = player->name;
    unsigned line_number = player->line_number;

    snprintf(path, sizeof(path), "%s/%.*s",
             player->stage->folder != NULL ? player->stage->folder : ".", (int)file_name.size,
             file_name.data);
    player->name = path;
    play_file(player, path);
    player->name = name;
    player->line_number = line_number;
}

static void direct(struct player *player, struct slice words)
{
    struct slice rest = words;
    struct slice verb = slice_cut(&rest, ' ');
    struct slice object = slice_trim(rest);
    uint64_t number = 1;

    if (slice_is(verb, "include")) {
        include(player, object);
        return;
    }
    if (slice_is(verb, "tls")) {
        player->begins_with_tls = true;
        return;
    }
    if (slice_is(verb, "remote")) {
        player->remote = true;
        return;
    }
    if (object.size > 0 && number_parse(object, CONNECTION_COUNT_MAX - 1, &number) != STATUS_OK) {
        number = 0;
    }
    struct line_connection *connection = &player->connections[number];

    if (slice_is(verb, "close")) {
        close_connection(connection);
        buffer_done(&connection->heard);
        connection->open = false;
    } else if (slice_is(verb, "ended")) {
        if (connection->next != SESSION_ENDS || connection->heard.size > 0) {
            fail_line(player, "the connection has not ended");
        }
    } else if (slice_is(verb, "timeout")) {
        player->stage->protocol->on_timeout(connection->session);
        connection->next = SESSION_ENDS;
    } else if (slice_is(verb, "stop")) {
        player->stage->protocol->on_stop(connection->session);
        connection->next = SESSION_ENDS;
    } else if (player->stage->direct == NULL ||
               !player->stage->direct(player->stage->context, words)) {
        fail_line(player, "unknown direction");
    }
    settle(player);
}

static void play_line(struct player *player, struct slice line, bool *after_others)
{
    struct slice rest = line;
    struct slice speaker = slice_cut(&rest, ' ');
    size_t number = 1;

    if (slice_equals(speaker, SLICE("!"))) {
        direct(player, rest);
        return;
    }
    if (speaker.size == 3 && speaker.data[1] >= '1' && speaker.data[1] <= '9') {
        number = (size_t)(speaker.data[1] - '0');
    } else if (speaker.size != 2) {
        fail_line(player, "neither C: nor S: nor !");
    }
    char who = speaker.data[0];
    char mark = speaker.data[speaker.size - 1];
    struct line_connection *connection = connection_of(player, number);

    if (who == 'S' && mark == ':') {
        if (slice_equals(rest, SLICE("..."))) {
            *after_others = true;
            return;
        }
        server_says(player, connection, rest, *after_others);
        *after_others = false;
    } else if (who == 'C' && (mark == ':' || mark == '-')) {
        client_says(player, connection, rest, mark == ':');
    } else {
        fail_line(player, "neither C: nor S: nor !");
    }
}

static void play_text(struct player *player, struct slice text)
{
    bool after_others = false;

    player->line_number = 0;
    while (text.size > 0) {
        struct slice line = slice_cut(&text, '\n');

        player->line_number++;
        while (line.size > 0 && line.data[0] == ' ') {
            line = slice_skip(line, 1);
        }
        if (line.size > 0 && line.data[0] != '#') {
            play_line(player, line, &after_others);
        }
    }
}

static void begin(struct player *player, const struct dialogue_stage *stage, const char *name)
{
    *player = (struct player){.stage = stage, .name = name, .remote = stage->remote};
    dialogue_names_init(&player->names);
}

static void end(struct player *player)
{
    for (size_t i = 0; i < CONNECTION_COUNT_MAX; i++) {
        struct line_connection *connection = &player->connections[i];

        if (connection->open && connection->heard.size > 0) {
            print_error("connection %zu: unheard: '%.*s'\n", i,
                        (int)slice_prefix(buffer_view(&connection->heard), 2000).size,
                        connection->heard.data);
            fail_line(player, "the dialogue ends with something unheard");
        }
        close_connection(connection);
        buffer_done(&connection->heard);
    }
    dialogue_names_done(&player->names);
}

void dialogue_play(const struct dialogue_stage *stage, const char *name, struct slice dialogue)
{
    struct player player;

    begin(&player, stage, name);
    play_text(&player, dialogue);
    end(&player);
}

void dialogue_play_file(const struct dialogue_stage *stage, const char *path)
{
    struct player player;
    char place[256];

    begin(&player, stage, path);
    snprintf(place, sizeof(place), "tests/transcripts/%s", path);
    play_file(&player, place);
    end(&player);
}
