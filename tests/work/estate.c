/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind estate.h.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dice.h"
#include "ends.h"
#include "estate.h"
#include "heirloom.h"
#include "work.h"

/* who makes the objects is one, too, and has those mapped that only a mapping keeps */
enum { MEMBERS = PROCS + 1, MAKER = PROCS, AREAS = 256, HANDOFFS = 128, TEXT = 1 << 16 };
enum { OBJECT_BYTES = OBJECT_PAGES * PAGE_BYTES, ALL_PROT = PROT_READ | PROT_WRITE | PROT_EXEC };

static const char *const type_names[OBJECTS] = {
	"memfd", "sysv-shm", "shared-anon", "posix-shm", "mmap-file",
};

/* what one member has of one object, and had */
struct holding {
	size_t mapped;			/* pages, each as often as it is mapped */
	uint64_t pages, readable;	/* bits */
	unsigned prot, prot_ever;
	size_t peak;
	unsigned maps, unmaps;
	const char *how;		/* NULL: nothing was ever mapped */
	pid_t from;
};

struct object {
	uint64_t ino;
	int id;				/* SysV */
	bool removed;
	unsigned peak_mappers, peak_overlap;
};

struct handoff {
	struct place at;
	pid_t from, to;
	unsigned count;
};

static struct {
	struct object object[OBJECTS];
	pid_t pid[MEMBERS];
	bool here[MEMBERS];
	struct holding holding[MEMBERS][OBJECTS];
	struct handoff handoff[HANDOFFS];
	unsigned handoff_count;
	bool mingled;
	int fds[OBJECTS][2];		/* to read only, and to write as well; of all members */
} *estate;

static char *arena, *kept;	/* kept: the maker's only mapping of what has no descriptor */
static unsigned me = MAKER;
static struct area areas[AREAS];
static unsigned area_count;
static char text[TEXT];

/* ------------------------------------------------------------------- objects */

static void open_twice(int object, int fd)
{
	char path[32];
	struct stat st;

	if (fd < 0 || ftruncate(fd, OBJECT_BYTES) || fstat(fd, &st))
		work_die(type_names[object]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	estate->fds[object][1] = fd;
	estate->fds[object][0] = open(path, O_RDONLY);
	if (estate->fds[object][0] < 0)
		work_die(path);
	estate->object[object].ino = st.st_ino;
}

static void open_named(int object, uint64_t seed)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s/lens-work-%d-%lu",
		 object == OBJECT_POSIX ? "/dev/shm" : "/tmp", getpid(), (unsigned long)seed);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	open_twice(object, fd);
	unlink(name);
}

/* a mapping has no other name than its place */
static uint64_t inode_at(const char *address)
{
	unsigned long start, end, ino;
	FILE *f = fopen("/proc/self/maps", "re");

	errno = ENOENT;
	while (f && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%lx-%lx %*s %*s %*s %lu", &start, &end, &ino) != 3 ||
		    start != (unsigned long)address)
			continue;
		fclose(f);
		return ino;
	}
	work_die("/proc/self/maps");
}

static void keep_anonymous(void)
{
	kept = mmap(NULL, OBJECT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kept == MAP_FAILED)
		work_die("mmap");
	estate->object[OBJECT_ANON].ino = inode_at(kept);
	estate_look(OBJECT_ANON);
}

void estate_open(uint64_t seed)
{
	struct object *segment = &estate->object[OBJECT_SYSV];

	memset(estate, 0, sizeof(*estate));
	estate_enter(MAKER, MAKER);
	open_twice(OBJECT_MEMFD, memfd_create("estate", 0));
	open_named(OBJECT_POSIX, seed);
	open_named(OBJECT_FILE, seed);
	segment->id = shmget(IPC_PRIVATE, OBJECT_BYTES, IPC_CREAT | 0600);
	if (segment->id < 0)
		work_die("shmget");
	segment->ino = (uint64_t)segment->id;
	keep_anonymous();
}

static void map_arena(void)
{
	arena = mmap(NULL, ARENA_PAGES * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		work_die("mmap");
}

void estate_create(void)
{
	estate = heirloom_create(HEIRLOOM_ESTATE, sizeof(*estate));
	map_arena();
}

char *estate_arena(void)
{
	return arena;
}

int estate_fd(int object, bool writable)
{
	return estate->fds[object][writable];
}

int estate_segment(void)
{
	return estate->object[OBJECT_SYSV].id;
}

bool estate_remove_segment(void)
{
	struct object *segment = &estate->object[OBJECT_SYSV];

	if (segment->removed || shmctl(segment->id, IPC_RMID, NULL))
		return false;
	segment->removed = true;
	return true;
}

/* ------------------------------------------------------------ what is mapped */

static int object_of(const char *path, uint64_t ino)
{
	static const char *const begins[OBJECTS] = {
		"/memfd:estate", "/SYSV", "/dev/zero", "/dev/shm/lens-work-", "/tmp/lens-work-",
	};

	for (int i = 0; i < OBJECTS; i++)
		if (!strncmp(path, begins[i], strlen(begins[i])) && ino == estate->object[i].ino)
			return i;
	return -1;
}

/* pages of the arena where there is nothing: somebody else might come to lie there */
static void reserve(uint64_t covered)
{
	for (unsigned i = 0; i < ARENA_PAGES; i++) {
		char *at = arena + i * PAGE_BYTES;

		if (!(covered >> i & 1) &&
		    mmap(at, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) != at)
			work_die("reserve");
	}
}

static uint64_t covers(const char *start, const char *end)
{
	uint64_t covered = 0;

	for (unsigned i = 0; i < ARENA_PAGES; i++)
		if (start <= arena + i * PAGE_BYTES && arena + i * PAGE_BYTES < end)
			covered |= 1ull << i;
	return covered;
}

static void take_area(struct holding *now, const struct area *a, unsigned prot)
{
	struct holding *h = &now[a->object];

	if (area_count == AREAS)
		work_die("areas");
	areas[area_count++] = *a;
	h->mapped += a->pages;
	h->prot |= prot;
	for (size_t i = 0; i < a->pages && a->first_page + i < 64; i++) {
		h->pages |= 1ull << (a->first_page + i);
		if (prot & PROT_READ && a->first_page + i < OBJECT_PAGES)
			h->readable |= 1ull << (a->first_page + i);
	}
}

/* a line of the file; returns what of the arena it covers */
static uint64_t take_line(struct holding *now, const char *line)
{
	unsigned long start, end, offset, ino;
	char prot[8];
	struct area a;
	int path = 0;

	errno = EINVAL;
	if (sscanf(line, "%lx-%lx %7s %lx %*s %lu %n", &start, &end, prot, &offset, &ino,
		   &path) != 5)
		work_die("/proc/self/maps");
	a = (struct area){
		.start = (char *)start, .pages = (end - start) / PAGE_BYTES,
		.first_page = offset / PAGE_BYTES,
		.object = prot[3] == 's' ? object_of(line + path, ino) : -1,
	};
	if (a.object >= 0)
		take_area(now, &a, (prot[0] == 'r' ? PROT_READ : 0) |
			  (prot[1] == 'w' ? PROT_WRITE : 0) | (prot[2] == 'x' ? PROT_EXEC : 0));
	return covers((char *)start, (char *)end);
}

static void read_maps(struct holding *now)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	uint64_t covered = 0;
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	if (fd < 0 || close(fd) || !len || len == sizeof(text) - 1)
		work_die("/proc/self/maps");
	text[len] = 0;
	memset(now, 0, OBJECTS * sizeof(*now));
	area_count = 0;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		covered |= take_line(now, line);
	}
	reserve(covered);
}

/* the most that several had at once */
static void raise_peaks(struct object *o, int object)
{
	uint64_t once = 0, twice = 0;
	unsigned mappers = 0;

	for (unsigned i = 0; i < MEMBERS; i++) {
		const struct holding *h = &estate->holding[i][object];

		mappers += h->mapped > 0;
		twice |= once & h->pages;
		once |= h->pages;
	}
	if (mappers > o->peak_mappers)
		o->peak_mappers = mappers;
	if ((unsigned)__builtin_popcountll(twice) > o->peak_overlap)
		o->peak_overlap = (unsigned)__builtin_popcountll(twice);
}

static void take_over(int object, const struct holding *now, bool by_call)
{
	struct holding *h = &estate->holding[me][object];

	h->maps += by_call;
	h->unmaps += !by_call && now->mapped < h->mapped;
	if (now->mapped > h->peak)
		h->peak = now->mapped;
	h->mapped = now->mapped;
	h->pages = now->pages;
	h->readable = now->readable;
	h->prot = now->prot;
	h->prot_ever |= now->prot;
	raise_peaks(&estate->object[object], object);
}

void estate_look(int mapped_object)
{
	struct holding now[OBJECTS];

	read_maps(now);
	for (int i = 0; i < OBJECTS; i++) {
		struct holding *h = &estate->holding[me][i];

		take_over(i, &now[i], i == mapped_object);
		if (h->mapped && !h->how)
			h->how = i == OBJECT_SYSV ? "shmat" : "mmap";
	}
}

void estate_enter(unsigned member, unsigned parent)
{
	struct holding now[OBJECTS];

	me = member;
	estate->pid[me] = getpid();
	estate->here[me] = true;
	read_maps(now);
	for (int i = 0; i < OBJECTS; i++) {
		take_over(i, &now[i], false);
		if (!now[i].mapped)
			continue;
		estate->holding[me][i].how = "fork";
		estate->holding[me][i].from = estate->pid[parent];
	}
}

static void leave_mappings(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		struct holding *h = &estate->holding[me][i];

		h->mapped = 0;
		h->pages = h->readable = h->prot = 0;
	}
}

void estate_leave(void)
{
	estate->here[me] = false;
	leave_mappings();
}

void estate_find(unsigned member)
{
	estate = heirloom_find(HEIRLOOM_ESTATE, sizeof(*estate));
	me = member;
	leave_mappings();
	map_arena();
}

void estate_mingled(void)
{
	estate->mingled = true;
}

const struct area *estate_area(unsigned which)
{
	return area_count ? &areas[which % area_count] : NULL;
}

unsigned estate_areas(void)
{
	return area_count;
}

/* ----------------------------------------------------------------- hand-offs */

struct place estate_common(unsigned one, unsigned other)
{
	struct place at = { .page = -1, .offset = 4 * draw(3) };
	unsigned count = 0;

	for (int i = 0; i < OBJECTS; i++) {
		uint64_t both = estate->holding[one][i].readable &
				estate->holding[other][i].readable;

		for (int page = 0; page < OBJECT_PAGES; page++) {
			if (!(both >> page & 1) || draw(++count))
				continue;
			at.object = i;
			at.page = page;
		}
	}
	return at;
}

uint32_t *estate_word(const struct place *at)
{
	for (unsigned i = 0; i < area_count; i++) {
		const struct area *a = &areas[i];
		size_t skip = (size_t)at->page - a->first_page;
		unsigned char resident;

		if (a->object != at->object || (size_t)at->page < a->first_page || skip >= a->pages)
			continue;
		/* one that cannot be read here may be read elsewhere */
		if (madvise(a->start + skip * PAGE_BYTES, PAGE_BYTES, MADV_POPULATE_READ) ||
		    mincore(a->start + skip * PAGE_BYTES, PAGE_BYTES, &resident))
			continue;
		return (uint32_t *)(void *)(a->start + skip * PAGE_BYTES + at->offset);
	}
	errno = EFAULT;
	work_die("a word");
}

void estate_woken(const struct place *at, unsigned by)
{
	unsigned i;

	for (i = 0; i < estate->handoff_count; i++) {
		const struct handoff *h = &estate->handoff[i];

		if (!memcmp(&h->at, at, sizeof(*at)) && h->from == estate->pid[by] &&
		    h->to == estate->pid[me])
			break;
	}
	errno = ENOSPC;
	if (i == HANDOFFS)
		work_die("hand-offs");
	if (i == estate->handoff_count)
		estate->handoff[estate->handoff_count++] = (struct handoff){
			.at = *at, .from = estate->pid[by], .to = estate->pid[me],
		};
	estate->handoff[i].count++;
}

/* --------------------------------------------------------------------- truth */

static const char *prot_text(char ret[4], unsigned prot)
{
	unsigned n = 0;

	if (prot & PROT_READ)
		ret[n++] = 'r';
	if (prot & PROT_WRITE)
		ret[n++] = 'w';
	if (prot & PROT_EXEC)
		ret[n++] = 'x';
	if (!n)
		ret[n++] = '-';
	ret[n] = 0;
	return ret;
}

static void print_mappers(FILE *f, int object)
{
	const char *comma = "";
	char ever[4];

	fputs("\"mappers\":[", f);
	for (unsigned i = 0; i < MEMBERS; i++) {
		const struct holding *h = &estate->holding[i][object];

		if (!h->how)
			continue;
		fprintf(f, "%s{\"pid\":%d,\"how\":\"%s\",\"from\":%d,\"mapped_bytes\":%zu,"
			"\"peak_mapped_bytes\":%zu,\"maps\":%u,\"unmaps\":%u,\"prot_ever\":\"%s\","
			"\"here\":%s}", comma, estate->pid[i], h->how, h->from,
			h->mapped * PAGE_BYTES, h->peak * PAGE_BYTES, h->maps, h->unmaps,
			prot_text(ever, h->prot_ever), estate->here[i] ? "true" : "false");
		comma = ",";
	}
	fputs("]", f);
}

static void print_handoffs(FILE *f, int object)
{
	const char *comma = "";

	fputs(",\"handoffs\":[", f);
	for (unsigned i = 0; i < estate->handoff_count; i++) {
		const struct handoff *h = &estate->handoff[i];

		if (h->at.object != object)
			continue;
		fprintf(f, "%s{\"from\":%d,\"to\":%d,\"offset\":%u,\"count\":%u}", comma, h->from,
			h->to, (unsigned)h->at.page * PAGE_BYTES + h->at.offset, h->count);
		comma = ",";
	}
	fputs("]", f);
}

static void print_object(int object, const char *chapter)
{
	const struct object *o = &estate->object[object];
	char *line = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&line, &len);

	if (!f)
		work_die("truth");
	fprintf(f, "{\"chapter\":\"%s\",\"type\":\"%s\",\"number\":%lu,", chapter,
		type_names[object], (unsigned long)o->ino);
	if (!estate->mingled)
		fprintf(f, "\"peak_mappers\":%u,\"overlap_peak_bytes\":%u,", o->peak_mappers,
			o->peak_overlap * PAGE_BYTES);
	print_mappers(f, object);
	print_handoffs(f, object);
	fputs("}", f);
	if (fclose(f))
		work_die("truth");
	work_object(line);
	free(line);
}

void estate_close(const char *chapter)
{
	if (munmap(kept, OBJECT_BYTES))
		work_die("munmap");
	estate_look(-1);
	for (int i = 0; i < OBJECTS; i++) {
		print_object(i, chapter);
		for (int k = 0; k < 2 && i != OBJECT_SYSV && i != OBJECT_ANON; k++)
			close(estate->fds[i][k]);
	}
	/* lives on as long as somebody has it */
	estate_remove_segment();
}
