/* Encoded configurations: what decodes is allowed, and encodes to the same octets. */
#include <string.h>

#include "core/check.h"
#include "storage/raft/configuration.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct raft_configuration configuration;
    struct raft_configuration left;
    struct buffer encoded;

    if (raft_configuration_decode(bytes, &configuration) != STATUS_OK) {
        return 0;
    }
    CHECK(raft_configuration_check(&configuration) == STATUS_OK);
    buffer_init(&encoded, RAFT_CONFIGURATION_SIZE_MAX);
    raft_configuration_encode(&configuration, &encoded);
    CHECK(slice_equals(buffer_view(&encoded), bytes));
    buffer_done(&encoded);
    left = raft_configuration_leave(&configuration);
    CHECK(raft_configuration_check(&left) == STATUS_OK && !raft_configuration_is_joint(&left));
    CHECK(raft_configuration_quorum(&configuration, UINT32_MAX));
    CHECK(!raft_configuration_quorum(&configuration, 0));
    return 0;
}
