/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind areas.h. What each call has made of the address space is left to a
 * look at it; calls may fail.
 */
#define _GNU_SOURCE 1
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "areas.h"
#include "dice.h"
#include "estate.h"
#include "work.h"

enum { MOST_PAGES = 10, SHUFFLES = 6 };

/* room for so much in the arena, where anything may lie */
static char *place_for(size_t pages)
{
	return estate_arena() + (size_t)draw(ARENA_PAGES + 1 - (unsigned)pages) * PAGE_BYTES;
}

static char *any_place(size_t *ret_pages)
{
	*ret_pages = 1 + draw(MOST_PAGES);
	return place_for(*ret_pages);
}

/* ... or of something mapped anywhere */
static char *any_piece(size_t *ret_pages)
{
	const struct area *a = estate_area(draw(1 << 16));
	size_t skip;

	if (!a || draw(2))
		return any_place(ret_pages);
	skip = draw((unsigned)a->pages);
	*ret_pages = 1 + draw((unsigned)(a->pages - skip));
	return a->start + skip * PAGE_BYTES;
}

static int any_prot(void)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE, PROT_WRITE };

	return prots[draw(ARRAY_SIZE(prots))];
}

/* -------------------------------------------------------------------- calls */

static void map_some(void)
{
	static const int objects[] = { OBJECT_MEMFD, OBJECT_POSIX, OBJECT_FILE };
	int object = objects[draw(ARRAY_SIZE(objects))], prot = any_prot();
	int fd = estate_fd(object, prot & PROT_WRITE || draw(2));
	int flags = draw(4) ? MAP_SHARED : MAP_SHARED_VALIDATE;
	size_t pages;
	char *at = any_place(&pages);
	void *got;

	if (!draw(4))
		at = NULL;
	got = mmap(at, pages * PAGE_BYTES, prot, flags | (at ? MAP_FIXED : 0), fd,
		   draw(OBJECT_PAGES) * PAGE_BYTES);
	estate_look(got == MAP_FAILED ? -1 : object);
}

/* by something of its own */
static void cover_some(void)
{
	size_t pages;
	char *at = any_place(&pages);

	if (draw(2))
		mmap(at, pages * PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_FIXED,
		     estate_fd(OBJECT_MEMFD, true), 0);
	else
		mmap(at, pages * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
	estate_look(-1);
}

static void unmap_some(void)
{
	size_t pages;
	char *at = any_piece(&pages);

	munmap(at, pages * PAGE_BYTES - draw(100));
	estate_look(-1);
}

static void protect_some(void)
{
	size_t pages;
	char *at = any_piece(&pages);

	mprotect(at, pages * PAGE_BYTES, any_prot());
	estate_look(-1);
}

/* nothing that lies behind it is in its way, if that is in the arena */
static void *grow_in_place(char *at, size_t pages)
{
	char *behind = at + pages * PAGE_BYTES;
	char *end = estate_arena() + ARENA_PAGES * PAGE_BYTES;

	if (behind < estate_arena() || behind + 2 * PAGE_BYTES > end)
		return MAP_FAILED;
	munmap(behind, 2 * PAGE_BYTES);
	estate_look(-1);
	/* what the look has reserved again */
	munmap(behind, 2 * PAGE_BYTES);
	return mremap(at, pages * PAGE_BYTES, (pages + 2) * PAGE_BYTES, 0);
}

static void move_some(void)
{
	const struct area *a = estate_area(draw(1 << 16));
	size_t pages, more = 1 + draw(MOST_PAGES);
	bool grows = a && a->object != OBJECT_SYSV;
	int object;
	char *at;
	void *got;

	if (!a)
		return;
	object = a->object;
	pages = draw(3) ? a->pages : 1 + draw((unsigned)a->pages);
	at = a->start + (a->pages - pages) * PAGE_BYTES;
	/* of a segment that is mapped beyond its end it depends what shmdt(2) takes away */
	if (!grows && more > pages)
		more = pages;
	if (pages < ARENA_PAGES / 2 && draw(2))
		more = pages;
	switch (draw(7)) {
	case 0:
		got = mremap(at, pages * PAGE_BYTES, (1 + draw((unsigned)pages)) * PAGE_BYTES, 0);
		break;
	case 1:
		got = grows ? grow_in_place(at, pages) : MAP_FAILED;
		break;
	case 2:
		got = mremap(at, pages * PAGE_BYTES, (pages + (grows ? draw(3) : 0)) * PAGE_BYTES,
			     MREMAP_MAYMOVE);
		break;
	case 3:
		got = mremap(at, 0, more * PAGE_BYTES, MREMAP_MAYMOVE);
		break;
	case 4:
		got = mremap(at, 0, more * PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
			     place_for(more));
		break;
	case 5:
		got = mremap(at, pages * PAGE_BYTES, pages * PAGE_BYTES,
			     MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
		break;
	default:
		got = mremap(at, pages * PAGE_BYTES, more * PAGE_BYTES,
			     MREMAP_MAYMOVE | MREMAP_FIXED, place_for(more));
	}
	estate_look(got == MAP_FAILED ? -1 : object);
}

static void attach_some(void)
{
	char *at = draw(3) ? place_for(OBJECT_PAGES) : NULL;
	int flags = (at ? SHM_REMAP : 0) | (draw(3) ? 0 : SHM_RDONLY);
	void *got = shmat(estate_segment(), at, flags);
	estate_look(got == (void *)-1 ? -1 : OBJECT_SYSV);
}

static void detach_some(void)
{
	for (unsigned i = draw(1 << 16), tries = estate_areas(); tries; i++, tries--) {
		const struct area *a = estate_area(i);

		if (a->object != OBJECT_SYSV)
			continue;
		shmdt(a->start - a->first_page * PAGE_BYTES);
		break;
	}
	estate_look(-1);
}

#define DO(name, what)				\
	void do_##name(const struct op *o)	\
	{					\
		dice_seed(o->how);		\
		what();				\
	}

DO(map, map_some)
DO(cover, cover_some)
DO(unmap, unmap_some)
DO(protect, protect_some)
DO(move, move_some)
DO(attach, attach_some)
DO(detach, detach_some)

void do_remove_segment(const struct op *o)
{
	estate_remove_segment();
}

/* all at the same time, each in its own address space */
void do_shuffle(const struct op *o)
{
	static void (*const calls[])(void) = {
		map_some, map_some, cover_some, unmap_some, protect_some, move_some, attach_some,
		detach_some,
	};

	dice_seed(o->how + player_self());
	estate_mingled();
	for (unsigned i = 0; i < SHUFFLES; i++)
		calls[draw(ARRAY_SIZE(calls))]();
}

/* ----------------------------------------------------------------- hand-offs */

/* the same for both of them: neither maps anything now */
static struct place chosen_word(const struct op *o)
{
	dice_seed(o->how);
	return estate_common(o->proc, o->other);
}

bool word_chosen(const struct op *o)
{
	return chosen_word(o).page >= 0;
}

void do_sleep(const struct op *o)
{
	struct place at = chosen_word(o);
	uint32_t *w = estate_word(&at);
	long ret;

	if (o->how & 1)
		ret = syscall(SYS_futex, w, FUTEX_WAIT, 0, NULL, NULL, 0);
	else
		ret = syscall(SYS_futex, w, FUTEX_WAIT_BITSET, 0, NULL, NULL, 3);
	work_expect(ret, 0, "FUTEX_WAIT");
	estate_woken(&at, o->other);
}

/* until it was there to be woken */
void do_wake(const struct op *o)
{
	struct place at = chosen_word(o);
	uint32_t *w = estate_word(&at);
	long ret = 0;

	while (!ret && player_is_busy(o->proc)) {
		if (o->how & 2)
			ret = syscall(SYS_futex, w, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
		else
			ret = syscall(SYS_futex, w, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, 2);
		if (!ret)
			sched_yield();
	}
	work_expect(ret, 1, "FUTEX_WAKE");
}
