#include "router/directory_work.h"

#include "core/macros.h"
#include "core/memory.h"
#include "router/channels.h"

struct directory_work *directory_work_new(struct router *router, struct directory_call *call)
{
    struct directory_work *work = NEW(struct directory_work);

    attempt_init(&work->attempt, router);
    arena_init(&work->arena);
    work->router = router;
    work->call = call;
    call->work = work;
    return work;
}

void directory_work_free(struct directory_work *work)
{
    work->call = NULL;
    if (work->is_posted) {
        return;
    }
    attempt_done(&work->attempt);
    account_call_cancel(&work->account);
    arena_done(&work->arena);
    memory_free(work);
}

struct directory_call *directory_work_detach(struct directory_work *work)
{
    struct directory_call *call = work->call;

    work->call = NULL;
    call->work = NULL;
    return call;
}

void directory_call_cancel(struct directory_call *call)
{
    if (call->work != NULL) {
        directory_work_free(call->work);
        call->work = NULL;
    }
}

void directory_work_post(struct directory_work *work, void (*run)(struct loop_message *turn))
{
    work->turn.run = run;
    work->is_posted = true;
    loop_post(router_loop(work->router), &work->turn);
}

struct directory_work *directory_work_of_turn(struct loop_message *turn)
{
    struct directory_work *work = CONTAINER_OF(turn, struct directory_work, turn);

    work->is_posted = false;
    if (work->call != NULL) {
        return work;
    }
    directory_work_free(work);
    return NULL;
}

void directory_work_look(struct directory_work *work, attempt_done_fn *done)
{
    Aviso__LookRequest request = AVISO__LOOK_REQUEST__INIT;

    work->asked_ms = loop_now_ms(router_loop(work->router));
    work->forgotten = directory_cache_forgotten(router_directory_cache(work->router));
    request.slot = slot_of(work->name);
    request.name = wire_from_slice(work->name);
    attempt_start(&work->attempt, shard_map_shard_of_slot(router_map(work->router), request.slot),
                  &aviso__directory__descriptor, "Look", &request.base, NULL, done);
}

struct directory_entry directory_entry_of_wire(const Aviso__DirectoryEntry *wire,
                                               struct arena *arena)
{
    struct slice *targets = arena_array(arena, wire->n_targets, sizeof(*targets));

    for (size_t i = 0; i < wire->n_targets; i++) {
        targets[i] = slice_from_wire(wire->targets[i]);
    }
    return (struct directory_entry){
        .name = slice_from_wire(wire->name),
        .kind = (enum directory_kind)wire->kind,
        .shard = wire->shard,
        .account = wire->account,
        .targets = targets,
        .target_count = wire->n_targets,
        .revision = wire->revision,
        .created_ms = wire->created_ms,
    };
}

void directory_work_learn(struct directory_work *work, enum status status,
                          const struct directory_entry *entry)
{
    struct directory_cache *cache = router_directory_cache(work->router);

    if ((status == STATUS_OK || status == STATUS_NOT_FOUND) &&
        work->forgotten == directory_cache_forgotten(cache)) {
        directory_cache_put(cache, work->name, status == STATUS_OK ? entry : NULL, work->asked_ms);
    }
}
