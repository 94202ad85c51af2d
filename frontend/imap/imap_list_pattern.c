#include "frontend/imap/imap_list_pattern.h"

#include <string.h>

enum { INBOX_SIZE = 5, WORD_BITS = 64, WORDS_MAX = IMAP_PATTERN_SIZE_MAX / WORD_BITS + 1 };

static bool is_wildcard(char octet)
{
    return octet == '*' || octet == '%';
}

enum status imap_list_pattern_make(struct arena *arena, struct slice reference, struct slice text,
                                   struct imap_list_pattern *out_pattern)
{
    struct slice parts[] = {reference, text};
    size_t size = 0;

    if (reference.size + text.size > IMAP_PATTERN_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    char *octets = arena_zeroed(arena, reference.size + text.size);

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        for (size_t j = 0; j < parts[i].size; j++) {
            char octet = parts[i].data[j];

            if (is_wildcard(octet) && size > 0 && is_wildcard(octets[size - 1])) {
                octets[size - 1] = octet == '*' ? '*' : octets[size - 1];
            } else {
                octets[size++] = octet;
            }
        }
    }
    out_pattern->octets = (struct slice){octets, size};
    return STATUS_OK;
}

/* Where in the pattern a name may be after each of its octets, as a set: place `i` has the first
 * `i` octets of the pattern behind it. */
struct places {
    uint64_t words[WORDS_MAX];
};

/* A wildcard also stands for nothing: the place in front of it is the one behind it too. */
static void add_place(struct places *places, struct slice pattern, size_t place)
{
    places->words[place / WORD_BITS] |= (uint64_t)1 << (place % WORD_BITS);
    if (place < pattern.size && is_wildcard(pattern.data[place])) {
        place++;
        places->words[place / WORD_BITS] |= (uint64_t)1 << (place % WORD_BITS);
    }
}

static bool advance(struct slice pattern, char octet, bool fold, struct places *places)
{
    size_t word_count = pattern.size / WORD_BITS + 1;
    struct places next;
    bool alive = false;

    memset(next.words, 0, word_count * sizeof(*next.words));
    for (size_t word = 0; word < word_count; word++) {
        for (uint64_t bits = places->words[word]; bits != 0; bits &= bits - 1) {
            size_t place = word * WORD_BITS + (size_t)__builtin_ctzll(bits);
            char wanted = place < pattern.size ? pattern.data[place] : '\0';

            if (place == pattern.size) {
                continue;
            }
            if (wanted == '*' || (wanted == '%' && octet != IMAP_SEPARATOR)) {
                add_place(&next, pattern, place);
                alive = true;
            } else if (wanted == octet || (fold && ascii_lower(wanted) == ascii_lower(octet))) {
                add_place(&next, pattern, place + 1);
                alive = true;
            }
        }
    }
    memcpy(places->words, next.words, word_count * sizeof(*next.words));
    return alive;
}

bool imap_list_pattern_matches(const struct imap_list_pattern *pattern, struct slice name)
{
    struct slice octets = pattern->octets;
    struct places places;
    bool inbox = slice_starts_with(name, SLICE("INBOX")) &&
                 (name.size == INBOX_SIZE || name.data[INBOX_SIZE] == IMAP_SEPARATOR);

    memset(places.words, 0, (octets.size / WORD_BITS + 1) * sizeof(*places.words));
    add_place(&places, octets, 0);
    for (size_t i = 0; i < name.size; i++) {
        if (!advance(octets, name.data[i], inbox && i < INBOX_SIZE, &places)) {
            return false;
        }
    }
    return (places.words[octets.size / WORD_BITS] >> (octets.size % WORD_BITS) & 1) != 0;
}
