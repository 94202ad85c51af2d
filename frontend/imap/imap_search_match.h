/* Whether a message is what a SEARCH asks for (RFC 3501 §6.4.4), from as little of it as will do:
 * first its row, then header and digest, then the body. Pure. */
#ifndef AVISO_FRONTEND_IMAP_IMAP_SEARCH_MATCH_H
#define AVISO_FRONTEND_IMAP_IMAP_SEARCH_MATCH_H

#include "frontend/imap/imap_search_program.h"
#include "frontend/imap/imap_view.h"
#include "mail/digest.h"

enum imap_verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

/* What the keys of a program look at, besides what the view knows itself. */
struct imap_search_needs {
    bool rows;      /* flags, dates, sizes, modseqs */
    unsigned parts; /* of enum row_part */
    bool bodies;
};

/* What is known of a message. */
struct imap_candidate {
    const struct message_row *row; /* its UID at least */
    bool has_parts;                /* `row` came with what the program needs */
    const struct digest *digest;   /* with parts; NULL: it cannot be read */
    bool has_body;                 /* the keys' `found` tell */
};

/* Resolves sets and folds texts, once; for imap_search_release(). INVALID: a set names what is not
 * there. */
NODISCARD enum status imap_search_prepare(struct imap_search_program *program,
                                          const struct imap_view *view, struct arena *arena,
                                          struct imap_search_needs *out_needs);
void imap_search_release(struct imap_search_program *program);

/* UNKNOWN: more of the message has to be known. */
enum imap_verdict imap_search_judge(const struct imap_search_program *program,
                                    const struct imap_view *view,
                                    const struct imap_candidate *candidate);

/* For the body in hand: forgets what was found; looks for all texts of BODY and TEXT keys in a
 * piece of folded text; whether all were found, so that the rest need not be read. */
void imap_search_forget_found(struct imap_search_program *program);
void imap_search_find(struct imap_search_program *program, struct slice folded);
bool imap_search_has_found_all(const struct imap_search_program *program);

#endif
