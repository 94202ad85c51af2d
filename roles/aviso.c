/* `aviso ROLE`: the server. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/macros.h"
#include "net/tls.h"
#include "roles/cluster_command.h"
#include "roles/frontend_main.h"
#include "roles/router_main.h"
#include "roles/settings.h"
#include "roles/standalone.h"
#include "roles/storage_main.h"

enum { EXIT_USAGE = 2, MANUAL_SIZE_MAX = 1024 * 1024 };

extern char **environ;

static int usage(void)
{
    fputs("usage: aviso standalone [--config FILE]   serve mail, all in this process\n"
          "       aviso storage [--config FILE]      a storage node of a cluster\n"
          "       aviso frontend [--config FILE]     protocols for a cluster's storage\n"
          "       aviso router [--config FILE]       places a cluster's replicas\n"
          "       aviso cluster init [--config FILE] makes a cluster of the nodes that are alive\n"
          "       aviso cluster status|drain|undrain|lead|move ... [--config FILE]\n"
          "       aviso ROLE --help                  the settings and what they mean\n"
          "       aviso ROLE --sample                a configuration file of all defaults\n"
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

/* What is run with settings; `words` is what follows its name. */
struct role {
    const char *name;
    int (*run)(const struct settings *settings, char **words, int word_count);
    bool has_words;
};

static int run_role(const struct role *role, char **words, int word_count, const char *config_path)
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
        code = role->run(&settings, words, word_count);
    }
    buffer_done(&yaml);
    buffer_done(&fault);
    arena_done(&arena);
    return code;
}

static int run_standalone(const struct settings *settings, char **words, int word_count)
{
    return standalone_run(settings);
}

static int run_storage(const struct settings *settings, char **words, int word_count)
{
    return storage_main(settings);
}

static int run_frontend(const struct settings *settings, char **words, int word_count)
{
    return frontend_main(settings);
}

static int run_router(const struct settings *settings, char **words, int word_count)
{
    return router_main(settings);
}

static const struct role roles[] = {
    {"standalone", run_standalone, false}, {"storage", run_storage, false},
    {"frontend", run_frontend, false},     {"router", run_router, false},
    {"cluster", cluster_command, true},
};

static const struct role *find_role(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (strcmp(roles[i].name, name) == 0) {
            return &roles[i];
        }
    }
    return NULL;
}

/* "--config FILE" stands last. */
static int start_role(const struct role *role, char **words, int word_count)
{
    const char *config_path = NULL;

    if (word_count == 1 && strcmp(words[0], "--help") == 0) {
        return print(config_help);
    }
    if (word_count == 1 && strcmp(words[0], "--sample") == 0) {
        return print(config_sample);
    }
    if (word_count >= 2 && strcmp(words[word_count - 2], "--config") == 0) {
        config_path = words[word_count - 1];
        word_count -= 2;
    }
    return role->has_words == (word_count > 0) ? run_role(role, words, word_count, config_path)
                                               : usage();
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
    const struct role *role = count >= 2 ? find_role(words[1]) : NULL;

    return role != NULL ? start_role(role, words + 2, count - 2) : usage();
}
