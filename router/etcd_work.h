/* The client's inside, for the other files of it: calls begin, and answers without end. */
#ifndef AVISO_ROUTER_ETCD_WORK_H
#define AVISO_ROUTER_ETCD_WORK_H

#include "router/etcd.h"

/* Sends the body of `call`, and again where that is harmless, until there is an answer. */
void etcd_start(struct etcd_call *call, enum etcd_kind kind, etcd_done_fn *done);

/* Begins an answer without end; `fetch` as in net/http_fetch.h. AGAIN: a token is fetched first,
 * and nothing is in flight: try again soon. */
NODISCARD enum status etcd_stream(struct etcd *etcd, const char *path, struct slice body,
                                  struct http_fetch *fetch);

/* A stream brought something: etcd is there. */
void etcd_stream_lives(struct etcd *etcd);

/* A stream ended, and why. SUSPENDED: then with another token; EXPIRED: the endpoint is not to
 * blame; else another one is asked from now on. */
void etcd_stream_ended(struct etcd *etcd, enum status status);

#endif
