/* HTTP requests: what is understood keeps its limits, and does not depend on how the octets of a
 * body are cut. */
#include "core/check.h"
#include "core/crc32c.h"
#include "core/line_reader.h"
#include "net/http_request.h"
#include "tests/fuzz/fuzz.h"

enum { BODY_SIZE_MAX = 4096 };

struct outcome {
    uint32_t digest;
    unsigned requests;
    unsigned refusal;
};

static void note(struct outcome *outcome, const struct http_request *request)
{
    struct slice parts[] = {request->method, request->path, request->query, request->body};
    struct buffer text;

    CHECK(request->header_count <= HTTP_HEADERS_MAX && request->body.size <= BODY_SIZE_MAX);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        outcome->digest = crc32c(outcome->digest, parts[i]);
    }
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice value = request->headers[i].value;

        CHECK(request->headers[i].name.size > 0);
        CHECK(slice_find(value, '\r') == value.size && slice_find(value, '\n') == value.size);
        outcome->digest = crc32c(outcome->digest, value);
    }
    buffer_init(&text, HTTP_HEAD_SIZE_MAX);
    if (http_request_query(request, "a", &text) == STATUS_OK) {
        outcome->digest = crc32c(outcome->digest, buffer_view(&text));
    }
    buffer_done(&text);
    outcome->requests++;
}

static enum http_progress read_next(struct http_reader *reader, struct line_reader *lines,
                                    size_t piece_size, enum http_progress progress)
{
    struct slice unread = line_reader_unread(lines);
    struct slice line;
    size_t taken = 0;

    if (progress == HTTP_WANTS_OCTETS) {
        progress = http_reader_octets(reader, slice_prefix(unread, piece_size), &taken);
        CHECK(taken <= unread.size && taken <= piece_size);
        line_reader_take(lines, taken);
        return progress;
    }
    return line_reader_next(lines, &line) == STATUS_OK ? http_reader_line(reader, line)
                                                       : HTTP_REFUSED;
}

static struct outcome read_all(struct slice bytes, size_t piece_size)
{
    struct http_reader reader;
    struct line_reader lines;
    struct outcome outcome = {0};
    enum http_progress progress = HTTP_WANTS_LINE;

    http_reader_init(&reader, BODY_SIZE_MAX);
    line_reader_init(&lines, HTTP_LINE_SIZE_MAX, bytes.size);
    line_reader_lend(&lines, bytes);
    while (progress != HTTP_REFUSED && line_reader_unread(&lines).size > 0) {
        progress = read_next(&reader, &lines, piece_size, progress);
        if (progress == HTTP_COMPLETE) {
            note(&outcome, &reader.request);
            http_reader_clear(&reader);
            progress = HTTP_WANTS_LINE;
        }
    }
    outcome.refusal = reader.refusal;
    http_reader_done(&reader);
    line_reader_done(&lines);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct outcome whole = read_all(bytes, SIZE_MAX);

    for (size_t piece_size = 1; piece_size < 50; piece_size = piece_size * 7 + 1) {
        struct outcome cut = read_all(bytes, piece_size);

        CHECK(cut.digest == whole.digest && cut.requests == whole.requests &&
              cut.refusal == whole.refusal);
    }
    return 0;
}
