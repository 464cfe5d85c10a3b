/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Shared memory of every kind, and all that can become of a mapping. What is
 * mapped in the end a test reads from /proc/PID/maps; what it cannot read
 * there (identities, counts, what is gone by then) are facts.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

#define PAGE 4096l

static char shm_name[64], file_name[64];
static int segments[8];
static unsigned segment_count;
static pid_t owner;

/* ------------------------------------------------------------------ objects */

static void remove_all(void)
{
	if (getpid() != owner)
		return;
	for (unsigned i = 0; i < segment_count; i++)
		shmctl(segments[i], IPC_RMID, NULL);
	if (shm_name[0])
		shm_unlink(shm_name);
	if (file_name[0])
		unlink(file_name);
}

static void own(void)
{
	if (owner)
		return;
	owner = getpid();
	atexit(remove_all);
}

static void *map(void *at, long pages, int prot, int flags, int fd, long first_page)
{
	void *p = mmap(at, (size_t)(pages * PAGE), prot, flags, fd, first_page * PAGE);

	if (p == MAP_FAILED)
		work_die("mmap");
	return p;
}

static int sized(int fd, long pages, const char *what)
{
	if (fd < 0 || ftruncate(fd, pages * PAGE))
		work_die(what);
	return fd;
}

static int memfd(const char *name, long pages)
{
	return sized(memfd_create(name, MFD_ALLOW_SEALING | MFD_CLOEXEC), pages, "memfd_create");
}

static int posix_shm(int flags, long pages)
{
	int fd;

	own();
	snprintf(shm_name, sizeof(shm_name), "/lens-work-%d", owner);
	fd = shm_open(shm_name, flags, 0600);
	return flags & O_CREAT ? sized(fd, pages, "shm_open") : fd;
}

static int plain_file(long pages)
{
	own();
	snprintf(file_name, sizeof(file_name), "/tmp/lens-work-%d", owner);
	return sized(open(file_name, O_RDWR | O_CREAT | O_EXCL, 0600), pages, "open");
}

static int segment(long bytes)
{
	int id = shmget(IPC_PRIVATE, (size_t)bytes, IPC_CREAT | 0640);

	own();
	if (id < 0)
		work_die("shmget");
	segments[segment_count++] = id;
	return id;
}

static char *attach(int id, void *at, int flags)
{
	char *p = shmat(id, at, flags);

	if (p == (void *)-1)
		work_die("shmat");
	return p;
}

static void fact_inode(const char *name, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		work_die("fstat");
	work_fact(name, (long)st.st_ino);
}

static void fact_segment(int id)
{
	struct shmid_ds ds;

	if (shmctl(id, IPC_STAT, &ds))
		work_die("IPC_STAT");
	work_fact("shmid", id);
	work_fact("segsz", (long)ds.shm_segsz);
	work_fact("cpid", ds.shm_cpid);
	work_fact("nattch", (long)ds.shm_nattch);
	work_fact("mode", ds.shm_perm.mode & 0777);
}

/* -------------------------------------------------------------------- kinds */

static int shared_segment;

/* opens by name what its parent made, and only to read */
static void read_only(void *arg)
{
	int fd = posix_shm(O_RDONLY, 0);

	if (fd < 0)
		work_die("shm_open");
	map(NULL, 4, PROT_READ, MAP_SHARED, fd, 0);
	attach(shared_segment, NULL, SHM_RDONLY);
}

static void run_kinds(void)
{
	int mem = memfd("lens \033[1m kind", 8), posix = posix_shm(O_RDWR | O_CREAT, 4);
	int file = plain_file(16);
	char *p;

	shared_segment = segment(3 * PAGE + 5);
	p = attach(shared_segment, NULL, 0);
	memset(p, 1, 2 * PAGE);
	p = map(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	memset(p, 1, 3 * PAGE);
	map(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, posix, 0);
	map(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, file, 2);
	map(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	map(NULL, 5, PROT_READ | PROT_WRITE, MAP_PRIVATE, mem, 0);
	if (fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW))
		work_die("F_ADD_SEALS");
	work_ready();
	work_wait(work_spawn(read_only, NULL));
	fact_inode("memfd", mem);
	fact_inode("posix", posix);
	fact_inode("file", file);
	fact_segment(shared_segment);
}

/* ------------------------------------------------------------- what becomes */

/* a hole of private memory at an address that nobody else will take */
static char *reserve(long pages)
{
	return map(NULL, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void change_mappings(int mem, int id)
{
	const int rw = PROT_READ | PROT_WRITE;
	char *room = reserve(256), *p;

	/* a hole in the middle, and one that something private lies in */
	p = map(room, 16, rw, MAP_SHARED | MAP_FIXED, mem, 0);
	munmap(p + 4 * PAGE, 2 * PAGE);
	map(p + 8 * PAGE, 3, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	/* another part of the object over the first one */
	map(p + 14 * PAGE, 4, PROT_READ, MAP_SHARED | MAP_FIXED, mem, 20);
	/* one range, three protections */
	p = map(room + 32 * PAGE, 12, rw, MAP_SHARED | MAP_FIXED, mem, 30);
	mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ);
	mprotect(p + 6 * PAGE, 1 * PAGE, PROT_NONE);
	/* shrinks; grows in place; moves; moves to a chosen place over another */
	p = map(room + 64 * PAGE, 8, rw, MAP_SHARED | MAP_FIXED, mem, 0);
	mremap(p, 8 * PAGE, 3 * PAGE, 0);
	munmap(room + 72 * PAGE, 16 * PAGE);
	p = map(room + 72 * PAGE, 2, rw, MAP_SHARED | MAP_FIXED, mem, 8);
	if (mremap(p, 2 * PAGE, 6 * PAGE, 0) == MAP_FAILED)
		work_die("mremap in place");
	p = map(room + 96 * PAGE, 4, rw, MAP_SHARED | MAP_FIXED, mem, 40);
	map(room + 100 * PAGE, 4, rw, MAP_SHARED | MAP_FIXED, mem, 50);
	if (mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room + 128 * PAGE) ==
	    MAP_FAILED)
		work_die("mremap to a place");
	/* an old length of 0: mapped twice */
	p = map(room + 160 * PAGE, 4, rw, MAP_SHARED | MAP_FIXED, mem, 60);
	if (mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED)
		work_die("mremap of nothing");
	/* three attachments, of which one goes, and one is pierced first */
	shmdt(attach(id, NULL, 0));
	attach(id, NULL, SHM_RDONLY);
	p = attach(id, room + 192 * PAGE, SHM_REMAP);
	munmap(p + PAGE, PAGE);
	shmdt(p);
	/* a whole one that only failed calls are about */
	p = map(room + 224 * PAGE, 4, rw, MAP_SHARED | MAP_FIXED, mem, 0);
	work_expect_error(munmap(p + 1, PAGE), EINVAL, "munmap of no page");
	work_expect_error(mprotect(p, PAGE, 64), EINVAL, "mprotect to nothing known");
	work_expect_error(shmdt(p), EINVAL, "shmdt of a memfd");
	/* and one of each that does not last */
	p = map(NULL, 7, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	munmap(p, 7 * PAGE);
}

static int change_mem, change_id;

static void inherit_and_change(void *arg)
{
	change_mappings(change_mem, change_id);
}

static void run_changes(void)
{
	pid_t children[2];

	change_mem = memfd("changes", 128);
	change_id = segment(4 * PAGE);
	attach(change_id, NULL, 0);
	work_ready();
	change_mappings(change_mem, change_id);
	for (int i = 0; i < 2; i++)
		children[i] = work_spawn(inherit_and_change, NULL);
	for (int i = 0; i < 2; i++)
		work_wait(children[i]);
	fact_inode("memfd", change_mem);
	fact_segment(change_id);
}

static void idle(void *arg)
{
}

/* many mappings and unmappings at few addresses, each thread at its own */
static void *storm(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	char *room = reserve(64);

	for (long i = 0; i < work_arg(0, 2000); i++) {
		long at = rand_r(&seed) % 48, pages = 1 + rand_r(&seed) % 16;

		switch (rand_r(&seed) % 4) {
		case 0:
		case 1:
			map(room + at * PAGE, pages, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, change_mem, rand_r(&seed) % 100);
			break;
		case 2:
			map(room + at * PAGE, pages, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_FIXED, -1, 0);
			break;
		case 3:
			mprotect(room + at * PAGE, (size_t)(pages * PAGE),
				 rand_r(&seed) % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
			break;
		}
	}
	return NULL;
}

static void run_storm(void)
{
	pthread_t threads[3];

	change_mem = memfd("storm", 128);
	map(NULL, 128, PROT_READ, MAP_SHARED, change_mem, 0);
	work_spawn(idle, NULL);		/* somebody to share it with */
	work_ready();
	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		if (pthread_create(&threads[i], NULL, storm, (void *)(i + 1)))
			work_die("pthread_create");
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	fact_inode("memfd", change_mem);
}

/* more ranges than one reading of a snapshot holds */
static void run_many(void)
{
	char *room;

	change_mem = memfd("many", 4096);
	room = reserve(4096);
	for (long i = 0; i < 2000; i++)
		map(room + i * 2 * PAGE, 1, PROT_READ, MAP_SHARED | MAP_FIXED, change_mem, i);
	work_ready();
	fact_inode("memfd", change_mem);
}

/* ------------------------------------------------------------ short lives */

static void run_mayflies(void)
{
	long times = work_arg(0, 50);

	posix_shm(O_RDWR | O_CREAT, 3);
	work_ready();
	for (long i = 0; i < times; i++) {
		pid_t pid = fork();

		if (!pid) {
			char *p = map(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED,
				      posix_shm(O_RDWR, 0), 0);

			p[0]++;
			if (i % 2)
				munmap(p, 3 * PAGE);
			_exit(0);
		}
		if (pid < 0)
			work_die("fork");
		if (waitpid(pid, NULL, 0) != pid)
			work_die("waitpid");
	}
	work_fact("times", times);
}

/* in a process of its own, of an object that stays */
static void map_as_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		map(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, posix_shm(O_RDWR, 0), 0);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		work_die("a child");
}

/* rounds of objects and of processes that come and go; "more" is awaited after each */
static void run_churn(void)
{
	long rounds = work_arg(0, 5), each = work_arg(1, 400);
	char more[5];

	posix_shm(O_RDWR | O_CREAT, 1);
	map(NULL, 1, PROT_READ, MAP_SHARED, posix_shm(O_RDWR, 0), 0);
	work_ready();
	for (long r = 0; r < rounds; r++) {
		for (long i = 0; i < each; i++) {
			int fd = memfd("churn", 1);

			munmap(map(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), PAGE);
			close(fd);
			map_as_child();
		}
		if (read(STDIN_FILENO, more, sizeof(more)) != sizeof(more))
			work_die("stdin");
	}
	work_fact("objects", rounds * each);
	work_fact("processes", rounds * each);
}

static void run_removed(void)
{
	int id = segment(2 * PAGE);
	char *p;

	work_ready();
	p = attach(id, NULL, 0);
	if (shmctl(id, IPC_RMID, NULL))
		work_die("IPC_RMID");
	fact_segment(id);
	shmdt(p);
}

/* another program that waits for the end of this one */
static void become(void *arg)
{
	execl("/usr/bin/tail", "tail", "-f", "/dev/null", NULL);
	work_die("exec");
}

/* until it is another program */
static void wait_exec(pid_t pid)
{
	char path[32], comm[16] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	while (strcmp(comm, "tail\n")) {
		FILE *f = fopen(path, "r");

		if (!f || !fgets(comm, sizeof(comm), f))
			work_die(path);
		fclose(f);
		sched_yield();
	}
}

/* what a program had mapped the next one in its process has not */
static void run_exec(void)
{
	pid_t child;

	change_mem = memfd("exec", 4);
	map(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, change_mem, 0);
	work_ready();
	child = work_spawn(become, NULL);
	wait_exec(child);
	work_fact("child", child);
	fact_inode("memfd", change_mem);
}

/* -------------------------------------------------------------- namespaces */

static void elsewhere(void *arg)
{
	if (unshare(CLONE_NEWIPC))
		work_die("unshare");
	/* the first segment of a namespace: the same id as any other first one */
	attach(segment(PAGE), NULL, 0);
}

static void run_namespaces(void)
{
	pid_t child;

	if (unshare(CLONE_NEWIPC))
		work_skip("a new ipc namespace needs CAP_SYS_ADMIN");
	attach(segment(2 * PAGE), NULL, 0);
	work_ready();
	child = work_spawn(elsewhere, NULL);
	work_wait(child);
	work_fact("child", child);
	work_fact("shmid", segments[0]);
}

/* ---------------------------------------------------------------- hand-offs */

static uint32_t *words;

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* sleeps until *word is no more `old`; counts the waits that a wake-up ended */
static long wait_change(uint32_t *word, uint32_t old)
{
	long woken = 0;

	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == old)
		woken += futex(word, FUTEX_WAIT, old) == 0;
	return woken;
}

static long signal_change(uint32_t *word)
{
	long woken;

	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
	woken = futex(word, FUTEX_WAKE, INT_MAX);
	if (woken < 0)
		work_die("FUTEX_WAKE");
	return woken;
}

/* words: 0 ours to say, 1 its to answer, 2 how often it was woken, 3 whom it woke */
static void answer(void *arg)
{
	for (long i = 0; i < work_arg(0, 500); i++) {
		words[2] += (uint32_t)wait_change(&words[0], (uint32_t)i);
		words[3] += (uint32_t)signal_change(&words[1]);
	}
}

static void run_handoffs(void)
{
	long woken = 0, woke = 0;
	pid_t child;

	change_mem = memfd("handoffs", 1);
	words = map(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, change_mem, 0);
	work_ready();
	child = work_spawn(answer, NULL);
	for (long i = 0; i < work_arg(0, 500); i++) {
		woke += signal_change(&words[0]);
		woken += wait_change(&words[1], (uint32_t)i);
	}
	work_wait(child);
	/* no hand-off: within one process, and where nobody else can be */
	futex(&words[5], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	fact_inode("memfd", change_mem);
	work_fact("child", child);
	work_fact("woke", woke);
	work_fact("woken", woken);
	work_fact("child_woken", words[2]);
	work_fact("child_woke", words[3]);
}

static const struct work_mode modes[] = {
	{ "kinds", run_kinds },
	{ "changes", run_changes },
	{ "storm", run_storm },
	{ "many", run_many },
	{ "mayflies", run_mayflies },
	{ "churn", run_churn },
	{ "removed", run_removed },
	{ "exec", run_exec },
	{ "namespaces", run_namespaces },
	{ "handoffs", run_handoffs },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
