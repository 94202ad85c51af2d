#include "frontend/imap/imap_search_text.h"

#include "mail/utf8.h"

enum {
    OVERLAP_SIZE = 16 * 1024, /* octets: more than any search text folded */
    CUT_LOOKBACK_MAX = 4096,  /* octets looked through for a place to cut */
};

/* ---- Which octets are text ---- */

struct collection {
    const struct digest *digest;
    struct imap_text_range *ranges;
    size_t count;
};

static struct slice charset_of(const struct digest_part *part)
{
    for (size_t i = 0; i < part->parameters.count; i++) {
        if (slice_is(part->parameters.items[i].name, "charset")) {
            return part->parameters.items[i].value;
        }
    }
    return SLICE("");
}

static void add_range(struct collection *collection, uint64_t offset, uint64_t size,
                      enum transfer_encoding encoding, struct slice charset)
{
    if (size > 0 && offset >= collection->digest->header_size) {
        collection->ranges[collection->count++] = (struct imap_text_range){
            .offset = offset - collection->digest->header_size,
            .size = size,
            .encoding = encoding,
            .charset = charset,
        };
    }
}

static void collect(struct collection *collection, const struct digest_part *part)
{
    if (slice_is(part->type, "text")) {
        add_range(collection, part->body_offset, part->body_size,
                  transfer_encoding_of(part->encoding), charset_of(part));
        return;
    }
    for (size_t i = 0; i < part->child_count; i++) {
        if (part->envelope != NULL) {
            add_range(collection, part->children[i].header_offset, part->children[i].header_size,
                      TRANSFER_IDENTITY, SLICE(""));
        }
        collect(collection, &part->children[i]);
    }
}

static size_t count_parts(const struct digest_part *part)
{
    size_t count = 1;

    for (size_t i = 0; i < part->child_count; i++) {
        count += count_parts(&part->children[i]);
    }
    return count;
}

size_t imap_text_ranges(const struct digest *digest, uint64_t body_size, struct arena *arena,
                        const struct imap_text_range **out_ranges)
{
    if (digest == NULL) {
        struct imap_text_range *all = ARENA_NEW(arena, struct imap_text_range);

        all->size = body_size;
        *out_ranges = all;
        return body_size > 0 ? 1 : 0;
    }
    struct collection collection = {
        .digest = digest,
        .ranges = arena_array(arena, 2 * count_parts(&digest->root), sizeof(*collection.ranges)),
    };

    collect(&collection, &digest->root);
    *out_ranges = collection.ranges;
    return collection.count;
}

/* ---- Decoding ---- */

void imap_search_text_init(struct imap_search_text *text)
{
    *text = (struct imap_search_text){0};
    buffer_init(&text->decoded, SIZE_MAX / 2);
    buffer_init(&text->utf8, SIZE_MAX / 2);
    buffer_init(&text->folded, SIZE_MAX / 2);
}

static void close_range(struct imap_search_text *text)
{
    if (text->is_open) {
        transfer_decoder_done(&text->transfer);
        charset_decoder_free(text->charset);
        text->charset = NULL;
        text->is_open = false;
    }
}

void imap_search_text_done(struct imap_search_text *text)
{
    close_range(text);
    buffer_done(&text->decoded);
    buffer_done(&text->utf8);
    buffer_done(&text->folded);
}

void imap_search_text_begin(struct imap_search_text *text, const struct imap_text_range *range)
{
    close_range(text);
    buffer_clear(&text->utf8);
    buffer_clear(&text->folded);
    transfer_decoder_init(&text->transfer, range->encoding);
    if (charset_decoder_new(range->charset, &text->charset) != STATUS_OK &&
        charset_decoder_new(SLICE(""), &text->charset) != STATUS_OK) {
        text->charset = NULL;
    }
    text->is_open = true;
}

/* How much of `utf8` may be folded now: up to its last ASCII octet, behind which nothing that
 * belongs to it can come; in text without any, up to the last character. */
static size_t find_cut(struct slice utf8)
{
    size_t lookback = utf8.size < CUT_LOOKBACK_MAX ? utf8.size : CUT_LOOKBACK_MAX;

    for (size_t i = 0; i < lookback; i++) {
        if ((unsigned char)utf8.data[utf8.size - 1 - i] < 0x80) {
            return utf8.size - 1 - i;
        }
    }
    for (size_t i = 0; i < lookback; i++) {
        if (((unsigned char)utf8.data[utf8.size - 1 - i] & 0xc0) != 0x80) {
            return utf8.size - 1 - i;
        }
    }
    return utf8.size;
}

struct slice imap_search_text_feed(struct imap_search_text *text, struct slice octets, bool is_last)
{
    buffer_clear(&text->decoded);
    transfer_decoder_decode(&text->transfer, octets, &text->decoded);
    if (is_last) {
        transfer_decoder_finish(&text->transfer, &text->decoded);
    }
    if (text->charset != NULL) {
        charset_decoder_decode(text->charset, buffer_view(&text->decoded), is_last, &text->utf8);
    }
    struct slice utf8 = buffer_view(&text->utf8);
    size_t cut = is_last ? utf8.size : find_cut(utf8);

    if (text->folded.size > OVERLAP_SIZE) {
        buffer_consume(&text->folded, text->folded.size - OVERLAP_SIZE);
    }
    if (utf8_fold(slice_prefix(utf8, cut), &text->folded) != STATUS_OK) {
        buffer_clear(&text->folded);
    }
    buffer_consume(&text->utf8, cut);
    return buffer_view(&text->folded);
}
