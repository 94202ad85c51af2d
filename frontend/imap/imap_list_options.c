#include "frontend/imap/imap_list_options.h"

#include "frontend/imap/imap_name.h"
#include "frontend/imap/imap_status_items.h"

struct option_word {
    const char *word;
    unsigned option;
};

static bool take_word(struct imap_parser *parser, const struct option_word *words, size_t count,
                      unsigned *out_option)
{
    struct slice word;

    if (!imap_take_atom(parser, &word)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (slice_is(word, words[i].word)) {
            *out_option = words[i].option;
            return true;
        }
    }
    parser->fault = "unknown LIST option";
    return false;
}

static bool take_selects(struct imap_parser *parser, struct imap_list_options *options)
{
    static const struct option_word words[] = {
        {"SUBSCRIBED", LIST_SELECTS_SUBSCRIBED},
        {"SPECIAL-USE", LIST_SELECTS_SPECIAL_USE},
        {"RECURSIVEMATCH", LIST_SELECTS_RECURSIVELY},
        {"REMOTE", LIST_SELECTS_REMOTE},
    };
    unsigned option = 0;

    if (!imap_take_octet(parser, '(')) {
        return true;
    }
    options->is_extended = true;
    if (imap_take_octet(parser, ')')) {
        return imap_take_space(parser);
    }
    do {
        if (!take_word(parser, words, COUNT_OF(words), &option)) {
            return false;
        }
        options->selects |= option;
    } while (imap_take_space(parser));
    if ((options->selects & LIST_SELECTS_RECURSIVELY) != 0 &&
        (options->selects & (LIST_SELECTS_SUBSCRIBED | LIST_SELECTS_SPECIAL_USE)) == 0) {
        parser->fault = "RECURSIVEMATCH of what";
        return false;
    }
    return imap_take_octet(parser, ')') && imap_take_space(parser);
}

static bool take_return(struct imap_parser *parser, struct imap_list_options *options)
{
    static const struct option_word words[] = {
        {"SUBSCRIBED", LIST_RETURNS_SUBSCRIBED},
        {"CHILDREN", LIST_RETURNS_CHILDREN},
        {"SPECIAL-USE", LIST_RETURNS_SPECIAL_USE},
        {"STATUS", LIST_RETURNS_STATUS},
    };
    unsigned option = 0;

    if (!take_word(parser, words, COUNT_OF(words), &option)) {
        return false;
    }
    options->returns |= option;
    return option != LIST_RETURNS_STATUS ||
           (imap_take_space(parser) && imap_take_status_items(parser, &options->status_items));
}

static bool take_returns(struct imap_parser *parser, struct imap_list_options *options)
{
    if (!imap_take_keyword(parser, " RETURN (")) {
        return true;
    }
    options->is_extended = true;
    if (imap_take_octet(parser, ')')) {
        return true;
    }
    do {
        if (!take_return(parser, options)) {
            return false;
        }
    } while (imap_take_space(parser));
    return imap_take_octet(parser, ')');
}

static bool take_pattern(struct imap_parser *parser, struct slice reference,
                         struct imap_list_pattern *out_pattern, bool *out_empty)
{
    struct slice text;
    struct slice decoded;

    if (!imap_take_list_mailbox(parser, &text)) {
        return false;
    }
    *out_empty = text.size == 0;
    if (imap_name_decode_pattern(parser->arena, text, &decoded) != STATUS_OK) {
        decoded = text; /* matches nothing, or itself */
    }
    if (imap_list_pattern_make(parser->arena, reference, decoded, out_pattern) != STATUS_OK) {
        parser->fault = "pattern is too long";
        return false;
    }
    return true;
}

static bool take_patterns(struct imap_parser *parser, struct slice reference,
                          struct imap_list_options *options)
{
    struct imap_list_pattern *patterns =
        arena_array(parser->arena, IMAP_LIST_COUNT_MAX, sizeof(*patterns));
    bool is_list = !options->is_lsub && imap_take_octet(parser, '(');
    bool empty = false;

    options->patterns = patterns;
    options->is_extended = options->is_extended || is_list;
    do {
        if (options->pattern_count == IMAP_LIST_COUNT_MAX) {
            parser->fault = "too many patterns";
            return false;
        }
        if (!take_pattern(parser, reference, &patterns[options->pattern_count++], &empty)) {
            return false;
        }
    } while (is_list && imap_take_space(parser));
    options->asks_for_root = empty && !options->is_extended && !options->is_lsub;
    return !is_list || imap_take_octet(parser, ')');
}

bool imap_take_list_options(struct imap_parser *parser, bool is_lsub,
                            struct imap_list_options *out_options)
{
    struct imap_list_options options = {.is_lsub = is_lsub};
    struct slice reference;
    struct slice decoded;

    if (!imap_take_space(parser) || (!is_lsub && !take_selects(parser, &options)) ||
        !imap_take_astring(parser, &reference) || !imap_take_space(parser)) {
        return false;
    }
    if (imap_name_decode_pattern(parser->arena, reference, &decoded) == STATUS_OK) {
        reference = decoded;
    }
    if (!take_patterns(parser, reference, &options) ||
        (!is_lsub && !take_returns(parser, &options)) || !imap_take_end(parser)) {
        return false;
    }
    if ((options.selects & LIST_SELECTS_SUBSCRIBED) != 0) {
        options.returns |= LIST_RETURNS_SUBSCRIBED;
    }
    if (!options.is_extended || (options.selects & LIST_SELECTS_SPECIAL_USE) != 0) {
        options.returns |= LIST_RETURNS_SPECIAL_USE;
    }
    *out_options = options;
    return true;
}
