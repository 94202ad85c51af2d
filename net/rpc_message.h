/* Packed messages, and what they may cost to unpack: a peer that writes few octets must not make
 * us allocate many. */
#ifndef AVISO_NET_RPC_MESSAGE_H
#define AVISO_NET_RPC_MESSAGE_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "core/arena.h"
#include "core/macros.h"
#include "core/status.h"

enum { RPC_MESSAGE_DEPTH_MAX = 16 };

/* Whether no message of `service` may contain itself or nests deeper than RPC_MESSAGE_DEPTH_MAX:
 * then unpacking is as bounded, since octets of unknown fields are not looked into. */
bool rpc_service_is_bounded(const ProtobufCServiceDescriptor *service);

/* Unpacks into `arena`, where the message lives.
 * TOO_LARGE: over RPC_MESSAGE_SIZE_MAX, or it would need too much memory for its size.
 * INVALID: it breaks the encoding. */
NODISCARD enum status rpc_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                         struct slice packed, struct arena *arena,
                                         ProtobufCMessage **out_message);

#endif
