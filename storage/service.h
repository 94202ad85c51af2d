/* What the services of a node share: from a request to the shard that it is for. */
#ifndef AVISO_STORAGE_SERVICE_H
#define AVISO_STORAGE_SERVICE_H

#include "storage/node.h"

/* Each a ProtobufCService for net/rpc.h, which serves `node`; freed with service_free(). */
ProtobufCService *directory_service_new(struct node *node);
ProtobufCService *account_service_new(struct node *node);
ProtobufCService *mailbox_service_new(struct node *node);
ProtobufCService *delivery_service_new(struct node *node);
ProtobufCService *handover_service_new(struct node *node);
ProtobufCService *watch_service_new(struct node *node);
ProtobufCService *raft_service_new(struct node *node);
ProtobufCService *snapshot_service_new(struct node *node);
void service_free(ProtobufCService *service);

/* Proposes, and answers `call` with what comes of it. */
void service_propose(struct node *node, enum command_kind kind, const ProtobufCMessage *request,
                     void *call);

/* Reads, and answers `call`. */
void service_read(struct node *node, enum read_kind kind, const ProtobufCMessage *request,
                  void *call);

#endif
