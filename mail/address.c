#include "mail/address.h"

#include <string.h>

#include <idn2.h>

#include "mail/utf8.h"

static const char specials[] = "()<>[]:;@\\,.\" ";

/* atext (RFC 5322 §3.2.3), with RFC 6531 all of UTF-8. */
static bool is_atext(char octet)
{
    return (unsigned char)octet > ' ' && octet != 0x7f && strchr(specials, octet) == NULL;
}

/* ---- The grammar of RFC 5321 §4.1.2: each takes its rule off the front of `rest` ---- */

/* Dot-string = Atom *("." Atom) */
static enum status take_dot_string(struct slice *rest)
{
    size_t size = 0;

    while (true) {
        size_t atom = size;

        while (size < rest->size && is_atext(rest->data[size])) {
            size++;
        }
        if (size == atom) {
            return STATUS_INVALID;
        }
        if (size == rest->size || rest->data[size] != '.') {
            *rest = slice_skip(*rest, size);
            return STATUS_OK;
        }
        size++;
    }
}

/* Quoted-string = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE */
static enum status take_quoted_string(struct slice *rest)
{
    for (size_t i = 1; i < rest->size; i++) {
        unsigned char octet = (unsigned char)rest->data[i];

        if (octet == '"') {
            *rest = slice_skip(*rest, i + 1);
            return STATUS_OK;
        }
        if (octet < ' ' || octet == 0x7f) {
            return STATUS_INVALID;
        }
        if (octet == '\\' && (++i == rest->size || (unsigned char)rest->data[i] < ' ' ||
                              (unsigned char)rest->data[i] >= 0x7f)) {
            return STATUS_INVALID;
        }
    }
    return STATUS_INVALID;
}

static enum status take_local(struct slice *rest)
{
    struct slice before = *rest;
    enum status status =
        slice_starts_with(*rest, SLICE("\"")) ? take_quoted_string(rest) : take_dot_string(rest);

    return status == STATUS_OK && before.size - rest->size <= ADDRESS_LOCAL_SIZE_MAX
               ? STATUS_OK
               : STATUS_INVALID;
}

/* "[192.0.2.1]", "[IPv6:...]": digits, letters, dots and colons are enough to know for a look-up
 * that will find nothing. */
static enum status take_literal(struct slice *rest)
{
    size_t end = slice_find(*rest, ']');

    for (size_t i = 1; i < end; i++) {
        if (!is_atext(rest->data[i]) && rest->data[i] != ':' && rest->data[i] != '.') {
            return STATUS_INVALID;
        }
    }
    if (end < 2 || end == rest->size || end >= ADDRESS_DOMAIN_SIZE_MAX) {
        return STATUS_INVALID;
    }
    *rest = slice_skip(*rest, end + 1);
    return STATUS_OK;
}

static bool is_label_octet(char octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '-' || octet == '_' ||
           (unsigned char)octet >= 0x80;
}

/* Domain = sub-domain *("." sub-domain), labels of 63 octets in ASCII; underscores do exist. */
static enum status take_domain(struct slice *rest)
{
    size_t size = 0;

    while (true) {
        size_t label = size;

        while (size < rest->size && is_label_octet(rest->data[size])) {
            size++;
        }
        struct slice text = slice_skip(slice_prefix(*rest, size), label);

        if (text.size == 0 || text.data[0] == '-' || text.data[text.size - 1] == '-' ||
            (text.size > 63 && !utf8_is_beyond_ascii(text))) {
            return STATUS_INVALID;
        }
        if (size == rest->size || rest->data[size] != '.') {
            break;
        }
        size++;
    }
    if (size > ADDRESS_DOMAIN_SIZE_MAX) {
        return STATUS_INVALID;
    }
    *rest = slice_skip(*rest, size);
    return STATUS_OK;
}

static enum status take_mailbox(struct slice *rest)
{
    enum status status = take_local(rest);

    if (status != STATUS_OK || !slice_starts_with(*rest, SLICE("@"))) {
        return STATUS_INVALID;
    }
    *rest = slice_skip(*rest, 1);
    return slice_starts_with(*rest, SLICE("[")) ? take_literal(rest) : take_domain(rest);
}

/* A-d-l = "@" Domain *("," "@" Domain), then ":": accepted and ignored (appendix C). */
static enum status skip_route(struct slice *rest)
{
    while (slice_starts_with(*rest, SLICE("@"))) {
        *rest = slice_skip(*rest, 1);
        if (take_domain(rest) != STATUS_OK) {
            return STATUS_INVALID;
        }
        if (slice_starts_with(*rest, SLICE(":"))) {
            *rest = slice_skip(*rest, 1);
            return STATUS_OK;
        }
        if (!slice_starts_with(*rest, SLICE(","))) {
            return STATUS_INVALID;
        }
        *rest = slice_skip(*rest, 1);
    }
    return STATUS_INVALID;
}

static enum status take_between_brackets(struct slice *rest, enum address_path_kind kind,
                                         struct slice *out_mailbox)
{
    static const struct slice postmaster = {"postmaster>", 11};
    enum status status = STATUS_OK;

    if (kind == ADDRESS_PATH_FORWARD && slice_starts_with_ignoring_case(*rest, postmaster)) {
        *out_mailbox = slice_prefix(*rest, postmaster.size - 1);
        *rest = slice_skip(*rest, out_mailbox->size);
        return STATUS_OK;
    }
    if (kind == ADDRESS_PATH_REVERSE && slice_starts_with(*rest, SLICE(">"))) {
        *out_mailbox = slice_prefix(*rest, 0);
        return STATUS_OK;
    }
    if (slice_starts_with(*rest, SLICE("@"))) {
        status = skip_route(rest);
    }
    struct slice start = *rest;

    if (status == STATUS_OK) {
        status = take_mailbox(rest);
    }
    *out_mailbox = slice_prefix(start, start.size - rest->size);
    return status;
}

enum status address_parse_path(struct slice *rest, enum address_path_kind kind,
                               struct address_path *out_path)
{
    struct slice left = *rest;
    struct slice mailbox = {0};

    if (!slice_starts_with(left, SLICE("<"))) {
        return STATUS_INVALID;
    }
    left = slice_skip(left, 1);
    if (take_between_brackets(&left, kind, &mailbox) != STATUS_OK ||
        !slice_starts_with(left, SLICE(">")) || !utf8_is_valid(mailbox)) {
        return STATUS_INVALID;
    }
    left = slice_skip(left, 1);
    if (left.size > 0 && left.data[0] != ' ') {
        return STATUS_INVALID;
    }
    *out_path = (struct address_path){mailbox, utf8_is_beyond_ascii(mailbox)};
    *rest = left;
    return STATUS_OK;
}

/* ---- The canonical form ---- */

enum status address_canonical_domain(struct slice domain, struct buffer *output)
{
    struct slice rest = domain;
    char text[ADDRESS_DOMAIN_SIZE_MAX * 4 + 1];
    char *ascii = NULL;

    if (domain.size > ADDRESS_DOMAIN_SIZE_MAX || buffer_room(output) < domain.size) {
        return STATUS_INVALID;
    }
    if (slice_starts_with(domain, SLICE("["))) {
        return take_literal(&rest) == STATUS_OK && rest.size == 0 ? utf8_fold(domain, output)
                                                                  : STATUS_INVALID;
    }
    if (take_domain(&rest) != STATUS_OK || rest.size > 0) {
        return STATUS_INVALID;
    }
    if (!utf8_is_beyond_ascii(domain)) {
        return utf8_fold(domain, output);
    }
    memcpy(text, domain.data, domain.size);
    text[domain.size] = '\0';
    if (idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK) {
        return STATUS_INVALID;
    }
    struct slice canonical = slice_of(ascii);
    struct slice left = canonical;
    bool fits = take_domain(&left) == STATUS_OK && left.size == 0;

    if (fits) {
        buffer_append(output, canonical);
    }
    idn2_free(ascii);
    return fits ? STATUS_OK : STATUS_INVALID;
}

/* A local part that is a dot-string needs no quotes: "\"ann\"" is "ann". */
static void unquote(struct slice quoted, struct buffer *output)
{
    struct buffer bare;

    buffer_init(&bare, ADDRESS_LOCAL_SIZE_MAX);
    for (size_t i = 1; i + 1 < quoted.size; i++) {
        i += quoted.data[i] == '\\';
        buffer_append_octet(&bare, quoted.data[i]);
    }
    struct slice rest = buffer_view(&bare);

    if (take_dot_string(&rest) == STATUS_OK && rest.size == 0) {
        buffer_append(output, buffer_view(&bare));
    } else {
        buffer_append_octet(output, '"');
        for (size_t i = 0; i < bare.size; i++) {
            if (bare.data[i] == '"' || bare.data[i] == '\\') {
                buffer_append_octet(output, '\\');
            }
            buffer_append_octet(output, bare.data[i]);
        }
        buffer_append_octet(output, '"');
    }
    buffer_done(&bare);
}

enum status address_canonical(struct slice address, struct buffer *output)
{
    struct slice rest = address;
    struct buffer local;
    size_t size_before = output->size;

    if (take_mailbox(&rest) != STATUS_OK || rest.size > 0 || !utf8_is_valid(address)) {
        return STATUS_INVALID;
    }
    rest = address;
    (void)take_local(&rest);
    struct slice written = slice_prefix(address, address.size - rest.size);

    buffer_init(&local, 2 * ADDRESS_LOCAL_SIZE_MAX + 2);
    if (written.data[0] == '"') {
        unquote(written, &local);
    } else {
        buffer_append(&local, written);
    }
    enum status status = utf8_fold(buffer_view(&local), output);

    buffer_done(&local);
    if (status == STATUS_OK && buffer_room(output) > 0) {
        buffer_append_octet(output, '@');
        status = address_canonical_domain(slice_skip(rest, 1), output);
    }
    /* Folding may have made an ASCII sign of another (U+037E is a semicolon), or more octets. */
    struct slice canonical = slice_skip(buffer_view(output), size_before);

    if (status != STATUS_OK || take_mailbox(&canonical) != STATUS_OK || canonical.size > 0) {
        output->size = size_before;
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

void address_split(struct slice canonical, char delimiter, struct slice *out_user,
                   struct slice *out_detail, struct slice *out_domain)
{
    size_t at = canonical.size;

    while (at > 0 && canonical.data[at - 1] != '@') {
        at--;
    }
    struct slice local = slice_prefix(canonical, at > 0 ? at - 1 : canonical.size);
    size_t cut = local.size > 0 ? 1 + slice_find(slice_skip(local, 1), delimiter) : 0;

    *out_domain = at > 0 ? slice_skip(canonical, at) : (struct slice){0};
    *out_user = slice_prefix(local, cut);
    *out_detail = slice_skip(local, cut + 1);
}
