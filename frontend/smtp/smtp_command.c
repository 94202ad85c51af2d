#include "frontend/smtp/smtp_command.h"

#include "core/number.h"

enum { CLIENT_NAME_SIZE_MAX = 255 };

void smtp_command_cut(struct slice line, struct slice *out_verb, struct slice *out_argument)
{
    struct slice rest = line;

    *out_verb = slice_cut(&rest, ' ');
    *out_argument = slice_trim(rest);
}

enum status smtp_command_take_keyword(struct slice *rest, struct slice keyword)
{
    if (!slice_starts_with_ignoring_case(*rest, keyword)) {
        return STATUS_INVALID;
    }
    *rest = slice_trim(slice_skip(*rest, keyword.size));
    return STATUS_OK;
}

static bool is_keyword_octet(char octet, bool first)
{
    return (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') ||
           (octet >= '0' && octet <= '9') || (octet == '-' && !first);
}

static bool is_keyword(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!is_keyword_octet(text.data[i], i == 0)) {
            return false;
        }
    }
    return text.size > 0;
}

/* esmtp-value = 1*(%d33-60 / %d62-126), and UTF-8 (RFC 6531 §3.3). */
static bool is_value(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char octet = (unsigned char)text.data[i];

        if (octet <= ' ' || octet == '=' || octet == 0x7f) {
            return false;
        }
    }
    return text.size > 0;
}

enum status smtp_command_take_parameter(struct slice *rest, struct smtp_parameter *out_parameter)
{
    struct slice trimmed = slice_trim(*rest);

    if (trimmed.size == 0) {
        return STATUS_AGAIN;
    }
    struct slice value = slice_cut(&trimmed, ' ');
    size_t keyword_size = slice_find(value, '=');
    struct smtp_parameter parameter = {.keyword = slice_prefix(value, keyword_size)};

    if (keyword_size < value.size) {
        parameter.value = slice_skip(value, keyword_size + 1);
        if (!is_value(parameter.value)) {
            return STATUS_INVALID;
        }
    }
    if (!is_keyword(parameter.keyword)) {
        return STATUS_INVALID;
    }
    *rest = trimmed;
    *out_parameter = parameter;
    return STATUS_OK;
}

/* BODY=7BIT, 8BITMIME (RFC 6152) or BINARYMIME (RFC 3030). */
static enum status read_body(struct slice value, struct smtp_mail_parameters *parameters)
{
    if (slice_is(value, "7BIT") || slice_is(value, "8BITMIME")) {
        return STATUS_OK;
    }
    parameters->is_binary = slice_is(value, "BINARYMIME");
    return parameters->is_binary ? STATUS_OK : STATUS_INVALID;
}

/* AUTH=<> or an xtext address (RFC 4954 §5): taken and not believed. */
static enum status read_mail_parameter(const struct smtp_parameter *parameter,
                                       struct smtp_mail_parameters *parameters, unsigned *seen)
{
    static const char *const keywords[] = {"SIZE", "BODY", "SMTPUTF8", "AUTH"};
    size_t which = 0;

    while (which < COUNT_OF(keywords) && !slice_is(parameter->keyword, keywords[which])) {
        which++;
    }
    if (which == COUNT_OF(keywords)) {
        return STATUS_UNSUPPORTED;
    }
    if ((*seen & 1U << which) != 0 || (parameter->value.data == NULL) != (which == 2)) {
        return STATUS_INVALID;
    }
    *seen |= 1U << which;
    if (which == 0) {
        enum status status = number_parse(parameter->value, UINT64_MAX, &parameters->size);

        /* Larger than any number is still only too large. */
        parameters->size = status == STATUS_TOO_LARGE ? UINT64_MAX : parameters->size;
        return status == STATUS_TOO_LARGE ? STATUS_OK : status;
    }
    parameters->is_utf8 |= which == 2;
    return which == 1 ? read_body(parameter->value, parameters) : STATUS_OK;
}

enum status smtp_command_mail_parameters(struct slice text,
                                         struct smtp_mail_parameters *out_parameters)
{
    struct smtp_mail_parameters parameters = {0};
    struct smtp_parameter parameter;
    enum status status = STATUS_OK;
    unsigned seen = 0;

    while (status == STATUS_OK) {
        status = smtp_command_take_parameter(&text, &parameter);
        if (status == STATUS_OK) {
            status = read_mail_parameter(&parameter, &parameters, &seen);
        }
    }
    if (status != STATUS_AGAIN) {
        return status;
    }
    *out_parameters = parameters;
    return STATUS_OK;
}

enum status smtp_command_chunk(struct slice argument, struct smtp_chunk *out_chunk)
{
    struct slice word = slice_cut(&argument, ' ');
    struct smtp_chunk chunk = {.is_last = slice_is(slice_trim(argument), "LAST")};

    if (!chunk.is_last && argument.size > 0) {
        return STATUS_INVALID;
    }
    if (number_parse(word, INT64_MAX, &chunk.size) != STATUS_OK) {
        return STATUS_INVALID;
    }
    *out_chunk = chunk;
    return STATUS_OK;
}

bool smtp_command_is_client_name(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char octet = (unsigned char)name.data[i];

        if (octet <= ' ' || octet >= 0x7f || octet == '(' || octet == ')' || octet == '<' ||
            octet == '>' || octet == ';') {
            return false;
        }
    }
    return name.size > 0 && name.size <= CLIENT_NAME_SIZE_MAX;
}
