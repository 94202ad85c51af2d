/* router/ingest.h and router/delivery.h over tests/fakes/fake_mail_store.h. An ingested message is
 * its octets, in `header_frame`. */
#include <string.h>

#include "core/check.h"
#include "core/memory.h"
#include "tests/fakes/fake_mail_state.h"
#include "tests/fakes/fake_queue.h"

/* ---- Ingest ---- */

struct ingest_work {
    struct fake_promise promise;
    struct ingest *ingest;
    enum status status;
    struct ingested *ingested;
};

struct ingested *ingested_ref(struct ingested *ingested)
{
    ingested->references++;
    return ingested;
}

void ingested_unref(struct ingested *ingested)
{
    if (ingested != NULL && --ingested->references == 0) {
        memory_free((void *)(uintptr_t)ingested->header_frame.data);
        memory_free(ingested);
    }
}

enum status ingest_message(struct slice message, struct ingested **out_ingested)
{
    struct ingested *ingested = NEW(struct ingested);
    char *copy = memory_zeroed(message.size);

    memcpy(copy, message.data, message.size);
    ingested->references = 1;
    ingested->header_frame = (struct slice){copy, message.size};
    *out_ingested = ingested;
    return STATUS_OK;
}

static void drop_ingest(struct fake_promise *promise)
{
    struct ingest_work *work = CONTAINER_OF(promise, struct ingest_work, promise);

    ingested_unref(work->ingested);
    memory_free(work);
}

static void run_ingest(struct fake_promise *promise)
{
    struct ingest_work *work = CONTAINER_OF(promise, struct ingest_work, promise);
    struct ingest_work done = *work;

    memory_free(work);
    done.ingest->work = NULL;
    done.ingest->done(done.ingest, done.status, done.ingested);
}

void ingest_start(struct router *router, struct ingest *ingest, struct slice message,
                  void (*done)(struct ingest *ingest, enum status status,
                               struct ingested *ingested))
{
    struct ingest_work *work = NEW(struct ingest_work);

    CHECK(ingest->work == NULL);
    work->promise = (struct fake_promise){.run = run_ingest, .drop = drop_ingest};
    work->ingest = ingest;
    work->status = fake_begin(router, "ingest");
    if (work->status == STATUS_OK) {
        work->status = ingest_message(message, &work->ingested);
    }
    ingest->done = done;
    ingest->work = work;
    fake_queue_add(&work->promise);
}

void ingest_cancel(struct ingest *ingest)
{
    if (ingest->work != NULL) {
        fake_queue_cancel(&ingest->work->promise);
        ingest->work = NULL;
    }
}

/* ---- Delivery ---- */

struct delivery_work {
    struct fake_promise promise;
    struct delivery *delivery;
    size_t count;
    struct delivery_outcome outcomes[];
};

void request_id_make(struct request_id *out_id)
{
    static uint8_t next;

    memset(out_id->octets, 0, sizeof(out_id->octets));
    out_id->octets[0] = (char)next++;
}

static void drop_delivery(struct fake_promise *promise)
{
    memory_free(CONTAINER_OF(promise, struct delivery_work, promise));
}

static void run_delivery(struct fake_promise *promise)
{
    struct delivery_work *work = CONTAINER_OF(promise, struct delivery_work, promise);

    work->delivery->work = NULL;
    work->delivery->done(work->delivery, work->outcomes);
    memory_free(work);
}

static struct delivery_outcome deliver_one(struct router *router,
                                           const struct delivery_order *order,
                                           const struct delivery_recipient *recipient)
{
    struct fake_account *account = fake_account_of(router, recipient->place.account);
    struct slice name = recipient->mailbox.size > 0 ? recipient->mailbox : SLICE("INBOX");
    struct fake_mailbox *mailbox = fake_mailbox_named(account, name);

    if (mailbox == NULL || mailbox->no_mailbox) {
        if (recipient->must_exist) {
            return (struct delivery_outcome){.status = STATUS_NOT_FOUND};
        }
        mailbox = fake_mailbox_make(router, account, name, SLICE(""));
    }
    if (account->quota_messages > 0 && !recipient->over_quota_too &&
        fake_account_count(account) >= account->quota_messages) {
        return (struct delivery_outcome){.status = STATUS_OVER_QUOTA};
    }
    account->modseq++;
    struct fake_message *message =
        fake_mailbox_add(router, account, mailbox,
                         fake_email_new(router, order->ingested->header_frame, order->received_ms,
                                        order->received_zone));

    message->flags = recipient->flags;
    for (size_t i = 0; i < recipient->keyword_count; i++) {
        fake_mailbox_set_keyword(router, mailbox, message, recipient->keywords[i]);
    }
    fake_announce(router, account, mailbox);
    return (struct delivery_outcome){
        .status = STATUS_OK,
        .uid = message->uid,
        .uid_validity = mailbox->uid_validity,
        .email = message->email->id,
        .modseq = account->modseq,
    };
}

void delivery_send(struct router *router, struct delivery *delivery,
                   const struct delivery_order *order, delivery_done_fn *done)
{
    struct delivery_work *work =
        memory_zeroed(sizeof(*work) + order->recipient_count * sizeof(work->outcomes[0]));
    enum status status = fake_begin(router, "deliver");

    CHECK(delivery->work == NULL);
    work->promise = (struct fake_promise){.run = run_delivery, .drop = drop_delivery};
    work->delivery = delivery;
    for (size_t i = 0; i < order->recipient_count; i++) {
        work->outcomes[i] = status != STATUS_OK ? (struct delivery_outcome){.status = status}
                                                : deliver_one(router, order, &order->recipients[i]);
    }
    delivery->done = done;
    delivery->work = work;
    fake_queue_add(&work->promise);
}

void delivery_cancel(struct delivery *delivery)
{
    if (delivery->work != NULL) {
        fake_queue_cancel(&delivery->work->promise);
        delivery->work = NULL;
    }
}
