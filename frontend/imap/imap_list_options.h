/* LIST and LSUB, parsed (RFC 3501 §6.3.8, §6.3.9, RFC 5258, RFC 5819, RFC 6154). */
#ifndef AVISO_FRONTEND_IMAP_IMAP_LIST_OPTIONS_H
#define AVISO_FRONTEND_IMAP_IMAP_LIST_OPTIONS_H

#include "frontend/imap/imap_list_pattern.h"
#include "frontend/imap/imap_parser.h"

enum imap_list_select {
    LIST_SELECTS_SUBSCRIBED = 1,
    LIST_SELECTS_SPECIAL_USE = 2,
    LIST_SELECTS_RECURSIVELY = 4,
    LIST_SELECTS_REMOTE = 8, /* there is nothing remote: it changes nothing */
};

enum imap_list_return {
    LIST_RETURNS_SUBSCRIBED = 1,
    LIST_RETURNS_CHILDREN = 2, /* always said */
    LIST_RETURNS_SPECIAL_USE = 4,
    LIST_RETURNS_STATUS = 8,
};

struct imap_list_options {
    bool is_lsub;
    bool is_extended;   /* some option or a list of patterns was given */
    bool asks_for_root; /* LIST "" "": the separator */
    unsigned selects;   /* of enum imap_list_select */
    unsigned returns;   /* of enum imap_list_return */
    unsigned status_items;
    const struct imap_list_pattern *patterns;
    size_t pattern_count;
};

/* Takes all that follows the verb. */
bool imap_take_list_options(struct imap_parser *parser, bool is_lsub,
                            struct imap_list_options *out_options);

#endif
