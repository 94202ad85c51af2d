#include "router/cluster_record.h"

/* Names have no octet that JSON would escape. */
static void print_name(const char *member, const struct cluster_name *name, struct buffer *output)
{
    if (name->text[0] != '\0') {
        buffer_printf(output, ",\"%s\":\"%s\"", member, name->text);
    }
}

static void print_number(const char *member, uint64_t number, struct buffer *output)
{
    if (number != 0) {
        buffer_printf(output, ",\"%s\":%llu", member, (unsigned long long)number);
    }
}

void cluster_config_print(const struct cluster_config *config, struct buffer *output)
{
    buffer_printf(output, "{\"version\":1,\"id\":\"%llu\",\"features\":\"%llu\"}",
                  (unsigned long long)config->id, (unsigned long long)config->features);
}

void cluster_node_print(const struct cluster_node *node, struct buffer *output)
{
    buffer_printf(output, "{\"version\":1");
    print_name("address", &node->address, output);
    print_number("port", node->port, output);
    print_name("zone", &node->zone, output);
    print_name("region", &node->region, output);
    print_name("host", &node->host, output);
    print_name("node_version", &node->version, output);
    print_number("capacity", node->capacity, output);
    buffer_append_octet(output, '}');
}

static void print_replicas(const char *member, const struct cluster_replicas *replicas,
                           struct buffer *output)
{
    if (replicas->count == 0) {
        return;
    }
    buffer_printf(output, ",\"%s\":[", member);
    for (size_t i = 0; i < replicas->count; i++) {
        const struct cluster_replica *replica = &replicas->list[i];

        buffer_printf(output, "%s{\"node\":%u,\"life\":%u,\"role\":\"%s\"}", i > 0 ? "," : "",
                      replica->node, replica->life,
                      replica->role == CLUSTER_VOTER ? "voter" : "learner");
    }
    buffer_append_octet(output, ']');
}

void cluster_shard_print(const struct cluster_shard *shard, struct buffer *output)
{
    buffer_printf(output, "{\"version\":1");
    print_number("generation", shard->generation, output);
    print_number("voters", shard->voters, output);
    print_number("founders", shard->founders, output);
    print_number("life_next", shard->life_next, output);
    print_number("leader_wish", shard->leader_wish, output);
    print_name("region", &shard->region, output);
    print_replicas("replicas", &shard->now, output);
    print_replicas("wish", &shard->wish, output);
    buffer_append_octet(output, '}');
}

void cluster_leader_print(const struct cluster_leader *leader, struct buffer *output)
{
    buffer_printf(output, "{\"version\":1");
    print_number("node", leader->node, output);
    print_number("term", leader->term, output);
    buffer_printf(output, ",\"ready\":[");
    for (uint32_t i = 0; i < leader->ready_count; i++) {
        buffer_printf(output, "%s%u", i > 0 ? "," : "", leader->ready[i]);
    }
    buffer_printf(output, "]}");
}

void cluster_slots_print(const struct cluster_slots *slots, struct buffer *output)
{
    buffer_printf(output, "{\"version\":1,\"shard\":%u}", slots->shard);
}
