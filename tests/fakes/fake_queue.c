#include "tests/fakes/fake_queue.h"

#include <stddef.h>

#include "core/check.h"

static struct fake_promise *first;
static struct fake_promise **last = &first;

void fake_queue_add(struct fake_promise *promise)
{
    promise->next = NULL;
    *last = promise;
    last = &promise->next;
}

static void unlink_promise(struct fake_promise *promise)
{
    struct fake_promise **link = &first;

    while (*link != promise) {
        CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = promise->next;
    if (promise->next == NULL) {
        last = link;
    }
}

void fake_queue_cancel(struct fake_promise *promise)
{
    unlink_promise(promise);
    promise->drop(promise);
}

bool fake_queue_turn(void)
{
    struct fake_promise *promise = first;

    if (promise == NULL) {
        return false;
    }
    unlink_promise(promise);
    promise->run(promise);
    return true;
}

void fake_queue_clear(void)
{
    while (first != NULL) {
        fake_queue_cancel(first);
    }
}
