/* Plays every file of tests/transcripts/imap against sessions over a fake storage. */
#include <glob.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/memory.h"
#include "core/number.h"
#include "frontend/imap/imap_session.h"
#include "tests/fakes/fake_authenticator.h"
#include "tests/fakes/fake_mail_store.h"
#include "tests/fakes/fake_queue.h"
#include "tests/unit/dialogue.h"
#include "tests/unit/unit.h"

static const struct fake_user users[] = {
    {"ann@example.org", "secret", {FAKE_SHARD, FAKE_ANN}},
    {"bob@example.org", "secret", {FAKE_SHARD, FAKE_BOB}},
};

struct scene {
    struct router *store;
    struct authenticator authenticator;
    struct imap_service service;
};

static bool turn(void *context)
{
    return fake_queue_turn();
}

static enum status status_named(struct slice name)
{
    static const struct {
        const char *name;
        enum status status;
    } names[] = {
        {"unavailable", STATUS_UNAVAILABLE}, {"over_quota", STATUS_OVER_QUOTA},
        {"corrupt", STATUS_CORRUPT},         {"not_found", STATUS_NOT_FOUND},
        {"too_large", STATUS_TOO_LARGE},     {"suspended", STATUS_SUSPENDED},
        {"no_space", STATUS_NO_SPACE},
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (slice_is(name, names[i].name)) {
            return names[i].status;
        }
    }
    fail_msg("no such status");
    return STATUS_OK;
}

static const char *kind_named(struct slice name)
{
    static const char *const kinds[] = {"list",  "create",  "rename", "delete",  "subscribe",
                                        "open",  "recent",  "rows",   "changes", "body",
                                        "store", "expunge", "copy",   "deliver", "ingest"};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (slice_is(name, kinds[i])) {
            return kinds[i];
        }
    }
    fail_msg("no such kind of call");
    return NULL;
}

static uint64_t take_number(struct slice *words)
{
    uint64_t number = 0;

    assert_int_equal(number_parse(slice_cut(words, ' '), UINT32_MAX, &number), STATUS_OK);
    return number;
}

/* "! put COUNT FLAGS": small messages into ann's INBOX. */
static void put_messages(struct router *store, struct slice words)
{
    uint64_t count = take_number(&words);
    uint64_t flags = take_number(&words);

    for (uint64_t i = 1; i <= count; i++) {
        char text[200];

        snprintf(text, sizeof(text),
                 "From: put@example.org\r\nSubject: number %u\r\n\r\nbody %u\r\n", (unsigned)i,
                 (unsigned)i);
        fake_mail_store_put(store, FAKE_ANN, "INBOX", slice_of(text), (uint32_t)flags);
    }
}

/* "! fail KIND STATUS COUNT", "! login STATUS", "! batch ROWS", "! quota MESSAGES", "! expire". */
static bool direct(void *context, struct slice words)
{
    struct scene *scene = context;
    struct slice verb = slice_cut(&words, ' ');

    if (slice_is(verb, "fail")) {
        const char *kind = kind_named(slice_cut(&words, ' '));
        enum status status = status_named(slice_cut(&words, ' '));

        fake_mail_store_fail(scene->store, kind, status, take_number(&words));
    } else if (slice_is(verb, "login")) {
        scene->authenticator.fails = status_named(words);
    } else if (slice_is(verb, "batch")) {
        fake_mail_store_set_rows_max(scene->store, take_number(&words));
    } else if (slice_is(verb, "quota")) {
        fake_mail_store_set_quota(scene->store, FAKE_ANN, take_number(&words));
    } else if (slice_is(verb, "count")) {
        assert_int_equal(fake_mail_store_count(scene->store, FAKE_ANN), take_number(&words));
    } else if (slice_is(verb, "put")) {
        put_messages(scene->store, words);
    } else if (slice_is(verb, "expire")) {
        fake_mail_store_expire_changes(scene->store, FAKE_ANN);
    } else if (slice_is(verb, "clear-login")) {
        scene->service.clear_login_on_loopback = slice_is(words, "yes");
    } else {
        return false;
    }
    return true;
}

static uint64_t noon(void)
{
    return 1795435200000; /* 2026-11-23T12:00:00Z */
}

static void play(void **state)
{
    const char *path = *state;
    struct scene scene = {
        .store = fake_mail_store_new(),
        .authenticator = {.users = users, .user_count = COUNT_OF(users)},
    };
    struct protocol protocol;
    struct dialogue_stage stage = {
        .protocol = &protocol,
        .context = &scene,
        .turn = turn,
        .direct = direct,
        .folder = "tests/transcripts/imap",
    };

    scene.service = (struct imap_service){
        .router = scene.store,
        .authenticator = &scene.authenticator,
        .spool_folder = "/tmp",
        .append_size_max = 4 * 1024 * 1024,
        .login_timeout_ms = 60 * 1000,
        .idle_timeout_ms = 30 * 60 * 1000,
        .offers_tls = true,
        .clear_login_on_loopback = true,
    };
    protocol = imap_protocol(&scene.service);
    clock_replace(noon);
    dialogue_play_file(&stage, path);
    clock_replace(NULL);
    fake_mail_store_free(scene.store);
}

int main(int argc, char **argv)
{
    glob_t files;

    if (glob(argc > 1 ? argv[1] : "tests/transcripts/imap/*.txt", 0, NULL, &files) != 0) {
        return 1;
    }
    struct CMUnitTest *tests = memory_zeroed(files.gl_pathc * sizeof(*tests));
    size_t count = 0;

    for (size_t i = 0; i < files.gl_pathc; i++) {
        /* What others include is no dialogue of its own. */
        if (strstr(files.gl_pathv[i], "/with_") == NULL) {
            tests[count++] = (struct CMUnitTest){
                .name = files.gl_pathv[i],
                .test_func = play,
                .initial_state = files.gl_pathv[i] + strlen("tests/transcripts/"),
            };
        }
    }
    int failed = _cmocka_run_group_tests("imap_transcripts", tests, count, NULL, NULL);

    memory_free(tests);
    globfree(&files);
    return failed;
}
