#include "roles/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/random.h"

const char *process_path(char *room, struct slice folder, const char *name)
{
    snprintf(room, PROCESS_PATH_SIZE_MAX, "%.*s%s%s", (int)folder.size, folder.data,
             name[0] != '\0' ? "/" : "", name);
    return room;
}

enum status process_make_folder(struct slice folder)
{
    char path[PROCESS_PATH_SIZE_MAX];

    if (mkdir(process_path(path, folder, ""), 0700) != 0 && errno != EEXIST) {
        log_error("process.no_folder", log_text("path", folder),
                  log_text("why", slice_of(strerror(errno))));
        return STATUS_IO_ERROR;
    }
    return STATUS_OK;
}

/* ---- The admin token ---- */

static enum status read_token(const char *path, struct buffer *token)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char text[PROCESS_TOKEN_SIZE_MAX];

    if (file < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO_ERROR;
    }
    ssize_t size = read(file, text, sizeof(text));

    close(file);
    if (size < 0) {
        return STATUS_IO_ERROR;
    }
    struct slice line = {text, (size_t)size};

    buffer_append(token, slice_trim(slice_prefix(line, slice_find(line, '\n'))));
    explicit_bzero(text, sizeof(text));
    return token->size > 0 ? STATUS_OK : STATUS_INVALID;
}

static enum status make_token(const char *path, struct buffer *token)
{
    unsigned char octets[24];
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file < 0) {
        return STATUS_IO_ERROR;
    }
    random_octets(octets, sizeof(octets));
    for (size_t i = 0; i < sizeof(octets); i++) {
        buffer_printf(token, "%02x", octets[i]);
    }
    struct slice text = buffer_view(token);
    bool written = write(file, text.data, text.size) == (ssize_t)text.size &&
                   write(file, "\n", 1) == 1 && fsync(file) == 0;

    close(file);
    return written ? STATUS_OK : STATUS_IO_ERROR;
}

enum status process_open_token(const struct settings *settings, struct buffer *token)
{
    char path[PROCESS_PATH_SIZE_MAX];
    bool is_named = settings->admin_token_file.size > 0;

    if (is_named) {
        process_path(path, settings->admin_token_file, "");
    } else {
        process_path(path, settings->data_folder, "admin_token");
    }
    enum status status = read_token(path, token);

    if (status == STATUS_NOT_FOUND && !is_named) {
        status = make_token(path, token);
    }
    if (status != STATUS_OK) {
        log_error("process.no_admin_token", log_text("path", slice_of(path)), log_status(status));
    }
    return status;
}

/* ---- Signals ---- */

static sigset_t signals_waited_for(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    return signals;
}

/* All threads leave them to process_wait(). */
void process_block_signals(void)
{
    sigset_t signals = signals_waited_for();

    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int process_wait(uint64_t timeout_ms)
{
    sigset_t signals = signals_waited_for();
    struct timespec timeout = {(time_t)(timeout_ms / 1000), (long)(timeout_ms % 1000) * 1000000};
    int signal = 0;

    do {
        signal =
            timeout_ms > 0 ? sigtimedwait(&signals, NULL, &timeout) : sigwaitinfo(&signals, NULL);
    } while (signal < 0 && errno == EINTR);
    return signal > 0 ? signal : 0;
}
