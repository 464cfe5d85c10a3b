/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A map from fixed-size keys to pointers: entries in insertion order, and an
 * open-addressed index of them. Keys come from traced processes, so where one
 * lands depends on a random seed; the order of iteration never does.
 */
#include <assert.h>
#include <sys/auxv.h>

#include "base/base.h"

#define HASH_FIRST_SLOTS 16	/* power of two */

struct slot {
	uint32_t tag;		/* half of the key's hash, which also says where to look first */
	uint32_t position;	/* in the entries, + 1; 0 = free */
};

struct hash {
	size_t key_size;
	uint64_t seed, factor;
	size_t count, room;	/* entries: used, allocated */
	bool in_values;		/* each value begins with its key */
	char *keys;		/* else key_size bytes each */
	void **values;
	struct slot *slots;
	size_t slot_count;	/* power of two */
};

/* upper and lower half of the product, folded: each input bit reaches all output bits */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* finaliser of MurmurHash3 by Austin Appleby, public domain */
static uint64_t scramble(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

/* the beginning of so many bytes; a copy of constant length is no call, unlike others */
static uint64_t first_word(const char *bytes, size_t len)
{
	uint64_t word = 0;

	if (len >= sizeof(word))
		memcpy(&word, bytes, sizeof(word));
	else if (len == sizeof(uint32_t))
		memcpy(&word, bytes, sizeof(uint32_t));
	else
		memcpy(&word, bytes, len);
	return word;
}

/* keys of one map have one length, so a zero-padded last word is unambiguous */
static uint64_t key_hash(const struct hash *h, const void *key)
{
	const char *bytes = key;
	uint64_t sum = h->seed;

	for (size_t at = 0; at < h->key_size; at += sizeof(uint64_t)) {
		uint64_t word = first_word(bytes + at, h->key_size - at);

		/* the rotation keeps equal words in two places from cancelling out */
		sum = fold(sum ^ word, h->factor) + (sum << 23 | sum >> 41);
	}
	return scramble(sum);
}

struct hash *hash_new(size_t key_size)
{
	struct hash *h = xcalloc(1, sizeof(*h));
	/* random bytes from the kernel that need no system call: a sandbox may forbid it */
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint64_t words[2] = { 0x9e3779b97f4a7c15ULL, (uintptr_t)h };

	assert(key_size > 0);
	if (random)
		memcpy(words, random, sizeof(words));
	h->key_size = key_size;
	/* scrambled: libc makes its stack canary of the same bytes */
	h->seed = scramble(words[0] ^ (words[1] << 1));
	h->factor = scramble(words[1] + 0x9e3779b97f4a7c15ULL) | 1;
	h->slot_count = HASH_FIRST_SLOTS;
	h->slots = xcalloc(h->slot_count, sizeof(*h->slots));
	return h;
}

struct hash *hash_new_in_values(size_t key_size)
{
	struct hash *h = hash_new(key_size);

	h->in_values = true;
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	free(h->keys);
	free(h->values);
	free(h->slots);
	free(h);
}

void hash_freep(struct hash **h)
{
	hash_free(*h);
}

static const void *key_at(const struct hash *h, size_t position)
{
	return h->in_values ? h->values[position] : h->keys + position * h->key_size;
}

static uint32_t key_tag(const struct hash *h, const void *key)
{
	return (uint32_t)(key_hash(h, key) >> 32);
}

static bool keys_equal(const struct hash *h, const void *a, const void *b)
{
	if (h->key_size == sizeof(uint32_t))
		return !memcmp(a, b, sizeof(uint32_t));
	return !memcmp(a, b, h->key_size);
}

/* the slot of the key, or the free one where it would go */
static struct slot *find_slot(const struct hash *h, const void *key, uint32_t tag)
{
	size_t mask = h->slot_count - 1;

	for (size_t i = tag & mask;; i = (i + 1) & mask) {
		struct slot *s = &h->slots[i];

		if (!s->position)
			return s;
		if (s->tag == tag && keys_equal(h, key_at(h, s->position - 1), key))
			return s;
	}
}

void *hash_get(const struct hash *h, const void *key)
{
	const struct slot *s = find_slot(h, key, key_tag(h, key));

	return s->position ? h->values[s->position - 1] : NULL;
}

void hash_fetch(const struct hash *h, const void *key)
{
	__builtin_prefetch(&h->slots[key_tag(h, key) & (h->slot_count - 1)], 1);
}

static void set_room(struct hash *h, size_t room)
{
	h->room = room;
	if (!h->in_values)
		h->keys = xrealloc(h->keys, h->room, h->key_size);
	h->values = xrealloc(h->values, h->room, sizeof(*h->values));
}

static void put_slot(struct hash *h, struct slot slot)
{
	size_t mask = h->slot_count - 1, i = slot.tag & mask;

	while (h->slots[i].position)
		i = (i + 1) & mask;
	h->slots[i] = slot;
}

/* of the same entries: their tags are known, and none is there twice */
static void grow_slots(struct hash *h, size_t slot_count)
{
	_cleanup_free_ struct slot *old = h->slots;
	size_t old_count = h->slot_count;

	h->slot_count = slot_count;
	h->slots = xcalloc(h->slot_count, sizeof(*h->slots));
	for (size_t i = 0; i < old_count; i++)
		if (old[i].position)
			put_slot(h, old[i]);
}

static void remake_slots(struct hash *h, size_t slot_count)
{
	free(h->slots);
	h->slot_count = slot_count;
	h->slots = xcalloc(h->slot_count, sizeof(*h->slots));
	for (size_t i = 0; i < h->count; i++)
		put_slot(h, (struct slot){
				    .tag = key_tag(h, key_at(h, i)),
				    .position = (uint32_t)i + 1,
			    });
}

void hash_expect(struct hash *h, size_t count)
{
	size_t slots = h->slot_count;

	while (slots * 2 < count * 3 + 3)
		slots *= 2;
	if (slots > h->slot_count)
		grow_slots(h, slots);
	if (count > h->room)
		set_room(h, count);
}

void *hash_claim(struct hash *h, const void *key, void *value)
{
	uint32_t tag = key_tag(h, key);
	struct slot *s;

	assert(value);
	assert(h->count < UINT32_MAX);
	/* at most two thirds full: longer searches would cost more than the memory */
	if (h->count * 3 >= h->slot_count * 2)
		grow_slots(h, h->slot_count * 2);
	s = find_slot(h, key, tag);
	if (s->position)
		return h->values[s->position - 1];
	if (h->count == h->room)
		set_room(h, h->room ? h->room * 2 : HASH_FIRST_SLOTS / 2);
	if (!h->in_values)
		memcpy(h->keys + h->count * h->key_size, key, h->key_size);
	h->values[h->count++] = value;
	*s = (struct slot){ .tag = tag, .position = (uint32_t)h->count };
	return value;
}

void hash_add(struct hash *h, const void *key, void *value)
{
	size_t before = h->count;

	hash_claim(h, key, value);
	assert(h->count == before + 1);
	(void)before;
}

void hash_filter(struct hash *h, bool (*keep)(void *arg, void *value), void *arg)
{
	size_t kept = 0, slots = HASH_FIRST_SLOTS;

	for (size_t i = 0; i < h->count; i++) {
		void *value = h->values[i];

		if (!keep(arg, value))
			continue;
		if (!h->in_values)
			memmove(h->keys + kept * h->key_size, key_at(h, i), h->key_size);
		h->values[kept++] = value;
	}
	if (kept == h->count)
		return;
	h->count = kept;
	/* what a peak needed is given back, all but some room to grow */
	if (kept < h->room / 4)
		set_room(h, kept * 2 + HASH_FIRST_SLOTS / 2);
	while (slots * 2 < h->count * 3 + 3)
		slots *= 2;
	remake_slots(h, slots);
}

size_t hash_count(const struct hash *h)
{
	return h->count;
}

void *hash_at(const struct hash *h, size_t index)
{
	assert(index < h->count);
	return h->values[index];
}

const void *hash_key_at(const struct hash *h, size_t index)
{
	assert(index < h->count);
	return key_at(h, index);
}
