#include "roles/cluster_link.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/memory.h"

enum { TEXT_SIZE_MAX = 1024, ENDPOINTS_MAX = 16, PREFIX_SIZE_MAX = 128 };

struct cluster_link {
    struct loop *loop;
    struct etcd *etcd;
    struct cluster_watch *watch;
    struct buffer prefix;
    struct loop_message start;
    cluster_changed_fn *changed;
    void *context;
    bool has_stopped;
};

/* libcurl and OpenSSL want texts that end with a NUL. */
static const char *text_of(struct slice slice, char *room)
{
    snprintf(room, TEXT_SIZE_MAX, "%.*s", (int)slice.size, slice.data);
    return slice.size > 0 ? room : NULL;
}

static enum status read_password(struct slice path, char *room)
{
    char name[TEXT_SIZE_MAX];
    int file = open(text_of(path, name) != NULL ? name : "/dev/null", O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, room, TEXT_SIZE_MAX - 1) : -1;

    if (file >= 0) {
        close(file);
    }
    if (size < 0) {
        log_error("cluster.no_password", log_text("path", path));
        return STATUS_IO_ERROR;
    }
    struct slice line = slice_trim(slice_prefix(
        (struct slice){room, (size_t)size}, slice_find((struct slice){room, (size_t)size}, '\n')));

    room[line.size] = '\0';
    return STATUS_OK;
}

static enum status connect_etcd(const struct settings *settings, struct cluster_link *link)
{
    char rooms[ENDPOINTS_MAX][TEXT_SIZE_MAX];
    const char *endpoints[ENDPOINTS_MAX];
    char user[TEXT_SIZE_MAX];
    char password[TEXT_SIZE_MAX];
    char authorities[TEXT_SIZE_MAX];
    char certificate[TEXT_SIZE_MAX];
    char key[TEXT_SIZE_MAX];
    size_t count = settings->etcd_endpoints.count;

    if (count == 0 || count > ENDPOINTS_MAX) {
        log_error("cluster.bad_setting", log_text("setting", SLICE("etcd.endpoints")),
                  log_text("cure", SLICE("name 1 to 16 of them")));
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        endpoints[i] = text_of(settings->etcd_endpoints.texts[i], rooms[i]);
    }
    struct etcd_options options = {
        .loop = link->loop,
        .endpoints = endpoints,
        .endpoint_count = count,
        .user = text_of(settings->etcd_user, user),
        .authorities_path = text_of(settings->etcd_authorities, authorities),
        .certificate_path = text_of(settings->etcd_certificate, certificate),
        .key_path = text_of(settings->etcd_key, key),
    };
    enum status status =
        options.user != NULL ? read_password(settings->etcd_password_file, password) : STATUS_OK;

    if (status == STATUS_OK) {
        options.password = options.user != NULL ? password : NULL;
        link->etcd = etcd_new(&options);
    }
    explicit_bzero(password, sizeof(password));
    return status;
}

static void on_changed(void *context, const struct cluster_map *map)
{
    struct cluster_link *link = context;

    link->changed(link->context, map);
}

static void start_watch(struct loop_message *message)
{
    struct cluster_link *link = CONTAINER_OF(message, struct cluster_link, start);

    link->watch = cluster_watch_new(link->etcd, buffer_view(&link->prefix), on_changed, link);
}

enum status cluster_link_open(const struct settings *settings, cluster_changed_fn *changed,
                              void *context, struct cluster_link **out_link)
{
    struct cluster_link *link = NEW(struct cluster_link);
    enum status status = STATUS_INVALID;

    link->loop = loop_new("cluster");
    link->changed = changed;
    link->context = context;
    link->start.run = start_watch;
    buffer_init(&link->prefix, PREFIX_SIZE_MAX);
    if (cluster_prefix(settings->cluster_name, &link->prefix) != STATUS_OK) {
        log_error("cluster.bad_setting", log_text("setting", SLICE("cluster.name")),
                  log_text("cure", SLICE("small letters, digits and hyphens")));
    } else {
        status = connect_etcd(settings, link);
    }
    if (status != STATUS_OK) {
        link->has_stopped = true;
        cluster_link_close(link);
        return status;
    }
    *out_link = link; /* `changed` may want it */
    loop_start(link->loop);
    loop_post(link->loop, &link->start);
    return STATUS_OK;
}

void cluster_link_stop(struct cluster_link *link)
{
    if (!link->has_stopped) {
        loop_stop(link->loop);
        loop_join(link->loop);
        link->has_stopped = true;
    }
}

void cluster_link_close(struct cluster_link *link)
{
    if (link == NULL) {
        return;
    }
    cluster_link_stop(link);
    cluster_watch_free(link->watch);
    etcd_free(link->etcd);
    loop_free(link->loop);
    buffer_done(&link->prefix);
    memory_free(link);
}

struct etcd *cluster_link_etcd(struct cluster_link *link)
{
    return link->etcd;
}

struct loop *cluster_link_loop(struct cluster_link *link)
{
    return link->loop;
}

struct slice cluster_link_prefix(const struct cluster_link *link)
{
    return buffer_view(&link->prefix);
}

const struct cluster_map *cluster_link_map(const struct cluster_link *link)
{
    return cluster_watch_map(link->watch);
}

enum status cluster_open_tls(const struct settings *settings, struct tls_context **out_tls)
{
    char certificate[TEXT_SIZE_MAX];
    char key[TEXT_SIZE_MAX];
    char authorities[TEXT_SIZE_MAX];
    const char *fault = NULL;
    struct tls_options options = {
        .certificate_path = text_of(settings->rpc_certificate, certificate),
        .key_path = text_of(settings->rpc_key, key),
        .authorities_path = text_of(settings->rpc_authorities, authorities),
    };

    *out_tls = NULL;
    if (options.certificate_path == NULL) {
        return STATUS_OK;
    }
    enum status status = tls_context_new(&options, out_tls, &fault);

    if (status != STATUS_OK) {
        log_error("cluster.bad_certificate", log_text("certificate", settings->rpc_certificate),
                  log_text("why", slice_of(fault)));
    }
    return status;
}
