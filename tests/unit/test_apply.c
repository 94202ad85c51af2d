/* What a mailbox is to those who read it: commands in, replies and rows out. */
#include "proto/handover.pb-c.h"
#include "router/mailbox_client.h"
#include "tests/fakes/apply_world.h"

static const struct slice nothing = {"", 0};

static Aviso__StoreFlagsReply *store(struct world *world, uint64_t account, uint32_t mailbox,
                                     const char *uids, Aviso__StoreMode mode, uint32_t flags,
                                     const char *keyword)
{
    Aviso__StoreFlagsRequest request = AVISO__STORE_FLAGS_REQUEST__INIT;
    ProtobufCBinaryData keywords[1] = {bytes_of(keyword != NULL ? keyword : "")};

    request.request_id = world_id(world);
    request.account = account;
    request.mailbox = mailbox;
    request.uids = world_uids(world, uids);
    request.mode = mode;
    request.flags = flags;
    request.keywords = keywords;
    request.n_keywords = keyword != NULL;
    return world_do(world, COMMAND_STORE_FLAGS, &request.base,
                    &aviso__store_flags_reply__descriptor, nothing);
}

static Aviso__ExpungeReply *expunge(struct world *world, uint64_t account, uint32_t mailbox,
                                    const char *uids, bool undeleted)
{
    Aviso__ExpungeRequest request = AVISO__EXPUNGE_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.mailbox = mailbox;
    request.uids = world_uids(world, uids);
    request.undeleted = undeleted;
    return world_do(world, COMMAND_EXPUNGE, &request.base, &aviso__expunge_reply__descriptor,
                    nothing);
}

static Aviso__CopyMessagesReply *copy(struct world *world, uint64_t account, uint32_t mailbox,
                                      const char *uids, uint32_t to_mailbox, bool move)
{
    Aviso__CopyMessagesRequest request = AVISO__COPY_MESSAGES_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.mailbox = mailbox;
    request.uids = world_uids(world, uids);
    request.to_mailbox = to_mailbox;
    request.move = move;
    return world_do(world, COMMAND_COPY_MESSAGES, &request.base,
                    &aviso__copy_messages_reply__descriptor, nothing);
}

static Aviso__CreateMailboxReply *create(struct world *world, uint64_t account, const char *name)
{
    Aviso__CreateMailboxRequest request = AVISO__CREATE_MAILBOX_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.name = bytes_of(name);
    return world_do(world, COMMAND_CREATE_MAILBOX, &request.base,
                    &aviso__create_mailbox_reply__descriptor, nothing);
}

static enum status rename_mailbox(struct world *world, uint64_t account, const char *name,
                                  const char *new_name)
{
    Aviso__RenameMailboxRequest request = AVISO__RENAME_MAILBOX_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.name = bytes_of(name);
    request.new_name = bytes_of(new_name);
    world_do(world, COMMAND_RENAME_MAILBOX, &request.base, NULL, nothing);
    return world->status;
}

static enum status delete_mailbox(struct world *world, uint64_t account, const char *name)
{
    Aviso__DeleteMailboxRequest request = AVISO__DELETE_MAILBOX_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.name = bytes_of(name);
    world_do(world, COMMAND_DELETE_MAILBOX, &request.base, NULL, nothing);
    return world->status;
}

static enum status subscribe(struct world *world, uint64_t account, const char *name,
                             bool subscribed)
{
    Aviso__SubscribeRequest request = AVISO__SUBSCRIBE_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.name = bytes_of(name);
    request.subscribed = subscribed;
    world_do(world, COMMAND_SUBSCRIBE, &request.base, NULL, nothing);
    return world->status;
}

static enum status set_quota(struct world *world, uint64_t account, uint64_t octets,
                             uint64_t messages)
{
    Aviso__UpdateAccountRequest request = AVISO__UPDATE_ACCOUNT_REQUEST__INIT;

    request.request_id = world_id(world);
    request.account = account;
    request.set_quota = true;
    request.quota_octets = octets;
    request.quota_messages = messages;
    world_do(world, COMMAND_UPDATE_ACCOUNT, &request.base, NULL, nothing);
    return world->status;
}

static const Aviso__GetChangesReply *changes(struct world *world, uint64_t account,
                                             uint32_t mailbox, uint64_t since)
{
    Aviso__GetChangesRequest request = AVISO__GET_CHANGES_REQUEST__INIT;

    request.account = account;
    request.mailbox = mailbox;
    request.since = since;
    return world_read(world, READ_GET_CHANGES, &request.base);
}

static const Aviso__GetRowsReply *rows(struct world *world, uint64_t account, uint32_t mailbox,
                                       const char *uids, uint32_t parts)
{
    Aviso__GetRowsRequest request = AVISO__GET_ROWS_REQUEST__INIT;

    request.account = account;
    request.mailbox = mailbox;
    request.uids = world_uids(world, uids);
    request.parts = parts;
    return world_read(world, READ_GET_ROWS, &request.base);
}

/* "INBOX Sent*" : names in order, those subscribed with a star, mere subscriptions in brackets. */
static const char *list_named(struct world *world, uint64_t account, const char *name)
{
    Aviso__ListMailboxesRequest request = AVISO__LIST_MAILBOXES_REQUEST__INIT;
    static char text[1000];
    size_t size = 0;

    text[0] = '\0';
    request.account = account;
    request.name = wire_from_slice(slice_of(name));
    const Aviso__ListMailboxesReply *reply = world_read(world, READ_LIST_MAILBOXES, &request.base);

    assert_non_null(reply);
    for (size_t index = 0; index < reply->n_mailboxes; index++) {
        const Aviso__MailboxRecord *record = reply->mailboxes[index];

        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%s%.*s%s%s",
                                 index > 0 ? " " : "", record->no_mailbox ? "(" : "",
                                 (int)record->name.len, (const char *)record->name.data,
                                 record->no_mailbox ? ")" : "", record->subscribed ? "*" : "");
    }
    return text;
}

static const char *list(struct world *world, uint64_t account)
{
    return list_named(world, account, "");
}

static const char *uids_of(struct world *world, uint64_t account, const char *name)
{
    const Aviso__OpenMailboxReply *reply = world_open_mailbox(world, account, name);

    return reply != NULL ? world_uids_text(world, reply->uids) : NULL;
}

/* ---- Deliveries ---- */

static void deliveries_get_ascending_uids(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    assert_int_equal(ann, (uint64_t)WORLD_SHARD << ACCOUNT_ID_SHIFT | 1);
    assert_int_equal(world_deliver(&world, ann, "", "one", 0)->uid, 1);
    assert_int_equal(world_deliver(&world, ann, "inbox", "two", FLAG_SEEN)->uid, 2);
    assert_int_equal(world_deliver(&world, ann, "INBOX", "three", 0)->uid, 3);
    const Aviso__OpenMailboxReply *inbox = world_open_mailbox(&world, ann, "INBOX");

    assert_string_equal(world_uids_text(&world, inbox->uids), "1:3");
    assert_int_equal(inbox->record->unseen_count, 2);
    assert_int_equal(inbox->record->recent_count, 3);
    assert_int_equal(inbox->record->uid_next, 4);
    assert_int_equal(inbox->first_unseen, 1);
    assert_int_equal(inbox->record->size_octets, 300 + 3 + 3 + 5);
    world_check(&world);
    world_close(&world);
}

static void a_repeated_delivery_has_one_effect_and_the_same_reply(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);
    uint64_t counter = world.id_counter;
    const Aviso__DeliverOutcome *first = world_deliver(&world, ann, "", "one", 0);

    world.id_counter = counter; /* the same id again */
    const Aviso__DeliverOutcome *second = world_deliver(&world, ann, "", "one", 0);

    assert_int_equal(first->uid, second->uid);
    assert_int_equal(first->email, second->email);
    assert_string_equal(uids_of(&world, ann, "INBOX"), "1");
    world_check(&world);
    world_close(&world);
}

static void old_request_ids_are_expired(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);
    uint64_t then = world.now_ms;

    world_deliver(&world, ann, "", "one", 0);
    world.now_ms += 2 * ONCE_AGE_MAX_MS;
    assert_true(apply_wants_trim(world.apply, world.now_ms));
    world_do(&world, COMMAND_TRIM, NULL, NULL, nothing);
    assert_false(apply_wants_trim(world.apply, world.now_ms));
    uint64_t now = world.now_ms;

    world.now_ms = then;
    assert_null(world_deliver(&world, ann, "", "two", 0));
    assert_int_equal(world.status, STATUS_EXPIRED);
    world.now_ms = now;
    assert_non_null(world_deliver(&world, ann, "", "two", 0));
    assert_string_equal(uids_of(&world, ann, "INBOX"), "1:2");
    world_check(&world);
    world_close(&world);
}

static void an_id_from_the_future_is_refused(void **state)
{
    struct world world;
    Aviso__SubscribeRequest request = AVISO__SUBSCRIBE_REQUEST__INIT;

    world_open(&world);
    request.account = world_account(&world, NULL);
    request.name = bytes_of("x");
    world.now_ms += 2 * ONCE_AGE_MAX_MS;
    request.request_id = world_id(&world);
    world.now_ms -= 2 * ONCE_AGE_MAX_MS;
    world_do(&world, COMMAND_SUBSCRIBE, &request.base, NULL, nothing);
    assert_int_equal(world.status, STATUS_INVALID);
    world_close(&world);
}

static void mail_for_a_mailbox_that_is_not_there_makes_it(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    assert_int_equal(world_deliver(&world, ann, "lists/c/news", "one", 0)->status, STATUS_OK);
    assert_string_equal(list(&world, ann), "INBOX* lists lists/c lists/c/news");
    assert_int_equal(world_deliver(&world, ann, "/bad", "two", 0)->status, STATUS_INVALID);
    assert_int_equal(world_deliver(&world, ann + 1, "", "two", 0)->status, STATUS_NOT_FOUND);
    world_check(&world);
    world_close(&world);
}

static void quota_refuses_what_does_not_fit_and_nothing_else(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "12345", 0);
    assert_int_equal(set_quota(&world, ann, 215, 0), STATUS_OK);
    assert_int_equal(world_deliver(&world, ann, "", "123456789012", 0)->status, STATUS_OVER_QUOTA);
    assert_int_equal(world_deliver(&world, ann, "", "1234567890", 0)->status, STATUS_OK);
    assert_null(copy(&world, ann, 1, "1", 1, false));
    assert_int_equal(world.status, STATUS_OVER_QUOTA);
    assert_non_null(copy(&world, ann, 1, "1", 1, true)); /* a move needs no room */
    assert_string_equal(uids_of(&world, ann, "INBOX"), "2:3");
    assert_int_equal(set_quota(&world, ann, 0, 2), STATUS_OK);
    assert_int_equal(world_deliver(&world, ann, "", "", 0) == NULL ? world.status : 0,
                     STATUS_INVALID);
    assert_int_equal(world_deliver(&world, ann, "", "1", 0)->status, STATUS_OVER_QUOTA);
    world_check(&world);
    world_close(&world);
}

static void messages_with_a_key_in_common_share_a_thread(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "aaa", 0); /* the key is the body's size */
    world_deliver(&world, ann, "", "bb", 0);
    world_deliver(&world, ann, "", "ccc", 0);
    const Aviso__GetRowsReply *reply = rows(&world, ann, 1, "1:3", 0);

    assert_int_equal(reply->rows[0]->thread, reply->rows[2]->thread);
    assert_int_not_equal(reply->rows[0]->thread, reply->rows[1]->thread);
    expunge(&world, ann, 1, "1:3", true);
    struct key prefix;

    assert_int_equal(
        memory_store_count(world.store, key_kind_low(&prefix, WORLD_SHARD, ROW_THREAD)), 0);
    world_close(&world);
}

/* ---- Flags ---- */

static void flags_are_replaced_added_and_removed(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "one", 0);
    world_deliver(&world, ann, "", "two", FLAG_FLAGGED);
    const Aviso__StoreFlagsReply *reply =
        store(&world, ann, 1, "1:9", AVISO__STORE_MODE__STORE_ADD, FLAG_SEEN, "$Work");

    assert_int_equal(reply->n_rows, 2);
    assert_int_equal(reply->rows[1]->flags, FLAG_SEEN | FLAG_FLAGGED);
    assert_slice_equals(slice_from_wire(reply->rows[1]->keywords[0]), "$Work");
    assert_int_equal(world_open_mailbox(&world, ann, "INBOX")->record->unseen_count, 0);
    uint64_t modseq = reply->modseq;

    reply = store(&world, ann, 1, "1:2", AVISO__STORE_MODE__STORE_ADD, FLAG_SEEN, "$wORK");
    assert_int_equal(reply->modseq, modseq); /* nothing changed */
    reply = store(&world, ann, 1, "1", AVISO__STORE_MODE__STORE_REMOVE, FLAG_SEEN, "$work");
    assert_int_equal(reply->modseq, modseq + 1);
    assert_int_equal(reply->rows[0]->flags, 0);
    assert_int_equal(reply->rows[0]->n_keywords, 0);
    reply = store(&world, ann, 1, "2", AVISO__STORE_MODE__STORE_REPLACE, FLAG_DELETED, NULL);
    assert_int_equal(reply->rows[0]->flags, FLAG_DELETED);
    assert_int_equal(reply->rows[0]->n_keywords, 0);
    assert_int_equal(world_open_mailbox(&world, ann, "INBOX")->record->deleted_count, 1);
    world_check(&world);
    world_close(&world);
}

static void a_condition_protects_newer_changes(void **state)
{
    struct world world;
    Aviso__StoreFlagsRequest request = AVISO__STORE_FLAGS_REQUEST__INIT;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "one", 0);
    uint64_t modseq = world_deliver(&world, ann, "", "two", 0)->modseq;

    store(&world, ann, 1, "2", AVISO__STORE_MODE__STORE_ADD, FLAG_FLAGGED, NULL);
    request.request_id = world_id(&world);
    request.account = ann;
    request.mailbox = 1;
    request.uids = world_uids(&world, "1:2");
    request.flags = FLAG_SEEN;
    request.conditional = true;
    request.unchanged_since = modseq;
    const Aviso__StoreFlagsReply *reply = world_do(&world, COMMAND_STORE_FLAGS, &request.base,
                                                   &aviso__store_flags_reply__descriptor, nothing);

    assert_string_equal(world_uids_text(&world, reply->modified), "2");
    assert_int_equal(reply->n_rows, 1);
    assert_int_equal(rows(&world, ann, 1, "2", 0)->rows[0]->flags, FLAG_FLAGGED);
    world_close(&world);
}

static void keywords_have_a_limit(void **state)
{
    struct world world;
    char keyword[16];

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "one", 0);
    for (int index = 0; index < MAILBOX_KEYWORDS_MAX; index++) {
        snprintf(keyword, sizeof(keyword), "k%d", index);
        assert_non_null(store(&world, ann, 1, "1", AVISO__STORE_MODE__STORE_REPLACE, 0, keyword));
    }
    assert_null(store(&world, ann, 1, "1", AVISO__STORE_MODE__STORE_REPLACE, 0, "one more"));
    assert_int_equal(world.status, STATUS_TOO_LARGE);
    for (int index = 0; index < KEYWORDS_MAX - 1; index++) {
        snprintf(keyword, sizeof(keyword), "k%d", index);
        assert_non_null(store(&world, ann, 1, "1", AVISO__STORE_MODE__STORE_ADD, 0, keyword));
    }
    assert_null(store(&world, ann, 1, "1", AVISO__STORE_MODE__STORE_ADD, 0, "k100"));
    world_check(&world);
    world_close(&world);
}

static void a_repeated_store_with_many_rows_leaves_them_out(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    for (int index = 0; index < 200; index++) {
        world_deliver(&world, ann, "", "body", 0);
    }
    uint64_t counter = world.id_counter;
    const Aviso__StoreFlagsReply *first =
        store(&world, ann, 1, "1:200", AVISO__STORE_MODE__STORE_ADD, FLAG_SEEN, NULL);

    assert_int_equal(first->n_rows, 200);
    assert_false(first->rows_left_out);
    world.id_counter = counter;
    const Aviso__StoreFlagsReply *second =
        store(&world, ann, 1, "1:200", AVISO__STORE_MODE__STORE_ADD, FLAG_SEEN, NULL);

    assert_int_equal(second->n_rows, 0);
    assert_true(second->rows_left_out);
    assert_int_equal(second->modseq, first->modseq);
    assert_null(store(&world, ann, 1, "1:16385", AVISO__STORE_MODE__STORE_ADD, 1, NULL));
    assert_int_equal(world.status, STATUS_TOO_LARGE);
    world_check(&world);
    world_close(&world);
}

/* ---- Expunge, copy, move ---- */

static void expunge_removes_what_is_deleted_and_never_gives_its_uid_again(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    for (int index = 0; index < 6; index++) {
        world_deliver(&world, ann, "", "body", index % 2 == 0 ? FLAG_DELETED : 0);
    }
    const Aviso__ExpungeReply *reply = expunge(&world, ann, 1, "1:10", false);

    assert_string_equal(world_uids_text(&world, reply->vanished), "1,3,5");
    reply = expunge(&world, ann, 1, "6", true);
    assert_string_equal(world_uids_text(&world, reply->vanished), "6");
    assert_int_equal(world_deliver(&world, ann, "", "more", 0)->uid, 7);
    assert_string_equal(uids_of(&world, ann, "INBOX"), "2,4,7");
    world_check(&world);
    world_close(&world);
}

static void copies_share_the_email_and_moves_leave_nothing_behind(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, (const char *const[]){"Archive", NULL});

    for (int index = 0; index < 5; index++) {
        world_deliver(&world, ann, "", "same body", FLAG_SEEN);
    }
    store(&world, ann, 1, "2", AVISO__STORE_MODE__STORE_ADD, 0, "first");
    store(&world, ann, 1, "4", AVISO__STORE_MODE__STORE_ADD, 0, "second");
    const Aviso__CopyMessagesReply *reply = copy(&world, ann, 1, "2,4:9", 2, false);

    assert_string_equal(world_uids_text(&world, reply->source_uids), "2,4:5");
    assert_string_equal(world_uids_text(&world, reply->target_uids), "1:3");
    const Aviso__GetRowsReply *copied = rows(&world, ann, 2, "1:3", 0);

    assert_slice_equals(slice_from_wire(copied->rows[1]->keywords[0]), "second");
    reply = copy(&world, ann, 1, "1:2", 2, true);
    assert_string_equal(world_uids_text(&world, reply->target_uids), "4:5");
    assert_string_equal(uids_of(&world, ann, "INBOX"), "3:5");
    assert_string_equal(uids_of(&world, ann, "Archive"), "1:5");
    reply = copy(&world, ann, 2, "1:5", 2, true); /* onto itself: new UIDs */
    assert_string_equal(uids_of(&world, ann, "Archive"), "6:10");
    world_check(&world);
    expunge(&world, ann, 2, "6:10", true);
    world_check(&world);
    assert_null(copy(&world, ann, 1, "3", 99, false));
    assert_int_equal(world.status, STATUS_NOT_FOUND);
    world_close(&world);
}

/* ---- The list ---- */

static void a_mailbox_made_again_has_a_higher_uid_validity(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);
    uint32_t last = 0;

    for (int index = 0; index < 5; index++) {
        uint32_t validity = create(&world, ann, "again")->uid_validity;

        assert_true(validity > last);
        last = validity;
        world_deliver(&world, ann, "again", "body", 0);
        assert_int_equal(delete_mailbox(&world, ann, "again"), STATUS_OK);
    }
    assert_null(uids_of(&world, ann, "again"));
    assert_int_equal(world.status, STATUS_NOT_FOUND);
    assert_null(create(&world, ann, "INBOX"));
    assert_int_equal(world.status, STATUS_EXISTS);
    world_check(&world);
    world_close(&world);
}

static void names_are_checked(void **state)
{
    static const char *const bad[] = {"", "/a", "a/", "a//b"};
    struct world world;
    char deep[3 * MAILBOX_DEPTH_MAX];

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    for (size_t index = 0; index < COUNT_OF(bad); index++) {
        assert_null(create(&world, ann, bad[index]));
        assert_int_equal(world.status, STATUS_INVALID);
    }
    memset(deep, 'a', sizeof(deep));
    for (size_t index = 1; index < sizeof(deep); index += 2) {
        deep[index] = '/';
    }
    deep[2 * MAILBOX_DEPTH_MAX + 1] = '\0';
    assert_null(create(&world, ann, deep));
    assert_int_equal(world.status, STATUS_TOO_LARGE);
    assert_string_equal(list(&world, ann), "INBOX*");
    world_close(&world);
}

static void rename_takes_the_children_along(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    create(&world, ann, "a/b/c");
    create(&world, ann, "ab");
    world_deliver(&world, ann, "a/b", "body", 0);
    subscribe(&world, ann, "a/b", true);
    assert_int_equal(rename_mailbox(&world, ann, "a", "a/x"), STATUS_DENIED);
    assert_int_equal(rename_mailbox(&world, ann, "a/b", "ab"), STATUS_EXISTS);
    assert_int_equal(rename_mailbox(&world, ann, "none", "x"), STATUS_NOT_FOUND);
    assert_int_equal(rename_mailbox(&world, ann, "a/b", "new/place"), STATUS_OK);
    assert_string_equal(list(&world, ann), "INBOX* a ab new new/place* new/place/c");
    assert_string_equal(uids_of(&world, ann, "new/place"), "1");
    world_check(&world);
    world_close(&world);
}

static void renaming_the_inbox_leaves_an_empty_one(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "one", 0);
    world_deliver(&world, ann, "INBOX/below", "two", 0);
    uint32_t validity = world_open_mailbox(&world, ann, "INBOX")->record->uid_validity;

    assert_int_equal(rename_mailbox(&world, ann, "inbox", "old"), STATUS_OK);
    assert_string_equal(list(&world, ann), "INBOX* INBOX/below old");
    assert_string_equal(uids_of(&world, ann, "old"), "1");
    const Aviso__OpenMailboxReply *inbox = world_open_mailbox(&world, ann, "INBOX");

    assert_int_equal(inbox->record->message_count, 0);
    assert_true(inbox->record->uid_validity > validity);
    world_check(&world);
    world_close(&world);
}

static void deleting_keeps_children_and_subscriptions(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    create(&world, ann, "a/b");
    subscribe(&world, ann, "a", true);
    subscribe(&world, ann, "nowhere", true);
    assert_int_equal(delete_mailbox(&world, ann, "a"), STATUS_OK);
    assert_int_equal(delete_mailbox(&world, ann, "a"), STATUS_NOT_FOUND);
    assert_int_equal(delete_mailbox(&world, ann, "Inbox"), STATUS_DENIED);
    assert_string_equal(list(&world, ann), "INBOX* (a)* a/b (nowhere)*");
    subscribe(&world, ann, "nowhere", false);
    create(&world, ann, "a");
    assert_string_equal(list(&world, ann), "INBOX* a* a/b");
    world_check(&world);
    world_close(&world);
}

static void one_name_is_looked_up_without_the_others(void **state)
{
    static char long_name[2000];
    struct world world;

    memset(long_name, 'x', sizeof(long_name) - 1);
    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    create(&world, ann, "a/b");
    subscribe(&world, ann, "nowhere", true);
    assert_string_equal(list_named(&world, ann, "a/b"), "a/b");
    assert_string_equal(list_named(&world, ann, "Inbox"), "INBOX*");
    assert_string_equal(list_named(&world, ann, "nowhere"), "(nowhere)*");
    assert_string_equal(list_named(&world, ann, "a/"), "");
    assert_string_equal(list_named(&world, ann, "A/B"), "");
    assert_string_equal(list_named(&world, ann, long_name), "");
    world_close(&world);
}

static void recent_is_claimed_once(void **state)
{
    struct world world;
    Aviso__ClaimRecentRequest request = AVISO__CLAIM_RECENT_REQUEST__INIT;
    static const uint32_t expected[][2] = {{1, 3}, {3, 3}, {3, 4}};

    world_open(&world);
    request.account = world_account(&world, NULL);
    request.mailbox = 1;
    world_deliver(&world, request.account, "", "one", 0);
    world_deliver(&world, request.account, "", "two", 0);
    for (size_t index = 0; index < COUNT_OF(expected); index++) {
        request.request_id = world_id(&world);
        const Aviso__ClaimRecentReply *reply =
            world_do(&world, COMMAND_CLAIM_RECENT, &request.base,
                     &aviso__claim_recent_reply__descriptor, nothing);

        assert_int_equal(reply->recent_from, expected[index][0]);
        assert_int_equal(reply->recent_to, expected[index][1]);
        if (index == 1) {
            world_deliver(&world, request.account, "", "three", 0);
        }
    }
    world_check(&world);
    world_close(&world);
}

/* ---- Changes ---- */

static void changes_say_what_came_what_changed_and_what_went(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, (const char *const[]){"Other", NULL});

    for (int index = 0; index < 4; index++) {
        world_deliver(&world, ann, "", "body", 0);
    }
    uint64_t since = changes(&world, ann, 1, 1)->modseq;

    assert_int_equal(changes(&world, ann, 1, since)->n_rows, 0);
    store(&world, ann, 1, "2:3", AVISO__STORE_MODE__STORE_ADD, FLAG_SEEN, NULL);
    expunge(&world, ann, 1, "3:4", true);
    world_deliver(&world, ann, "", "new", 0);
    world_deliver(&world, ann, "Other", "not here", 0);
    const Aviso__GetChangesReply *reply = changes(&world, ann, 1, since);

    assert_int_equal(reply->n_rows, 2);
    assert_int_equal(reply->rows[0]->uid, 2);
    assert_int_equal(reply->rows[1]->uid, 5);
    assert_string_equal(world_uids_text(&world, reply->vanished), "3:4");
    assert_int_equal(reply->modseq, since + 4);
    assert_int_equal(reply->uid_next, 6);
    delete_mailbox(&world, ann, "Other");
    assert_true(changes(&world, ann, 2, since)->gone);
    assert_null(changes(&world, ann, 1, since + 100));
    assert_int_equal(world.status, STATUS_EXPIRED);
    world_close(&world);
}

static void old_changes_are_forgotten_and_said_to_be(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    world_deliver(&world, ann, "", "one", 0);
    for (int day = 0; day < CHANGES_AGE_MAX_DAYS + 10; day++) {
        world.now_ms += UINT64_C(24) * 60 * 60 * 1000;
        store(&world, ann, 1, "1", AVISO__STORE_MODE__STORE_REPLACE, day % 2 == 0 ? FLAG_SEEN : 0,
              NULL);
    }
    assert_null(changes(&world, ann, 1, 2));
    assert_int_equal(world.status, STATUS_EXPIRED);
    assert_non_null(changes(&world, ann, 1, 30));
    world_check(&world);
    world_close(&world);
}

/* ---- Bodies ---- */

static enum status put_frame(struct world *world, const char *body_id, uint32_t frame,
                             const char *octets)
{
    Aviso__PutFrameRequest request = AVISO__PUT_FRAME_REQUEST__INIT;

    request.request_id = world_id(world);
    request.body_sha256 = (ProtobufCBinaryData){32, (uint8_t *)body_id};
    request.frame = frame;
    request.frame_count = 2;
    request.body_size = 600000;
    world_do(world, COMMAND_PUT_FRAME, &request.base, NULL, slice_of(octets));
    return world->status;
}

static void frames_wait_an_hour_for_their_message(void **state)
{
    static const char body_id[33] = "0123456789abcdef0123456789abcdef";
    struct world world;
    struct key prefix;
    Aviso__DeliverRequest request = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};

    world_open(&world);
    recipient.account = world_account(&world, NULL);
    request.request_id = world_id(&world);
    request.recipients = recipients;
    request.n_recipients = 1;
    request.header_frame_size = 4;
    request.body_sha256 = (ProtobufCBinaryData){32, (uint8_t *)body_id};
    request.body_size = 600000;
    assert_int_equal(put_frame(&world, body_id, 1, "second"), STATUS_OK);
    assert_int_equal(put_frame(&world, body_id, 1, "second"), STATUS_OK);
    world_do(&world, COMMAND_DELIVER, &request.base, NULL, SLICE("head"));
    assert_int_equal(world.status, STATUS_NOT_FOUND);
    assert_int_equal(put_frame(&world, body_id, 0, "first"), STATUS_OK);
    assert_int_equal(put_frame(&world, body_id, 0, "first"), STATUS_EXISTS);
    world_check(&world);
    request.request_id = world_id(&world);
    world_do(&world, COMMAND_DELIVER, &request.base, NULL, SLICE("head"));
    assert_int_equal(world.status, STATUS_OK);
    world_check(&world);
    put_frame(&world, "another body, never to be used..", 0, "lost");
    world.now_ms += 2 * FRAME_AGE_MAX_MS;
    world_do(&world, COMMAND_TRIM, NULL, NULL, nothing);
    world_settle(&world);
    assert_int_equal(memory_store_count(world.store, key_kind_low(&prefix, WORLD_SHARD, ROW_BODY)),
                     2);
    assert_int_equal(memory_store_count(world.store, key_kind_low(&prefix, WORLD_SHARD, ROW_PEND)),
                     0);
    world_check(&world);
    world_close(&world);
}

static void removing_an_account_removes_all_of_it(void **state)
{
    struct world world;
    struct key prefix;
    Aviso__RemoveAccountRequest request = AVISO__REMOVE_ACCOUNT_REQUEST__INIT;

    world_open(&world);
    uint64_t ann = world_account(&world, (const char *const[]){"Other", NULL});
    uint64_t bob = world_account(&world, NULL);

    for (int index = 0; index < 20; index++) {
        world_deliver(&world, ann, index % 2 == 0 ? "" : "Other", "shared body", 0);
    }
    world_deliver(&world, bob, "", "shared body", 0);
    delete_mailbox(&world, ann, "Other");
    request.request_id = world_id(&world);
    request.account = ann;
    world_do(&world, COMMAND_REMOVE_ACCOUNT, &request.base, NULL, nothing);
    assert_int_equal(world.status, STATUS_OK);
    assert_int_equal(world_deliver(&world, ann, "", "late", 0)->status, STATUS_NOT_FOUND);
    world_check(&world);
    assert_false(apply_wants_removal(world.apply));
    for (unsigned kind = ROW_ACCT; kind <= ROW_THREAD; kind++) {
        struct slice of_ann = key_account_low(&prefix, WORLD_SHARD, (enum row_kind)kind, ann);

        assert_int_equal(memory_store_count(world.store, of_ann), 0);
    }
    assert_int_equal(memory_store_count(world.store, key_kind_low(&prefix, WORLD_SHARD, ROW_BODY)),
                     1);
    assert_int_equal(world_account(&world, NULL), bob + 1); /* never ann's id again */
    world_close(&world);
}

/* ---- Faults ---- */

static void a_corrupt_row_stops_the_machine(void **state)
{
    struct world world;
    struct key key;
    struct apply_outcome outcome;
    char payload[COMMAND_HEAD_SIZE] = {1, COMMAND_TRIM};
    struct apply_entry entry = {.term = 1, .kind = 1, .payload = {payload, sizeof(payload)}};

    world_open(&world);
    uint64_t ann = world_account(&world, NULL);

    memory_store_corrupt(world.store, key_acct(&key, WORLD_SHARD, ann));
    Aviso__GetAccountRequest request = AVISO__GET_ACCOUNT_REQUEST__INIT;

    request.account = ann;
    assert_null(world_read(&world, READ_GET_ACCOUNT, &request.base));
    assert_true(world.status == STATUS_CORRUPT || world.status == STATUS_UNSUPPORTED);
    entry.index = apply_meta(world.apply)->applied_index + 1;
    payload[1] = 99; /* a command of the future */
    assert_int_equal(apply_entry(world.apply, &entry, &outcome), STATUS_UNSUPPORTED);
    entry.payload.size = 5;
    assert_int_equal(apply_entry(world.apply, &entry, &outcome), STATUS_CORRUPT);
    world_close(&world);
}

static uint64_t hand_over(struct world *world, uint32_t shard, const char *body)
{
    Aviso__HandOverRequest request = AVISO__HAND_OVER_REQUEST__INIT;
    Aviso__DeliverRequest deliver = AVISO__DELIVER_REQUEST__INIT;
    Aviso__DeliverRecipient recipient = AVISO__DELIVER_RECIPIENT__INIT;
    Aviso__DeliverRecipient *recipients[] = {&recipient};
    uint32_t frame_size = (uint32_t)strlen(body);

    recipient.account = 1;
    deliver.request_id = world_id(world);
    deliver.recipients = recipients;
    deliver.n_recipients = 1;
    deliver.body_sha256 = bytes_of("0123456789abcdef0123456789abcdef");
    deliver.body_size = frame_size;
    deliver.frame_sizes = &frame_size;
    deliver.n_frame_sizes = 1;
    request.request_id = world_id(world);
    request.shard = shard;
    request.deliver = &deliver;
    world_do(world, COMMAND_HAND_OVER, &request.base, &aviso__hand_over_reply__descriptor,
             slice_of(body));
    world_settle(world);
    return apply_meta(world->apply)->applied_index;
}

static const Aviso__NextHandoverReply *next_handover(struct world *world, uint64_t after)
{
    Aviso__NextHandoverRequest request = AVISO__NEXT_HANDOVER_REQUEST__INIT;

    request.after = after;
    return world_read(world, READ_NEXT_HANDOVER, &request.base);
}

static void settle_handover(struct world *world, uint64_t id)
{
    Aviso__SettleHandoverRequest request = AVISO__SETTLE_HANDOVER_REQUEST__INIT;

    request.request_id = world_id(world);
    request.id = id;
    world_do(world, COMMAND_SETTLE_HANDOVER, &request.base,
             &aviso__settle_handover_reply__descriptor, nothing);
    assert_int_equal(world->status, STATUS_OK);
}

static void handovers_wait_in_order_until_they_are_settled(void **state)
{
    struct world world;

    world_open(&world);
    uint64_t first = hand_over(&world, 3, "body");
    uint64_t second = hand_over(&world, 4, "body");

    world_check(&world);
    assert_int_equal(next_handover(&world, 0)->id, first);
    assert_int_equal(next_handover(&world, 0)->shard, 3);
    assert_int_equal(next_handover(&world, first)->id, second);
    assert_null(next_handover(&world, second));
    assert_null(next_handover(&world, UINT64_MAX));
    settle_handover(&world, first);
    settle_handover(&world, first);
    world_check(&world);
    assert_int_equal(next_handover(&world, 0)->id, second);
    settle_handover(&world, second);
    world_check(&world);
    assert_null(next_handover(&world, 0));
    world_close(&world);
}

static void handover_to_oneself_or_of_nothing_is_refused(void **state)
{
    Aviso__HandOverRequest request = AVISO__HAND_OVER_REQUEST__INIT;
    struct world world;

    world_open(&world);
    hand_over(&world, WORLD_SHARD, "body");
    assert_int_equal(world.status, STATUS_INVALID);
    request.request_id = world_id(&world);
    request.shard = 3;
    world_do(&world, COMMAND_HAND_OVER, &request.base, NULL, nothing);
    assert_int_equal(world.status, STATUS_INVALID);
    assert_null(next_handover(&world, 0));
    world_check(&world);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliveries_get_ascending_uids),
        cmocka_unit_test(a_repeated_delivery_has_one_effect_and_the_same_reply),
        cmocka_unit_test(old_request_ids_are_expired),
        cmocka_unit_test(an_id_from_the_future_is_refused),
        cmocka_unit_test(mail_for_a_mailbox_that_is_not_there_makes_it),
        cmocka_unit_test(quota_refuses_what_does_not_fit_and_nothing_else),
        cmocka_unit_test(messages_with_a_key_in_common_share_a_thread),
        cmocka_unit_test(flags_are_replaced_added_and_removed),
        cmocka_unit_test(a_condition_protects_newer_changes),
        cmocka_unit_test(keywords_have_a_limit),
        cmocka_unit_test(a_repeated_store_with_many_rows_leaves_them_out),
        cmocka_unit_test(expunge_removes_what_is_deleted_and_never_gives_its_uid_again),
        cmocka_unit_test(copies_share_the_email_and_moves_leave_nothing_behind),
        cmocka_unit_test(a_mailbox_made_again_has_a_higher_uid_validity),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(rename_takes_the_children_along),
        cmocka_unit_test(renaming_the_inbox_leaves_an_empty_one),
        cmocka_unit_test(deleting_keeps_children_and_subscriptions),
        cmocka_unit_test(one_name_is_looked_up_without_the_others),
        cmocka_unit_test(recent_is_claimed_once),
        cmocka_unit_test(changes_say_what_came_what_changed_and_what_went),
        cmocka_unit_test(old_changes_are_forgotten_and_said_to_be),
        cmocka_unit_test(frames_wait_an_hour_for_their_message),
        cmocka_unit_test(handovers_wait_in_order_until_they_are_settled),
        cmocka_unit_test(handover_to_oneself_or_of_nothing_is_refused),
        cmocka_unit_test(removing_an_account_removes_all_of_it),
        cmocka_unit_test(a_corrupt_row_stops_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
