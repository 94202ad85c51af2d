/* Bits that rot: what comes back is whole, or said to be corrupt, or was promised to nobody. */
#include <stdio.h>

#include "core/memory.h"
#include "storage/log.h"
#include "tests/fakes/log_model.h"
#include "tests/unit/unit.h"

static const char first_segment[] = "log/00000001.log";

/* A log of `groups` synced writes. */
static void fill(struct log_model *model, size_t groups)
{
    log_model_init(model, 7);
    for (size_t i = 0; i < groups; i++) {
        for (size_t j = 0; j < 3; j++) {
            log_model_append(model);
        }
        log_model_write(model);
        log_model_sync(model);
    }
}

/* The same log as it is found after a crash, with one bit flipped. */
static void open_flipped(const struct log_model *model, struct log_model *twin, const char *path,
                         uint64_t bit)
{
    *twin = (struct log_model){.disk = fake_disk_copy(model->disk, 1), .options = model->options};
    twin->options.files = fake_disk_files(twin->disk);
    assert_int_equal(fake_disk_flip(twin->disk, path, bit), STATUS_OK);
    assert_int_equal(log_open(&twin->options, &twin->log), STATUS_OK);
}

static void close_twin(struct log_model *twin)
{
    log_close(twin->log);
    fake_disk_free(twin->disk);
}

struct verdict {
    size_t whole;
    size_t corrupt;
    size_t wrong;
};

static struct verdict judge(struct log_model *twin, const struct model_moment *expected)
{
    struct verdict verdict = {0};

    for (uint32_t i = 0; i < MODEL_SHARDS; i++) {
        struct log_bounds bounds;

        if (expected->shards[i].exists && log_bounds(twin->log, i, &bounds) == STATUS_CORRUPT) {
            verdict.corrupt++;
        } else if (log_model_shard_matches(twin, i, &expected->shards[i])) {
            verdict.whole++;
        } else {
            verdict.wrong++;
        }
    }
    return verdict;
}

static uint64_t end_of_records(struct log_model *model, const char *path)
{
    const struct file_system *files = fake_disk_files(model->disk);
    char *octets = memory_zeroed(LOG_SEGMENT_SIZE_MIN);
    struct file *file = NULL;
    size_t size = 0;

    assert_int_equal(file_open(files, path, FILE_READ, &file), STATUS_OK);
    assert_int_equal(file_read(files, file, 0, octets, LOG_SEGMENT_SIZE_MIN, &size), STATUS_OK);
    file_close(files, file);
    while (size > 0 && octets[size - 1] == '\0') {
        size--;
    }
    memory_free(octets);
    return size;
}

static void a_flipped_bit_is_never_taken_for_content(void **state)
{
    struct log_model model;
    struct verdict sum = {0};
    size_t most_corrupt_by_one = 0;

    fill(&model, 6);
    log_mark(model.log);

    uint64_t end = end_of_records(&model, first_segment);

    for (uint64_t octet = 0; octet < end; octet++) {
        struct log_model twin;

        open_flipped(&model, &twin, first_segment, octet * 8 + octet % 8);

        struct verdict verdict = judge(&twin, &model.moments[0]);

        if (verdict.wrong > 0) {
            print_error("octet %zu of %zu\n", (size_t)octet, (size_t)end);
        }
        assert_int_equal(verdict.wrong, 0);
        sum.whole += verdict.whole;
        sum.corrupt += verdict.corrupt;
        most_corrupt_by_one =
            verdict.corrupt > most_corrupt_by_one ? verdict.corrupt : most_corrupt_by_one;
        close_twin(&twin);
    }
    /* One bit harms one shard, and only where there is something of a shard. */
    assert_int_equal(most_corrupt_by_one, 1);
    assert_true(sum.corrupt > end / 2 && sum.whole > sum.corrupt);
    log_model_done(&model);
}

static void damage_before_the_last_segment_harms_its_shard_alone(void **state)
{
    struct log_model model;
    size_t corrupt = 0;

    fill(&model, 60);
    assert_true(log_statistics(model.log).segment_count >= 2);

    uint64_t end = end_of_records(&model, first_segment);

    for (uint64_t octet = LOG_SEGMENT_SIZE_MIN / 16; octet < end; octet += 151) {
        struct log_model twin;

        open_flipped(&model, &twin, first_segment, octet * 8);

        struct verdict verdict = judge(&twin, &model.moments[0]);

        assert_int_equal(verdict.wrong, 0);
        assert_true(verdict.corrupt <= 1);
        corrupt += verdict.corrupt;
        close_twin(&twin);
    }
    assert_true(corrupt > 100);
    log_model_done(&model);
}

static void only_the_last_write_may_look_torn(void **state)
{
    struct log_model model;
    struct model_moment *before = NEW(struct model_moment);
    size_t torn = 0;

    fill(&model, 8);
    memcpy(before, &model.moments[0], sizeof(*before));
    log_model_append(&model);
    log_model_write(&model);
    log_model_sync(&model);

    uint64_t end = end_of_records(&model, first_segment);

    for (uint64_t octet = 4096; octet < end; octet += 5) {
        struct log_model twin;

        open_flipped(&model, &twin, first_segment, octet * 8 + 3);

        struct verdict now = judge(&twin, &model.moments[0]);
        struct verdict then = judge(&twin, before);

        assert_true(now.wrong == 0 || (then.wrong == 0 && then.corrupt == 0));
        torn += now.wrong > 0;
        close_twin(&twin);
    }
    assert_true(torn > 0);
    memory_free(before);
    log_model_done(&model);
}

static void a_corrupt_shard_stays_corrupt_until_it_is_forgotten(void **state)
{
    struct log_model model;
    struct log_model twin;
    struct log_bounds bounds;
    struct log_append append = {0};
    uint32_t corrupt = MODEL_SHARDS;

    fill(&model, 12);
    log_mark(model.log);
    open_flipped(&model, &twin, first_segment, (4096 + 64 + 70) * 8);
    for (uint32_t i = 0; i < MODEL_SHARDS; i++) {
        if (log_bounds(twin.log, i, &bounds) == STATUS_CORRUPT) {
            corrupt = i;
        }
    }
    assert_true(corrupt < MODEL_SHARDS);
    append.shard = corrupt;
    assert_int_equal(log_submit(twin.log, &append), STATUS_CORRUPT);

    /* Another shard goes on, in a new segment; the damaged one is given back. */
    struct raft_hard_state hard_state = {.term = 1000};
    uint32_t other = corrupt == 0 ? 1 : 0;

    assert_int_equal(log_bounds(twin.log, other, &bounds), STATUS_OK);
    append = (struct log_append){
        .shard = other, .generation = bounds.generation, .hard_state = &hard_state};
    assert_int_equal(log_submit(twin.log, &append), STATUS_OK);
    assert_int_equal(log_write(twin.log), STATUS_OK);
    assert_int_equal(log_sync(twin.log), STATUS_OK);
    assert_ptr_equal(log_completed(twin.log), &append);
    log_close(twin.log);
    assert_int_equal(log_open(&twin.options, &twin.log), STATUS_OK);
    assert_int_equal(log_bounds(twin.log, corrupt, &bounds), STATUS_CORRUPT);

    append = (struct log_append){.shard = corrupt};
    assert_int_equal(log_forget(twin.log, &append), STATUS_OK);
    assert_int_equal(log_write(twin.log), STATUS_OK);
    assert_int_equal(log_sync(twin.log), STATUS_OK);
    assert_ptr_equal(log_completed(twin.log), &append);
    log_close(twin.log);
    assert_int_equal(log_open(&twin.options, &twin.log), STATUS_OK);
    assert_int_equal(log_bounds(twin.log, corrupt, &bounds), STATUS_NOT_FOUND);
    close_twin(&twin);
    log_model_done(&model);
}

/* Removes, cuts or swaps a whole file. */
static void expect_no_wrong_answer(const struct log_model *model, struct log_model *twin)
{
    twin->options.files = fake_disk_files(twin->disk);
    assert_int_equal(log_open(&twin->options, &twin->log), STATUS_OK);
    assert_int_equal(judge(twin, &model->moments[0]).wrong, 0);
    close_twin(twin);
}

static void a_file_that_is_missing_cut_or_swapped_is_noticed(void **state)
{
    static const char *const paths[] = {"log/00000001.log", "log/00000003.log", "log/00000005.log"};
    struct log_model model;

    fill(&model, 60);
    log_mark(model.log);
    assert_int_equal(log_statistics(model.log).segment_count, 5);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct log_model twin = {.disk = fake_disk_copy(model.disk, 1), .options = model.options};
        const struct file_system *files = fake_disk_files(twin.disk);
        struct file *file = NULL;

        assert_int_equal(file_unlink(files, paths[i]), STATUS_OK);
        expect_no_wrong_answer(&model, &twin);

        twin = (struct log_model){.disk = fake_disk_copy(model.disk, 1), .options = model.options};
        files = fake_disk_files(twin.disk);
        assert_int_equal(file_open(files, paths[i], FILE_WRITE, &file), STATUS_OK);
        assert_int_equal(file_truncate(files, file, 5000), STATUS_OK);
        file_close(files, file);
        expect_no_wrong_answer(&model, &twin);

        twin = (struct log_model){.disk = fake_disk_copy(model.disk, 1), .options = model.options};
        files = fake_disk_files(twin.disk);
        assert_int_equal(file_rename(files, paths[i], paths[(i + 1) % COUNT_OF(paths)]), STATUS_OK);
        expect_no_wrong_answer(&model, &twin);
    }
    log_model_done(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_never_taken_for_content),
        cmocka_unit_test(damage_before_the_last_segment_harms_its_shard_alone),
        cmocka_unit_test(only_the_last_write_may_look_torn),
        cmocka_unit_test(a_corrupt_shard_stays_corrupt_until_it_is_forgotten),
        cmocka_unit_test(a_file_that_is_missing_cut_or_swapped_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
