/* A command line of SMTP, as MAIL, RCPT and BDAT read it: what is taken stays within the line. */
#include "core/check.h"
#include "frontend/smtp/smtp_command.h"
#include "mail/address.h"
#include "tests/fuzz/fuzz.h"

static void check_within(struct slice whole, struct slice part)
{
    CHECK(part.data == NULL || part.size == 0 ||
          (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

/* Each parameter makes the rest shorter, so that their number is bounded by the line. */
static void check_parameters(struct slice line, struct slice rest)
{
    struct smtp_mail_parameters all;
    struct smtp_parameter parameter;
    size_t size = rest.size + 1;

    CHECK(smtp_command_mail_parameters(rest, &all) != STATUS_AGAIN);
    while (smtp_command_take_parameter(&rest, &parameter) == STATUS_OK) {
        CHECK(rest.size < size && parameter.keyword.size > 0);
        size = rest.size;
        check_within(line, parameter.keyword);
        check_within(line, parameter.value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice line = {(const char *)data, size};
    struct slice verb;
    struct slice argument;
    struct smtp_chunk chunk = {0};
    struct address_path path;

    smtp_command_cut(line, &verb, &argument);
    check_within(line, verb);
    check_within(line, argument);
    CHECK(!smtp_command_is_client_name(argument) || argument.size <= 255);
    CHECK(smtp_command_chunk(argument, &chunk) != STATUS_OK || chunk.size <= INT64_MAX);

    struct slice rest = argument;
    bool from = smtp_command_take_keyword(&rest, SLICE("FROM:")) == STATUS_OK;

    if ((from || smtp_command_take_keyword(&rest, SLICE("TO:")) == STATUS_OK) &&
        address_parse_path(&rest, from ? ADDRESS_PATH_REVERSE : ADDRESS_PATH_FORWARD, &path) ==
            STATUS_OK) {
        check_within(line, path.mailbox);
        for (size_t i = 0; i < path.mailbox.size; i++) {
            /* It is written into Return-Path. */
            unsigned char octet = (unsigned char)path.mailbox.data[i];

            CHECK(octet >= ' ' && octet != 0x7f);
        }
        check_parameters(line, rest);
    }
    return 0;
}
