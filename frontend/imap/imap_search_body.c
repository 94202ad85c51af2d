/* SEARCH in bodies: message by message, part by part, in pieces. */
#include "frontend/imap/imap_rows.h"
#include "frontend/imap/imap_search.h"

enum {
    BATCH_COUNT = 64,        /* messages whose rows are kept at once */
    PIECE_SIZE = 256 * 1024, /* octets read at once */
};

static enum session_next go_on(struct imap_session *session);

/* ---- Pieces ---- */

static void on_body(struct mailbox_call *call, enum status status, struct slice piece)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct searching *searching = session->work;
    const struct imap_text_range *range = &searching->ranges[searching->range_index];

    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    piece = slice_prefix(piece, range->size - searching->range_done);
    searching->range_done += piece.size;
    bool is_last = piece.size == 0 || searching->range_done == range->size;

    imap_search_find(&searching->program, imap_search_text_feed(&searching->text, piece, is_last));
    if (is_last) {
        searching->range_index++;
        searching->range_done = 0;
    }
    imap_wake(session, go_on(session));
}

static enum session_next read_piece(struct imap_session *session)
{
    struct searching *searching = session->work;
    const struct imap_text_range *range = &searching->ranges[searching->range_index];
    uint64_t rest = range->size - searching->range_done;

    if (searching->range_done == 0) {
        imap_search_text_begin(&searching->text, range);
    }
    mailbox_get_body(session->service->router, &session->call, session->place,
                     searching->rows[searching->row_index].email,
                     range->offset + searching->range_done, rest < PIECE_SIZE ? rest : PIECE_SIZE,
                     on_body);
    return SESSION_WAITS;
}

/* ---- Messages ---- */

static void begin_row(struct searching *searching)
{
    const struct message_row *row = &searching->rows[searching->row_index];

    arena_clear(&searching->row_arena);
    searching->has_digest =
        digest_decode(row->digest, &searching->row_arena, &searching->digest) == STATUS_OK;
    searching->range_count = imap_text_ranges(searching->has_digest ? &searching->digest : NULL,
                                              row->size_octets - row->header_size,
                                              &searching->row_arena, &searching->ranges);
    searching->range_index = 0;
    searching->range_done = 0;
    imap_search_forget_found(&searching->program);
}

static void end_row(struct imap_session *session)
{
    struct searching *searching = session->work;
    struct imap_candidate candidate = {
        .row = &searching->rows[searching->row_index],
        .has_parts = true,
        .digest = searching->has_digest ? &searching->digest : NULL,
        .has_body = true,
    };

    if (imap_search_judge(&searching->program, session->view, &candidate) == VERDICT_YES) {
        imap_search_found(searching, candidate.row);
    }
    searching->row_index++;
}

/* ---- Batches ---- */

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct searching *searching = session->work;
    size_t count = status == STATUS_OK ? rows->count : 0;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    count = count < BATCH_COUNT ? count : BATCH_COUNT;
    uint32_t more_from = count < rows->count ? rows->rows[count].uid : rows->more_from;

    uid_set_remove_range(searching->uids, 1, more_from > 0 ? more_from - 1 : searching->batch_last);
    arena_clear(&searching->arena);
    searching->rows = arena_array(&searching->arena, count, sizeof(*searching->rows));
    searching->row_count = count;
    searching->row_index = 0;
    for (size_t i = 0; i < count; i++) {
        searching->rows[i] = imap_copy_row(&searching->arena, &rows->rows[i]);
    }
    if (count > 0) {
        begin_row(searching);
    }
    imap_wake(session, go_on(session));
}

static enum session_next ask_rows(struct imap_session *session)
{
    struct searching *searching = session->work;
    struct uid_set *rest = uid_set_copy(searching->uids);
    struct uid_set *batch = imap_cut_batch(rest, BATCH_COUNT);
    struct rows_query query = searching->query;

    searching->batch_last = uid_set_last(batch);
    query.uids = batch;
    query.parts = searching->needs.parts | ROW_DIGEST;
    mailbox_get_rows(session->service->router, &session->call, session->place,
                     session->view->mailbox, &query, on_rows);
    uid_set_free(batch);
    uid_set_free(rest);
    return SESSION_WAITS;
}

static enum session_next go_on(struct imap_session *session)
{
    struct searching *searching = session->work;

    while (searching->row_index < searching->row_count) {
        if (searching->range_index < searching->range_count &&
            !imap_search_has_found_all(&searching->program)) {
            return read_piece(session);
        }
        end_row(session);
        if (searching->row_index < searching->row_count) {
            begin_row(searching);
        }
    }
    return uid_set_count(searching->uids) > 0 ? ask_rows(session) : searching->then(session);
}

enum session_next imap_search_bodies(struct imap_session *session,
                                     enum session_next (*then)(struct imap_session *session))
{
    struct searching *searching = session->work;

    searching->then = then;
    searching->row_count = 0;
    searching->row_index = 0;
    return go_on(session);
}
