#include "mail/address_list.h"

#include <stdbool.h>

/* The address in the making: RFC 5322's tokens as they come. */
struct maker {
    struct arena *arena;
    struct mime_budget *budget;
    struct buffer phrase; /* words with single blanks: a display name, or a group's */
    struct buffer local;  /* the same octets without blanks: a local part */
    struct buffer domain;
    struct buffer comment; /* the latest */
    bool had_blank;        /* since the last word */
    bool has_at;
    bool in_angle;
    bool had_angle;
    bool in_group;
    struct digest_address *items;
    size_t count;
    size_t capacity;
};

static void begin_address(struct maker *maker)
{
    buffer_clear(&maker->phrase);
    buffer_clear(&maker->local);
    buffer_clear(&maker->domain);
    buffer_clear(&maker->comment);
    maker->had_blank = maker->has_at = maker->in_angle = maker->had_angle = false;
}

static void append_limited(struct buffer *buffer, char octet)
{
    if (buffer_room(buffer) > 0) {
        buffer_append_octet(buffer, octet);
    }
}

static struct slice keep(struct maker *maker, const struct buffer *text)
{
    struct slice kept = slice_prefix(buffer_view(text), maker->budget->octets);

    maker->budget->octets -= kept.size;
    return kept.size > 0 ? arena_copy(maker->arena, kept) : SLICE("");
}

static void emit(struct maker *maker, struct digest_address address)
{
    if (maker->budget->addresses == 0) {
        return;
    }
    maker->budget->addresses--;
    if (maker->count == maker->capacity) {
        size_t capacity = maker->capacity * 2 + 2;
        struct digest_address *items = arena_array(maker->arena, capacity, sizeof(*items));

        for (size_t i = 0; i < maker->count; i++) {
            items[i] = maker->items[i];
        }
        maker->items = items;
        maker->capacity = capacity;
    }
    maker->items[maker->count++] = address;
}

static void end_address(struct maker *maker)
{
    struct digest_address address = {0};

    if (maker->local.size == 0 && !maker->has_at && !maker->had_angle) {
        begin_address(maker);
        return;
    }
    if (maker->budget->addresses > 0) {
        if (maker->had_angle && maker->phrase.size > 0) {
            address.name = keep(maker, &maker->phrase);
        } else if (maker->comment.size > 0) {
            address.name = keep(maker, &maker->comment);
        }
        address.mailbox = keep(maker, &maker->local);
        address.host = keep(maker, &maker->domain);
    }
    emit(maker, address);
    begin_address(maker);
}

static void begin_group(struct maker *maker)
{
    struct digest_address address = {.mailbox = keep(maker, &maker->phrase)};

    emit(maker, address);
    maker->in_group = true;
    begin_address(maker);
}

static void end_group(struct maker *maker)
{
    end_address(maker);
    if (maker->in_group) {
        emit(maker, (struct digest_address){0});
        maker->in_group = false;
    }
}

/* An octet of a word, wherever words belong now. */
static void add_octet(struct maker *maker, char octet, bool starts_word)
{
    if (maker->has_at) {
        append_limited(&maker->domain, octet);
        return;
    }
    if (maker->had_angle && !maker->in_angle) {
        return; /* behind the bracket: nothing belongs there */
    }
    if (!maker->in_angle) {
        if (starts_word && maker->had_blank && maker->phrase.size > 0) {
            append_limited(&maker->phrase, ' ');
        }
        append_limited(&maker->phrase, octet);
    }
    append_limited(&maker->local, octet);
    maker->had_blank = false;
}

/* Both return the place behind what they take. */
static size_t take_quoted(struct maker *maker, struct slice value, size_t i)
{
    bool first = true;

    for (i++; i < value.size && value.data[i] != '"'; i++) {
        i += value.data[i] == '\\' && i + 1 < value.size;
        add_octet(maker, value.data[i], first);
        first = false;
    }
    return i + 1;
}

static size_t take_comment(struct maker *maker, struct slice value, size_t i)
{
    size_t depth = 1;

    buffer_clear(&maker->comment);
    for (i++; i < value.size && depth > 0; i++) {
        char octet = value.data[i];

        depth += octet == '(';
        depth -= octet == ')';
        if (octet == '\\' && i + 1 < value.size) {
            octet = value.data[++i];
        }
        if (depth > 0) {
            append_limited(&maker->comment, octet);
        }
    }
    maker->had_blank = true;
    return i;
}

/* "<@a,@b:c@d>": the route is dropped (RFC 5322 §4.4). */
static void take_colon(struct maker *maker)
{
    if (maker->in_angle) {
        buffer_clear(&maker->local);
        buffer_clear(&maker->domain);
        maker->has_at = false;
    } else if (!maker->has_at) {
        begin_group(maker);
    } else {
        append_limited(&maker->domain, ':');
    }
}

static void take_sign(struct maker *maker, char sign)
{
    switch (sign) {
    case '<':
        buffer_clear(&maker->local);
        buffer_clear(&maker->domain);
        maker->has_at = false;
        maker->in_angle = maker->had_angle = true;
        return;
    case '>':
        maker->in_angle = false;
        return;
    case '@':
        maker->has_at |= !maker->had_angle || maker->in_angle;
        return;
    case ':':
        take_colon(maker);
        return;
    case ',':
        if (!maker->in_angle || maker->local.size > 0) {
            end_address(maker);
        }
        return;
    case ';':
        end_group(maker);
        return;
    default:
        maker->had_blank = true;
    }
}

static void parse(struct maker *maker, struct slice value)
{
    bool in_word = false;
    size_t i = 0;

    while (i < value.size) {
        char octet = value.data[i];
        bool is_word = false;

        switch (octet) {
        case '"':
            i = take_quoted(maker, value, i);
            break;
        case '(':
            i = take_comment(maker, value, i);
            break;
        case '<':
        case '>':
        case '@':
        case ':':
        case ',':
        case ';':
        case ' ':
        case '\t':
            take_sign(maker, octet);
            i++;
            break;
        default:
            add_octet(maker, octet, !in_word);
            is_word = true;
            i++;
        }
        in_word = is_word;
    }
    end_group(maker);
}

struct digest_addresses address_list_parse(struct slice value, struct arena *arena,
                                           struct mime_budget *budget)
{
    struct maker maker = {.arena = arena, .budget = budget};

    buffer_init(&maker.phrase, DIGEST_TEXT_SIZE_MAX);
    buffer_init(&maker.local, DIGEST_TEXT_SIZE_MAX);
    buffer_init(&maker.domain, DIGEST_TEXT_SIZE_MAX);
    buffer_init(&maker.comment, DIGEST_TEXT_SIZE_MAX);
    parse(&maker, value);
    buffer_done(&maker.phrase);
    buffer_done(&maker.local);
    buffer_done(&maker.domain);
    buffer_done(&maker.comment);
    return (struct digest_addresses){maker.items, maker.count};
}
