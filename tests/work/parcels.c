/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind parcels.h: a list per channel in memory that all share.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "heirloom.h"
#include "parcels.h"
#include "work.h"

enum { LISTS = 32, PARCELS = 4096 };

struct parcel {
	pid_t from;
	size_t len;
	long tag;
};

struct list {
	unsigned lock;
	unsigned first, end;
	struct parcel parcel[PARCELS];
};

static struct list *lists;

void parcels_create(void)
{
	lists = heirloom_create(HEIRLOOM_PARCELS, LISTS * sizeof(lists[0]));
}

void parcels_find(void)
{
	lists = heirloom_find(HEIRLOOM_PARCELS, LISTS * sizeof(lists[0]));
}

static struct list *list_of(int chan)
{
	errno = ENOSPC;
	if (chan >= LISTS)
		work_die("parcels of a channel");
	return &lists[chan];
}

/* a reader may be waiting for what is put in just now */
static struct list *lock_list(int chan)
{
	struct list *l = list_of(chan);

	while (__atomic_exchange_n(&l->lock, 1, __ATOMIC_ACQUIRE))
		;
	return l;
}

static void unlock_list(struct list *l)
{
	__atomic_store_n(&l->lock, 0, __ATOMIC_RELEASE);
}

/* nobody is left waiting for the lock of who has ended */
static _Noreturn void die_unlocked(struct list *l, int err, const char *what)
{
	unlock_list(l);
	errno = err;
	work_die(what);
}

void parcels_drop(int chan)
{
	list_of(chan)->first = list_of(chan)->end = 0;
}

void parcels_forget(void)
{
	for (int i = 0; i < LISTS; i++)
		parcels_drop(i);
}

unsigned parcels_count(int chan)
{
	return list_of(chan)->end - list_of(chan)->first;
}

size_t parcels_bytes(int chan)
{
	const struct list *l = list_of(chan);
	size_t sum = 0;

	for (unsigned i = l->first; i < l->end; i++)
		sum += l->parcel[i].len;
	return sum;
}

bool parcels_next_is_empty(int chan, long tag)
{
	struct list *l = lock_list(chan);
	unsigned i = l->first;
	bool empty;

	while (i < l->end && l->parcel[i].tag != tag)
		i++;
	empty = i < l->end && !l->parcel[i].len;
	unlock_list(l);
	return empty;
}

void parcels_put(int chan, size_t len, bool message, long tag)
{
	struct list *l = lock_list(chan);
	struct parcel *last = l->end > l->first ? &l->parcel[l->end - 1] : NULL;

	if (!message && last && last->from == getpid())
		last->len += len;
	else if (l->end == PARCELS)
		die_unlocked(l, ENOSPC, "parcels");
	else
		l->parcel[l->end++] = (struct parcel){ getpid(), len, tag };
	unlock_list(l);
}

void parcels_take_back(int chan, size_t len, bool message)
{
	struct list *l = lock_list(chan);
	struct parcel *last = &l->parcel[l->end - 1];

	if (l->end == l->first || last->len < len)
		die_unlocked(l, EOVERFLOW, "what was put in is not there");
	last->len -= len;
	if ((message || !last->len) && --l->end == l->first)
		l->first = l->end = 0;
	unlock_list(l);
}

static void drop_first(struct list *l)
{
	if (++l->first == l->end)
		l->first = l->end = 0;
}

void parcels_get(int chan, size_t len)
{
	struct list *l = lock_list(chan);

	while (len) {
		struct parcel *p = &l->parcel[l->first];
		size_t n = p->len < len ? p->len : len;

		if (l->first == l->end)
			die_unlocked(l, EOVERFLOW, "read what was never written");
		work_flow(chan, p->from, 1, n);
		p->len -= n;
		len -= n;
		if (!p->len)
			drop_first(l);
	}
	unlock_list(l);
}

size_t parcels_get_message(int chan, size_t len, long tag)
{
	struct list *l = lock_list(chan);

	for (unsigned i = l->first; i < l->end; i++) {
		struct parcel p = l->parcel[i];

		if (p.tag != tag)
			continue;
		if (len > p.len)
			die_unlocked(l, EOVERFLOW, "a message is longer than it was");
		work_flow(chan, p.from, 1, len);
		memmove(&l->parcel[l->first + 1], &l->parcel[l->first],
			(i - l->first) * sizeof(p));
		drop_first(l);
		unlock_list(l);
		return p.len;
	}
	die_unlocked(l, ENOENT, "received what was never sent");
}
