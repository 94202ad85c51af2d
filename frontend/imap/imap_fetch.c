/* FETCH and UID FETCH (RFC 3501 §6.4.5, RFC 7162 §3.1.4).
 *
 * Rows come in batches of about a mebibyte and are said item by item, with a pause whenever the
 * output is full; bodies are read in pieces while they are said. So memory is bounded by one batch,
 * whatever "1:* BODY[]" there is. */
#include "frontend/imap/imap_fetch.h"
#include "frontend/imap/imap_date.h"
#include "frontend/imap/imap_render.h"
#include "frontend/imap/imap_rows.h"

enum {
    DIGEST_AT_ONCE_MAX = 64 * 1024, /* octets of a digest whose text surely fits the output */
};

static enum session_next ask_rows(struct imap_session *session);
static enum session_next say_rows(struct imap_session *session);

static void drop_fetching(struct imap_session *session)
{
    struct fetching *fetching = session->work;

    mailbox_call_cancel(&session->call);
    uid_set_free(fetching->uids);
    arena_done(&fetching->arena);
    arena_done(&fetching->row_arena);
    buffer_done(&fetching->header);
}

/* ---- The other items ---- */

static void append_flags(struct imap_session *session, const struct message_row *row)
{
    buffer_append(session->port.output, SLICE("FLAGS ("));
    imap_append_flags(session->port.output, row->flags,
                      imap_view_is_recent(session->view, row->uid), row->keywords,
                      row->keyword_count);
    buffer_append_octet(session->port.output, ')');
}

static void append_modseq(struct imap_session *session, const struct message_row *row)
{
    buffer_append(session->port.output, SLICE("MODSEQ ("));
    imap_append_number(session->port.output, row->modseq);
    buffer_append_octet(session->port.output, ')');
}

/* From the digest; a large one is staged, because its text may be larger than the output. */
static bool say_structure(struct imap_session *session, enum imap_fetch_kind kind,
                          enum session_next *out_next)
{
    const struct fetching *fetching = session->work;
    const struct digest *digest = &fetching->digest;
    bool at_once = imap_fetching_row(fetching)->digest.size <= DIGEST_AT_ONCE_MAX;
    struct buffer *output = at_once ? session->port.output : &session->reply;

    if (!fetching->has_digest) {
        *out_next = imap_fetch_break_off(session, STATUS_CORRUPT);
        return false;
    }
    switch (kind) {
    case FETCH_ENVELOPE:
        buffer_append(output, SLICE("ENVELOPE "));
        imap_render_envelope(output, &digest->envelope);
        break;
    case FETCH_BODY:
        buffer_append(output, SLICE("BODY "));
        imap_render_structure(output, &digest->root, false);
        break;
    default:
        buffer_append(output, SLICE("BODYSTRUCTURE "));
        imap_render_structure(output, &digest->root, true);
        break;
    }
    if (!at_once) {
        *out_next = imap_say_reply(session, imap_fetch_next_item);
    }
    return at_once;
}

/* Appends an item that is short; false when it is another kind. */
static bool append_short_item(struct imap_session *session, enum imap_fetch_kind kind)
{
    const struct fetching *fetching = session->work;
    const struct message_row *row = imap_fetching_row(fetching);
    struct buffer *output = session->port.output;

    switch (kind) {
    case FETCH_FLAGS:
        append_flags(session, row);
        return true;
    case FETCH_UID:
        buffer_append(output, SLICE("UID "));
        imap_append_number(output, row->uid);
        return true;
    case FETCH_INTERNALDATE:
        buffer_append(output, SLICE("INTERNALDATE "));
        imap_append_date_time(output, row->received_ms, row->received_zone);
        return true;
    case FETCH_RFC822_SIZE:
        buffer_append(output, SLICE("RFC822.SIZE "));
        imap_append_number(output, row->size_octets);
        return true;
    case FETCH_MODSEQ:
        append_modseq(session, row);
        return true;
    default:
        return false;
    }
}

/* ---- Rows ---- */

static void open_row(struct imap_session *session, const struct message_row *row)
{
    struct fetching *fetching = session->work;

    arena_clear(&fetching->row_arena);
    fetching->has_digest = row->digest.size > 0 && digest_decode(row->digest, &fetching->row_arena,
                                                                 &fetching->digest) == STATUS_OK;
    fetching->item_index = 0;
    fetching->is_open = true;
    buffer_append(session->port.output, SLICE("* "));
    imap_append_number(session->port.output, imap_view_number(session->view, row->uid));
    buffer_append(session->port.output, SLICE(" FETCH ("));
}

/* What was set by looking is said with it (RFC 3501 §7.4.2, RFC 7162 §3.1.4). */
static void close_row(struct imap_session *session, const struct message_row *row)
{
    struct fetching *fetching = session->work;
    const struct imap_fetch_items *items = &fetching->items;

    if (fetching->was_seen_now[fetching->row_index]) {
        if (!imap_fetch_items_have(items, FETCH_FLAGS)) {
            buffer_append_octet(session->port.output, ' ');
            append_flags(session, row);
        }
        if (session->wants_condstore && !imap_fetch_items_have(items, FETCH_MODSEQ)) {
            buffer_append_octet(session->port.output, ' ');
            append_modseq(session, row);
        }
    }
    buffer_append(session->port.output, SLICE(")\r\n"));
    fetching->is_open = false;
    fetching->row_index++;
}

/* Says short items up to one that may take its time, which it returns; NULL: the row is said. */
static const struct imap_fetch_item *say_short_items(struct imap_session *session)
{
    struct fetching *fetching = session->work;

    while (fetching->item_index < fetching->items.count) {
        const struct imap_fetch_item *item = &fetching->items.items[fetching->item_index];

        if (fetching->item_index > 0) {
            buffer_append_octet(session->port.output, ' ');
        }
        if (!append_short_item(session, item->kind)) {
            return item;
        }
        fetching->item_index++;
    }
    return NULL;
}

static enum session_next end_fetching(struct imap_session *session)
{
    const struct fetching *fetching = session->work;

    if (fetching->row_total < fetching->wanted && !fetching->items.changed_since_given) {
        return imap_end(session, "OK [EXPUNGEISSUED] some are gone");
    }
    return imap_end(session, "OK done");
}

static enum session_next say_rows(struct imap_session *session)
{
    struct fetching *fetching = session->work;

    while (fetching->row_index < fetching->row_count) {
        enum session_next next = SESSION_WRITES;

        if (imap_is_output_full(session)) {
            return imap_pause(session, say_rows);
        }
        if (!fetching->is_open) {
            open_row(session, imap_fetching_row(fetching));
        }
        const struct imap_fetch_item *item = say_short_items(session);

        if (item == NULL) {
            close_row(session, imap_fetching_row(fetching));
        } else if (item->kind == FETCH_SECTION ? !imap_fetch_say_section(session, item, &next)
                                               : !say_structure(session, item->kind, &next)) {
            return next;
        } else {
            fetching->item_index++;
        }
    }
    return uid_set_count(fetching->uids) > 0 ? ask_rows(session) : end_fetching(session);
}

enum session_next imap_fetch_next_item(struct imap_session *session)
{
    struct fetching *fetching = session->work;

    fetching->item_index++;
    return say_rows(session);
}

/* ---- \Seen ---- */

static struct message_row *find_row(struct fetching *fetching, uint32_t uid)
{
    size_t low = 0;
    size_t high = fetching->row_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (fetching->rows[middle].uid < uid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < fetching->row_count && fetching->rows[low].uid == uid ? &fetching->rows[low]
                                                                       : NULL;
}

/* It is the same message when that fails: what was asked for is shown all the same. */
static void on_seen(struct mailbox_call *call, enum status status,
                    const struct store_result *result)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct fetching *fetching = session->work;

    for (size_t i = 0; status == STATUS_OK && i < result->count; i++) {
        struct message_row *row = find_row(fetching, result->rows[i].uid);

        if (row != NULL) {
            row->flags = result->rows[i].flags;
            row->modseq = result->rows[i].modseq;
            fetching->was_seen_now[row - fetching->rows] = true;
        }
    }
    if (status == STATUS_OK) {
        imap_view_wrote(session->view, result->modseq);
    }
    imap_wake(session, say_rows(session));
}

/* Sets \Seen on those of the batch that lack it; false when there are none. */
static bool see(struct imap_session *session)
{
    struct fetching *fetching = session->work;
    struct uid_set *unseen = uid_set_new();
    struct store_order order = {.uids = unseen, .mode = STORE_ADD, .flags = FLAG_SEEN};

    for (size_t i = 0; i < fetching->row_count; i++) {
        if ((fetching->rows[i].flags & FLAG_SEEN) == 0) {
            uid_set_add(unseen, fetching->rows[i].uid);
        }
    }
    bool any = uid_set_count(unseen) > 0;

    if (any) {
        mailbox_store(session->service->router, &session->call, session->place,
                      session->view->mailbox, &order, on_seen);
    }
    uid_set_free(unseen);
    return any;
}

/* ---- Batches ---- */

static void keep_rows(struct imap_session *session, const struct mailbox_rows *rows)
{
    struct fetching *fetching = session->work;

    arena_clear(&fetching->arena);
    fetching->rows = arena_array(&fetching->arena, rows->count, sizeof(*fetching->rows));
    fetching->was_seen_now = arena_array(&fetching->arena, rows->count, sizeof(bool));
    fetching->row_count = 0;
    fetching->row_index = 0;
    for (size_t i = 0; i < rows->count; i++) {
        fetching->row_total++;
        if (imap_view_number(session->view, rows->rows[i].uid) > 0) {
            fetching->rows[fetching->row_count++] = imap_copy_row(&fetching->arena, &rows->rows[i]);
        }
    }
}

static void on_rows(struct mailbox_call *call, enum status status, const struct mailbox_rows *rows)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct fetching *fetching = session->work;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    keep_rows(session, rows);
    uid_set_remove_range(fetching->uids, 1, rows->more_from > 0 ? rows->more_from - 1 : UINT32_MAX);
    if (fetching->sees && see(session)) {
        return;
    }
    imap_wake(session, say_rows(session));
}

static enum session_next ask_rows(struct imap_session *session)
{
    const struct fetching *fetching = session->work;
    struct rows_query query = {
        .uids = fetching->uids,
        .parts = fetching->parts,
        .changed_since = fetching->items.changed_since,
    };

    mailbox_get_rows(session->service->router, &session->call, session->place,
                     session->view->mailbox, &query, on_rows);
    return SESSION_WAITS;
}

/* ---- The command ---- */

/* What the rows must bring for all items together. */
static void prepare(struct imap_session *session, struct fetching *fetching)
{
    for (size_t i = 0; i < fetching->items.count; i++) {
        const struct imap_fetch_item *item = &fetching->items.items[i];

        if (item->kind == FETCH_SECTION) {
            fetching->parts |= imap_section_needs(&item->section);
            fetching->sees = fetching->sees || (item->sees && !session->view->is_read_only);
        } else if (item->kind == FETCH_ENVELOPE || item->kind == FETCH_BODY ||
                   item->kind == FETCH_BODYSTRUCTURE) {
            fetching->parts |= ROW_DIGEST;
        } else if (item->kind == FETCH_MODSEQ) {
            imap_enable_condstore(session);
        }
    }
}

enum session_next imap_run_fetch(struct imap_session *session, struct imap_parser *parser)
{
    struct fetching *fetching = ARENA_NEW(&session->arena, struct fetching);

    session->work = fetching;
    session->drop_work = drop_fetching;
    if (!imap_take_uids(session, parser, &fetching->uids) || !imap_take_space(parser) ||
        !imap_take_fetch_items(parser, session->by_uid, &fetching->items)) {
        return imap_bad(session, parser);
    }
    fetching->wanted = uid_set_count(fetching->uids);
    prepare(session, fetching);
    return fetching->wanted > 0 ? ask_rows(session) : imap_end(session, "OK done");
}
