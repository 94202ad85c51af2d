#include "tests/fakes/transcript_scene.h"

#include <glob.h>
#include <stdio.h>

#include "core/macros.h"
#include "core/memory.h"
#include "core/number.h"
#include "tests/fakes/fake_queue.h"
#include "tests/unit/unit.h"

static const struct fake_user users[] = {
    {"ann@example.org", "secret", {FAKE_SHARD, FAKE_ANN}},
    {"bob@example.org", "secret", {FAKE_SHARD, FAKE_BOB}},
};

void transcript_scene_init(struct transcript_scene *scene)
{
    *scene = (struct transcript_scene){
        .store = fake_mail_store_new(),
        .authenticator = {.users = users, .user_count = COUNT_OF(users)},
    };
}

void transcript_scene_done(struct transcript_scene *scene)
{
    assert_false(fake_queue_turn()); /* a session leaves nothing in flight */
    fake_mail_store_free(scene->store);
}

static bool turn(void *context)
{
    return fake_queue_turn();
}

static enum status status_named(struct slice name)
{
    static const struct {
        const char *name;
        enum status status;
    } statuses[] = {
        {"ok", STATUS_OK},
        {"unavailable", STATUS_UNAVAILABLE},
        {"over_quota", STATUS_OVER_QUOTA},
        {"corrupt", STATUS_CORRUPT},
        {"not_found", STATUS_NOT_FOUND},
        {"too_large", STATUS_TOO_LARGE},
        {"suspended", STATUS_SUSPENDED},
        {"no_space", STATUS_NO_SPACE},
        {"timed_out", STATUS_TIMED_OUT},
        {"busy", STATUS_BUSY},
    };

    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        if (slice_is(name, statuses[i].name)) {
            return statuses[i].status;
        }
    }
    fail_msg("no such status");
    return STATUS_OK;
}

static const char *kind_named(struct slice name)
{
    static const char *const kinds[] = {"resolve", "sender", "ingest", "deliver",
                                        "open",    "rows",   "body",   "expunge"};

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

/* Small messages with a dot at the beginning of a line. */
static void put_messages(struct router *store, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        char text[100];

        snprintf(text, sizeof(text), "Subject: %u\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n",
                 (unsigned)i);
        fake_mail_store_put(store, FAKE_ANN, "INBOX", slice_of(text), 0);
    }
}

static bool direct(void *context, struct slice words)
{
    struct transcript_scene *scene = context;
    struct slice verb = slice_cut(&words, ' ');

    if (slice_is(verb, "fail")) {
        const char *kind = kind_named(slice_cut(&words, ' '));
        enum status status = status_named(slice_cut(&words, ' '));

        fake_mail_store_fail(scene->store, kind, status, take_number(&words));
    } else if (slice_is(verb, "login")) {
        scene->authenticator.fails = status_named(words);
    } else if (slice_is(verb, "quota")) {
        fake_mail_store_set_quota(scene->store, FAKE_ANN, take_number(&words));
    } else if (slice_is(verb, "count")) {
        assert_int_equal(fake_mail_store_count(scene->store, FAKE_ANN), take_number(&words));
    } else if (slice_is(verb, "put")) {
        put_messages(scene->store, take_number(&words));
    } else {
        return false;
    }
    return true;
}

void transcript_scene_play(struct transcript_scene *scene, const struct protocol *protocol,
                           const char *path)
{
    struct dialogue_stage stage = {
        .protocol = protocol,
        .context = scene,
        .turn = turn,
        .direct = direct,
    };

    dialogue_play_file(&stage, path);
}

int transcript_scene_main(const char *group, const char *pattern, void (*play)(void **state))
{
    glob_t files;

    if (glob(pattern, 0, NULL, &files) != 0) {
        return 1;
    }
    struct CMUnitTest *tests = memory_zeroed(files.gl_pathc * sizeof(*tests));

    for (size_t i = 0; i < files.gl_pathc; i++) {
        tests[i] = (struct CMUnitTest){
            .name = files.gl_pathv[i],
            .test_func = play,
            .initial_state = files.gl_pathv[i] + strlen("tests/transcripts/"),
        };
    }
    int failed = _cmocka_run_group_tests(group, tests, files.gl_pathc, NULL, NULL);

    memory_free(tests);
    globfree(&files);
    return failed;
}
