#include "tests/fakes/log_model.h"

#include <stdio.h>

#include "core/check.h"
#include "core/memory.h"
#include "tests/unit/unit.h"

static const char folder[] = "log";

enum { PAYLOAD_SIZE_MAX = 3000, BATCH_MAX = 6 };

static uint64_t draw(struct log_model *model, uint64_t bound)
{
    return random_below(&model->random, bound);
}

static struct model_moment *now(struct log_model *model)
{
    return &model->moments[model->count - 1];
}

static void make_payload(uint64_t content, char *octets, size_t *out_size)
{
    struct random random = {.state = content};
    size_t size = (size_t)random_below(&random, content % 4 == 0 ? PAYLOAD_SIZE_MAX : 200);

    for (size_t i = 0; i < size; i++) {
        octets[i] = (char)random_next(&random);
    }
    *out_size = size;
}

/* ---- Comparing ---- */

static bool entry_matches(const struct log_entry *entry, uint64_t index,
                          const struct model_entry *expected)
{
    char octets[PAYLOAD_SIZE_MAX];
    size_t size;

    make_payload(expected->content, octets, &size);
    return entry->position.index == index && entry->position.term == expected->term &&
           entry->kind == expected->content % 3 && entry->payload.size == size &&
           (size == 0 || memcmp(entry->payload.data, octets, size) == 0);
}

static bool entries_match(struct log_model *model, uint32_t number, const struct model_shard *shard)
{
    uint64_t low = shard->compacted.index + 1;

    while (low <= shard->last_index) {
        struct log_entries entries;
        enum status status =
            log_read(model->log, number, low, shard->last_index + 1, 8000, false, &entries);
        bool is_same = status == STATUS_OK;

        if (status != STATUS_OK) {
            return false;
        }
        for (size_t i = 0; i < entries.count && is_same; i++) {
            is_same = entry_matches(&entries.items[i], low + i,
                                    &shard->entries[(low + i) % MODEL_ENTRIES]);
        }
        low += entries.count;
        log_entries_done(&entries);
        if (!is_same) {
            return false;
        }
    }
    return true;
}

static bool shard_matches(struct log_model *model, uint32_t number, const struct model_shard *shard)
{
    struct log_bounds bounds;
    enum status status = log_bounds(model->log, number, &bounds);

    if (status != STATUS_OK || !shard->exists) {
        return status == STATUS_NOT_FOUND && !shard->exists;
    }
    return bounds.generation == shard->generation &&
           bounds.hard_state.term == shard->hard_state.term &&
           bounds.hard_state.vote == shard->hard_state.vote &&
           bounds.compacted.index == shard->compacted.index &&
           bounds.compacted.term == shard->compacted.term && bounds.last.index == shard->last_index;
}

bool log_model_shard_matches(struct log_model *model, uint32_t number,
                             const struct model_shard *shard)
{
    return shard_matches(model, number, shard) &&
           (!shard->exists || entries_match(model, number, shard));
}

bool log_model_matches(struct log_model *model, const struct model_moment *moment)
{
    for (uint32_t i = 0; i < MODEL_SHARDS; i++) {
        if (!shard_matches(model, i, &moment->shards[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < MODEL_SHARDS; i++) {
        if (moment->shards[i].exists && !entries_match(model, i, &moment->shards[i])) {
            return false;
        }
    }
    return true;
}

/* What is known to be durable, or was chosen, is where all begins again. */
static void begin_at(struct log_model *model, size_t moment)
{
    if (moment > 0) {
        memcpy(&model->moments[0], &model->moments[moment], sizeof(model->moments[0]));
    }
    model->count = 1;
    model->written = 1;
}

static void find_moment(struct log_model *model)
{
    for (size_t i = model->count; i > 0; i--) {
        if (log_model_matches(model, &model->moments[i - 1])) {
            begin_at(model, i - 1);
            return;
        }
    }
    fail_msg("the log shows none of the %zu moments that it may show", model->count);
}

/* ---- Submissions ---- */

static struct model_moment *next_moment(struct log_model *model)
{
    CHECK(model->count < MODEL_MOMENTS);
    memcpy(&model->moments[model->count], now(model), sizeof(struct model_moment));
    model->count++;
    return now(model);
}

struct request {
    struct log_append append;
    struct log_entry entries[BATCH_MAX];
    struct raft_hard_state hard_state;
    struct raft_position begin_after;
    char payloads[BATCH_MAX][PAYLOAD_SIZE_MAX];
};

static uint64_t term_of_last(const struct model_shard *shard)
{
    return shard->last_index == shard->compacted.index
               ? shard->compacted.term
               : shard->entries[shard->last_index % MODEL_ENTRIES].term;
}

static void choose_begin(struct log_model *model, struct request *request,
                         struct model_shard *shard)
{
    request->begin_after = (struct raft_position){
        .term = term_of_last(shard) + draw(model, 2),
        .index = shard->last_index + draw(model, 4),
    };
    request->append.begin_after = &request->begin_after;
    shard->compacted = request->begin_after;
    shard->last_index = request->begin_after.index;
}

static void choose_entries(struct log_model *model, struct request *request,
                           struct model_shard *shard)
{
    size_t count = (size_t)draw(model, BATCH_MAX + 1);
    uint64_t term = term_of_last(shard) + (draw(model, 5) == 0);

    for (size_t i = 0; i < count; i++) {
        uint64_t content = ++model->next_content;
        uint64_t index = ++shard->last_index;

        if (index - shard->compacted.index >= MODEL_ENTRIES) {
            shard->last_index--;
            break;
        }

        struct log_entry *entry = &request->entries[i];

        term = term == 0 ? 1 : term;
        entry->position = (struct raft_position){.term = term, .index = index};
        entry->kind = (uint8_t)(content % 3);
        entry->payload.data = request->payloads[i];
        make_payload(content, request->payloads[i], &entry->payload.size);
        shard->entries[index % MODEL_ENTRIES] = (struct model_entry){term, content};
        request->append.entry_count++;
    }
    request->append.entries = request->entries;
}

static void choose_hard_state(struct log_model *model, struct request *request,
                              struct model_shard *shard)
{
    request->hard_state = (struct raft_hard_state){.term = shard->hard_state.term + draw(model, 3),
                                                   .vote = draw(model, 4)};
    request->append.hard_state = &request->hard_state;
    shard->hard_state = request->hard_state;
}

static void take_completions(struct log_model *model)
{
    struct log_append *append;

    while ((append = log_completed(model->log)) != NULL) {
        model->failed += append->status == STATUS_NO_SPACE;
        assert_true(model->in_flight_count > 0);
        assert_ptr_equal(append, model->in_flight[0]);
        memmove(model->in_flight, model->in_flight + 1,
                --model->in_flight_count * sizeof(struct log_append *));
        memory_free(append);
    }
    for (uint32_t shard = 0; model->in_flight_count == 0 && shard < MODEL_SHARDS; shard++) {
        enum status status = log_resume(model->log, shard);

        assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_IO_ERROR);
    }
}

/* The log ended: what was submitted may or may not be there. */
static void end_log(struct log_model *model)
{
    take_completions(model);
    log_model_reopen(model);
}

static void count_submission(struct log_model *model, struct log_append *append, enum status status)
{
    if (status == STATUS_OK) {
        CHECK(model->in_flight_count < MODEL_MOMENTS);
        model->in_flight[model->in_flight_count++] = append;
        return;
    }
    model->count--;
    memory_free(append);
    if (status == STATUS_IO_ERROR) {
        end_log(model);
        return;
    }
    /* NO_SPACE: one of the shard has failed, and is not completed yet. */
    assert_true(status == STATUS_BUSY || (status == STATUS_NO_SPACE && model->in_flight_count > 0));
    model->refusals++;
}

void log_model_append(struct log_model *model)
{
    uint32_t number = (uint32_t)draw(model, MODEL_SHARDS);
    struct model_shard *shard = &next_moment(model)->shards[number];
    struct request *request = NEW(struct request);
    uint64_t choice = draw(model, 20);

    if (!shard->exists) {
        *shard = (struct model_shard){.exists = true};
    }
    request->append.shard = number;
    shard->generation += draw(model, 30) == 0;
    request->append.generation = shard->generation;
    if (choice == 0) {
        choose_begin(model, request, shard);
    } else if (choice < 4 && shard->last_index > shard->compacted.index) {
        uint64_t held = shard->last_index - shard->compacted.index;

        request->append.truncate_from = shard->last_index + 1 - draw(model, held < 9 ? held : 9);
        shard->last_index = request->append.truncate_from - 1;
    }
    choose_entries(model, request, shard);
    if (request->append.entry_count == 0 || draw(model, 4) == 0) {
        choose_hard_state(model, request, shard);
    }
    count_submission(model, &request->append, log_submit(model->log, &request->append));
}

static void compact(struct log_model *model)
{
    uint32_t number = (uint32_t)draw(model, MODEL_SHARDS);
    const struct model_shard *before = &now(model)->shards[number];
    uint64_t held = before->last_index - before->compacted.index;

    if (!before->exists || held == 0) {
        return;
    }

    uint64_t index = before->compacted.index + 1 + draw(model, held);
    uint64_t term = before->entries[index % MODEL_ENTRIES].term;
    enum status status = log_compact(model->log, number, index, index);

    if (status == STATUS_IO_ERROR) {
        end_log(model);
        return;
    }
    if (status == STATUS_INVALID) {
        assert_true(model->in_flight_count > 0);
        model->refusals++;
        return;
    }
    assert_int_equal(status, STATUS_OK);

    struct model_shard *shard = &next_moment(model)->shards[number];

    shard->compacted = (struct raft_position){.term = term, .index = index};
}

static void forget(struct log_model *model)
{
    uint32_t number = (uint32_t)draw(model, MODEL_SHARDS);
    struct log_append *append = NULL;

    if (!now(model)->shards[number].exists) {
        return;
    }
    append = (struct log_append *)NEW(struct request);
    append->shard = number;
    next_moment(model)->shards[number] = (struct model_shard){0};
    count_submission(model, append, log_forget(model->log, append));
}

static void carry(struct log_model *model)
{
    struct log_pin pin;

    if (log_pins(model->log, &pin, 1) == 0) {
        return;
    }

    struct log_append *append = (struct log_append *)NEW(struct request);

    append->shard = pin.shard;
    next_moment(model);

    enum status status = log_carry(model->log, append);

    if (status == STATUS_TOO_LARGE || status == STATUS_NOT_FOUND) {
        status = STATUS_BUSY;
    }
    count_submission(model, append, status);
}

/* ---- The writer's steps ---- */

void log_model_write(struct log_model *model)
{
    enum status status = log_write(model->log);

    if (status == STATUS_IO_ERROR) {
        end_log(model);
        return;
    }
    if (status == STATUS_NO_SPACE) {
        /* Memory tells now how far it got; all of that is written. */
        while (!log_model_matches(model, now(model))) {
            assert_true(model->count > model->written);
            model->count--;
        }
        model->refusals++;
    }
    model->written = model->count;
}

void log_model_sync(struct log_model *model)
{
    enum status status = log_sync(model->log);

    if (status == STATUS_IO_ERROR) {
        end_log(model);
        return;
    }
    assert_int_equal(status, STATUS_OK);
    take_completions(model);

    size_t left = model->count - model->written;

    memmove(&model->moments[0], &model->moments[model->written - 1],
            (left + 1) * sizeof(struct model_moment));
    model->count = left + 1;
    model->written = 1;
}

/* ---- Crashes ---- */

/* The requests that the log did not give back. */
static void free_in_flight(struct log_model *model)
{
    for (size_t i = 0; i < model->in_flight_count; i++) {
        memory_free(model->in_flight[i]);
    }
    model->in_flight_count = 0;
}

void log_model_reopen(struct log_model *model)
{
    take_completions(model);
    log_close(model->log);
    free_in_flight(model);
    fake_disk_cut_power_at(model->disk, 0, FAKE_DISK_MIXED);
    fake_disk_fail_sync_at(model->disk, 0);
    fake_disk_fail_write_at(model->disk, 0, STATUS_OK);
    if (fake_disk_is_off(model->disk)) {
        fake_disk_power_on(model->disk);
    } else {
        fake_disk_kill(model->disk);
    }
    model->crashes++;
    for (;;) {
        /* It may crash while it recovers, too. */
        if (draw(model, 4) == 0) {
            fake_disk_cut_power_at(model->disk, 1 + draw(model, 3), FAKE_DISK_MIXED);
        }

        enum status status = log_open(&model->options, &model->log);

        if (status == STATUS_OK) {
            break;
        }
        assert_int_equal(status, STATUS_IO_ERROR);
        assert_true(fake_disk_is_off(model->disk));
        fake_disk_power_on(model->disk);
    }
    fake_disk_cut_power_at(model->disk, 0, FAKE_DISK_MIXED);
    find_moment(model);
    /* All that was recovered is durable, whatever happens now. */
    if (draw(model, 3) == 0) {
        log_close(model->log);
        fake_disk_power_off(model->disk, FAKE_DISK_LOSES);
        fake_disk_power_on(model->disk);
        assert_int_equal(log_open(&model->options, &model->log), STATUS_OK);
        assert_true(log_model_matches(model, &model->moments[0]));
    }
}

void log_model_power_cut(struct log_model *model, enum fake_disk_loss loss)
{
    fake_disk_power_off(model->disk, loss);
    log_model_reopen(model);
}

static void plan_fault(struct log_model *model)
{
    switch (draw(model, 5)) {
    case 0:
        fake_disk_cut_power_at(model->disk, 1 + draw(model, 12), FAKE_DISK_MIXED);
        break;
    case 1:
        fake_disk_fail_sync_at(model->disk, 1 + draw(model, 3));
        break;
    case 2:
        fake_disk_fail_write_at(model->disk, 1 + draw(model, 3), STATUS_IO_ERROR);
        break;
    case 3:
        fake_disk_fail_write_at(model->disk, 1 + draw(model, 3), STATUS_NO_SPACE);
        break;
    default:
        fake_disk_limit(model->disk, draw(model, 3) == 0
                                         ? fake_disk_used(model->disk) + draw(model, 70000)
                                         : UINT64_MAX);
        break;
    }
}

void log_model_step(struct log_model *model)
{
    uint64_t choice = draw(model, 1000);

    if (model->count >= MODEL_MOMENTS - 2 || choice < 200) {
        log_model_write(model);
    }
    if (choice < 350) {
        log_model_sync(model);
    } else if (choice < 800) {
        log_model_append(model);
    } else if (choice < 870) {
        compact(model);
    } else if (choice < 875) {
        forget(model);
    } else if (choice < 895) {
        carry(model);
    } else if (choice < 930) {
        log_mark(model->log);
    } else if (choice < 950) {
        assert_true(log_model_matches(model, now(model)) || fake_disk_is_off(model->disk));
    } else if (choice < 960) {
        plan_fault(model);
    } else if (choice < 965) {
        log_model_power_cut(model, FAKE_DISK_MIXED);
    } else if (choice < 968) {
        log_model_power_cut(model, FAKE_DISK_LOSES);
    } else if (choice < 971) {
        log_model_reopen(model);
    }
}

void log_model_init(struct log_model *model, uint64_t seed)
{
    *model = (struct log_model){.disk = fake_disk_new(seed), .random = {.state = seed}};
    model->moments = memory_zeroed(MODEL_MOMENTS * sizeof(*model->moments));
    model->count = 1;
    model->written = 1;
    model->options = (struct log_options){
        .files = fake_disk_files(model->disk),
        .folder = folder,
        .segment_size = LOG_SEGMENT_SIZE_MIN,
        .cache_size_max = 20000,
        .zero_ahead = seed % 3 == 0 ? 12288 : 0,
        .seed = seed | 1,
    };
    assert_int_equal(log_open(&model->options, &model->log), STATUS_OK);
}

void log_model_done(struct log_model *model)
{
    take_completions(model);
    log_close(model->log);
    free_in_flight(model);
    memory_free(model->moments);
    fake_disk_free(model->disk);
}
