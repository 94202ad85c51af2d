#include "frontend/imap/imap_input.h"

#include "core/check.h"
#include "core/number.h"

void imap_input_init(struct imap_input *input)
{
    *input = (struct imap_input){0};
    buffer_init(&input->octets, IMAP_COMMAND_SIZE_MAX + 2);
}

void imap_input_done(struct imap_input *input)
{
    buffer_done(&input->octets);
}

/* Passwords may be among them. */
void imap_input_clear(struct imap_input *input)
{
    buffer_wipe(&input->octets);
    input->literal_rest = 0;
}

/* Whether `line` ends in {n} or {n+}. */
static bool find_literal(struct slice line, struct imap_literal *out_literal)
{
    size_t digits = 0;
    size_t end = line.size;
    bool plus = false;
    uint64_t size = 0;

    *out_literal = (struct imap_literal){0};
    if (end < 3 || line.data[end - 1] != '}') {
        return false;
    }
    end--;
    plus = line.data[end - 1] == '+';
    end -= plus ? 1 : 0;
    while (digits < end && line.data[end - digits - 1] >= '0' &&
           line.data[end - digits - 1] <= '9') {
        digits++;
    }
    if (digits == 0 || digits == end || line.data[end - digits - 1] != '{') {
        return false;
    }
    struct slice number = {line.data + end - digits, digits};

    if (number_parse(number, UINT32_MAX, &size) != STATUS_OK) {
        size = UINT64_MAX;
    }
    *out_literal = (struct imap_literal){.size = size, .is_synchronizing = !plus};
    return true;
}

enum imap_input_progress imap_input_line(struct imap_input *input, struct slice line,
                                         size_t size_max, struct imap_literal *out_literal)
{
    bool has_literal = find_literal(line, out_literal);

    CHECK(input->literal_rest == 0 && size_max <= IMAP_COMMAND_SIZE_MAX);
    if (line.size > size_max || input->octets.size > size_max - line.size) {
        return IMAP_INPUT_TOO_LARGE;
    }
    buffer_append(&input->octets, line);
    if (has_literal) {
        buffer_append(&input->octets, SLICE("\r\n"));
    }
    return has_literal ? IMAP_INPUT_LITERAL : IMAP_INPUT_COMMAND;
}

void imap_input_expect(struct imap_input *input, uint64_t size)
{
    CHECK(size <= buffer_room(&input->octets));
    input->literal_rest = size;
}

size_t imap_input_octets(struct imap_input *input, struct slice octets)
{
    struct slice taken = slice_prefix(octets, input->literal_rest);

    buffer_append(&input->octets, taken);
    input->literal_rest -= taken.size;
    return taken.size;
}
