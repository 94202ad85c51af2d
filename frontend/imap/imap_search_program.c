#include "frontend/imap/imap_search_program.h"

#include "frontend/imap/imap_date.h"
#include "router/mailbox_client.h"

struct builder {
    struct imap_parser *parser;
    size_t key_count;
    size_t text_count;
    size_t set_count;
    bool has_modseq;
};

static bool take_key(struct builder *builder, unsigned depth, struct imap_search_key **out_key);

static struct imap_search_key *new_key(struct builder *builder, enum imap_search_kind kind)
{
    struct imap_search_key *key = ARENA_NEW(builder->parser->arena, struct imap_search_key);

    key->kind = kind;
    return key;
}

/* ---- Keys with arguments ---- */

typedef bool take_argument_fn(struct builder *builder, struct imap_search_key *key);

static bool take_nothing(struct builder *builder, struct imap_search_key *key)
{
    return true;
}

static bool take_day(struct builder *builder, struct imap_search_key *key)
{
    return imap_take_space(builder->parser) && imap_take_date(builder->parser, &key->day);
}

static bool take_size(struct builder *builder, struct imap_search_key *key)
{
    return imap_take_space(builder->parser) && imap_take_number64(builder->parser, &key->number);
}

static bool take_keyword_name(struct builder *builder, struct imap_search_key *key)
{
    return imap_take_space(builder->parser) && imap_take_atom(builder->parser, &key->name);
}

static bool take_set(struct builder *builder, struct imap_search_key *key)
{
    if (++builder->set_count > IMAP_SEARCH_SETS_MAX) {
        builder->parser->fault = "too many sets";
        return false;
    }
    return imap_take_set(builder->parser, &key->set);
}

static bool take_uids(struct builder *builder, struct imap_search_key *key)
{
    return imap_take_space(builder->parser) && take_set(builder, key);
}

static bool take_text(struct builder *builder, struct imap_search_key *key)
{
    if (!imap_take_space(builder->parser) || !imap_take_astring(builder->parser, &key->text)) {
        return false;
    }
    if (++builder->text_count > IMAP_SEARCH_TEXTS_MAX ||
        key->text.size > IMAP_SEARCH_TEXT_SIZE_MAX) {
        builder->parser->fault = "too much text to search for";
        return false;
    }
    return true;
}

static bool take_header(struct builder *builder, struct imap_search_key *key)
{
    return imap_take_space(builder->parser) && imap_take_astring(builder->parser, &key->name) &&
           take_text(builder, key);
}

/* MODSEQ [SP entry-name SP entry-type-req] SP mod-sequence-valzer: we keep no modseq of single
 * flags, so the entry changes nothing (RFC 7162 §3.1.5). */
static bool take_modseq(struct builder *builder, struct imap_search_key *key)
{
    struct imap_parser *parser = builder->parser;
    struct slice entry;

    builder->has_modseq = true;
    if (!imap_take_space(parser)) {
        return false;
    }
    if (imap_is_next(parser, '"') &&
        (!imap_take_string(parser, &entry) || !imap_take_space(parser) ||
         !(imap_take_keyword(parser, "priv ") || imap_take_keyword(parser, "shared ") ||
           imap_take_keyword(parser, "all ")))) {
        return false;
    }
    return imap_take_number64(parser, &key->number);
}

static const struct key_word {
    const char *word;
    enum imap_search_kind kind;
    uint32_t flags;
    const char *header; /* the name, of keys for one header */
    take_argument_fn *take;
} key_words[] = {
    {"ALL", SEARCH_ALL, 0, NULL, take_nothing},
    {"ANSWERED", SEARCH_FLAGS_ALL, FLAG_ANSWERED, NULL, take_nothing},
    {"BCC", SEARCH_HEADER, 0, "Bcc", take_text},
    {"BEFORE", SEARCH_BEFORE, 0, NULL, take_day},
    {"BODY", SEARCH_BODY, 0, NULL, take_text},
    {"CC", SEARCH_HEADER, 0, "Cc", take_text},
    {"DELETED", SEARCH_FLAGS_ALL, FLAG_DELETED, NULL, take_nothing},
    {"DRAFT", SEARCH_FLAGS_ALL, FLAG_DRAFT, NULL, take_nothing},
    {"FLAGGED", SEARCH_FLAGS_ALL, FLAG_FLAGGED, NULL, take_nothing},
    {"FROM", SEARCH_HEADER, 0, "From", take_text},
    {"HEADER", SEARCH_HEADER, 0, NULL, take_header},
    {"KEYWORD", SEARCH_KEYWORD, 0, NULL, take_keyword_name},
    {"LARGER", SEARCH_LARGER, 0, NULL, take_size},
    {"MODSEQ", SEARCH_MODSEQ, 0, NULL, take_modseq},
    {"ON", SEARCH_ON, 0, NULL, take_day},
    {"RECENT", SEARCH_RECENT, 0, NULL, take_nothing},
    {"SEEN", SEARCH_FLAGS_ALL, FLAG_SEEN, NULL, take_nothing},
    {"SENTBEFORE", SEARCH_SENT_BEFORE, 0, NULL, take_day},
    {"SENTON", SEARCH_SENT_ON, 0, NULL, take_day},
    {"SENTSINCE", SEARCH_SENT_SINCE, 0, NULL, take_day},
    {"SINCE", SEARCH_SINCE, 0, NULL, take_day},
    {"SMALLER", SEARCH_SMALLER, 0, NULL, take_size},
    {"SUBJECT", SEARCH_SUBJECT, 0, NULL, take_text},
    {"TEXT", SEARCH_TEXT, 0, NULL, take_text},
    {"TO", SEARCH_HEADER, 0, "To", take_text},
    {"UID", SEARCH_UID, 0, NULL, take_uids},
    {"UNANSWERED", SEARCH_FLAGS_NONE, FLAG_ANSWERED, NULL, take_nothing},
    {"UNDELETED", SEARCH_FLAGS_NONE, FLAG_DELETED, NULL, take_nothing},
    {"UNDRAFT", SEARCH_FLAGS_NONE, FLAG_DRAFT, NULL, take_nothing},
    {"UNFLAGGED", SEARCH_FLAGS_NONE, FLAG_FLAGGED, NULL, take_nothing},
    {"UNSEEN", SEARCH_FLAGS_NONE, FLAG_SEEN, NULL, take_nothing},
};

/* ---- Keys that hold keys ---- */

/* `kind` over what is already a list. */
static void wrap(struct builder *builder, enum imap_search_kind kind,
                 struct imap_search_key *children, struct imap_search_key **out_key)
{
    struct imap_search_key *key = new_key(builder, kind);

    key->children = children;
    *out_key = key;
}

static bool take_not(struct builder *builder, unsigned depth, struct imap_search_key **out_key)
{
    struct imap_search_key *child = NULL;

    if (!imap_take_space(builder->parser) || !take_key(builder, depth, &child)) {
        return false;
    }
    wrap(builder, SEARCH_NOT, child, out_key);
    return true;
}

static bool take_or(struct builder *builder, unsigned depth, struct imap_search_key **out_key)
{
    struct imap_search_key *one = NULL;
    struct imap_search_key *other = NULL;

    if (!imap_take_space(builder->parser) || !take_key(builder, depth, &one) ||
        !imap_take_space(builder->parser) || !take_key(builder, depth, &other)) {
        return false;
    }
    one->next = other;
    wrap(builder, SEARCH_OR, one, out_key);
    return true;
}

/* UNKEYWORD, OLD and NEW are others turned round or put together. */
static bool take_unkeyword(struct builder *builder, struct imap_search_key **out_key)
{
    struct imap_search_key *keyword = new_key(builder, SEARCH_KEYWORD);

    wrap(builder, SEARCH_NOT, keyword, out_key);
    return take_keyword_name(builder, keyword);
}

static void make_new(struct builder *builder, struct imap_search_key **out_key)
{
    struct imap_search_key *recent = new_key(builder, SEARCH_RECENT);
    struct imap_search_key *unseen = new_key(builder, SEARCH_FLAGS_NONE);

    unseen->flags = FLAG_SEEN;
    recent->next = unseen;
    wrap(builder, SEARCH_AND, recent, out_key);
}

/* One key or more with spaces between. */
static bool take_all_of(struct builder *builder, unsigned depth, struct imap_search_key **out_key)
{
    struct imap_search_key *both = new_key(builder, SEARCH_AND);
    struct imap_search_key *last = NULL;

    do {
        struct imap_search_key *key = NULL;

        if (!take_key(builder, depth, &key)) {
            return false;
        }
        if (last == NULL) {
            both->children = key;
        } else {
            last->next = key;
        }
        last = key;
    } while (imap_take_space(builder->parser));
    *out_key = both;
    return true;
}

static bool take_word(struct builder *builder, struct slice word, unsigned depth,
                      struct imap_search_key **out_key)
{
    if (slice_is(word, "NOT")) {
        return take_not(builder, depth, out_key);
    }
    if (slice_is(word, "OR")) {
        return take_or(builder, depth, out_key);
    }
    if (slice_is(word, "UNKEYWORD")) {
        return take_unkeyword(builder, out_key);
    }
    if (slice_is(word, "NEW")) {
        make_new(builder, out_key);
        return true;
    }
    if (slice_is(word, "OLD")) {
        wrap(builder, SEARCH_NOT, new_key(builder, SEARCH_RECENT), out_key);
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(key_words); i++) {
        if (slice_is(word, key_words[i].word)) {
            struct imap_search_key *key = new_key(builder, key_words[i].kind);

            key->flags = key_words[i].flags;
            if (key_words[i].header != NULL) {
                key->name = slice_of(key_words[i].header);
            }
            *out_key = key;
            return key_words[i].take(builder, key);
        }
    }
    builder->parser->fault = "unknown search key";
    return false;
}

static bool take_key(struct builder *builder, unsigned depth, struct imap_search_key **out_key)
{
    struct imap_parser *parser = builder->parser;
    struct slice word;

    if (depth == IMAP_SEARCH_DEPTH_MAX || ++builder->key_count > IMAP_SEARCH_KEYS_MAX) {
        parser->fault = "search is too large";
        return false;
    }
    if (imap_take_octet(parser, '(')) {
        return take_all_of(builder, depth + 1, out_key) && imap_take_octet(parser, ')');
    }
    if (parser->rest.size > 0 && (imap_is_next(parser, '*') ||
                                  (parser->rest.data[0] >= '0' && parser->rest.data[0] <= '9'))) {
        *out_key = new_key(builder, SEARCH_SEQUENCE);
        return take_set(builder, *out_key);
    }
    return imap_take_atom(parser, &word) && take_word(builder, word, depth + 1, out_key);
}

/* ---- What stands before the keys ---- */

static bool take_return_option(struct imap_parser *parser, unsigned *returns)
{
    static const struct {
        const char *word;
        enum imap_search_return option;
    } options[] = {
        {"MIN", RETURN_MIN},
        {"MAX", RETURN_MAX},
        {"ALL", RETURN_ALL},
        {"COUNT", RETURN_COUNT},
    };
    struct slice word;

    if (!imap_take_atom(parser, &word)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        if (slice_is(word, options[i].word)) {
            *returns |= options[i].option;
            return true;
        }
    }
    parser->fault = "unknown RETURN option";
    return false;
}

static bool take_returns(struct imap_parser *parser, struct imap_search_program *program)
{
    if (!imap_take_keyword(parser, "RETURN (")) {
        return true;
    }
    program->extended = true;
    if (imap_take_octet(parser, ')')) {
        program->returns = RETURN_ALL;
        return imap_take_space(parser);
    }
    do {
        if (!take_return_option(parser, &program->returns)) {
            return false;
        }
    } while (imap_take_space(parser));
    return imap_take_octet(parser, ')') && imap_take_space(parser);
}

static bool take_charset(struct imap_parser *parser, struct imap_search_program *program)
{
    struct slice charset;

    if (!imap_take_keyword(parser, "CHARSET ")) {
        return true;
    }
    if (!imap_take_astring(parser, &charset)) {
        return false;
    }
    program->unknown_charset = !slice_is(charset, "UTF-8") && !slice_is(charset, "US-ASCII");
    return program->unknown_charset || imap_take_space(parser);
}

bool imap_take_search_program(struct imap_parser *parser, struct imap_search_program *out_program)
{
    struct builder builder = {.parser = parser};
    struct imap_search_program program = {0};

    if (!imap_take_space(parser) || !take_returns(parser, &program) ||
        !take_charset(parser, &program)) {
        return false;
    }
    if (!program.unknown_charset &&
        (!take_all_of(&builder, 0, &program.root) || !imap_take_end(parser))) {
        return false;
    }
    program.has_modseq = builder.has_modseq;
    *out_program = program;
    return true;
}
