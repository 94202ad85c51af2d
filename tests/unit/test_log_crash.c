/* Crashes between any two steps, full disks and failing syncs. */
#include <stdio.h>

#include "core/memory.h"
#include "storage/crash_point.h"
#include "storage/log.h"
#include "tests/fakes/log_model.h"
#include "tests/unit/unit.h"

static void one_round(struct log_model *model)
{
    log_model_append(model);
    log_model_append(model);
    log_model_write(model);
    log_model_sync(model);
    log_mark(model->log);
}

static void a_power_cut_at_any_step_keeps_what_was_acknowledged(void **state)
{
    static const enum fake_disk_loss losses[] = {FAKE_DISK_LOSES, FAKE_DISK_MIXED, FAKE_DISK_KEEPS};

    for (uint64_t step = 1; step <= 120; step++) {
        for (size_t i = 0; i < COUNT_OF(losses); i++) {
            struct log_model model;

            log_model_init(&model, 3 + step % 5);
            fake_disk_cut_power_at(model.disk, step, losses[i]);
            while (model.crashes == 0) {
                one_round(&model);
            }
            one_round(&model);
            log_model_done(&model);
        }
    }
}

/* ---- Named crash points ---- */

struct names {
    const char *items[64];
    size_t count;
};

static void on_point(void *context, const char *name)
{
    struct names *names = context;

    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0) {
            return;
        }
    }
    assert_true(names->count < COUNT_OF(names->items));
    names->items[names->count++] = name;
}

static void on_crash(void *context, const char *name)
{
    struct log_model *model = context;

    if (!fake_disk_is_off(model->disk)) {
        fake_disk_power_off(model->disk, FAKE_DISK_MIXED);
    }
}

static void every_crash_point_is_survived(void **state)
{
    struct names names = {0};
    struct log_model model;

    log_model_init(&model, 11);
    crash_point_watch(on_point, &names);
    for (size_t i = 0; i < 3000; i++) {
        log_model_step(&model);
    }
    crash_point_disarm();
    log_model_done(&model);
    assert_true(names.count >= 12);
    for (size_t i = 0; i < names.count; i++) {
        for (uint64_t nth = 1; nth <= 4; nth++) {
            log_model_init(&model, 100 + nth);
            crash_point_arm(names.items[i], nth, on_crash, &model);
            for (size_t j = 0; j < 6000 && crash_point_is_armed; j++) {
                log_model_step(&model);
            }
            assert_false(crash_point_is_armed);
            for (size_t j = 0; j < 50; j++) {
                log_model_step(&model);
            }
            log_model_done(&model);
        }
    }
}

/* ---- A disk that is full, and one that fails ---- */

static const struct raft_hard_state *hard_state_of(uint64_t term)
{
    static struct raft_hard_state hard_state;

    hard_state.term = term;
    return &hard_state;
}

static enum status append_one(struct log *log, struct log_append *append, uint64_t index)
{
    static char payload[3000];
    struct log_entry entry = {
        .position = {.term = 1, .index = index},
        .kind = RAFT_ENTRY_COMMAND,
        .payload = {payload, sizeof(payload)},
    };

    *append = (struct log_append){
        .shard = 7, .entries = &entry, .entry_count = 1, .hard_state = hard_state_of(index)};
    return log_submit(log, append);
}

static enum status flush(struct log *log, const struct log_append *append)
{
    enum status written = log_write(log);
    enum status synced = log_sync(log);

    if (append != NULL) {
        assert_ptr_equal(log_completed(log), append);
    }
    assert_null(log_completed(log));
    return written == STATUS_OK ? synced : written;
}

struct stage {
    struct fake_disk *disk;
    struct log_options options;
    struct log *log;
};

static void set_up(struct stage *stage)
{
    stage->disk = fake_disk_new(5);
    stage->options = (struct log_options){.files = fake_disk_files(stage->disk),
                                          .folder = "log",
                                          .segment_size = LOG_SEGMENT_SIZE_MIN,
                                          .seed = 5};
    assert_int_equal(log_open(&stage->options, &stage->log), STATUS_OK);
}

static void tear_down(struct stage *stage)
{
    log_close(stage->log);
    fake_disk_free(stage->disk);
}

static uint64_t last_index(struct log *log)
{
    struct log_bounds bounds;

    assert_int_equal(log_bounds(log, 7, &bounds), STATUS_OK);
    assert_int_equal(bounds.hard_state.term, bounds.last.index);
    return bounds.last.index;
}

static void a_full_disk_refuses_and_compacting_helps(void **state)
{
    struct stage stage;
    struct log_append append;
    uint64_t index = 0;
    enum status status = STATUS_OK;

    set_up(&stage);
    fake_disk_limit(stage.disk, 3 * LOG_SEGMENT_SIZE_MIN + 1000);
    while (status == STATUS_OK) {
        assert_int_equal(append_one(stage.log, &append, ++index), STATUS_OK);
        status = flush(stage.log, &append);
        assert_int_equal(append.status, status);
    }
    assert_int_equal(status, STATUS_NO_SPACE);
    index--;
    assert_int_equal(last_index(stage.log), index);

    /* Nothing but room helps, again and again. */
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(append_one(stage.log, &append, index + 1), STATUS_NO_SPACE);
        assert_int_equal(log_resume(stage.log, 7), STATUS_OK);
        assert_int_equal(append_one(stage.log, &append, index + 1), STATUS_OK);
        assert_int_equal(flush(stage.log, &append), STATUS_NO_SPACE);
    }
    assert_int_equal(log_resume(stage.log, 7), STATUS_OK);
    assert_int_equal(log_compact(stage.log, 7, index + 1, index), STATUS_INVALID);
    assert_int_equal(log_compact(stage.log, 7, index - 1, index), STATUS_OK);
    assert_int_equal(flush(stage.log, NULL), STATUS_OK);
    assert_int_equal(log_statistics(stage.log).spare_count, 2);
    assert_int_equal(append_one(stage.log, &append, index + 1), STATUS_OK);
    assert_int_equal(flush(stage.log, &append), STATUS_OK);
    assert_int_equal(last_index(stage.log), index + 1);

    log_close(stage.log);
    fake_disk_power_off(stage.disk, FAKE_DISK_LOSES);
    fake_disk_power_on(stage.disk);
    assert_int_equal(log_open(&stage.options, &stage.log), STATUS_OK);
    assert_int_equal(last_index(stage.log), index + 1);
    tear_down(&stage);
}

static void a_failed_sync_ends_the_log_for_ever(void **state)
{
    struct stage stage;
    struct log_append append;
    struct log_entries entries;
    struct log_bounds bounds;
    uint64_t term;

    set_up(&stage);
    assert_int_equal(append_one(stage.log, &append, 1), STATUS_OK);
    assert_int_equal(flush(stage.log, &append), STATUS_OK);
    assert_int_equal(append_one(stage.log, &append, 2), STATUS_OK);
    fake_disk_fail_sync_at(stage.disk, 1);
    assert_int_equal(flush(stage.log, &append), STATUS_IO_ERROR);
    assert_int_equal(append.status, STATUS_IO_ERROR);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(append_one(stage.log, &append, 3), STATUS_IO_ERROR);
        assert_int_equal(log_write(stage.log), STATUS_IO_ERROR);
        assert_int_equal(log_sync(stage.log), STATUS_IO_ERROR);
        assert_int_equal(log_bounds(stage.log, 7, &bounds), STATUS_IO_ERROR);
        assert_int_equal(log_term(stage.log, 7, 1, &term), STATUS_IO_ERROR);
        assert_int_equal(log_compact(stage.log, 7, 1, 1), STATUS_IO_ERROR);
        assert_int_equal(log_read(stage.log, 7, 1, 2, 1, false, &entries), STATUS_IO_ERROR);
        log_mark(stage.log);
    }

    /* A new process reads what the kernel shows, and makes it durable before it counts. */
    log_close(stage.log);
    fake_disk_kill(stage.disk);
    assert_int_equal(log_open(&stage.options, &stage.log), STATUS_OK);

    uint64_t recovered = last_index(stage.log);

    log_close(stage.log);
    fake_disk_power_off(stage.disk, FAKE_DISK_LOSES);
    fake_disk_power_on(stage.disk);
    assert_int_equal(log_open(&stage.options, &stage.log), STATUS_OK);
    assert_int_equal(last_index(stage.log), recovered);
    tear_down(&stage);
}

static void a_stale_or_broken_submission_is_refused(void **state)
{
    static char huge[LOG_PAYLOAD_SIZE_MAX + 1];
    struct stage stage;
    struct log_append append;
    struct raft_position before = {.term = 1, .index = 0};

    set_up(&stage);
    assert_int_equal(append_one(stage.log, &append, 2), STATUS_INVALID);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(append_one(stage.log, &append, i), STATUS_OK);
        assert_int_equal(flush(stage.log, &append), STATUS_OK);
    }
    assert_int_equal(log_compact(stage.log, 7, 3, 2), STATUS_INVALID);
    assert_int_equal(log_compact(stage.log, 7, 3, 3), STATUS_OK);
    assert_int_equal(flush(stage.log, NULL), STATUS_OK);
    assert_int_equal(append_one(stage.log, &append, 5), STATUS_INVALID);
    assert_int_equal(append_one(stage.log, &append, 7), STATUS_INVALID);

    struct log_entry entry = {.position = {.term = 0, .index = 6}};

    append = (struct log_append){.shard = 7, .entries = &entry, .entry_count = 1};
    assert_int_equal(log_submit(stage.log, &append), STATUS_INVALID);
    append = (struct log_append){.shard = 7, .truncate_from = 3};
    assert_int_equal(log_submit(stage.log, &append), STATUS_INVALID);
    append = (struct log_append){.shard = 7, .truncate_from = 7};
    assert_int_equal(log_submit(stage.log, &append), STATUS_INVALID);
    append = (struct log_append){.shard = 7, .begin_after = &before};
    assert_int_equal(log_submit(stage.log, &append), STATUS_INVALID);
    append = (struct log_append){.shard = 7, .hard_state = hard_state_of(1)};
    assert_int_equal(log_submit(stage.log, &append), STATUS_INVALID);
    entry =
        (struct log_entry){.position = {.term = 1, .index = 6}, .payload = {huge, sizeof(huge)}};
    append = (struct log_append){.shard = 7, .entries = &entry, .entry_count = 1};
    assert_int_equal(log_submit(stage.log, &append), STATUS_TOO_LARGE);
    entry.payload.size = LOG_SEGMENT_SIZE_MIN / 2;
    assert_int_equal(log_submit(stage.log, &append), STATUS_TOO_LARGE);
    append = (struct log_append){.shard = 7, .generation = 4};
    assert_int_equal(log_submit(stage.log, &append), STATUS_OK);
    assert_int_equal(flush(stage.log, &append), STATUS_OK);
    assert_int_equal(last_index(stage.log), 5);
    tear_down(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_at_any_step_keeps_what_was_acknowledged),
        cmocka_unit_test(every_crash_point_is_survived),
        cmocka_unit_test(a_full_disk_refuses_and_compacting_helps),
        cmocka_unit_test(a_failed_sync_ends_the_log_for_ever),
        cmocka_unit_test(a_stale_or_broken_submission_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
