/* Requests as octets to messages, and replies back, in the memory of apply. */
#ifndef AVISO_STORAGE_APPLY_REPLY_H
#define AVISO_STORAGE_APPLY_REPLY_H

#include "net/rpc.h"
#include "storage/apply_edit.h"

/* The message's octets, which live until the batch is settled. */
struct slice apply_pack(struct apply *apply, const ProtobufCMessage *message);

/* The message of `octets`, in `arena`; NULL: they are none. */
ProtobufCMessage *apply_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor,
                               struct slice octets);

#endif
