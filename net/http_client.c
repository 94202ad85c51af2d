#include "net/http_client.h"

#include <pthread.h>

#include <curl/curl.h>

#include "core/check.h"

enum { HEADER_SIZE_MAX = 16 * 1024 };

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void prepare_curl(void)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static size_t on_octets(char *octets, size_t one, size_t size, void *context)
{
    struct buffer *body = context;

    if (size > buffer_room(body)) {
        return 0;
    }
    buffer_append(body, (struct slice){octets, size});
    return size;
}

static enum status status_of(CURLcode code)
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

static enum status add_header(struct curl_slist **headers, const char *name, const char *value)
{
    struct slice text = slice_of(value);
    struct buffer line;

    if (text.size > HEADER_SIZE_MAX / 2 || slice_find(text, '\r') < text.size ||
        slice_find(text, '\n') < text.size) {
        return STATUS_INVALID;
    }
    buffer_init(&line, HEADER_SIZE_MAX);
    buffer_printf(&line, "%s%s", name, value);
    buffer_append_octet(&line, '\0');
    *headers = curl_slist_append(*headers, line.data);
    CHECK(*headers != NULL);
    buffer_wipe(&line);
    return STATUS_OK;
}

static enum status make_headers(const struct http_call *call, struct curl_slist **headers)
{
    enum status status = add_header(headers, "Expect:", "");

    if (status == STATUS_OK && call->token != NULL) {
        status = add_header(headers, "Authorization: Bearer ", call->token);
    }
    if (status == STATUS_OK && call->content_type != NULL) {
        status = add_header(headers, "Content-Type: ", call->content_type);
    }
    return status;
}

static void set_options(CURL *curl, const struct http_call *call, struct curl_slist *headers,
                        struct buffer *out_body)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_octets);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out_body);
    if (call->body.size > 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    } else if (slice_is(slice_of(call->method), "HEAD")) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (slice_is(slice_of(call->method), "POST")) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->authorities_path != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, call->authorities_path);
    }
}

enum status http_client_call(const struct http_call *call, unsigned *out_code,
                             struct buffer *out_body)
{
    struct curl_slist *headers = NULL;
    long code = 0;

    CHECK(pthread_once(&curl_once, prepare_curl) == 0);
    CURL *curl = curl_easy_init();

    CHECK(curl != NULL);
    enum status status = make_headers(call, &headers);

    if (status == STATUS_OK) {
        set_options(curl, call, headers, out_body);
        status = status_of(curl_easy_perform(curl));
    }
    if (status == STATUS_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
        *out_code = (unsigned)code;
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}
