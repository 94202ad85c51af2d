/* The grammar of IMAP commands, token by token (RFC 3501 §9).
 *
 * Parses a whole command as it came over the wire: lines and literals in one run of octets, as
 * imap_input.h assembled them. Pure. What is parsed borrows from those octets or from the arena.
 *
 * Every imap_take_... is a question: true when the text goes on with such a token, which is then
 * taken; false when it does not, and then `rest` is anywhere and the command is BAD. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_PARSER_H
#define AVISO_FRONTEND_IMAP_IMAP_PARSER_H

#include "core/arena.h"
#include "core/slice.h"

enum {
    IMAP_TAG_SIZE_MAX = 100,   /* octets */
    IMAP_FLAGS_MAX = 100,      /* flags and keywords named in one command */
    IMAP_LIST_COUNT_MAX = 200, /* strings of one list: mailbox patterns, header names */
};

struct imap_parser {
    struct slice rest;
    struct arena *arena;
    const char *fault;  /* a better word for the client than "syntax", or NULL */
    bool is_name_fault; /* the grammar holds, but no mailbox can have such a name: NO */
};

/* Flags as a command names them. */
struct imap_flags {
    uint32_t system; /* of enum system_flag (router/mailbox_client.h) */
    const struct slice *keywords;
    size_t keyword_count;
};

/* The next octet is `octet`; is `keyword`, whatever its case. */
bool imap_take_octet(struct imap_parser *parser, char octet);
bool imap_take_keyword(struct imap_parser *parser, const char *keyword);
bool imap_take_space(struct imap_parser *parser);

/* Looks without taking. */
bool imap_is_next(const struct imap_parser *parser, char octet);

/* Nothing is left. */
bool imap_take_end(const struct imap_parser *parser);

/* tag, atom, astring, string (quoted or literal), list-mailbox. NUL never; CR and LF only in a
 * literal; octets above 127 in quoted strings and literals. */
bool imap_take_tag(struct imap_parser *parser, struct slice *out_tag);
bool imap_take_atom(struct imap_parser *parser, struct slice *out_atom);
bool imap_take_string(struct imap_parser *parser, struct slice *out_text);
bool imap_take_astring(struct imap_parser *parser, struct slice *out_text);
bool imap_take_list_mailbox(struct imap_parser *parser, struct slice *out_pattern);

/* NIL, or a string: then `out_text->data` is not NULL. */
bool imap_take_nstring(struct imap_parser *parser, struct slice *out_text);

/* number, nz-number, number64 (RFC 3501 §9, RFC 7162 §7: up to 2^63 - 1). */
bool imap_take_number(struct imap_parser *parser, uint32_t *out_number);
bool imap_take_positive(struct imap_parser *parser, uint32_t *out_number);
bool imap_take_number64(struct imap_parser *parser, uint64_t *out_number);

/* A mailbox name: an astring in modified UTF-7 (RFC 3501 §5.1.3), then in UTF-8 and normal form.
 * The `new` one may end with a separator, which says that there will be names below it. */
bool imap_take_mailbox(struct imap_parser *parser, struct slice *out_name);
bool imap_take_new_mailbox(struct imap_parser *parser, struct slice *out_name);

/* flag-list, with its parentheses; flags alone, as STORE allows them. \Recent and unknown system
 * flags are refused. */
bool imap_take_flag_list(struct imap_parser *parser, struct imap_flags *out_flags);
bool imap_take_flags(struct imap_parser *parser, struct imap_flags *out_flags);

/* Whether all octets are those of an atom, of an astring without quotes. Empty: no. */
bool imap_is_atom(struct slice text);
bool imap_is_astring(struct slice text);

#endif
