/* SEARCH and UID SEARCH (RFC 3501 §6.4.4, RFC 4731, RFC 7162 §3.1.5).
 *
 * In up to three rounds over ever fewer messages: those that their rows do not decide are asked for
 * with headers and digests, those that these do not decide are read. */
#include <inttypes.h>

#include "frontend/imap/imap_rows.h"
#include "frontend/imap/imap_search.h"

static void drop_searching(struct imap_session *session)
{
    struct searching *searching = session->work;

    mailbox_call_cancel(&session->call);
    imap_search_release(&searching->program);
    uid_set_free(searching->uids);
    uid_set_free(searching->undecided);
    uid_set_free(searching->found);
    arena_done(&searching->arena);
    arena_done(&searching->row_arena);
    imap_search_text_done(&searching->text);
}

/* ---- The answer ---- */

static void say_modseq(struct imap_session *session, uint64_t modseq)
{
    buffer_append(session->port.output, SLICE(" (MODSEQ "));
    imap_append_number(session->port.output, modseq);
    buffer_append(session->port.output, SLICE(")"));
}

/* "* SEARCH 2 5 6 (MODSEQ 917)" */
static enum session_next say_numbers(struct imap_session *session)
{
    struct searching *searching = session->work;

    while (imap_cursor_next(&searching->said, searching->found)) {
        buffer_append_octet(session->port.output, ' ');
        imap_append_number(session->port.output,
                           session->by_uid ? searching->said.uid
                                           : imap_view_number(session->view, searching->said.uid));
        if (imap_is_output_full(session)) {
            return imap_pause(session, say_numbers);
        }
    }
    if (searching->program.has_modseq && uid_set_count(searching->found) > 0) {
        say_modseq(session, searching->modseq);
    }
    buffer_append(session->port.output, SLICE("\r\n"));
    return imap_end(session, "OK done");
}

/* RFC 7162 §3.1.10: of MIN and MAX alone, the modseq of those two. */
static uint64_t modseq_of_returns(const struct searching *searching)
{
    unsigned returns = searching->program.returns;
    uint64_t modseq = 0;

    if ((returns & (RETURN_ALL | RETURN_COUNT)) != 0) {
        return searching->modseq;
    }
    if ((returns & RETURN_MIN) != 0) {
        modseq = searching->lowest_modseq;
    }
    if ((returns & RETURN_MAX) != 0 && searching->highest_modseq > modseq) {
        modseq = searching->highest_modseq;
    }
    return modseq;
}

static enum session_next end_extended(struct imap_session *session)
{
    return imap_end(session, "OK done");
}

/* "* ESEARCH (TAG "a1") UID MIN 2 COUNT 3 ALL 2,10:11", staged since ALL may be long. */
static enum session_next say_extended(struct imap_session *session)
{
    struct searching *searching = session->work;
    const struct uid_set *found = searching->found;
    unsigned returns = searching->program.returns;
    struct buffer *reply = &session->reply;
    struct uid_set *numbers = NULL;

    if (!session->by_uid) {
        struct imap_cursor cursor = {0};

        numbers = uid_set_new();
        while (imap_cursor_next(&cursor, found)) {
            uid_set_add(numbers, imap_view_number(session->view, cursor.uid));
        }
        found = numbers;
    }
    buffer_append(reply, SLICE("* ESEARCH (TAG \""));
    buffer_append(reply, session->tag);
    buffer_append(reply, session->by_uid ? SLICE("\") UID") : SLICE("\")"));
    if (uid_set_count(found) > 0) {
        if ((returns & RETURN_MIN) != 0) {
            buffer_printf(reply, " MIN %" PRIu32, uid_set_first(found));
        }
        if ((returns & RETURN_MAX) != 0) {
            buffer_printf(reply, " MAX %" PRIu32, uid_set_last(found));
        }
        if ((returns & RETURN_ALL) != 0) {
            buffer_append(reply, SLICE(" ALL "));
            uid_set_print(found, reply);
        }
        if (searching->program.has_modseq) {
            buffer_printf(reply, " MODSEQ %" PRIu64, modseq_of_returns(searching));
        }
    }
    if ((returns & RETURN_COUNT) != 0) {
        buffer_printf(reply, " COUNT %" PRIu32, uid_set_count(found));
    }
    buffer_append(reply, SLICE("\r\n"));
    uid_set_free(numbers);
    return imap_say_reply(session, end_extended);
}

static enum session_next answer(struct imap_session *session)
{
    const struct searching *searching = session->work;

    if (searching->program.extended) {
        return say_extended(session);
    }
    buffer_append(session->port.output, SLICE("* SEARCH"));
    return say_numbers(session);
}

/* ---- Rounds ---- */

void imap_search_found(struct searching *searching, const struct message_row *row)
{
    if (searching->lowest_uid == 0 || row->uid < searching->lowest_uid) {
        searching->lowest_uid = row->uid;
        searching->lowest_modseq = row->modseq;
    }
    if (row->uid > searching->highest_uid) {
        searching->highest_uid = row->uid;
        searching->highest_modseq = row->modseq;
    }
    uid_set_add(searching->found, row->uid);
    searching->modseq = row->modseq > searching->modseq ? row->modseq : searching->modseq;
}

static void judge_rows(struct imap_session *session, const struct mailbox_rows *rows)
{
    struct searching *searching = session->work;

    for (size_t i = 0; i < rows->count; i++) {
        const struct message_row *row = &rows->rows[i];
        struct imap_candidate candidate = {
            .row = row,
            .has_parts = searching->round == SEARCH_PARTS,
        };
        struct digest digest;

        arena_clear(&searching->row_arena);
        if (row->digest.size > 0 &&
            digest_decode(row->digest, &searching->row_arena, &digest) == STATUS_OK) {
            candidate.digest = &digest;
        }
        enum imap_verdict verdict =
            imap_search_judge(&searching->program, session->view, &candidate);

        if (verdict == VERDICT_YES) {
            imap_search_found(searching, row);
        } else if (verdict == VERDICT_UNKNOWN) {
            uid_set_add(searching->undecided, row->uid);
        }
    }
}

static enum session_next ask_rows(struct imap_session *session);

/* The next round for what is undecided; or the answer. */
static enum session_next end_round(struct imap_session *session)
{
    struct searching *searching = session->work;

    if (uid_set_count(searching->undecided) == 0) {
        return answer(session);
    }
    uid_set_free(searching->uids);
    searching->uids = searching->undecided;
    searching->undecided = uid_set_new();
    if (searching->round == SEARCH_ROWS && searching->needs.parts != 0) {
        searching->round = SEARCH_PARTS;
        return ask_rows(session);
    }
    searching->round = SEARCH_BODIES;
    return imap_search_bodies(session, answer);
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct searching *searching = session->work;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    judge_rows(session, rows);
    uid_set_remove_range(searching->uids, 1,
                         rows->more_from > 0 ? rows->more_from - 1 : UINT32_MAX);
    imap_wake(session, uid_set_count(searching->uids) > 0 ? ask_rows(session) : end_round(session));
}

static enum session_next ask_rows(struct imap_session *session)
{
    const struct searching *searching = session->work;
    struct rows_query query = searching->query;

    query.uids = searching->uids;
    query.parts = searching->round == SEARCH_PARTS ? searching->needs.parts : 0;
    mailbox_get_rows(session->service->router, &session->call, session->place,
                     session->view->mailbox, &query, on_rows);
    return SESSION_WAITS;
}

/* ---- Beginning ---- */

/* What all messages must be anyway is asked of the storage, not looked at here. */
static void narrow(struct searching *searching)
{
    for (const struct imap_search_key *key = searching->program.root->children; key != NULL;
         key = key->next) {
        switch (key->kind) {
        case SEARCH_SEQUENCE:
        case SEARCH_UID:
            uid_set_intersect(searching->uids, key->uids);
            break;
        case SEARCH_FLAGS_ALL:
            searching->query.flags_all |= key->flags;
            break;
        case SEARCH_FLAGS_NONE:
            searching->query.flags_none |= key->flags;
            break;
        case SEARCH_MODSEQ:
            if (key->number > searching->query.changed_since + 1) {
                searching->query.changed_since = key->number - 1;
            }
            break;
        default:
            break;
        }
    }
}

/* Sets of numbers, ALL and RECENT are known without asking anybody. */
static enum session_next judge_by_view(struct imap_session *session)
{
    struct searching *searching = session->work;
    struct imap_cursor cursor = {0};

    while (imap_cursor_next(&cursor, searching->uids)) {
        struct message_row row = {.uid = cursor.uid};
        struct imap_candidate candidate = {.row = &row};

        if (imap_search_judge(&searching->program, session->view, &candidate) == VERDICT_YES) {
            uid_set_add(searching->found, row.uid);
        }
    }
    return answer(session);
}

static enum session_next begin(struct imap_session *session)
{
    struct searching *searching = session->work;
    const struct imap_search_needs *needs = &searching->needs;

    searching->found = uid_set_new();
    searching->undecided = uid_set_new();
    searching->uids = uid_set_copy(session->view->uids);
    uid_set_subtract(searching->uids, session->view->vanished);
    narrow(searching);
    if (uid_set_count(searching->uids) == 0) {
        return answer(session);
    }
    if (!needs->rows && needs->parts == 0 && !needs->bodies) {
        return judge_by_view(session);
    }
    searching->round = needs->rows || needs->parts == 0 ? SEARCH_ROWS : SEARCH_PARTS;
    return ask_rows(session);
}

enum session_next imap_run_search(struct imap_session *session, struct imap_parser *parser)
{
    struct searching *searching = ARENA_NEW(&session->arena, struct searching);
    struct imap_search_program *program = &searching->program;

    if (!imap_take_search_program(parser, program)) {
        return imap_bad(session, parser);
    }
    if (program->unknown_charset) {
        return imap_end(session, "NO [BADCHARSET (US-ASCII UTF-8)] no such charset");
    }
    session->work = searching;
    session->drop_work = drop_searching;
    imap_search_text_init(&searching->text);
    if (imap_search_prepare(program, session->view, &session->arena, &searching->needs) !=
        STATUS_OK) {
        return imap_bad_because(session, "no such messages");
    }
    if (program->has_modseq) {
        imap_enable_condstore(session);
    }
    return begin(session);
}
