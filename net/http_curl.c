#include "net/http_curl.h"

#include <pthread.h>

#include "core/buffer.h"
#include "core/check.h"

enum { HEADER_SIZE_MAX = 8 * 1024 };

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void prepare_curl(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

CURL *http_curl_new(void)
{
    CHECK(pthread_once(&curl_once, prepare_curl) == 0);
    CURL *curl = curl_easy_init();

    CHECK(curl != NULL);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    return curl;
}

static bool can_be_sent(struct slice text)
{
    return slice_find(text, '\r') == text.size && slice_find(text, '\n') == text.size &&
           slice_find(text, '\0') == text.size;
}

enum status http_curl_header(struct curl_slist **headers, struct slice name, struct slice value)
{
    struct buffer line;

    if (name.size + value.size > HEADER_SIZE_MAX || !can_be_sent(name) || !can_be_sent(value)) {
        return STATUS_INVALID;
    }
    buffer_init(&line, HEADER_SIZE_MAX + 2);
    buffer_append(&line, name);
    if (value.size > 0) {
        buffer_append_octet(&line, ' ');
    }
    buffer_append(&line, value);
    buffer_append_octet(&line, '\0');
    struct curl_slist *longer = curl_slist_append(*headers, line.data);

    CHECK(longer != NULL);
    *headers = longer;
    buffer_wipe(&line);
    return STATUS_OK;
}

enum status http_curl_status(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return STATUS_OK;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return STATUS_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return STATUS_TIMED_OUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return STATUS_DENIED;
    case CURLE_WRITE_ERROR:
        return STATUS_TOO_LARGE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return STATUS_UNAVAILABLE;
    default:
        return STATUS_CORRUPT;
    }
}
