/* The directory's hash slots: which part of the directory a name belongs to. */
#ifndef AVISO_ROUTER_SLOT_H
#define AVISO_ROUTER_SLOT_H

#include <stdint.h>

#include "core/slice.h"

enum { SLOT_COUNT = 1024 };

/* The slot of a canonical name (mail/address.h: lower case): "ann@example.org", "@example.org".
 * FNV-1a over the octets, folded: frozen for ever, because entries lie where it said. */
uint32_t slot_of(struct slice name);

#endif
