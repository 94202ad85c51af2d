/* A message on its way in, in memory and in a file. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/spool.h"
#include "tests/unit/unit.h"

enum { MEMORY_MAX = 1000, SIZE_MAX_OF_TESTS = 4 << 20 };

static char folder[] = "/tmp/aviso-spool-XXXXXX";

static int make_folder(void **state)
{
    return mkdtemp(folder) != NULL ? 0 : -1;
}

/* Fails unless all files are gone. */
static int remove_folder(void **state)
{
    return rmdir(folder);
}

static char octet_at(uint64_t offset)
{
    return (char)(offset * 131 + offset / 251);
}

/* Appends `size` octets that depend on where they are. */
static enum status append(struct spool *spool, size_t size)
{
    char *octets = memory_zeroed(size + 1);

    for (size_t i = 0; i < size; i++) {
        octets[i] = octet_at(spool->size + i);
    }
    enum status status = spool_append(spool, (struct slice){octets, size});

    memory_free(octets);
    return status;
}

static void assert_holds(struct spool *spool, size_t size)
{
    struct slice octets;

    assert_int_equal(spool_view(spool, &octets), STATUS_OK);
    assert_int_equal(octets.size, size);
    assert_non_null(octets.data);
    for (size_t i = 0; i < size; i++) {
        if (octets.data[i] != octet_at(i)) {
            fail_msg("octet %zu differs", i);
        }
    }
}

static void empty_spool_has_an_empty_view(void **state)
{
    struct spool spool;

    spool_init(&spool, folder, MEMORY_MAX, SIZE_MAX_OF_TESTS);
    assert_int_equal(append(&spool, 0), STATUS_OK);
    assert_holds(&spool, 0);
    spool_done(&spool);
    spool_done(&spool);
}

static void few_octets_need_no_folder(void **state)
{
    struct spool spool;

    spool_init(&spool, "/nonexistent", MEMORY_MAX, SIZE_MAX_OF_TESTS);
    assert_int_equal(append(&spool, 1), STATUS_OK);
    assert_int_equal(append(&spool, MEMORY_MAX - 1), STATUS_OK);
    assert_int_equal(spool.file, -1);
    assert_holds(&spool, MEMORY_MAX);
    assert_holds(&spool, MEMORY_MAX);
    spool_done(&spool);
}

static void many_octets_go_to_a_file_without_a_name(void **state)
{
    static const size_t pieces[] = {1, 999, 1, 5000, 262143, 262144, 262145, 700000, 3};
    struct spool spool;
    struct stat stat;
    size_t size = 0;

    spool_init(&spool, folder, MEMORY_MAX, SIZE_MAX_OF_TESTS);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        assert_int_equal(append(&spool, pieces[i]), STATUS_OK);
        size += pieces[i];
    }
    assert_true(spool.file >= 0);
    assert_int_equal(fstat(spool.file, &stat), 0);
    assert_int_equal(stat.st_nlink, 0);
    assert_int_equal(stat.st_mode & 0777, 0600);
    assert_true((fcntl(spool.file, F_GETFD) & FD_CLOEXEC) != 0);
    assert_holds(&spool, size);
    assert_holds(&spool, size);
    int file = spool.file;

    spool_done(&spool);
    assert_int_equal(fcntl(file, F_GETFD), -1);
}

static void memory_may_be_nothing(void **state)
{
    struct spool spool;

    spool_init(&spool, folder, 0, SIZE_MAX_OF_TESTS);
    assert_int_equal(append(&spool, 1), STATUS_OK);
    assert_true(spool.file >= 0);
    assert_holds(&spool, 1);
    spool_done(&spool);
}

static void memory_stays_bounded(void **state)
{
    struct spool spool;

    spool_init(&spool, folder, MEMORY_MAX, SIZE_MAX_OF_TESTS);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(append(&spool, 100 * 1000), STATUS_OK);
        assert_true(spool.head.size <= 256 * 1024);
    }
    assert_holds(&spool, 40 * 100 * 1000);
    assert_int_equal(spool.head.capacity, 0);
    spool_done(&spool);
}

static void too_large_appends_nothing(void **state)
{
    static const size_t limits[] = {10, MEMORY_MAX, MEMORY_MAX + 10};

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct spool spool;

        spool_init(&spool, folder, MEMORY_MAX, limits[i]);
        assert_int_equal(append(&spool, limits[i] - 3), STATUS_OK);
        assert_int_equal(append(&spool, 4), STATUS_TOO_LARGE);
        assert_int_equal(spool.size, limits[i] - 3);
        assert_int_equal(append(&spool, 3), STATUS_OK);
        assert_int_equal(append(&spool, 1), STATUS_TOO_LARGE);
        assert_holds(&spool, limits[i]);
        spool_done(&spool);
    }
}

static void missing_folder_is_an_error_of_the_disk(void **state)
{
    struct spool spool;
    struct slice octets;

    spool_init(&spool, "/nonexistent", MEMORY_MAX, SIZE_MAX_OF_TESTS);
    assert_int_equal(append(&spool, MEMORY_MAX + 1), STATUS_IO_ERROR);
    assert_int_equal(append(&spool, 1), STATUS_IO_ERROR);
    assert_int_equal(spool_view(&spool, &octets), STATUS_IO_ERROR);
    spool_done(&spool);
}

/* The process may write no file beyond `size` octets. */
static void limit_files(rlim_t size)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A view of what was not all written would be a map of octets that are not there: reading them
 * would end the process. */
static void spool_that_found_no_space_stays_spent(void **state)
{
    struct spool spool;
    struct slice octets;

    spool_init(&spool, folder, MEMORY_MAX, SIZE_MAX_OF_TESTS);
    assert_int_equal(append(&spool, 300 * 1000), STATUS_OK);
    limit_files(300 * 1000);
    enum status appended = append(&spool, 600 * 1000);
    limit_files(RLIM_INFINITY);
    assert_int_equal(appended, STATUS_NO_SPACE);
    assert_int_equal(append(&spool, 1), STATUS_NO_SPACE);
    assert_int_equal(spool_view(&spool, &octets), STATUS_NO_SPACE);
    spool_done(&spool);
}

static void no_space_shows_in_the_view_at_the_latest(void **state)
{
    struct spool spool;
    struct slice octets;

    spool_init(&spool, folder, MEMORY_MAX, SIZE_MAX_OF_TESTS);
    assert_int_equal(append(&spool, 200 * 1000), STATUS_OK);
    limit_files(100 * 1000);
    enum status viewed = spool_view(&spool, &octets);
    limit_files(RLIM_INFINITY);
    assert_int_equal(viewed, STATUS_NO_SPACE);
    assert_int_equal(spool_view(&spool, &octets), STATUS_NO_SPACE);
    spool_done(&spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_spool_has_an_empty_view),
        cmocka_unit_test(few_octets_need_no_folder),
        cmocka_unit_test(many_octets_go_to_a_file_without_a_name),
        cmocka_unit_test(memory_may_be_nothing),
        cmocka_unit_test(memory_stays_bounded),
        cmocka_unit_test(too_large_appends_nothing),
        cmocka_unit_test(missing_folder_is_an_error_of_the_disk),
        cmocka_unit_test(spool_that_found_no_space_stays_spent),
        cmocka_unit_test(no_space_shows_in_the_view_at_the_latest),
    };

    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
