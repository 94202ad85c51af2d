/* A store in memory that forgets as a disk does: a crash falls back to the state after an earlier
 * write, never before the last flush. Single-threaded. */
#ifndef AVISO_TESTS_FAKES_MEMORY_STORE_H
#define AVISO_TESTS_FAKES_MEMORY_STORE_H

#include "storage/store.h"

/* An empty store; store_close() frees it. */
struct store *memory_store_new(void);

/* How many writes there are since the last flush. */
size_t memory_store_unflushed(const struct store *store);

/* Forgets all writes since the last flush but the first `kept`, as a crash after a partial
 * background flush may. */
void memory_store_crash(struct store *store, size_t kept);

/* The next write fails with `status`, once, and changes nothing. OK: as always. */
void memory_store_fail_write(struct store *store, enum status status);

/* Reads that are not told to stay in the cache: `cached` false makes STORE_CACHED answer AGAIN. */
void memory_store_set_cached(struct store *store, bool cached);

/* Flips a bit of the value of `key`. */
void memory_store_corrupt(struct store *store, struct slice key);

/* A digest of all keys and values in order; `prefix` restricts it, empty for all. */
uint64_t memory_store_digest(const struct store *store, struct slice prefix);

/* How many keys begin with `prefix`. */
size_t memory_store_count(const struct store *store, struct slice prefix);

#endif
