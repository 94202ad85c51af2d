/* A SEARCH command, parsed (RFC 3501 §6.4.4, RFC 4731, RFC 7162 §3.1.5). */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SEARCH_PROGRAM_H
#define AVISO_FRONTEND_IMAP_IMAP_SEARCH_PROGRAM_H

#include "frontend/imap/imap_parser.h"
#include "frontend/imap/imap_set.h"

enum {
    IMAP_SEARCH_DEPTH_MAX = 100,
    IMAP_SEARCH_KEYS_MAX = 1000,
    IMAP_SEARCH_TEXTS_MAX = 64, /* keys that look into headers and bodies */
    IMAP_SEARCH_SETS_MAX = 50,
    IMAP_SEARCH_TEXT_SIZE_MAX = 1024, /* octets of what such a key looks for */
};

enum imap_search_kind {
    SEARCH_ALL,
    SEARCH_AND,
    SEARCH_OR,
    SEARCH_NOT,
    SEARCH_FLAGS_ALL,  /* has all of `flags` */
    SEARCH_FLAGS_NONE, /* has none of them */
    SEARCH_RECENT,
    SEARCH_KEYWORD,
    SEARCH_SEQUENCE, /* `set` by sequence number, as the next by UID */
    SEARCH_UID,
    SEARCH_BEFORE, /* INTERNALDATE's day */
    SEARCH_ON,
    SEARCH_SINCE,
    SEARCH_SENT_BEFORE, /* the Date header's day */
    SEARCH_SENT_ON,
    SEARCH_SENT_SINCE,
    SEARCH_LARGER,
    SEARCH_SMALLER,
    SEARCH_MODSEQ,
    SEARCH_SUBJECT, /* the envelope's contains `text`; an empty text: there is one */
    SEARCH_HEADER,  /* `name` contains `text`; an empty text: there is such a header */
    SEARCH_BODY,
    SEARCH_TEXT, /* header or body */
};

struct imap_search_key {
    enum imap_search_kind kind;
    uint32_t flags;
    struct slice name; /* of a keyword or a header */
    struct slice text; /* UTF-8, as the client wrote it */
    struct slice set;  /* a sequence set, as written */
    int64_t day;
    uint64_t number;                  /* octets, or a modseq */
    struct imap_search_key *children; /* of AND, OR and NOT: the first one */
    struct imap_search_key *next;     /* among its siblings */
    struct uid_set *uids;             /* imap_search_match.h's: the set, resolved... */
    struct slice folded;              /* ... the text, without case; NULL: matches nothing... */
    bool found;                       /* ... and whether it was met in the body in hand */
};

/* RETURN options (RFC 4731 §3.1). */
enum imap_search_return {
    RETURN_MIN = 1,
    RETURN_MAX = 2,
    RETURN_ALL = 4,
    RETURN_COUNT = 8,
};

struct imap_search_program {
    struct imap_search_key *root; /* an AND */
    bool extended;                /* RETURN was given: answer by ESEARCH */
    unsigned returns;             /* of enum imap_search_return; 0 unless extended */
    bool has_modseq;
    bool unknown_charset; /* the rest was not parsed: NO [BADCHARSET] */
};

/* Takes all that follows the verb, from its space to the end of the command. */
bool imap_take_search_program(struct imap_parser *parser, struct imap_search_program *out_program);

#endif
