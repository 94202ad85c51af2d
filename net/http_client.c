#include "net/http_client.h"

#include "net/http_curl.h"

static size_t on_octets(char *octets, size_t one, size_t size, void *context)
{
    struct buffer *body = context;

    if (size > buffer_room(body)) {
        return 0;
    }
    buffer_append(body, (struct slice){octets, size});
    return size;
}

static enum status make_headers(const struct http_call *call, struct curl_slist **headers)
{
    enum status status = http_curl_header(headers, SLICE("Expect:"), SLICE(""));

    if (status == STATUS_OK && call->token != NULL) {
        status = http_curl_header(headers, SLICE("Authorization: Bearer"), slice_of(call->token));
    }
    if (status == STATUS_OK && call->content_type != NULL) {
        status = http_curl_header(headers, SLICE("Content-Type:"), slice_of(call->content_type));
    }
    return status;
}

static void set_options(CURL *curl, const struct http_call *call, struct curl_slist *headers,
                        struct buffer *out_body)
{
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

    CURL *curl = http_curl_new();
    enum status status = make_headers(call, &headers);

    if (status == STATUS_OK) {
        set_options(curl, call, headers, out_body);
        status = http_curl_status(curl_easy_perform(curl));
    }
    if (status == STATUS_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
        *out_code = (unsigned)code;
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return status;
}
