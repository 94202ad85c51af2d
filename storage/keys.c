#include "storage/keys.h"

#include <string.h>

#include "core/check.h"
#include "core/number.h"

static void put_octets(struct key *key, struct slice octets)
{
    CHECK(octets.size <= KEY_SIZE_MAX - key->size);
    if (octets.size > 0) {
        memcpy(key->octets + key->size, octets.data, octets.size);
    }
    key->size += octets.size;
}

static void put_u32(struct key *key, uint32_t number)
{
    number_put_u32(key->octets + key->size, number);
    key->size += 4;
}

static void put_u64(struct key *key, uint64_t number)
{
    number_put_u64(key->octets + key->size, number);
    key->size += 8;
}

static void begin(struct key *key, uint32_t shard, enum row_kind kind)
{
    key->size = 0;
    put_u32(key, shard);
    key->octets[key->size++] = (char)kind;
}

static void begin_account(struct key *key, uint32_t shard, enum row_kind kind, uint64_t account)
{
    begin(key, shard, kind);
    put_u64(key, account);
}

static struct slice view(const struct key *key)
{
    return (struct slice){key->octets, key->size};
}

struct slice key_shard(struct key *key, uint32_t shard)
{
    number_put_u32(key->octets, shard);
    key->size = sizeof(shard);
    return (struct slice){key->octets, key->size};
}

struct slice key_meta(struct key *key, uint32_t shard)
{
    begin(key, shard, ROW_META);
    return view(key);
}

struct slice key_dir(struct key *key, uint32_t shard, uint32_t slot, struct slice name)
{
    begin(key, shard, ROW_DIR);
    number_put_u16(key->octets + key->size, (uint16_t)slot);
    key->size += 2;
    put_octets(key, name);
    return view(key);
}

struct slice key_acct(struct key *key, uint32_t shard, uint64_t account)
{
    begin_account(key, shard, ROW_ACCT, account);
    return view(key);
}

struct slice key_name(struct key *key, uint32_t shard, uint64_t account, struct slice name)
{
    begin_account(key, shard, ROW_NAME, account);
    put_octets(key, name);
    return view(key);
}

struct slice key_mbox(struct key *key, uint32_t shard, uint64_t account, uint32_t mailbox)
{
    begin_account(key, shard, ROW_MBOX, account);
    put_u32(key, mailbox);
    return view(key);
}

struct slice key_uid(struct key *key, uint32_t shard, uint64_t account, uint32_t mailbox,
                     uint32_t uid)
{
    begin_account(key, shard, ROW_UID, account);
    put_u32(key, mailbox);
    put_u32(key, uid);
    return view(key);
}

struct slice key_mail(struct key *key, uint32_t shard, uint64_t account, uint64_t email)
{
    begin_account(key, shard, ROW_MAIL, account);
    put_u64(key, email);
    return view(key);
}

struct slice key_head(struct key *key, uint32_t shard, uint64_t account, uint64_t email)
{
    begin_account(key, shard, ROW_HEAD, account);
    put_u64(key, email);
    return view(key);
}

struct slice key_log(struct key *key, uint32_t shard, uint64_t account, uint64_t modseq)
{
    begin_account(key, shard, ROW_LOG, account);
    put_u64(key, modseq);
    return view(key);
}

struct slice key_thread(struct key *key, uint32_t shard, uint64_t account, uint64_t hash)
{
    begin_account(key, shard, ROW_THREAD, account);
    put_u64(key, hash);
    return view(key);
}

struct slice key_body(struct key *key, uint32_t shard, struct slice sha256, uint32_t frame)
{
    begin(key, shard, ROW_BODY);
    put_octets(key, sha256);
    put_u32(key, frame);
    return view(key);
}

struct slice key_ref(struct key *key, uint32_t shard, struct slice sha256)
{
    begin(key, shard, ROW_REF);
    put_octets(key, sha256);
    return view(key);
}

struct slice key_pend(struct key *key, uint32_t shard, uint64_t time_ms, struct slice sha256)
{
    begin(key, shard, ROW_PEND);
    put_u64(key, time_ms);
    put_octets(key, sha256);
    return view(key);
}

struct slice key_hand(struct key *key, uint32_t shard, uint64_t id)
{
    begin(key, shard, ROW_HAND);
    put_u64(key, id);
    return view(key);
}

struct slice key_once(struct key *key, uint32_t shard, struct slice request_id)
{
    begin(key, shard, ROW_ONCE);
    put_octets(key, request_id);
    return view(key);
}

struct slice key_work(struct key *key, uint32_t shard, uint64_t account, uint32_t mailbox)
{
    begin_account(key, shard, ROW_WORK, account);
    put_u32(key, mailbox);
    return view(key);
}

struct slice key_kind_low(struct key *key, uint32_t shard, enum row_kind kind)
{
    begin(key, shard, kind);
    return view(key);
}

struct slice key_kind_high(struct key *key, uint32_t shard, enum row_kind kind)
{
    begin(key, shard, kind);
    return key_after(key, view(key));
}

struct slice key_account_low(struct key *key, uint32_t shard, enum row_kind kind, uint64_t account)
{
    begin_account(key, shard, kind, account);
    return view(key);
}

struct slice key_account_high(struct key *key, uint32_t shard, enum row_kind kind, uint64_t account)
{
    begin_account(key, shard, kind, account);
    return key_after(key, view(key));
}

struct slice key_after(struct key *key, struct slice prefix)
{
    size_t size = prefix.size;

    CHECK(size <= KEY_SIZE_MAX);
    while (size > 0 && (unsigned char)prefix.data[size - 1] == 0xff) {
        size--;
    }
    if (size > 0) {
        memmove(key->octets, prefix.data, size);
        key->octets[size - 1]++;
    }
    key->size = size;
    return view(key);
}

uint64_t key_part_account(struct slice key)
{
    return key.size >= KEY_ACCOUNT_PREFIX_SIZE ? number_get_u64(key.data + KEY_PREFIX_SIZE) : 0;
}

uint32_t key_part_mailbox(struct slice key)
{
    enum { END = KEY_ACCOUNT_PREFIX_SIZE + 4 };

    return key.size >= END ? number_get_u32(key.data + KEY_ACCOUNT_PREFIX_SIZE) : 0;
}

uint32_t key_part_uid(struct slice key)
{
    enum { START = KEY_ACCOUNT_PREFIX_SIZE + 4, END = START + 4 };

    return key.size >= END ? number_get_u32(key.data + START) : 0;
}

uint64_t key_part_hand(struct slice key)
{
    return key_part_account(key); /* the same place */
}

uint64_t key_part_last64(struct slice key)
{
    enum { END = KEY_ACCOUNT_PREFIX_SIZE + 8 };

    return key.size >= END ? number_get_u64(key.data + KEY_ACCOUNT_PREFIX_SIZE) : 0;
}

struct slice key_part_name(struct slice key)
{
    return slice_skip(key, KEY_ACCOUNT_PREFIX_SIZE);
}
