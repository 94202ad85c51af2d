#include "frontend/imap/imap_search_match.h"

#include "frontend/imap/imap_date.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/utf8.h"

/* ---- Walking over a program ---- */

typedef bool visit_fn(struct imap_search_key *key, void *context);

/* Visits all keys below `first` and beside it, until one says false. The depth is limited by the
 * parser. */
static bool visit(struct imap_search_key *first, visit_fn *visitor, void *context)
{
    for (struct imap_search_key *key = first; key != NULL; key = key->next) {
        if (!visitor(key, context) || !visit(key->children, visitor, context)) {
            return false;
        }
    }
    return true;
}

/* ---- Preparing ---- */

struct preparation {
    const struct imap_view *view;
    struct arena *arena;
    struct imap_search_needs needs;
};

/* A text that is not UTF-8 is in no message: they are searched as UTF-8. */
static void fold_text(struct imap_search_key *key, struct arena *arena)
{
    struct buffer folded;

    buffer_init(&folded, SIZE_MAX / 2);
    if (utf8_fold(key->text, &folded) == STATUS_OK) {
        key->folded = arena_copy(arena, buffer_view(&folded));
    }
    buffer_done(&folded);
}

static bool prepare_key(struct imap_search_key *key, void *context)
{
    struct preparation *preparation = context;
    struct imap_search_needs *needs = &preparation->needs;

    switch (key->kind) {
    case SEARCH_SEQUENCE:
    case SEARCH_UID:
        return imap_set_resolve(key->set, preparation->view->uids, key->kind == SEARCH_UID,
                                &key->uids) == STATUS_OK;
    case SEARCH_SENT_BEFORE:
    case SEARCH_SENT_ON:
    case SEARCH_SENT_SINCE:
        needs->parts |= ROW_DIGEST;
        return true;
    case SEARCH_SUBJECT:
        needs->parts |= ROW_DIGEST;
        fold_text(key, preparation->arena);
        return true;
    case SEARCH_HEADER:
        needs->parts |= ROW_HEADER;
        fold_text(key, preparation->arena);
        return true;
    case SEARCH_TEXT:
        needs->parts |= ROW_HEADER;
        fold_text(key, preparation->arena);
        needs->bodies = true;
        return true;
    case SEARCH_BODY:
        fold_text(key, preparation->arena);
        needs->bodies = true;
        return true;
    case SEARCH_ALL:
    case SEARCH_AND:
    case SEARCH_OR:
    case SEARCH_NOT:
    case SEARCH_RECENT:
        return true;
    default:
        needs->rows = true;
        return true;
    }
}

enum status imap_search_prepare(struct imap_search_program *program, const struct imap_view *view,
                                struct arena *arena, struct imap_search_needs *out_needs)
{
    struct preparation preparation = {.view = view, .arena = arena};

    if (!visit(program->root, prepare_key, &preparation)) {
        return STATUS_INVALID;
    }
    *out_needs = preparation.needs;
    return STATUS_OK;
}

static bool release_key(struct imap_search_key *key, void *context)
{
    uid_set_free(key->uids);
    key->uids = NULL;
    return true;
}

void imap_search_release(struct imap_search_program *program)
{
    (void)visit(program->root, release_key, NULL);
}

/* ---- Texts in bodies ---- */

static bool is_body_key(const struct imap_search_key *key)
{
    return (key->kind == SEARCH_BODY || key->kind == SEARCH_TEXT) && key->folded.data != NULL;
}

static bool forget_key(struct imap_search_key *key, void *context)
{
    key->found = is_body_key(key) && key->folded.size == 0;
    return true;
}

void imap_search_forget_found(struct imap_search_program *program)
{
    (void)visit(program->root, forget_key, NULL);
}

static bool find_key(struct imap_search_key *key, void *context)
{
    const struct slice *folded = context;

    if (is_body_key(key) && !key->found && folded->size >= key->folded.size) {
        key->found = slice_search(*folded, key->folded) < folded->size;
    }
    return true;
}

void imap_search_find(struct imap_search_program *program, struct slice folded)
{
    (void)visit(program->root, find_key, &folded);
}

static bool has_found_key(struct imap_search_key *key, void *context)
{
    return !is_body_key(key) || key->found;
}

bool imap_search_has_found_all(const struct imap_search_program *program)
{
    return visit(program->root, has_found_key, NULL);
}

/* ---- Judging ---- */

static enum imap_verdict yes_if(bool condition)
{
    return condition ? VERDICT_YES : VERDICT_NO;
}

static bool value_contains(struct slice value, struct slice folded)
{
    struct buffer decoded;
    struct buffer text;
    bool contains = folded.size == 0;

    if (contains) {
        return true;
    }
    buffer_init(&decoded, SIZE_MAX / 2);
    buffer_init(&text, SIZE_MAX / 2);
    header_decode(value, &decoded);
    if (utf8_fold(buffer_view(&decoded), &text) == STATUS_OK) {
        contains = slice_search(buffer_view(&text), folded) < text.size;
    }
    buffer_done(&decoded);
    buffer_done(&text);
    return contains;
}

/* A field of this name, or any when `name` is empty, contains the text. */
static bool header_contains(struct slice header, struct slice name, struct slice folded)
{
    struct slice rest = header;
    struct header_field field;

    while (folded.data != NULL && header_next(&rest, &field)) {
        if (name.size == 0) {
            if (value_contains(field.whole, folded)) {
                return true;
            }
        } else if (slice_equals_ignoring_case(slice_trim(field.name), name) &&
                   value_contains(field.value, folded)) {
            return true;
        }
    }
    return false;
}

/* RFC 3501 §6.4.4 asks for the envelope's, which is stored parsed. */
static bool subject_contains(const struct digest *digest, struct slice folded)
{
    return folded.data != NULL && digest != NULL && digest->envelope.subject.size > 0 &&
           value_contains(digest->envelope.subject, folded);
}

static bool has_keyword(const struct message_row *row, struct slice keyword)
{
    for (size_t i = 0; i < row->keyword_count; i++) {
        if (slice_equals_ignoring_case(row->keywords[i], keyword)) {
            return true;
        }
    }
    return false;
}

static enum imap_verdict judge_sent(const struct imap_search_key *key,
                                    const struct imap_candidate *candidate)
{
    struct date date;

    if (!candidate->has_parts) {
        return VERDICT_UNKNOWN;
    }
    if (candidate->digest == NULL ||
        date_parse(candidate->digest->envelope.date, &date) != STATUS_OK) {
        return VERDICT_NO;
    }
    int64_t day = date_day_of(&date);

    return yes_if(key->kind == SEARCH_SENT_BEFORE ? day < key->day
                  : key->kind == SEARCH_SENT_ON   ? day == key->day
                                                  : day >= key->day);
}

static enum imap_verdict judge_row(const struct imap_search_key *key, const struct message_row *row)
{
    switch (key->kind) {
    case SEARCH_FLAGS_ALL:
        return yes_if((row->flags & key->flags) == key->flags);
    case SEARCH_FLAGS_NONE:
        return yes_if((row->flags & key->flags) == 0);
    case SEARCH_KEYWORD:
        return yes_if(has_keyword(row, key->name));
    case SEARCH_BEFORE:
        return yes_if(imap_day_of(row->received_ms, row->received_zone) < key->day);
    case SEARCH_ON:
        return yes_if(imap_day_of(row->received_ms, row->received_zone) == key->day);
    case SEARCH_SINCE:
        return yes_if(imap_day_of(row->received_ms, row->received_zone) >= key->day);
    case SEARCH_LARGER:
        return yes_if(row->size_octets > key->number);
    case SEARCH_SMALLER:
        return yes_if(row->size_octets < key->number);
    case SEARCH_MODSEQ:
        return yes_if(row->modseq >= key->number);
    default:
        return VERDICT_YES;
    }
}

static enum imap_verdict judge_texts(const struct imap_search_key *key,
                                     const struct imap_candidate *candidate)
{
    bool in_body = candidate->has_body && key->found;

    if (key->kind == SEARCH_BODY) {
        return candidate->has_body ? yes_if(in_body) : VERDICT_UNKNOWN;
    }
    if (!candidate->has_parts) {
        return VERDICT_UNKNOWN;
    }
    if (in_body || header_contains(candidate->row->header, SLICE(""), key->folded)) {
        return VERDICT_YES;
    }
    return candidate->has_body ? VERDICT_NO : VERDICT_UNKNOWN;
}

static enum imap_verdict judge(const struct imap_search_key *key, const struct imap_view *view,
                               const struct imap_candidate *candidate);

/* AND over siblings, or OR: `decides` is the verdict that ends it. */
static enum imap_verdict judge_all(const struct imap_search_key *first,
                                   const struct imap_view *view,
                                   const struct imap_candidate *candidate,
                                   enum imap_verdict decides)
{
    enum imap_verdict verdict = decides == VERDICT_NO ? VERDICT_YES : VERDICT_NO;

    for (const struct imap_search_key *key = first; key != NULL; key = key->next) {
        enum imap_verdict one = judge(key, view, candidate);

        if (one == decides) {
            return decides;
        }
        verdict = one == VERDICT_UNKNOWN ? VERDICT_UNKNOWN : verdict;
    }
    return verdict;
}

static enum imap_verdict judge_not(const struct imap_search_key *key, const struct imap_view *view,
                                   const struct imap_candidate *candidate)
{
    enum imap_verdict verdict = judge(key->children, view, candidate);

    return verdict == VERDICT_UNKNOWN ? VERDICT_UNKNOWN : yes_if(verdict == VERDICT_NO);
}

static enum imap_verdict judge(const struct imap_search_key *key, const struct imap_view *view,
                               const struct imap_candidate *candidate)
{
    switch (key->kind) {
    case SEARCH_ALL:
        return VERDICT_YES;
    case SEARCH_AND:
        return judge_all(key->children, view, candidate, VERDICT_NO);
    case SEARCH_OR:
        return judge_all(key->children, view, candidate, VERDICT_YES);
    case SEARCH_NOT:
        return judge_not(key, view, candidate);
    case SEARCH_RECENT:
        return yes_if(imap_view_is_recent(view, candidate->row->uid));
    case SEARCH_SEQUENCE:
    case SEARCH_UID:
        return yes_if(uid_set_contains(key->uids, candidate->row->uid));
    case SEARCH_SENT_BEFORE:
    case SEARCH_SENT_ON:
    case SEARCH_SENT_SINCE:
        return judge_sent(key, candidate);
    case SEARCH_SUBJECT:
        return candidate->has_parts ? yes_if(subject_contains(candidate->digest, key->folded))
                                    : VERDICT_UNKNOWN;
    case SEARCH_HEADER:
        return candidate->has_parts
                   ? yes_if(header_contains(candidate->row->header, key->name, key->folded))
                   : VERDICT_UNKNOWN;
    case SEARCH_BODY:
    case SEARCH_TEXT:
        return judge_texts(key, candidate);
    default:
        return judge_row(key, candidate->row);
    }
}

enum imap_verdict imap_search_judge(const struct imap_search_program *program,
                                    const struct imap_view *view,
                                    const struct imap_candidate *candidate)
{
    return judge(program->root, view, candidate);
}
