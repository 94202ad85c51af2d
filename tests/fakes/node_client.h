/* A client of a node in this process that waits for its answers: for tests and measurements. */
#ifndef AVISO_TESTS_FAKES_NODE_CLIENT_H
#define AVISO_TESTS_FAKES_NODE_CLIENT_H

#include "core/arena.h"
#include "net/rpc.h"
#include "proto/account.pb-c.h"
#include "proto/delivery.pb-c.h"
#include "proto/directory.pb-c.h"
#include "proto/mailbox.pb-c.h"

enum { NODE_CLIENT_SERVICES = 4 };

struct node_client {
    struct loop *loop;
    ProtobufCService *channels[NODE_CLIENT_SERVICES];
    struct arena arena; /* replies: until the client is closed */
    enum status status;   /* of the last call */
    uint32_t leader_hint; /* with NOT_LEADER */
    uint64_t id_counter;
};

/* Before the node is stopped, it is closed. */
void node_client_open(struct node_client *client, const struct rpc_services *services);
void node_client_close(struct node_client *client);

/* A request id of now. */
ProtobufCBinaryData node_client_id(struct node_client *client);

/* Calls a method, such as "Deliver", and waits. The reply, or NULL (then client->status). */
const void *node_client_call(struct node_client *client, uint32_t shard, const char *method,
                             const ProtobufCMessage *request, struct slice octets);

/* One message with the given id into INBOX. */
const Aviso__DeliverOutcome *node_client_deliver(struct node_client *client, uint32_t shard,
                                                 uint64_t account, ProtobufCBinaryData id,
                                                 struct slice body);

#endif
