/* A disk in memory that fails as real ones do, the same way for the same seed.
 *
 * Every file has two images: what a reader sees now, and what a power cut leaves. A write changes
 * the first; file_sync() brings the second up to it. A power cut takes, for each sector of 512
 * octets written since, the new octets, the old ones or a part of each; and a random prefix of the
 * creations, renames and removals that no file_sync_folder() made durable. A sync that fails drops
 * what it should have written: readers still see it, no later sync makes it durable, and only
 * writing it again helps, as with Linux.
 *
 *     new -> ( use -> power_off -> close all -> power_on )* -> free
 *
 * For one thread. Files are whole in memory: give the log small segments. */
#ifndef AVISO_TESTS_FAKES_FAKE_DISK_H
#define AVISO_TESTS_FAKES_FAKE_DISK_H

#include <stdbool.h>

#include "storage/file.h"

struct fake_disk;

struct fake_disk *fake_disk_new(uint64_t seed);

/* All files must be closed. */
void fake_disk_free(struct fake_disk *disk);

/* For log_options.files and the like. Valid as long as the disk. */
const struct file_system *fake_disk_files(struct fake_disk *disk);

/* How much a power cut keeps of what was not synced. */
enum fake_disk_loss {
    FAKE_DISK_MIXED, /* a chance, drawn anew for each cut, for each sector: kept, torn or lost */
    FAKE_DISK_KEEPS, /* all of it: also what kill -9 leaves */
    FAKE_DISK_LOSES, /* none of it */
};

/* The power goes: from now on everything fails with IO_ERROR, and open files are good for
 * file_close() alone, also later. */
void fake_disk_power_off(struct fake_disk *disk, enum fake_disk_loss loss);
void fake_disk_power_on(struct fake_disk *disk);

/* kill -9 of the only process: its files are closed, as above, and all that it wrote is there,
 * but still not durable. */
void fake_disk_kill(struct fake_disk *disk);

/* Steps so far: writes, syncs, allocations, truncations, creations, renames, removals. */
uint64_t fake_disk_steps(const struct fake_disk *disk);

/* The power goes at the `nth` step from now (from 1), which may happen in part. 0: no more. */
void fake_disk_cut_power_at(struct fake_disk *disk, uint64_t nth, enum fake_disk_loss loss);
bool fake_disk_is_off(const struct fake_disk *disk);

/* The `nth` sync or write from now fails: a sync with IO_ERROR, a write with `status` after some of
 * its octets. 0: none any more. */
void fake_disk_fail_sync_at(struct fake_disk *disk, uint64_t nth);
void fake_disk_fail_write_at(struct fake_disk *disk, uint64_t nth, enum status status);

/* With each read, write and sync failing by chance: `per_million` of each, IO_ERROR. */
void fake_disk_fail_by_chance(struct fake_disk *disk, uint64_t per_million);

/* Files may take this much together; UINT64_MAX: any. What is over it fails with NO_SPACE, a write
 * after the octets that still fit. Space that a file has is never asked for again. */
void fake_disk_limit(struct fake_disk *disk, uint64_t octets);
uint64_t fake_disk_used(const struct fake_disk *disk);

/* Bit rot: flips one bit of what readers see and of what is durable. NOT_FOUND: no such file, or
 * it is shorter. */
NODISCARD enum status fake_disk_flip(struct fake_disk *disk, const char *path, uint64_t bit);

/* Another disk with the same durable and visible content, nothing open, no faults planned. */
struct fake_disk *fake_disk_copy(const struct fake_disk *disk, uint64_t seed);

#endif
