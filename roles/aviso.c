/* `aviso ROLE`: the server. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/macros.h"
#include "net/tls.h"
#include "roles/settings.h"
#include "roles/standalone.h"

enum { EXIT_USAGE = 2, MANUAL_SIZE_MAX = 1024 * 1024 };

extern char **environ;

static int usage(void)
{
    fputs("usage: aviso standalone [--config FILE]   serve mail, all in this process\n"
          "       aviso standalone --help            the settings and what they mean\n"
          "       aviso standalone --sample          a configuration file of all defaults\n"
          "       aviso self-signed CERTIFICATE KEY NAME...   make a certificate to begin with\n"
          "       aviso --version\n",
          stderr);
    return EXIT_USAGE;
}

static int print(void (*write_manual)(const struct config_setting *, size_t, struct buffer *))
{
    struct buffer text;

    buffer_init(&text, MANUAL_SIZE_MAX);
    write_manual(settings_table, settings_count, &text);
    size_t written = fwrite(text.data, 1, text.size, stdout);
    bool complete = written == text.size;

    buffer_done(&text);
    return complete ? 0 : 1;
}

/* The whole file; a message is printed when it cannot be read. */
static bool read_file(const char *path, struct buffer *output)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = 1;

    while (file >= 0 && size > 0 && buffer_room(output) > 0) {
        size_t room = buffer_room(output) < 65536 ? buffer_room(output) : 65536;

        size = read(file, buffer_reserve(output, room), room);
        buffer_grew(output, size > 0 ? (size_t)size : 0);
    }
    if (file < 0 || size < 0) {
        fprintf(stderr, "aviso: %s: %s\n", path, strerror(errno));
    }
    if (file >= 0) {
        close(file);
    }
    return file >= 0 && size >= 0;
}

static int run_standalone(const char *config_path)
{
    struct settings settings = {0};
    struct arena arena;
    struct buffer yaml;
    struct buffer fault;
    int code = EXIT_USAGE;

    arena_init(&arena);
    buffer_init(&yaml, CONFIG_FILE_SIZE_MAX + 1);
    buffer_init(&fault, 4096);
    if (config_path != NULL && !read_file(config_path, &yaml)) {
        /* said already */
    } else if (config_read(settings_table, settings_count, buffer_view(&yaml), environ, &arena,
                           &settings, &fault) != STATUS_OK) {
        fprintf(stderr, "aviso: %s: %.*s\n", config_path != NULL ? config_path : "environment",
                (int)fault.size, fault.data);
    } else {
        log_configure((enum log_level)settings.log_level, (enum log_format)settings.log_format);
        code = standalone_run(&settings);
    }
    buffer_done(&yaml);
    buffer_done(&fault);
    arena_done(&arena);
    return code;
}

static int make_certificate(int count, char **words)
{
    enum status status =
        tls_make_self_signed((const char *const *)words + 2, (size_t)count - 2, words[0], words[1]);

    if (status != STATUS_OK) {
        fprintf(stderr, "aviso: the certificate was not made: %s\n", status_text(status));
    }
    return status == STATUS_OK ? 0 : 1;
}

int main(int count, char **words)
{
    if (count == 2 && strcmp(words[1], "--version") == 0) {
        puts("aviso " AVISO_VERSION);
        return 0;
    }
    if (count >= 5 && strcmp(words[1], "self-signed") == 0) {
        return make_certificate(count - 2, words + 2);
    }
    if (count < 2 || strcmp(words[1], "standalone") != 0) {
        return usage();
    }
    if (count == 3 && strcmp(words[2], "--help") == 0) {
        return print(config_help);
    }
    if (count == 3 && strcmp(words[2], "--sample") == 0) {
        return print(config_sample);
    }
    if (count == 4 && strcmp(words[2], "--config") == 0) {
        return run_standalone(words[3]);
    }
    return count == 2 ? run_standalone(NULL) : usage();
}
