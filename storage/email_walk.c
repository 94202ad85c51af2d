#include "storage/email_walk.h"

#include "core/check.h"

enum {
    STEPS_MAX = 4,  /* to the next email: over it a search is cheaper */
    NEAR_LEAST = 2, /* before an iterator is worth its making */
};

void email_walk_init(struct email_walk *walk, struct read *read, enum row_kind kind,
                     uint64_t account)
{
    CHECK(kind == ROW_MAIL || kind == ROW_HEAD);
    *walk = (struct email_walk){.read = read, .kind = kind, .account = account};
}

void email_walk_done(struct email_walk *walk)
{
    if (walk->iterator != NULL) {
        store_iterator_free(walk->iterator);
        walk->iterator = NULL;
    }
}

static struct slice key_of(const struct email_walk *walk, uint64_t email, struct key *key)
{
    uint32_t shard = walk->read->shard;

    return walk->kind == ROW_MAIL ? key_mail(key, shard, walk->account, email)
                                  : key_head(key, shard, walk->account, email);
}

static enum status step(struct email_walk *walk)
{
    struct slice key;
    enum status status = store_iterator_next(walk->iterator, &key, &walk->value);

    walk->at = status == STATUS_OK ? key_part_last64(key) : 0;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status begin(struct email_walk *walk, uint64_t email)
{
    struct key low;
    struct key high;

    walk->iterator =
        store_iterate(&walk->read->view, key_of(walk, email, &low),
                      key_account_high(&high, walk->read->shard, walk->kind, walk->account));
    return step(walk);
}

/* Moves the iterator to `email`, if that is near. */
static enum status approach(struct email_walk *walk, uint64_t email)
{
    enum status status = STATUS_OK;

    for (unsigned steps = 0; status == STATUS_OK && walk->at != 0 && walk->at < email; steps++) {
        if (steps == STEPS_MAX) {
            break;
        }
        status = step(walk);
    }
    return status;
}

enum status email_walk_get(struct email_walk *walk, uint64_t email, struct slice *out_value)
{
    bool is_near = email > walk->last && email - walk->last <= STEPS_MAX;
    enum status status = STATUS_OK;

    walk->near_count = is_near ? walk->near_count + 1 : 0;
    walk->last = email;
    if (!is_near) {
        email_walk_done(walk);
    } else if (walk->iterator != NULL) {
        status = approach(walk, email);
    } else if (walk->near_count >= NEAR_LEAST) {
        status = begin(walk, email);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (walk->iterator != NULL && walk->at == email) {
        *out_value = arena_copy(walk->read->arena, walk->value);
        return STATUS_OK;
    }
    struct key key;

    return store_get(&walk->read->view, key_of(walk, email, &key), walk->read->arena, out_value);
}
