/* The fake disk has to fail as real ones do, or what is tested on it means nothing. */
#include <stdio.h>

#include "tests/fakes/fake_disk.h"
#include "tests/unit/unit.h"

static struct file *open_file(struct fake_disk *disk, const char *path)
{
    struct file *file = NULL;

    assert_int_equal(file_open(fake_disk_files(disk), path, FILE_CREATE, &file), STATUS_OK);
    return file;
}

static enum status write_text(struct fake_disk *disk, struct file *file, uint64_t offset,
                              const char *text)
{
    struct slice part = slice_of(text);

    return file_write(fake_disk_files(disk), file, offset, &part, 1);
}

static void assert_content(struct fake_disk *disk, const char *path, const char *expected)
{
    char octets[64];
    size_t size = 0;
    struct file *file = open_file(disk, path);

    assert_int_equal(file_read(fake_disk_files(disk), file, 0, octets, sizeof(octets), &size),
                     STATUS_OK);
    assert_slice_equals(((struct slice){octets, size}), expected);
    file_close(fake_disk_files(disk), file);
}

static void restart(struct fake_disk *disk, struct file *file, enum fake_disk_loss loss)
{
    fake_disk_power_off(disk, loss);
    file_close(fake_disk_files(disk), file);
    fake_disk_power_on(disk);
}

static void a_power_cut_keeps_what_was_synced_and_no_more(void **state)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct file *file = open_file(disk, "d/a");

    assert_int_equal(write_text(disk, file, 0, "synced"), STATUS_OK);
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_OK);
    assert_int_equal(file_sync_folder(fake_disk_files(disk), "d"), STATUS_OK);
    assert_int_equal(write_text(disk, file, 6, " not"), STATUS_OK);
    assert_content(disk, "d/a", "synced not");
    restart(disk, file, FAKE_DISK_LOSES);
    assert_content(disk, "d/a", "synced");
    fake_disk_free(disk);
}

static void a_name_that_was_not_synced_is_lost(void **state)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct file *file = open_file(disk, "d/a");

    assert_int_equal(write_text(disk, file, 0, "synced"), STATUS_OK);
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_OK);
    restart(disk, file, FAKE_DISK_LOSES);
    assert_int_equal(file_open(fake_disk_files(disk), "d/a", FILE_READ, &file), STATUS_NOT_FOUND);
    fake_disk_free(disk);
}

static void a_rename_that_was_not_synced_comes_undone(void **state)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct file *file = open_file(disk, "d/a");

    assert_int_equal(file_sync_folder(fake_disk_files(disk), "d"), STATUS_OK);
    assert_int_equal(file_rename(fake_disk_files(disk), "d/a", "d/b"), STATUS_OK);
    restart(disk, file, FAKE_DISK_LOSES);
    assert_int_equal(file_open(fake_disk_files(disk), "d/b", FILE_READ, &file), STATUS_NOT_FOUND);
    assert_int_equal(file_open(fake_disk_files(disk), "d/a", FILE_READ, &file), STATUS_OK);
    file_close(fake_disk_files(disk), file);
    fake_disk_free(disk);
}

static void a_failed_sync_is_not_healed_by_a_second_one(void **state)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct file *file = open_file(disk, "d/a");

    assert_int_equal(file_sync_folder(fake_disk_files(disk), "d"), STATUS_OK);
    assert_int_equal(write_text(disk, file, 0, "kept"), STATUS_OK);
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_OK);
    assert_int_equal(write_text(disk, file, 0, "lost"), STATUS_OK);
    fake_disk_fail_sync_at(disk, 1);
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_IO_ERROR);
    assert_content(disk, "d/a", "lost");
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_OK);
    restart(disk, file, FAKE_DISK_KEEPS);
    assert_content(disk, "d/a", "kept");
    fake_disk_free(disk);
}

static void a_torn_write_mixes_sectors_and_replays(void **state)
{
    char first[4096];
    char second[4096];
    size_t size = 0;
    bool is_mixed = false;

    for (uint64_t seed = 1; seed < 50; seed++) {
        char *outcomes[] = {first, second};

        for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
            struct fake_disk *disk = fake_disk_new(seed);
            struct file *file = open_file(disk, "d/a");
            char octets[4096];
            struct slice part = {octets, sizeof(octets)};

            memset(octets, 'x', sizeof(octets));
            assert_int_equal(file_allocate(fake_disk_files(disk), file, 4096), STATUS_OK);
            assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_OK);
            assert_int_equal(file_sync_folder(fake_disk_files(disk), "d"), STATUS_OK);
            assert_int_equal(file_write(fake_disk_files(disk), file, 0, &part, 1), STATUS_OK);
            restart(disk, file, FAKE_DISK_MIXED);
            file = open_file(disk, "d/a");
            assert_int_equal(
                file_read(fake_disk_files(disk), file, 0, outcomes[i], sizeof(first), &size),
                STATUS_OK);
            file_close(fake_disk_files(disk), file);
            fake_disk_free(disk);
        }
        assert_memory_equal(first, second, sizeof(first));
        is_mixed |= memchr(first, 'x', size) != NULL && memchr(first, '\0', size) != NULL;
    }
    assert_true(is_mixed);
}

static void a_full_disk_takes_what_fits(void **state)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct file *file = open_file(disk, "d/a");

    fake_disk_limit(disk, 10);
    assert_int_equal(file_allocate(fake_disk_files(disk), file, 11), STATUS_NO_SPACE);
    assert_int_equal(file_allocate(fake_disk_files(disk), file, 8), STATUS_OK);
    assert_int_equal(write_text(disk, file, 0, "01234567"), STATUS_OK);
    assert_int_equal(write_text(disk, file, 8, "89ab"), STATUS_NO_SPACE);
    assert_content(disk, "d/a", "0123456789");
    file_close(fake_disk_files(disk), file);
    fake_disk_free(disk);
}

static void the_power_goes_at_the_step_that_was_asked_for(void **state)
{
    struct fake_disk *disk = fake_disk_new(1);
    struct file *file = open_file(disk, "d/a");

    fake_disk_cut_power_at(disk, 2, FAKE_DISK_KEEPS);
    assert_int_equal(write_text(disk, file, 0, "one"), STATUS_OK);
    assert_int_equal(write_text(disk, file, 3, "two"), STATUS_IO_ERROR);
    assert_true(fake_disk_is_off(disk));
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_IO_ERROR);
    fake_disk_power_on(disk);
    assert_int_equal(file_sync(fake_disk_files(disk), file), STATUS_IO_ERROR);
    file_close(fake_disk_files(disk), file);
    assert_content(disk, "d/a", "onetwo");
    fake_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_keeps_what_was_synced_and_no_more),
        cmocka_unit_test(a_name_that_was_not_synced_is_lost),
        cmocka_unit_test(a_rename_that_was_not_synced_comes_undone),
        cmocka_unit_test(a_failed_sync_is_not_healed_by_a_second_one),
        cmocka_unit_test(a_torn_write_mixes_sectors_and_replays),
        cmocka_unit_test(a_full_disk_takes_what_fits),
        cmocka_unit_test(the_power_goes_at_the_step_that_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
