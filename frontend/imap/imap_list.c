/* LIST, LSUB and NAMESPACE. */
#include <stdlib.h>
#include <string.h>

#include "frontend/imap/imap_command.h"
#include "frontend/imap/imap_list_options.h"
#include "frontend/imap/imap_status_items.h"

/* A name of the list: a mailbox, a subscription, or what only has children. */
struct entry {
    struct slice name;
    bool exists;
    bool subscribed;
    bool has_children;            /* mailboxes below it */
    bool has_selected_below;      /* of those that the client selects... */
    bool has_hidden_below;        /* ... and no pattern shows */
    struct mailbox_record counts; /* for STATUS */
    struct slice special_use;
};

/* A LIST in progress. */
struct listing {
    struct imap_list_options options;
    struct entry *entries;
    size_t count;
    size_t said;
};

/* ---- The names ---- */

static int compare_entries(const void *one, const void *other)
{
    return slice_compare(((const struct entry *)one)->name, ((const struct entry *)other)->name);
}

static struct entry *find_entry(struct entry *entries, size_t count, struct slice name)
{
    struct entry key = {.name = name};

    return bsearch(&key, entries, count, sizeof(*entries), compare_entries);
}

static size_t count_levels(struct slice name)
{
    size_t levels = 0;

    for (size_t i = 0; i < name.size; i++) {
        levels += name.data[i] == IMAP_SEPARATOR ? 1 : 0;
    }
    return levels;
}

/* Adds the names that are only levels above others: their mailbox was deleted, or never was. */
static size_t add_missing_levels(struct entry *entries, size_t count)
{
    size_t known = count;

    for (size_t i = 0; i < known; i++) {
        struct slice name = entries[i].name;

        for (size_t at = 0; at < name.size; at++) {
            struct slice level = slice_prefix(name, at);

            if (name.data[at] == IMAP_SEPARATOR && at > 0 &&
                find_entry(entries, known, level) == NULL) {
                entries[count++] = (struct entry){.name = level};
            }
        }
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !slice_equals(entries[kept - 1].name, entries[i].name)) {
            entries[kept++] = entries[i];
        }
    }
    return kept;
}

static bool matches(const struct imap_list_options *options, struct slice name)
{
    for (size_t i = 0; i < options->pattern_count; i++) {
        if (imap_list_pattern_matches(&options->patterns[i], name)) {
            return true;
        }
    }
    return false;
}

static bool is_selected(const struct imap_list_options *options, const struct entry *entry)
{
    if (options->is_lsub || (options->selects & LIST_SELECTS_SUBSCRIBED) != 0) {
        if (!entry->subscribed) {
            return false;
        }
    } else if (!entry->exists) {
        return false;
    }
    return (options->selects & LIST_SELECTS_SPECIAL_USE) == 0 || entry->special_use.size > 0;
}

/* Tells each name what is below it. */
static void look_below(const struct imap_list_options *options, struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice name = entries[i].name;
        bool selected = is_selected(options, &entries[i]);
        bool hidden = selected && !matches(options, name);

        for (size_t at = 1; at < name.size; at++) {
            if (name.data[at] != IMAP_SEPARATOR || (!selected && !entries[i].exists)) {
                continue;
            }
            struct entry *above = find_entry(entries, count, slice_prefix(name, at));

            above->has_children = above->has_children || entries[i].exists;
            above->has_selected_below = above->has_selected_below || selected;
            above->has_hidden_below = above->has_hidden_below || hidden;
        }
    }
}

/* Whether it is said at all, its name apart. */
static bool is_shown(const struct imap_list_options *options, const struct entry *entry)
{
    if (is_selected(options, entry)) {
        return true;
    }
    if (options->is_lsub || (options->selects & LIST_SELECTS_RECURSIVELY) != 0) {
        return entry->has_hidden_below;
    }
    return options->selects == 0 && !entry->exists && entry->has_children;
}

/* ---- What is said ---- */

static void append_attributes(struct buffer *output, const struct imap_list_options *options,
                              const struct entry *entry)
{
    size_t start = output->size;

    /* LSUB's \Noselect says that only something below is subscribed (RFC 3501 §6.3.9). */
    if (options->is_lsub ? !entry->subscribed : !entry->exists) {
        buffer_append(output,
                      options->is_extended ? SLICE("\\NonExistent ") : SLICE("\\Noselect "));
    }
    if (entry->subscribed && (options->returns & LIST_RETURNS_SUBSCRIBED) != 0) {
        buffer_append(output, SLICE("\\Subscribed "));
    }
    if (!options->is_lsub) {
        buffer_append(output,
                      entry->has_children ? SLICE("\\HasChildren ") : SLICE("\\HasNoChildren "));
    }
    if (entry->special_use.size > 0 && (options->returns & LIST_RETURNS_SPECIAL_USE) != 0 &&
        imap_is_atom(entry->special_use)) {
        buffer_append_octet(output, '\\');
        buffer_append(output, entry->special_use);
        buffer_append_octet(output, ' ');
    }
    output->size -= output->size > start ? 1 : 0;
}

static void append_entry(struct imap_session *session, const struct listing *listing,
                         const struct entry *entry)
{
    const struct imap_list_options *options = &listing->options;
    struct buffer *output = session->port.output;

    buffer_append(output, options->is_lsub ? SLICE("* LSUB (") : SLICE("* LIST ("));
    append_attributes(output, options, entry);
    buffer_append(output, SLICE(") \"/\" "));
    imap_append_mailbox(output, entry->name);
    if ((options->selects & LIST_SELECTS_RECURSIVELY) != 0 && entry->has_hidden_below) {
        buffer_append(output, (options->selects & LIST_SELECTS_SUBSCRIBED) != 0
                                  ? SLICE(" (\"CHILDINFO\" (\"SUBSCRIBED\"))")
                                  : SLICE(" (\"CHILDINFO\" (\"SPECIAL-USE\"))"));
    }
    buffer_append(output, SLICE("\r\n"));
    if ((options->returns & LIST_RETURNS_STATUS) != 0 && entry->exists) {
        imap_append_status(output, entry->name, options->status_items, &entry->counts,
                           session->service->append_size_max);
    }
}

static enum session_next say_entries(struct imap_session *session)
{
    struct listing *listing = session->work;

    while (listing->said < listing->count) {
        if (imap_is_output_full(session)) {
            return imap_pause(session, say_entries);
        }
        append_entry(session, listing, &listing->entries[listing->said++]);
    }
    return imap_end(session, "OK done");
}

/* ---- The answer ---- */

/* Keeps what is said, in memory of its own; returns how much that is. */
static size_t keep_shown(struct arena *arena, const struct imap_list_options *options,
                         struct entry *entries, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_shown(options, &entries[i]) && matches(options, entries[i].name)) {
            entries[kept] = entries[i];
            entries[kept].name = arena_copy(arena, entries[i].name);
            entries[kept++].special_use = arena_copy(arena, entries[i].special_use);
        }
    }
    return kept;
}

static void on_list(struct mailbox_call *call, enum status status,
                    const struct mailbox_record *records, size_t count, uint64_t modseq)
{
    struct imap_session *session = CONTAINER_OF(call, struct imap_session, call);
    struct listing *listing = session->work;
    size_t most = count;

    if (status != STATUS_OK) {
        imap_wake(session, imap_refuse(session, status));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        most += count_levels(records[i].name);
    }
    struct entry *entries = arena_array(&session->arena, most, sizeof(*entries));

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){
            .name = records[i].name,
            .exists = !records[i].no_mailbox,
            .subscribed = records[i].subscribed,
            .counts = records[i],
            .special_use = records[i].special_use,
        };
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    count = add_missing_levels(entries, count);
    look_below(&listing->options, entries, count);
    listing->entries = entries;
    listing->count = keep_shown(&session->arena, &listing->options, entries, count);
    imap_wake(session, say_entries(session));
}

static enum session_next run_listing(struct imap_session *session, struct imap_parser *parser,
                                     bool is_lsub)
{
    struct listing *listing = ARENA_NEW(&session->arena, struct listing);

    if (!imap_take_list_options(parser, is_lsub, &listing->options)) {
        return imap_bad(session, parser);
    }
    if (listing->options.asks_for_root) {
        buffer_append(session->port.output, SLICE("* LIST (\\Noselect) \"/\" \"\"\r\n"));
        return imap_end(session, "OK done");
    }
    session->work = listing;
    mailbox_list(session->service->router, &session->call, session->place, on_list);
    return SESSION_WAITS;
}

enum session_next imap_run_list(struct imap_session *session, struct imap_parser *parser)
{
    return run_listing(session, parser, false);
}

enum session_next imap_run_lsub(struct imap_session *session, struct imap_parser *parser)
{
    return run_listing(session, parser, true);
}

/* ---- NAMESPACE (RFC 2342): one's own mailboxes, and nobody else's ---- */

enum session_next imap_run_namespace(struct imap_session *session, struct imap_parser *parser)
{
    if (!imap_take_end(parser)) {
        return imap_bad(session, parser);
    }
    buffer_append(session->port.output, SLICE("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
    return imap_end(session, "OK done");
}
