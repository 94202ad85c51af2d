#include "roles/storage_member.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "core/log.h"
#include "core/memory.h"
#include "roles/process.h"
#include "roles/storage_member_parts.h"
#include "roles/storage_number.h"

enum { LEASE_S = 10, TICK_MS = 300 };

/* ---- Our record ---- */

static uint64_t disk_size(struct slice folder)
{
    char path[PROCESS_PATH_SIZE_MAX];
    struct statvfs disk;

    return statvfs(process_path(path, folder, ""), &disk) == 0
               ? (uint64_t)disk.f_blocks * disk.f_frsize
               : 0;
}

static enum status make_record(const struct settings *settings, uint32_t number,
                               struct cluster_node *out_node)
{
    char listened[STORAGE_ADDRESS_SIZE_MAX];
    struct cluster_node node = {.id = number, .capacity = disk_size(settings->data_folder)};
    enum status status = storage_cut_address(settings->node_listen, listened, &node.port);
    const struct {
        struct cluster_name *name;
        struct slice text;
    } names[] = {
        {&node.address,
         settings->node_address.size > 0 ? settings->node_address : slice_of(listened)},
        {&node.zone, settings->node_zone},
        {&node.region, settings->node_region},
        {&node.host, settings->node_host},
        {&node.version, SLICE(AVISO_VERSION)},
    };

    for (size_t i = 0; status == STATUS_OK && i < COUNT_OF(names); i++) {
        status = cluster_name_set(names[i].name, names[i].text);
    }
    *out_node = node;
    return status;
}

enum status storage_member_check(const struct settings *settings)
{
    struct cluster_node node;
    enum status status = make_record(settings, 1, &node);

    if (status != STATUS_OK) {
        log_error("storage.bad_setting",
                  log_text("setting", SLICE("node.listen, node.address, node.zone, node.region or "
                                            "node.host")),
                  log_text("cure", SLICE("an address and a port such as 10.0.0.5:4190, and names "
                                         "of letters, digits, dots and hyphens")));
    }
    return status;
}

static void on_registered(struct etcd_call *call, enum status status,
                          const struct etcd_result *result)
{
    struct storage_member *member = CONTAINER_OF(call, struct storage_member, registration);

    member->is_registering = false;
    if (status == STATUS_OK) {
        log_info("storage.registered", log_number("node", member->number));
    }
}

static void register_node(struct storage_member *member)
{
    struct cluster_node node;
    struct buffer key;
    struct buffer value;

    if (member->is_registering || etcd_lease_id(member->lease) == 0 ||
        make_record(member->settings, member->number, &node) != STATUS_OK) {
        return;
    }
    member->is_registering = true;
    buffer_init(&key, MEMBER_KEY_SIZE_MAX);
    buffer_init(&value, CLUSTER_RECORD_SIZE_MAX);
    cluster_key_number(cluster_link_prefix(member->link), "nodes", member->number, &key);
    cluster_node_print(&node, &value);
    etcd_put(&member->registration, buffer_view(&key), buffer_view(&value),
             etcd_lease_id(member->lease), on_registered);
    buffer_done(&key);
    buffer_done(&value);
}

static void on_held(void *context, uint64_t lease)
{
    register_node(context);
}

/* ---- The others ---- */

static void set_peer(struct storage_member *member, const struct cluster_node *node)
{
    struct shard_map_node *told = numbered_put(&member->peers, node->id);

    if (told->port == node->port && strcmp(told->address, node->address.text) == 0) {
        return;
    }
    enum status status = node_set_peer(member->node, node->id, node->address.text, node->port);

    told->port = node->port;
    memcpy(told->address, node->address.text, sizeof(told->address));
    if (status != STATUS_OK) {
        log_error("storage.bad_peer", log_number("node", node->id),
                  log_text("address", slice_of(node->address.text)), log_status(status));
    }
}

static void set_peers(struct storage_member *member)
{
    const struct cluster_map *map = cluster_link_map(member->link);

    for (size_t i = 0; i < cluster_map_node_count(map); i++) {
        const struct cluster_node_entry *entry = cluster_map_node_at(map, i);

        if (entry->node.id != member->number) {
            set_peer(member, &entry->node);
        }
    }
}

/* ---- Errands ---- */

struct member_shard *member_shard(struct storage_member *member, uint32_t shard)
{
    return numbered_put(&member->shards, shard);
}

static void finish_errand(struct loop_message *message)
{
    struct member_errand *errand = CONTAINER_OF(message, struct member_errand, message);

    member_shard(errand->member, errand->shard)->is_busy = false;
    errand->done(errand);
    memory_free(errand);
}

struct member_errand *member_errand_new(struct storage_member *member, uint32_t shard,
                                        void (*done)(struct member_errand *errand))
{
    struct member_errand *errand = NEW(struct member_errand);

    *errand = (struct member_errand){
        .message = {.run = finish_errand}, .member = member, .shard = shard, .done = done};
    member_shard(member, shard)->is_busy = true;
    return errand;
}

void member_errand_done(void *context, enum status status)
{
    struct member_errand *errand = context;

    errand->status = status;
    loop_post(cluster_link_loop(errand->member->link), &errand->message);
}

/* ---- The member ---- */

/* The record may have gone with an older lease, or somebody may have removed it. */
static bool is_registered(const struct storage_member *member)
{
    const struct cluster_node_entry *entry =
        cluster_map_node(cluster_link_map(member->link), member->number);

    return entry != NULL && entry->is_alive;
}

static void on_tick(struct loop_timer *timer)
{
    struct storage_member *member = CONTAINER_OF(timer, struct storage_member, tick);

    loop_timer_start(timer, TICK_MS);
    if (!is_registered(member)) {
        register_node(member);
    }
    if (member->node != NULL) {
        member_hold_replicas(member);
        member_lead(member);
    }
}

struct storage_member *storage_member_new(const struct settings *settings,
                                          struct cluster_link *link, uint32_t number)
{
    struct storage_member *member = NEW(struct storage_member);
    struct etcd *etcd = cluster_link_etcd(link);

    member->settings = settings;
    member->link = link;
    member->number = number;
    numbered_init(&member->shards, sizeof(struct member_shard));
    numbered_init(&member->peers, sizeof(struct shard_map_node));
    etcd_call_init(&member->registration, etcd);
    etcd_call_init(&member->hints, etcd);
    etcd_call_init(&member->record, etcd);
    member->lease_listener = (struct etcd_lease_listener){on_held, NULL, member};
    member->lease = etcd_lease_new(etcd, LEASE_S, &member->lease_listener);
    loop_timer_init(&member->tick, cluster_link_loop(link), on_tick);
    loop_timer_start(&member->tick, TICK_MS);
    return member;
}

void storage_member_attach(struct storage_member *member, struct node *node)
{
    member->node = node;
    member_learn_replicas(member);
    storage_member_update(member);
}

void storage_member_update(struct storage_member *member)
{
    if (member->node != NULL) {
        set_peers(member);
        member_hold_replicas(member);
    }
}

void storage_member_stop(struct storage_member *member)
{
    loop_timer_stop(&member->tick);
    etcd_lease_free(member->lease);
    etcd_call_done(&member->registration);
    etcd_call_done(&member->hints);
    etcd_call_done(&member->record);
}

void storage_member_free(struct storage_member *member)
{
    if (member == NULL) {
        return;
    }
    numbered_done(&member->shards);
    numbered_done(&member->peers);
    memory_free(member);
}
