/* What the two HTTP clients of net/ share of libcurl. */
#ifndef AVISO_NET_HTTP_CURL_H
#define AVISO_NET_HTTP_CURL_H

#include <curl/curl.h>

#include "core/macros.h"
#include "core/slice.h"
#include "core/status.h"

/* A new handle with what holds for all requests: http and https alone, no proxy, no signals, no
 * redirects. Never NULL. */
CURL *http_curl_new(void);

/* Appends the header "NAME VALUE", where `name` ends with its colon. INVALID: over 8 KiB, or with
 * a CR, LF or NUL. */
NODISCARD enum status http_curl_header(struct curl_slist **headers, struct slice name,
                                       struct slice value);

/* UNAVAILABLE: nobody answers there, so nothing was sent. DENIED: the server could not prove who it
 * is. TOO_LARGE: a callback took no more. INVALID: not a URL. TIMED_OUT. CORRUPT: not HTTP, or cut.
 */
enum status http_curl_status(CURLcode code);

#endif
