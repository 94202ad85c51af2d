/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE and STATUS. */
#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_status_items.h"

static void on_done(struct mailbox_call *call, enum status status)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);

    imap_wake(session,
              status == STATUS_OK ? imap_end(session, "OK done") : imap_refuse(session, status));
}

/* The arguments of most of them: one name and the end. */
static bool take_name(struct imap_parser *parser, struct slice *out_name)
{
    return imap_take_space(parser) && imap_take_mailbox(parser, out_name) && imap_take_end(parser);
}

/* ---- CREATE (RFC 3501 §6.3.3, RFC 6154 §3) ---- */

static const char *const special_uses[] = {"All",  "Archive", "Drafts", "Flagged",
                                           "Junk", "Sent",    "Trash"};

/* A mailbox has one use here, though the grammar allows several. */
static bool take_special_use(struct imap_parser *parser, struct slice *out_use, bool *out_known)
{
    struct slice name;

    *out_known = true;
    if (imap_take_end(parser)) {
        return true;
    }
    if (!imap_take_keyword(parser, " (USE (\\") || !imap_take_atom(parser, &name) ||
        !imap_take_keyword(parser, "))") || !imap_take_end(parser)) {
        return false;
    }
    *out_known = false;
    for (size_t i = 0; i < COUNT_OF(special_uses); i++) {
        if (slice_is(name, special_uses[i])) {
            *out_use = slice_of(special_uses[i]);
            *out_known = true;
        }
    }
    return true;
}

static void on_created(struct mailbox_call *call, enum status status, uint32_t mailbox,
                       uint32_t uid_validity)
{
    on_done(call, status);
}

enum session_next imap_run_create(struct imap_session *session, struct imap_parser *parser)
{
    struct slice name;
    struct slice use = SLICE("");
    bool known = false;

    if (!imap_take_space(parser) || !imap_take_new_mailbox(parser, &name) ||
        !take_special_use(parser, &use, &known)) {
        return imap_bad(session, parser);
    }
    if (!known) {
        return imap_end(session, "NO [USEATTR] no such use");
    }
    mailbox_create(session->service->router, &session->call, session->place, name, use, on_created);
    return SESSION_WAITS;
}

/* ---- DELETE, RENAME, SUBSCRIBE (RFC 3501 §6.3.4 to §6.3.7) ---- */

enum session_next imap_run_delete(struct imap_session *session, struct imap_parser *parser)
{
    struct slice name;

    if (!take_name(parser, &name)) {
        return imap_bad(session, parser);
    }
    mailbox_delete(session->service->router, &session->call, session->place, name, on_done);
    return SESSION_WAITS;
}

enum session_next imap_run_rename(struct imap_session *session, struct imap_parser *parser)
{
    struct slice name;
    struct slice new_name;

    if (!imap_take_space(parser) || !imap_take_mailbox(parser, &name) || !imap_take_space(parser) ||
        !imap_take_new_mailbox(parser, &new_name) || !imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    mailbox_rename(session->service->router, &session->call, session->place, name, new_name,
                   on_done);
    return SESSION_WAITS;
}

static enum session_next subscribe(struct imap_session *session, struct imap_parser *parser,
                                   bool subscribed)
{
    struct slice name;

    if (!take_name(parser, &name)) {
        return imap_bad(session, parser);
    }
    mailbox_subscribe(session->service->router, &session->call, session->place, name, subscribed,
                      on_done);
    return SESSION_WAITS;
}

enum session_next imap_run_subscribe(struct imap_session *session, struct imap_parser *parser)
{
    return subscribe(session, parser, true);
}

enum session_next imap_run_unsubscribe(struct imap_session *session, struct imap_parser *parser)
{
    return subscribe(session, parser, false);
}

/* ---- STATUS (RFC 3501 §6.3.10) ---- */

struct status_order {
    struct slice name;
    unsigned items;
};

static void on_status(struct mailbox_call *call, enum status status,
                      const struct mailbox_record *records, size_t count, uint64_t modseq)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    const struct status_order *order = session->work;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    if (count == 0 || records[0].no_mailbox) {
        imap_wake(session, imap_refuse(session, STATUS_NOT_FOUND));
        return;
    }
    imap_append_status(session->port.output, order->name, order->items, &records[0],
                       session->service->append_size_max);
    imap_wake(session, imap_end(session, "OK done"));
}

enum session_next imap_run_status(struct imap_session *session, struct imap_parser *parser)
{
    struct status_order *order = ARENA_NEW(&session->arena, struct status_order);

    if (!imap_take_space(parser) || !imap_take_mailbox(parser, &order->name) ||
        !imap_take_space(parser) || !imap_take_status_items(parser, &order->items) ||
        !imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    if ((order->items & STATUS_HIGHESTMODSEQ) != 0) {
        imap_enable_condstore(session);
    }
    session->work = order;
    mailbox_find(session->service->router, &session->call, session->place, order->name, on_status);
    return SESSION_WAITS;
}
