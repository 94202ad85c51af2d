/* Plays scenarios: text files of commands to a few replicas in memory, and what must come of them.
 *
 *     raft_scenario [--rewrite] FILE-OR-FOLDER...
 *
 * A file is blocks of commands, `----`, the expected output, an empty line. Lines that begin with #
 * are comments. --rewrite puts what came out in place of what was expected: to be read before it is
 * believed. Where a command takes messages, `A>B`, a kind and `first` choose among those on their
 * way; without any, all that are on their way now.
 *
 *   add-nodes IDS [learners=IDS] [blank=IDS] [priority=ID:N,...] [SETTINGS]   a group from nothing
 *   add-node ID [voters=IDS] [log=TERM,...] [term=N] [vote=ID] [SETTINGS]     one with a past
 *     SETTINGS: pre-vote=off check-quorum=off lease-reads=on window=MESSAGES window-bytes=N
 *               message=BYTES uncommitted=BYTES reads=N lag=ENTRIES generation=N disk=held
 *   campaign ID | propose ID TEXT [count=N] [size=BYTES] | read ID CONTEXT
 *   transfer ID TO | conf-change ID IDS [learners=IDS] [priority=ID:N,...]
 *   deliver|drop|duplicate [A>B] [KIND] [first]
 *   tick MS         time passes, nothing is delivered
 *   run MS          time passes, and everything is delivered every 50 ms
 *   stabilize       everything is delivered and persisted until nothing is left, in no time
 *   hold ID | release ID | persist ID [all]     a disk that waits for the scenario
 *   compact ID INDEX | crash ID [flushed=INDEX] | restart ID [generation=N]
 *   cut ID... | join ID...                      whose messages are lost
 *   lost ID PEER | unreachable ID PEER          what a node tells its replica of a connection
 *   snapshot ID ready PEER|failed PEER|fetched|installed|failed
 *   state [ID...] | log [ID...] | peers ID | messages
 *   quietly COMMAND...                          the same, without its trace
 *
 * A message reads `from>to kind term=...`; a position reads index/term; a replica reads id, L for a
 * learner, and while a change goes on * for one that votes before and after it, - for one that
 * votes only before it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/number.h"
#include "tests/unit/raft_group.h"

enum { WORDS_MAX = 24, FILE_SIZE_MAX = 1 << 20, OUTPUT_SIZE_MAX = 1 << 22 };

struct scenario {
    struct group group;
    struct buffer output;
    bool quiet;
};

struct words {
    struct slice items[WORDS_MAX];
    size_t count;
};

/* ---- words ---- */

static struct words split(struct slice line, char separator)
{
    struct words words = {.count = 0};

    while (line.size > 0 && words.count < WORDS_MAX) {
        struct slice word = slice_cut(&line, separator);

        if (word.size > 0) {
            words.items[words.count++] = word;
        }
    }
    return words;
}

static uint64_t number_of(struct slice text)
{
    uint64_t number = 0;

    if (number_parse(text, UINT64_MAX >> 1, &number) != STATUS_OK) {
        fprintf(stderr, "not a number: %.*s\n", (int)text.size, text.data);
        exit(2);
    }
    return number;
}

/* The value of `name=value` among the words; empty when there is none. */
static struct slice setting(const struct words *words, const char *name)
{
    for (size_t i = 0; i < words->count; i++) {
        struct slice value = words->items[i];
        struct slice key = slice_cut(&value, '=');

        if (slice_equals(key, slice_of(name))) {
            return value;
        }
    }
    return SLICE("");
}

static uint64_t number_setting(const struct words *words, const char *name, uint64_t otherwise)
{
    struct slice value = setting(words, name);

    return value.size == 0 ? otherwise : number_of(value);
}

static bool has_word(const struct words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++) {
        if (slice_equals(words->items[i], slice_of(word))) {
            return true;
        }
    }
    return false;
}

static struct slice word_at(const struct words *words, size_t index)
{
    return index < words->count ? words->items[index] : SLICE("");
}

static struct group_node *node_of(struct scenario *scenario, struct slice word)
{
    struct group_node *node = group_find(&scenario->group, number_of(word));

    if (node == NULL) {
        fprintf(stderr, "no such node: %.*s\n", (int)word.size, word.data);
        exit(2);
    }
    return node;
}

static void show_status(struct scenario *scenario, enum status status)
{
    if (status != STATUS_OK) {
        buffer_printf(&scenario->output, "refused: %s\n", status_text(status));
    }
}

/* ---- nodes ---- */

static void put_replicas(struct raft_configuration *configuration, struct slice ids, uint8_t parts)
{
    struct words words = split(ids, ',');

    for (size_t i = 0; i < words.count; i++) {
        struct raft_replica replica = {.id = number_of(words.items[i]), .parts = parts};

        CHECK(raft_configuration_put(configuration, replica) == STATUS_OK);
    }
}

static struct raft_configuration configuration_of(const struct words *words, struct slice voters)
{
    struct raft_configuration configuration = {0};
    struct words priorities = split(setting(words, "priority"), ',');

    put_replicas(&configuration, voters, RAFT_VOTER);
    put_replicas(&configuration, setting(words, "learners"), RAFT_LEARNER);
    for (size_t i = 0; i < priorities.count; i++) {
        struct slice rest = priorities.items[i];
        uint64_t id = number_of(slice_cut(&rest, ':'));
        struct raft_replica replica = *raft_configuration_find(&configuration, id);

        replica.priority = (uint8_t)number_of(rest);
        CHECK(raft_configuration_put(&configuration, replica) == STATUS_OK);
    }
    return configuration;
}

static struct raft_options options_of(const struct words *words, uint64_t id)
{
    return (struct raft_options){
        .id = id,
        .generation = number_setting(words, "generation", 1),
        .seed = id,
        .election_timeout_min_ms = 1000,
        .heartbeat_ms = 100,
        .inflight_messages_max = number_setting(words, "window", 0),
        .inflight_bytes_max = number_setting(words, "window-bytes", 0),
        .message_bytes_max = number_setting(words, "message", 0),
        .uncommitted_bytes_max = number_setting(words, "uncommitted", 0),
        .reads_max = number_setting(words, "reads", 0),
        .promote_lag_max = number_setting(words, "lag", 0),
        .pre_vote_off = slice_is(setting(words, "pre-vote"), "off"),
        .check_quorum_off = slice_is(setting(words, "check-quorum"), "off"),
        .lease_reads = slice_is(setting(words, "lease-reads"), "on"),
    };
}

static void add_one(struct scenario *scenario, const struct words *words, uint64_t id,
                    struct raft_hard_state hard_state, struct group_log disk)
{
    struct raft_options options = options_of(words, id);

    group_add(&scenario->group, &options, hard_state, disk)->holds_writes =
        slice_is(setting(words, "disk"), "held");
}

static void run_add_nodes(struct scenario *scenario, const struct words *words)
{
    struct raft_configuration configuration = configuration_of(words, word_at(words, 1));
    struct words blank = split(setting(words, "blank"), ',');

    for (size_t i = 0; i < configuration.count; i++) {
        add_one(scenario, words, configuration.replicas[i].id, (struct raft_hard_state){0},
                (struct group_log){.configuration = configuration});
    }
    for (size_t i = 0; i < blank.count; i++) {
        add_one(scenario, words, number_of(blank.items[i]), (struct raft_hard_state){0},
                (struct group_log){.count = 0});
    }
}

static void run_add_node(struct scenario *scenario, const struct words *words)
{
    struct words terms = split(setting(words, "log"), ',');
    struct group_log disk = {.configuration = configuration_of(words, setting(words, "voters"))};
    struct raft_hard_state hard_state = {.vote = number_setting(words, "vote", 0)};

    for (size_t i = 0; i < terms.count; i++) {
        struct group_entry entry = {.entry = {.index = i + 1,
                                              .term = number_of(terms.items[i]),
                                              .size = 4,
                                              .kind = RAFT_ENTRY_COMMAND}};

        snprintf(entry.text, sizeof(entry.text), "t%.*s", (int)terms.items[i].size,
                 terms.items[i].data);
        group_log_append(&disk, &entry);
        hard_state.term = entry.entry.term;
    }
    hard_state.term = number_setting(words, "term", hard_state.term);
    add_one(scenario, words, number_of(word_at(words, 1)), hard_state, disk);
}

/* ---- events ---- */

static void run_campaign(struct scenario *scenario, const struct words *words)
{
    show_status(scenario, group_step(&scenario->group, node_of(scenario, word_at(words, 1)),
                                     (struct raft_event){.kind = RAFT_CAMPAIGN}));
}

static void run_propose(struct scenario *scenario, const struct words *words)
{
    char text[GROUP_TEXT_SIZE];

    snprintf(text, sizeof(text), "%.*s", (int)word_at(words, 2).size, word_at(words, 2).data);
    show_status(scenario, group_propose(&scenario->group, node_of(scenario, word_at(words, 1)),
                                        text, number_setting(words, "count", 1),
                                        (uint32_t)number_setting(words, "size", 4)));
}

static void run_read(struct scenario *scenario, const struct words *words)
{
    show_status(scenario, group_step(&scenario->group, node_of(scenario, word_at(words, 1)),
                                     (struct raft_event){
                                         .kind = RAFT_READ,
                                         .read_context = number_of(word_at(words, 2)),
                                     }));
}

static void run_transfer(struct scenario *scenario, const struct words *words)
{
    show_status(scenario, group_step(&scenario->group, node_of(scenario, word_at(words, 1)),
                                     (struct raft_event){
                                         .kind = RAFT_TRANSFER,
                                         .peer = number_of(word_at(words, 2)),
                                     }));
}

static void run_conf_change(struct scenario *scenario, const struct words *words)
{
    struct raft_configuration wished = configuration_of(words, word_at(words, 2));

    show_status(scenario, group_step(&scenario->group, node_of(scenario, word_at(words, 1)),
                                     (struct raft_event){
                                         .kind = RAFT_CONFIGURATION_PROPOSED,
                                         .configuration = &wished,
                                     }));
}

static void run_lost(struct scenario *scenario, const struct words *words)
{
    enum raft_event_kind kind =
        slice_is(word_at(words, 0), "lost") ? RAFT_PEER_LOST : RAFT_PEER_UNREACHABLE;

    show_status(scenario, group_step(&scenario->group, node_of(scenario, word_at(words, 1)),
                                     (struct raft_event){
                                         .kind = kind,
                                         .peer = number_of(word_at(words, 2)),
                                     }));
}

/* ---- messages ---- */

static bool matches(const struct words *words, const struct raft_message *message)
{
    for (size_t i = 1; i < words->count; i++) {
        struct slice to = words->items[i];
        struct slice from = slice_cut(&to, '>');

        if (slice_is(words->items[i], "first")) {
            continue;
        }
        if (from.size < words->items[i].size) {
            if ((from.size > 0 && number_of(from) != message->from) ||
                (to.size > 0 && number_of(to) != message->to)) {
                return false;
            }
        } else if (!slice_equals(words->items[i],
                                 slice_of(raft_message_kind_text(message->kind)))) {
            return false;
        }
    }
    return true;
}

/* What is sent because of these messages is not among them. */
static void run_messages(struct scenario *scenario, const struct words *words,
                         void (*act)(struct group *group, size_t index), bool stays)
{
    struct group *group = &scenario->group;
    bool first_only = has_word(words, "first");
    size_t index = 0;

    for (size_t rest = group->messages.count; rest > 0; rest--) {
        if (!matches(words, &group->messages.items[index]->message)) {
            index++;
            continue;
        }
        act(group, index);
        index += stays;
        if (first_only) {
            return;
        }
    }
}

static void run_deliver(struct scenario *scenario, const struct words *words)
{
    run_messages(scenario, words, group_deliver, false);
}

static void run_drop(struct scenario *scenario, const struct words *words)
{
    run_messages(scenario, words, group_drop, false);
}

static void run_duplicate(struct scenario *scenario, const struct words *words)
{
    run_messages(scenario, words, group_duplicate, true);
}

static void run_show_messages(struct scenario *scenario, const struct words *words)
{
    for (size_t i = 0; i < scenario->group.messages.count; i++) {
        group_print_message(&scenario->output, &scenario->group.messages.items[i]->message);
    }
}

/* ---- time and disks ---- */

static void run_tick(struct scenario *scenario, const struct words *words)
{
    group_advance(&scenario->group, number_of(word_at(words, 1)));
}

static void run_run(struct scenario *scenario, const struct words *words)
{
    uint64_t ms = number_of(word_at(words, 1));

    for (uint64_t at = 0; at < ms; at += 50) {
        group_stabilize(&scenario->group);
        group_advance(&scenario->group, 50);
    }
    group_stabilize(&scenario->group);
}

static void run_stabilize(struct scenario *scenario, const struct words *words)
{
    group_stabilize(&scenario->group);
}

static void run_hold(struct scenario *scenario, const struct words *words)
{
    struct group_node *node = node_of(scenario, word_at(words, 1));

    node->holds_writes = slice_is(word_at(words, 0), "hold");
    while (!node->holds_writes && group_persist(&scenario->group, node)) {
    }
}

static void run_persist(struct scenario *scenario, const struct words *words)
{
    struct group_node *node = node_of(scenario, word_at(words, 1));

    while (group_persist(&scenario->group, node) && has_word(words, "all")) {
    }
}

static void run_compact(struct scenario *scenario, const struct words *words)
{
    show_status(scenario, group_compact(&scenario->group, node_of(scenario, word_at(words, 1)),
                                        number_of(word_at(words, 2))));
}

static void run_crash(struct scenario *scenario, const struct words *words)
{
    group_crash(&scenario->group, node_of(scenario, word_at(words, 1)),
                number_setting(words, "flushed", 0));
}

static void run_restart(struct scenario *scenario, const struct words *words)
{
    struct group_node *node = node_of(scenario, word_at(words, 1));

    node->options.generation = number_setting(words, "generation", node->options.generation);
    group_restart(&scenario->group, node);
}

static void run_cut(struct scenario *scenario, const struct words *words)
{
    for (size_t i = 1; i < words->count; i++) {
        node_of(scenario, words->items[i])->cut_off = slice_is(word_at(words, 0), "cut");
    }
}

static void run_snapshot(struct scenario *scenario, const struct words *words)
{
    struct group *group = &scenario->group;
    struct group_node *node = node_of(scenario, word_at(words, 1));
    struct slice act = word_at(words, 2);
    uint64_t peer = words->count > 3 ? number_of(words->items[3]) : 0;
    enum status status;

    if (slice_is(act, "ready")) {
        status = group_snapshot_ready(group, node, peer);
    } else if (slice_is(act, "fetched")) {
        status = group_snapshot_fetched(group, node);
    } else if (slice_is(act, "installed")) {
        status = group_snapshot_installed(group, node);
    } else {
        status = group_step(group, node,
                            (struct raft_event){.kind = RAFT_SNAPSHOT_FAILED, .peer = peer});
    }
    show_status(scenario, status);
}

/* ---- what is there ---- */

static void for_nodes(struct scenario *scenario, const struct words *words,
                      void (*show)(struct group *group, struct group_node *node,
                                   struct buffer *output))
{
    for (size_t i = 0; i < scenario->group.node_count; i++) {
        struct group_node *node = &scenario->group.nodes[i];
        bool asked = words->count == 1;

        for (size_t j = 1; j < words->count; j++) {
            asked = asked || number_of(words->items[j]) == node->id;
        }
        if (asked) {
            show(&scenario->group, node, &scenario->output);
        }
    }
}

static void run_state(struct scenario *scenario, const struct words *words)
{
    for_nodes(scenario, words, group_print_state);
}

static void print_log(struct group *group, struct group_node *node, struct buffer *output)
{
    buffer_printf(output, "%llu:", (unsigned long long)node->id);
    if (node->memory.compacted.index > 0) {
        buffer_printf(output, " [%llu/%llu]", (unsigned long long)node->memory.compacted.index,
                      (unsigned long long)node->memory.compacted.term);
    }
    for (size_t i = 0; i < node->memory.count; i++) {
        const struct group_entry *entry = &node->memory.entries[i];

        buffer_printf(output, " %llu/%llu", (unsigned long long)entry->entry.index,
                      (unsigned long long)entry->entry.term);
        if (entry->entry.kind == RAFT_ENTRY_CONFIGURATION) {
            buffer_printf(output, "=");
            group_print_configuration(output, &entry->configuration);
        } else if (entry->text[0] != '\0') {
            buffer_printf(output, "=%s", entry->text);
        }
    }
    buffer_printf(output, "\n");
}

static void run_log(struct scenario *scenario, const struct words *words)
{
    for_nodes(scenario, words, print_log);
}

static void run_peers(struct scenario *scenario, const struct words *words)
{
    static const char *const modes[] = {"probe", "replicate", "snapshot"};
    struct group_node *node = node_of(scenario, word_at(words, 1));
    struct raft_state state = raft_state(node->raft);

    for (size_t i = 0; i < state.configuration->count; i++) {
        uint64_t id = state.configuration->replicas[i].id;
        struct raft_peer peer;

        if (id == node->id) {
            continue;
        }
        if (raft_peer(node->raft, id, &peer) != STATUS_OK) {
            buffer_printf(&scenario->output, "%llu does not lead\n", (unsigned long long)node->id);
            return;
        }
        buffer_printf(&scenario->output, "%llu %s match=%llu next=%llu inflight=%zu/%zu%s\n",
                      (unsigned long long)id, modes[peer.mode], (unsigned long long)peer.match,
                      (unsigned long long)peer.next, peer.inflight_messages, peer.inflight_bytes,
                      peer.active ? "" : " inactive");
    }
}

/* ---- files ---- */

static const struct command {
    const char *name;
    void (*run)(struct scenario *scenario, const struct words *words);
} commands[] = {
    {"add-nodes", run_add_nodes},
    {"add-node", run_add_node},
    {"campaign", run_campaign},
    {"propose", run_propose},
    {"read", run_read},
    {"transfer", run_transfer},
    {"conf-change", run_conf_change},
    {"lost", run_lost},
    {"unreachable", run_lost},
    {"deliver", run_deliver},
    {"drop", run_drop},
    {"duplicate", run_duplicate},
    {"messages", run_show_messages},
    {"tick", run_tick},
    {"run", run_run},
    {"stabilize", run_stabilize},
    {"hold", run_hold},
    {"release", run_hold},
    {"persist", run_persist},
    {"compact", run_compact},
    {"crash", run_crash},
    {"restart", run_restart},
    {"cut", run_cut},
    {"join", run_cut},
    {"snapshot", run_snapshot},
    {"state", run_state},
    {"log", run_log},
    {"peers", run_peers},
};

static void run_command(struct scenario *scenario, struct slice line)
{
    struct slice rest = line;
    bool quiet = slice_is(slice_cut(&rest, ' '), "quietly");
    struct words words = split(quiet ? rest : line, ' ');

    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (slice_equals(word_at(&words, 0), slice_of(commands[i].name))) {
            scenario->group.trace = quiet ? NULL : &scenario->output;
            commands[i].run(scenario, &words);
            return;
        }
    }
    fprintf(stderr, "no such command: %.*s\n", (int)line.size, line.data);
    exit(2);
}

/* The next line of `rest`, without its end. */
static struct slice next_line(struct slice *rest)
{
    return slice_cut(rest, '\n');
}

static struct slice take_expected(struct slice *rest)
{
    struct slice all = *rest;

    while (rest->size > 0 && rest->data[0] != '\n') {
        next_line(rest);
    }
    return slice_prefix(all, (size_t)(rest->data - all.data));
}

static void finish_block(struct scenario *scenario)
{
    group_check_logs(&scenario->group);
    if (scenario->group.broken != NULL) {
        buffer_printf(&scenario->output, "BROKEN: %s\n", scenario->group.broken);
    }
    if (scenario->output.size == 0) {
        buffer_printf(&scenario->output, "ok\n");
    }
}

static size_t compare_block(const char *path, struct slice command, struct slice expected,
                            struct slice actual)
{
    if (slice_equals(expected, actual)) {
        return 0;
    }
    printf("%s: after `%.*s`\nexpected:\n%.*sactual:\n%.*s\n", path, (int)command.size,
           command.data, (int)expected.size, expected.data, (int)actual.size, actual.data);
    return 1;
}

/* Plays the text, and writes it with what came out to `rewritten`. Returns how many blocks differ.
 */
static size_t play(const char *path, struct slice text, struct buffer *rewritten)
{
    struct scenario scenario;
    struct slice command = {0};
    size_t faults = 0;

    buffer_init(&scenario.output, OUTPUT_SIZE_MAX);
    group_init(&scenario.group, &scenario.output);
    while (text.size > 0) {
        struct slice line = next_line(&text);

        buffer_append(rewritten, line);
        buffer_append_octet(rewritten, '\n');
        if (slice_equals(line, SLICE("----"))) {
            struct slice expected = take_expected(&text);

            finish_block(&scenario);
            buffer_append(rewritten, buffer_view(&scenario.output));
            faults += compare_block(path, command, expected, buffer_view(&scenario.output));
            buffer_clear(&scenario.output);
        } else if (line.size > 0 && line.data[0] != '#') {
            command = line;
            run_command(&scenario, line);
        }
    }
    group_done(&scenario.group);
    buffer_done(&scenario.output);
    return faults;
}

static size_t play_file(const char *path, bool rewrites)
{
    char *text = memory_zeroed(FILE_SIZE_MAX);
    FILE *file = fopen(path, "r");
    struct buffer rewritten;
    size_t size;
    size_t faults;

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    size = fread(text, 1, FILE_SIZE_MAX, file);
    fclose(file);
    buffer_init(&rewritten, OUTPUT_SIZE_MAX);
    faults = play(path, (struct slice){text, size}, &rewritten);
    if (rewrites && faults > 0) {
        file = fopen(path, "w");
        CHECK(file != NULL && fwrite(rewritten.data, 1, rewritten.size, file) == rewritten.size);
        fclose(file);
        printf("%s: %zu blocks rewritten\n", path, faults);
        faults = 0;
    }
    buffer_done(&rewritten);
    memory_free(text);
    return faults;
}

static int is_text(const struct dirent *entry)
{
    return slice_ends_with(slice_of(entry->d_name), SLICE(".txt"));
}

static size_t play_folder(const char *path, bool rewrites)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_text, alphasort);
    size_t faults = 0;

    if (count < 0) {
        return play_file(path, rewrites);
    }
    for (int i = 0; i < count; i++) {
        char name[4096];

        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        faults += play_file(name, rewrites);
        memory_free(entries[i]);
    }
    memory_free(entries);
    printf("%s: %d scenarios\n", path, count);
    return faults + (count == 0);
}

int main(int count, char **arguments)
{
    bool rewrites = count > 1 && slice_equals(slice_of(arguments[1]), SLICE("--rewrite"));
    size_t faults = 0;

    if (count < (rewrites ? 3 : 2)) {
        fprintf(stderr, "usage: raft_scenario [--rewrite] FILE-OR-FOLDER...\n");
        return 2;
    }
    for (int i = rewrites ? 2 : 1; i < count; i++) {
        faults += play_folder(arguments[i], rewrites);
    }
    return faults == 0 ? 0 : 1;
}
