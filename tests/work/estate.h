/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Objects of shared memory, one of each kind, and who maps what of them: by what the
 * kernel says in /proc/self/maps after every call that may have changed it.
 */
#ifndef ESTATE_H
#define ESTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* who makes the objects is a member as well, the last one, with a number of no process */
enum {
	OBJECT_MEMFD, OBJECT_SYSV, OBJECT_ANON, OBJECT_POSIX, OBJECT_FILE, OBJECTS,
	OBJECT_PAGES = 16,
};
/* a place where anything may be put over anything; what is not shared there is reserved */
enum { ARENA_PAGES = 48, PAGE_BYTES = 4096 };

/* a mapping of the calling process */
struct area {
	char *start;
	size_t pages, first_page;	/* first_page: of the object */
	int object;
};

void estate_create(void);
/* the calling process, that member, has executed a program: nothing is mapped any more */
void estate_find(unsigned member);
/* objects for another program, that its processes inherit */
void estate_open(uint64_t seed);
/* tells the truth of that program; of processes that stay what they map stays, too */
void estate_close(const char *chapter);
char *estate_arena(void);
/* of a file; writable or not */
int estate_fd(int object, bool writable);
int estate_segment(void);
/* is marked to be removed from now on; false: it was before */
bool estate_remove_segment(void);
/* any mapping of the calling process, as of the last look; NULL: there is none */
const struct area *estate_area(unsigned which);
unsigned estate_areas(void);

/* the calling process is this member from now on; the first one has no parent */
void estate_enter(unsigned member, unsigned parent);
void estate_leave(void);
/* a call has mapped something of this object, or none (-1): what is mapped now? */
void estate_look(int mapped_object);
/* members change at once, so that it is not known who had what when the others had what */
void estate_mingled(void);

/* a word that both of them can read; page -1: there is none */
struct place {
	int object, page;
	unsigned offset;	/* in that page */
};

struct place estate_common(unsigned one, unsigned other);
/* where the calling process has that word */
uint32_t *estate_word(const struct place *at);
/* the calling process was woken there by that member */
void estate_woken(const struct place *at, unsigned by);

#endif
