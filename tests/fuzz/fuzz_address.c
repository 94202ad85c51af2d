/* Envelope addresses: a path that is taken has a canonical form, which is its own canonical form.
 */
#include "core/check.h"
#include "mail/address.h"
#include "mail/address_list.h"
#include "tests/fuzz/fuzz.h"

static void check_canonical(struct slice address)
{
    struct slice user;
    struct slice detail;
    struct slice domain;
    struct buffer once;
    struct buffer twice;

    buffer_init(&once, 4 * ADDRESS_SIZE_MAX);
    buffer_init(&twice, 4 * ADDRESS_SIZE_MAX);
    if (address_canonical(address, &once) == STATUS_OK) {
        CHECK(address_canonical(buffer_view(&once), &twice) == STATUS_OK);
        CHECK(slice_equals(buffer_view(&once), buffer_view(&twice)));
        address_split(buffer_view(&once), '+', &user, &detail, &domain);
        CHECK(user.size > 0 && domain.size > 0);
        CHECK(user.size + detail.size + domain.size < once.size);
    } else {
        CHECK(once.size == 0);
    }
    buffer_done(&once);
    buffer_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct address_path path;

    for (int kind = ADDRESS_PATH_REVERSE; kind <= ADDRESS_PATH_FORWARD; kind++) {
        struct slice rest = text;

        if (address_parse_path(&rest, (enum address_path_kind)kind, &path) == STATUS_OK) {
            CHECK(rest.size < text.size && path.mailbox.size <= ADDRESS_SIZE_MAX);
            CHECK(slice_find(path.mailbox, '\n') == path.mailbox.size);
            check_canonical(path.mailbox);
        } else {
            CHECK(rest.size == text.size);
        }
    }
    check_canonical(text);

    struct arena arena;
    struct mime_budget budget = {10000, 100};

    arena_init(&arena);
    CHECK(address_list_parse(text, &arena, &budget).count <= 100);
    arena_done(&arena);
    return 0;
}
