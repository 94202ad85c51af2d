#include "storage/raft/configuration.h"

#include <string.h>

#include "core/number.h"

enum { VERSION = 1, HEAD_SIZE = 2, REPLICA_SIZE = 10 };

const struct raft_replica *raft_configuration_find(const struct raft_configuration *configuration,
                                                   uint64_t id)
{
    for (size_t i = 0; i < configuration->count; i++) {
        if (configuration->replicas[i].id == id) {
            return &configuration->replicas[i];
        }
    }
    return NULL;
}

static size_t count_parts(const struct raft_configuration *configuration, unsigned parts)
{
    size_t count = 0;

    for (size_t i = 0; i < configuration->count; i++) {
        count += (configuration->replicas[i].parts & parts) != 0;
    }
    return count;
}

bool raft_configuration_is_joint(const struct raft_configuration *configuration)
{
    return count_parts(configuration, RAFT_OUTGOING) > 0;
}

bool raft_configuration_votes(const struct raft_configuration *configuration, uint64_t id)
{
    const struct raft_replica *replica = raft_configuration_find(configuration, id);

    return replica != NULL && (replica->parts & (RAFT_VOTER | RAFT_OUTGOING)) != 0;
}

bool raft_configuration_equals(const struct raft_configuration *one,
                               const struct raft_configuration *other)
{
    if (one->count != other->count) {
        return false;
    }
    for (size_t i = 0; i < one->count; i++) {
        const struct raft_replica *mine = &one->replicas[i];
        const struct raft_replica *theirs = &other->replicas[i];

        if (mine->id != theirs->id || mine->parts != theirs->parts ||
            mine->priority != theirs->priority) {
            return false;
        }
    }
    return true;
}

enum status raft_configuration_put(struct raft_configuration *configuration,
                                   struct raft_replica replica)
{
    size_t place = 0;

    while (place < configuration->count && configuration->replicas[place].id < replica.id) {
        place++;
    }
    if (place == configuration->count || configuration->replicas[place].id != replica.id) {
        struct raft_replica *after = &configuration->replicas[place];

        if (configuration->count == RAFT_REPLICAS_MAX) {
            return STATUS_TOO_LARGE;
        }
        memmove(after + 1, after, (configuration->count - place) * sizeof(*after));
        configuration->count++;
    }
    configuration->replicas[place] = replica;
    return STATUS_OK;
}

static bool parts_allowed(unsigned parts)
{
    switch (parts) {
    case RAFT_VOTER:
    case RAFT_LEARNER:
    case RAFT_OUTGOING:
    case RAFT_VOTER | RAFT_OUTGOING:
    case RAFT_LEARNER | RAFT_OUTGOING:
        return true;
    default:
        return false;
    }
}

enum status raft_configuration_check(const struct raft_configuration *configuration)
{
    uint64_t id_before = 0;

    if (configuration->count > RAFT_REPLICAS_MAX) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < configuration->count; i++) {
        const struct raft_replica *replica = &configuration->replicas[i];

        if (replica->id <= id_before || !parts_allowed(replica->parts)) {
            return STATUS_INVALID;
        }
        id_before = replica->id;
    }
    return count_parts(configuration, RAFT_VOTER) > 0 ? STATUS_OK : STATUS_INVALID;
}

static bool is_plain(const struct raft_configuration *configuration)
{
    return raft_configuration_check(configuration) == STATUS_OK &&
           !raft_configuration_is_joint(configuration);
}

enum status raft_configuration_join(const struct raft_configuration *before,
                                    const struct raft_configuration *after,
                                    struct raft_configuration *out_joint)
{
    struct raft_configuration joint = *after;

    if (!is_plain(before) || !is_plain(after)) {
        return STATUS_INVALID;
    }
    for (size_t i = 0; i < before->count; i++) {
        struct raft_replica replica = before->replicas[i];
        const struct raft_replica *stays = raft_configuration_find(after, replica.id);
        enum status status;

        if ((replica.parts & RAFT_VOTER) == 0) {
            continue; /* a learner of before alone goes at once: nobody counts it */
        }
        replica.parts = RAFT_OUTGOING;
        if (stays != NULL) {
            replica.parts = (uint8_t)(stays->parts | RAFT_OUTGOING);
            replica.priority = stays->priority;
        }
        status = raft_configuration_put(&joint, replica);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *out_joint = joint;
    return STATUS_OK;
}

struct raft_configuration raft_configuration_leave(const struct raft_configuration *joint)
{
    struct raft_configuration left = {0};

    for (size_t i = 0; i < joint->count; i++) {
        struct raft_replica replica = joint->replicas[i];

        replica.parts &= (uint8_t)~RAFT_OUTGOING;
        if (replica.parts != 0) {
            left.replicas[left.count++] = replica;
        }
    }
    return left;
}

static bool majority(const struct raft_configuration *configuration, unsigned part,
                     uint32_t replicas)
{
    size_t voters = 0;
    size_t there = 0;

    for (size_t i = 0; i < configuration->count; i++) {
        if ((configuration->replicas[i].parts & part) != 0) {
            voters++;
            there += (replicas >> i) & 1;
        }
    }
    return there * 2 > voters || voters == 0; /* no such set: it has no say */
}

bool raft_configuration_quorum(const struct raft_configuration *configuration, uint32_t replicas)
{
    return majority(configuration, RAFT_VOTER, replicas) &&
           majority(configuration, RAFT_OUTGOING, replicas);
}

/* Sorts by insertion: a set of voters is small. */
static uint64_t reached_by(const struct raft_configuration *configuration, unsigned part,
                           const uint64_t values[RAFT_REPLICAS_MAX])
{
    uint64_t sorted[RAFT_REPLICAS_MAX]; /* descending */
    size_t count = 0;

    for (size_t i = 0; i < configuration->count; i++) {
        size_t place = count;

        if ((configuration->replicas[i].parts & part) == 0) {
            continue;
        }
        for (; place > 0 && sorted[place - 1] < values[i]; place--) {
            sorted[place] = sorted[place - 1];
        }
        sorted[place] = values[i];
        count++;
    }
    return count == 0 ? UINT64_MAX : sorted[count / 2];
}

uint64_t raft_configuration_reached(const struct raft_configuration *configuration,
                                    const uint64_t values[RAFT_REPLICAS_MAX])
{
    uint64_t incoming = reached_by(configuration, RAFT_VOTER, values);
    uint64_t outgoing = reached_by(configuration, RAFT_OUTGOING, values);

    return incoming < outgoing ? incoming : outgoing;
}

size_t raft_configuration_size(const struct raft_configuration *configuration)
{
    return HEAD_SIZE + configuration->count * REPLICA_SIZE;
}

void raft_configuration_encode(const struct raft_configuration *configuration,
                               struct buffer *output)
{
    size_t size = raft_configuration_size(configuration);
    char *octets = buffer_reserve(output, size);

    *octets++ = VERSION;
    *octets++ = (char)configuration->count;
    for (size_t i = 0; i < configuration->count; i++, octets += REPLICA_SIZE) {
        number_put_u64(octets, configuration->replicas[i].id);
        octets[8] = (char)configuration->replicas[i].parts;
        octets[9] = (char)configuration->replicas[i].priority;
    }
    buffer_grew(output, size);
}

enum status raft_configuration_decode(struct slice bytes,
                                      struct raft_configuration *out_configuration)
{
    struct raft_configuration configuration = {0};
    const char *octets = bytes.data;

    if (bytes.size < HEAD_SIZE) {
        return STATUS_INVALID;
    }
    if (octets[0] != VERSION) {
        return STATUS_UNSUPPORTED;
    }
    configuration.count = (uint8_t)octets[1];
    if (configuration.count > RAFT_REPLICAS_MAX ||
        bytes.size != raft_configuration_size(&configuration)) {
        return STATUS_INVALID;
    }
    octets += HEAD_SIZE;
    for (size_t i = 0; i < configuration.count; i++, octets += REPLICA_SIZE) {
        configuration.replicas[i] = (struct raft_replica){.id = number_get_u64(octets),
                                                          .parts = (uint8_t)octets[8],
                                                          .priority = (uint8_t)octets[9]};
    }
    if (raft_configuration_check(&configuration) != STATUS_OK) {
        return STATUS_INVALID;
    }
    *out_configuration = configuration;
    return STATUS_OK;
}
