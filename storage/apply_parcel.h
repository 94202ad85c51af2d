/* A message as a DeliverRequest and its octets bring it: what Deliver and HandOver have in common.
 */
#ifndef AVISO_STORAGE_APPLY_PARCEL_H
#define AVISO_STORAGE_APPLY_PARCEL_H

#include "proto/delivery.pb-c.h"
#include "storage/apply_state.h"

struct parcel {
    struct apply *apply;
    const Aviso__DeliverRequest *request;
    struct slice header_frame;
    struct slice frames;
    struct slice body_id; /* empty: no body */
};

/* Cuts the octets as the request says. INVALID: they contradict each other; TOO_LARGE: a limit of
 * storage/apply.h. */
NODISCARD enum status parcel_open(struct apply *apply, const Aviso__DeliverRequest *request,
                                  struct slice octets, struct parcel *out_parcel);

/* Lays the body down, if it came along; in any case it is there then. NOT_FOUND: it is not. */
NODISCARD enum status parcel_lay_body(const struct parcel *parcel);

#endif
