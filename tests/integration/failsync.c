/* A disk that fails: preloaded into a server, it makes every sync end in EIO as long as the file
 * named by FAIL_SYNC is there. Nothing is synced then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int sync_or_fail(const char *name, int file)
{
    const char *trigger = getenv("FAIL_SYNC");
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    if (trigger != NULL && access(trigger, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return real(file);
}

int fsync(int file)
{
    return sync_or_fail("fsync", file);
}

int fdatasync(int file)
{
    return sync_or_fail("fdatasync", file);
}
