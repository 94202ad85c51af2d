#include "tests/unit/dialogue_text.h"

#include <string.h>

#include "core/check.h"
#include "core/number.h"

enum { PIECES_MAX = 32, REPEAT_MAX = 10 * 1000 * 1000 };

void dialogue_names_init(struct dialogue_names *names)
{
    *names = (struct dialogue_names){0};
    arena_init(&names->arena);
}

void dialogue_names_done(struct dialogue_names *names)
{
    arena_done(&names->arena);
}

static const struct dialogue_name *find_name(const struct dialogue_names *names, struct slice name)
{
    for (const struct dialogue_name *known = names->first; known != NULL; known = known->next) {
        if (slice_equals(known->name, name)) {
            return known;
        }
    }
    return NULL;
}

static void keep_name(struct dialogue_names *names, struct slice name, struct slice value)
{
    struct dialogue_name *kept = ARENA_NEW(&names->arena, struct dialogue_name);

    kept->name = arena_copy(&names->arena, name);
    kept->value = arena_copy(&names->arena, value);
    kept->next = names->first;
    names->first = kept;
}

/* Cuts `rest` in front of its first $(...), and that too: false when there is none. */
static bool cut_inset(struct slice *rest, struct slice *out_before, struct slice *out_inset)
{
    size_t start = slice_search(*rest, SLICE("$("));

    *out_before = slice_prefix(*rest, start);
    if (start == rest->size) {
        *rest = slice_skip(*rest, start);
        return false;
    }
    struct slice after = slice_skip(*rest, start + 2);
    size_t end = slice_find(after, ')');

    if (slice_starts_with(after, SLICE("repeat*"))) {
        end = after.size;
        while (end > 0 && after.data[end - 1] != ')') {
            end--;
        }
        CHECK(end > 0);
        end--;
    }
    CHECK(end < after.size);
    *out_inset = slice_prefix(after, end);
    *rest = slice_skip(after, end + 1);
    return true;
}

static void expand_octets(struct slice digits, struct buffer *output)
{
    static const char alphabet[] = "0123456789abcdef";

    CHECK(digits.size % 2 == 0);
    for (size_t i = 0; i < digits.size; i += 2) {
        const char *high = strchr(alphabet, ascii_lower(digits.data[i]));
        const char *low = strchr(alphabet, ascii_lower(digits.data[i + 1]));

        CHECK(high != NULL && low != NULL);
        buffer_append_octet(output, (char)((high - alphabet) * 16 + (low - alphabet)));
    }
}

static bool is_octets(struct slice inset)
{
    if (inset.size < 3 || inset.size % 2 == 0 || inset.data[0] != 'x') {
        return false;
    }
    for (size_t i = 1; i < inset.size; i++) {
        if (strchr("0123456789abcdefABCDEF", inset.data[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static bool expand_repeat(struct dialogue_names *names, struct slice words, struct buffer *output)
{
    struct slice verb = slice_cut(&words, ' ');
    struct slice digits = slice_cut(&words, ' ');
    struct buffer once;
    uint64_t count = 0;

    CHECK(verb.size > 0 && number_parse(digits, REPEAT_MAX, &count) == STATUS_OK);
    buffer_init(&once, output->size_max);
    bool known = dialogue_expand(names, words, &once);

    for (uint64_t i = 0; known && i < count; i++) {
        buffer_append(output, buffer_view(&once));
    }
    buffer_done(&once);
    return known;
}

static bool expand_inset(struct dialogue_names *names, struct slice inset, struct buffer *output)
{
    if (is_octets(inset)) {
        expand_octets(slice_skip(inset, 1), output);
        return true;
    }
    if (slice_starts_with(inset, SLICE("repeat"))) {
        return expand_repeat(names, inset, output);
    }
    const struct dialogue_name *known = find_name(names, inset);

    if (known != NULL) {
        buffer_append(output, known->value);
    }
    return known != NULL;
}

bool dialogue_expand(struct dialogue_names *names, struct slice text, struct buffer *output)
{
    struct slice before;
    struct slice inset;

    while (cut_inset(&text, &before, &inset)) {
        buffer_append(output, before);
        if (!expand_inset(names, inset, output)) {
            return false;
        }
    }
    buffer_append(output, before);
    return true;
}

/* A pattern is literal pieces with a hole behind each but the last. */
struct piece {
    struct buffer literal;
    struct slice hole; /* its name; empty: this is the last piece */
};

static size_t cut_pieces(struct dialogue_names *names, struct slice pattern, struct piece *pieces)
{
    size_t count = 0;
    struct slice before;
    struct slice inset;

    buffer_init(&pieces[0].literal, SIZE_MAX / 2);
    while (cut_inset(&pattern, &before, &inset)) {
        buffer_append(&pieces[count].literal, before);
        if (!slice_is(inset, "any") && expand_inset(names, inset, &pieces[count].literal)) {
            continue;
        }
        pieces[count].hole = inset;
        count++;
        CHECK(count < PIECES_MAX);
        buffer_init(&pieces[count].literal, SIZE_MAX / 2);
    }
    buffer_append(&pieces[count].literal, before);
    pieces[count].hole = SLICE("");
    return count + 1;
}

/* Each hole takes as little as it can, but the last, which takes what must be left. */
static bool match_pieces(const struct piece *pieces, size_t count, struct slice line,
                         struct slice *out_values)
{
    struct slice rest = line;

    if (!slice_starts_with(rest, buffer_view(&pieces[0].literal))) {
        return false;
    }
    rest = slice_skip(rest, pieces[0].literal.size);
    for (size_t i = 1; i < count; i++) {
        struct slice literal = buffer_view(&pieces[i].literal);
        size_t least = slice_is(pieces[i - 1].hole, "any") ? 0 : 1;
        size_t at = least + slice_search(slice_skip(rest, least), literal);

        if (i + 1 == count) {
            at = rest.size >= literal.size ? rest.size - literal.size : rest.size;
        }
        if (at < least || at > rest.size || !slice_starts_with(slice_skip(rest, at), literal)) {
            return false;
        }
        out_values[i - 1] = slice_prefix(rest, at);
        rest = slice_skip(rest, at + literal.size);
    }
    return rest.size == 0;
}

bool dialogue_matches(struct dialogue_names *names, struct slice pattern, struct slice line)
{
    struct piece pieces[PIECES_MAX];
    struct slice values[PIECES_MAX];
    size_t count = cut_pieces(names, pattern, pieces);
    bool matches = match_pieces(pieces, count, line, values);

    for (size_t i = 0; i < count; i++) {
        if (matches && i + 1 < count && !slice_is(pieces[i].hole, "any")) {
            keep_name(names, pieces[i].hole, values[i]);
        }
        buffer_done(&pieces[i].literal);
    }
    return matches;
}
