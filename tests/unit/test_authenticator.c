/* Whom the authenticator lets in, over a fake directory and real workers. */
#include "frontend/auth/authenticator.h"
#include "frontend/auth/password.h"
#include "tests/fakes/fake_accounts.h"
#include "tests/unit/unit.h"

static struct buffer secret; /* credentials, hashed once */
static struct buffer other;

struct scene {
    struct router router;
    struct auth_shared *shared;
    struct authenticator *authenticator;
    struct auth_call call;
    enum status status;
    bool answered;
    struct account_place place;
};

static const struct session_peer peer = {.address = {"192.0.2.1", 9}};

static void begin(struct scene *scene, size_t hash_queue_max)
{
    struct auth_options options = {
        .hash_threads = 1,
        .hash_queue_max = hash_queue_max,
        .cache_ms = 60 * 1000,
        .cache_count_max = 10,
        .default_domain = SLICE("example.org"),
    };

    *scene = (struct scene){
        .router = {.loop = loop_new("test"), .credential = buffer_view(&secret)},
        .shared = auth_shared_new(&options),
    };
    scene->authenticator = authenticator_new(scene->shared, &scene->router);
}

static void end(struct scene *scene)
{
    authenticator_free(scene->authenticator);
    auth_shared_free(scene->shared);
    loop_free(scene->router.loop);
}

static void on_done(struct auth_call *call, enum status status, const struct authenticated *who)
{
    struct scene *scene = CONTAINER_OF(call, struct scene, call);

    assert_false(scene->answered);
    assert_int_equal(who != NULL, status == STATUS_OK);
    scene->answered = true;
    scene->status = status;
    if (who != NULL) {
        scene->place = who->place;
        assert_slice_equals(who->address, "ann@example.org");
    }
    loop_stop(scene->router.loop);
}

/* On a loop of its own, since none runs twice. */
static enum status check(struct scene *scene, const char *user, const char *password)
{
    loop_free(scene->router.loop);
    scene->router.loop = loop_new("test");
    scene->answered = false;
    authenticator_check(scene->authenticator, &scene->call, slice_of(user), slice_of(password),
                        &peer, on_done);
    assert_false(scene->answered);
    loop_run(scene->router.loop);
    assert_true(scene->answered);
    return scene->status;
}

static void the_right_pair_alone_gets_in(void **state)
{
    struct scene scene;

    begin(&scene, 10);
    assert_int_equal(check(&scene, "ann@example.org", "secret"), STATUS_OK);
    assert_int_equal(scene.place.shard, 3);
    assert_int_equal(scene.place.account, 7);
    assert_int_equal(check(&scene, "ANN@Example.ORG", "secret"), STATUS_OK);
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_OK);
    assert_int_equal(check(&scene, "ann@example.org", "Secret"), STATUS_DENIED);
    assert_int_equal(check(&scene, "info@example.org", "secret"), STATUS_DENIED);
    assert_int_equal(check(&scene, "bob@example.org", "secret"), STATUS_DENIED);
    end(&scene);
}

static void a_name_that_is_no_address_is_nobodys(void **state)
{
    struct scene scene;

    begin(&scene, 10);
    assert_int_equal(check(&scene, "a b@@", ""), STATUS_DENIED);
    end(&scene);
}

static void a_changed_credential_counts_at_once(void **state)
{
    struct scene scene;

    begin(&scene, 10);
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_OK);
    scene.router.credential = buffer_view(&other);
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_DENIED);
    assert_int_equal(check(&scene, "ann", "other"), STATUS_OK);
    end(&scene);
}

static void a_suspended_account_tells_who_knows_the_password(void **state)
{
    struct scene scene;

    begin(&scene, 10);
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_OK);
    scene.router.suspended = true;
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_SUSPENDED); /* from the cache, too */
    assert_int_equal(check(&scene, "ann", "wrong"), STATUS_DENIED);
    end(&scene);
}

static void storage_that_fails_lets_nobody_in(void **state)
{
    struct scene scene;

    begin(&scene, 10);
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_OK);
    scene.router.account_status = STATUS_TIMED_OUT;
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_TIMED_OUT);
    scene.router.account_status = STATUS_NOT_FOUND;
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_DENIED);
    scene.router.directory_status = STATUS_UNAVAILABLE;
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_UNAVAILABLE);
    end(&scene);
}

static void a_cancelled_check_does_not_answer(void **state)
{
    struct scene scene;

    begin(&scene, 10);
    authenticator_check(scene.authenticator, &scene.call, SLICE("ann"), SLICE("secret"), &peer,
                        on_done);
    auth_call_cancel(&scene.call);
    auth_call_cancel(&scene.call);
    assert_int_equal(check(&scene, "ann", "secret"), STATUS_OK);
    end(&scene);
}

struct stop_later {
    struct loop_timer timer;
    size_t turns;
};

static void count_turns(struct loop_timer *timer)
{
    struct stop_later *later = CONTAINER_OF(timer, struct stop_later, timer);

    if (--later->turns == 0) {
        loop_stop(timer->loop);
    } else {
        loop_timer_start(timer, 0);
    }
}

/* Few turns bring the check to the worker, whose answer comes after everything else is gone. */
static void a_worker_may_answer_after_the_authenticator_is_gone(void **state)
{
    struct scene scene;
    struct stop_later later = {.turns = 8};

    begin(&scene, 10);
    authenticator_check(scene.authenticator, &scene.call, SLICE("ann"), SLICE("secret"), &peer,
                        on_done);
    loop_timer_init(&later.timer, scene.router.loop, count_turns);
    loop_timer_start(&later.timer, 0);
    loop_run(scene.router.loop);
    auth_call_cancel(&scene.call);
    end(&scene);
}

static int hash_passwords(void **state)
{
    buffer_init(&secret, CREDENTIAL_SIZE_MAX);
    buffer_init(&other, CREDENTIAL_SIZE_MAX);
    password_hash(SLICE("secret"), &secret);
    password_hash(SLICE("other"), &other);
    return 0;
}

static int free_passwords(void **state)
{
    buffer_wipe(&secret);
    buffer_wipe(&other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_pair_alone_gets_in),
        cmocka_unit_test(a_name_that_is_no_address_is_nobodys),
        cmocka_unit_test(a_changed_credential_counts_at_once),
        cmocka_unit_test(a_suspended_account_tells_who_knows_the_password),
        cmocka_unit_test(storage_that_fails_lets_nobody_in),
        cmocka_unit_test(a_cancelled_check_does_not_answer),
        cmocka_unit_test(a_worker_may_answer_after_the_authenticator_is_gone),
    };

    return cmocka_run_group_tests(tests, hash_passwords, free_passwords);
}
