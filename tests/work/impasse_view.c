/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Knots of which the processes alone do not tell: memory that others can come to,
 * calls that are held before they begin, numbers of threads that mean two of them.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "knot.h"
#include "knot_pipes.h"
#include "work.h"

#define PAGE 4096

static int s[2];

/* --------------------------------------------------------------------- memory */

static uint32_t *word;
static int memory;

static void sleep_at(uint32_t *at, int operation)
{
	syscall(SYS_futex, at, operation, 0, NULL, NULL, 0);
}

static void wait_at_word(void *unused)
{
	close_others(q[1], -1);
	sleep_at(word, FUTEX_WAIT);
}

static void hold_memory(void *unused)
{
	munmap(word, PAGE);
	close_others(memory, -1);
}

/* those who map it wait for each other; the third has its descriptor, and can map it */
static void memfd_holder(void)
{
	make_pipe(q);
	memory = memfd_create("lens-knot", 0);
	if (memory < 0 || ftruncate(memory, PAGE))
		work_die("memfd_create");
	word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (word == MAP_FAILED)
		work_die("mmap");
	role("waiter", work_spawn(wait_at_word, NULL));
	role("reader", work_spawn(read_q, NULL));
	role("holder", work_spawn(hold_memory, NULL));
	munmap(word, PAGE);
	let_go();
	asleep("waiter", SYS_futex);
	asleep("reader", SYS_read);
	asleep("holder", SYS_pause);
}

static int segment;

static void remove_segment(void)
{
	if (is_main())
		shmctl(segment, IPC_RMID, NULL);
}

static void attach_and_wait(void *unused)
{
	word = shmat(segment, NULL, 0);
	if (word == (void *)-1)
		work_die("shmat");
	sleep_at(word, FUTEX_WAIT);
}

/* nobody else has attached it, but anybody of its owner's can */
static void sysv_segment(void)
{
	segment = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
	if (segment < 0)
		work_skip("no SysV shared memory here");
	role("waiter", work_spawn(attach_and_wait, NULL));
	atexit(remove_segment);
	asleep("waiter", SYS_futex);
}

static uint32_t private_word;

static void *wait_at_private_word(void *unused)
{
	sleep_at(&private_word, FUTEX_WAIT_PRIVATE);
	return NULL;
}

/* in the memory of its parent: nothing here may leave a trace in it */
static int keep_memory(void *unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_others(-1, -1);
	return pause();
}

static void make_sharer(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid = clone(keep_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

	if (pid < 0)
		work_die("clone");
	tell(pid);
	close_others(p[0], q[1]);
}

static void share_memory(void *unused)
{
	pthread_t thread;

	make_sharer();
	if (pthread_create(&thread, NULL, wait_at_private_word, NULL))
		work_die("pthread_create");
	get(p[0]);
}

static void shared_by(void (*waiter)(void *))
{
	role("waiter", work_spawn(waiter, NULL));
	role("sharer", hear_pid());
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("sharer", SYS_pause);
	asleep("reader", SYS_read);
	asleep_anywhere("waiter", SYS_read);
	asleep_anywhere("waiter", SYS_futex);
}

/* a private futex is of all who have the memory, not only of the threads of a process */
static void clone_vm(void)
{
	make_pipes();
	make_channel();
	shared_by(share_memory);
}

static void *wait_without_leader(void *unused)
{
	await_end_of_leader();
	return wait_at_private_word(NULL);
}

static void *share_without_leader(void *unused)
{
	await_end_of_leader();
	make_sharer();
	get(p[0]);
	return NULL;
}

static void leave_sharing(void *unused)
{
	pthread_t one, other;

	if (pthread_create(&one, NULL, wait_without_leader, NULL) ||
	    pthread_create(&other, NULL, share_without_leader, NULL))
		work_die("pthread_create");
	/* not pthread_exit(3), which would load a library */
	syscall(SYS_exit, 0);
}

/* the same, of a process whose leader has ended, but is counted with its threads */
static void clone_vm_without_leader(void)
{
	make_pipes();
	make_channel();
	shared_by(leave_sharing);
}

static pid_t traced;
static int of_tracer[2];	/* is told there what to trace */

/* ends as soon as it is, and stays, since nobody waits for it */
static void *end_traced(void *unused)
{
	char line[256];
	int tracer = 0;

	__atomic_store_n(&traced, gettid(), __ATOMIC_SEQ_CST);
	while (!tracer) {
		FILE *f = fopen("/proc/thread-self/status", "re");

		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "TracerPid: %d", &tracer) == 1)
				break;
		if (f)
			fclose(f);
		usleep(1000);
	}
	syscall(SYS_exit, 0);
	return NULL;
}

static void share_with_ended(void *unused)
{
	pthread_t thread;
	pid_t tid;

	if (pthread_create(&thread, NULL, end_traced, NULL))
		work_die("pthread_create");
	while (!(tid = __atomic_load_n(&traced, __ATOMIC_SEQ_CST)))
		usleep(1000);
	if (write(of_tracer[1], &tid, sizeof(tid)) != sizeof(tid))
		work_die("write");
	await_end_of_thread(tid);
	share_memory(NULL);
}

static void seize(void *unused)
{
	if (read(of_tracer[0], &traced, sizeof(traced)) != sizeof(traced))
		work_die("read");
	close_others(-1, -1);
	if (ptrace(PTRACE_SEIZE, traced, NULL, NULL))
		work_die("ptrace");
	wait_for_end();
}

/* ... of a process with a thread that has ended, but is counted with the others */
static void clone_vm_with_ended(void)
{
	make_pipes();
	make_channel();
	make_pipe(of_tracer);
	/* the first to end, so that the other can */
	role("tracer", work_spawn(seize, NULL));
	shared_by(share_with_ended);
}

/* ------------------------------------------------------------- whose number it is */

static pthread_mutex_t *mutex;

static void make_mutex(void)
{
	pthread_mutexattr_t attr;

	mutex = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mutex == MAP_FAILED)
		work_die("mmap");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attr);
}

#define IN_PLACE 0 /* ticks: the first process of a namespace has let go of everything */
#define LOCKED	 1 /* ... the owner has the mutex */

static pid_t first[2]; /* processes of their namespaces */

/* they end when all others there are reaped: those of work_spawn() have to be gone before */
static void end_namespaces(void)
{
	for (unsigned i = 0; is_main() && i < ARRAY_SIZE(first) && first[i]; i++) {
		kill(first[i], SIGKILL);
		waitpid(first[i], NULL, 0);
	}
}

/* children from now on are in a pid namespace of their own, whose first process this makes */
static void enter_namespace(unsigned n, int own)
{
	if (setns(own, CLONE_NEWPID) || unshare(CLONE_NEWPID))
		work_skip("no pid namespaces here");
	first[n] = fork();
	if (first[n] < 0)
		work_die("fork");
	if (first[n]) {
		work_wait_ticks(IN_PLACE, n + 1);
		return;
	}
	work_adopt();
	munmap(mutex, PAGE);
	close_others(-1, -1);
	work_tick(IN_PLACE);
	for (;;)
		pause();
}

static void lock_as_second(void *unused)
{
	work_expect(getpid(), 2, "number of the owner");
	close_others(-1, -1);
	pthread_mutex_lock(mutex);
	work_tick(LOCKED);
}

static void read_q_as_second(void *unused)
{
	work_expect(getpid(), 2, "number of the stranger");
	munmap(mutex, PAGE);
	read_q(NULL);
}

static void lock_with_q(void *unused)
{
	close_others(q[1], -1);
	work_wait_ticks(LOCKED, 1);
	pthread_mutex_lock(mutex);
}

/* the number in the mutex is that of its owner, and in the waiter's namespace a stranger's */
static void two_namespaces(void)
{
	int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	make_pipes();
	make_mutex();
	work_ready();
	enter_namespace(0, own);
	role("stranger", work_spawn(read_q_as_second, NULL));
	role("waiter", work_spawn(lock_with_q, NULL));
	enter_namespace(1, own);
	role("owner", work_spawn(lock_as_second, NULL));
	munmap(mutex, PAGE);
	let_go();
	asleep("stranger", SYS_read);
	asleep("owner", SYS_pause);
	asleep("waiter", SYS_futex);
}

/* ------------------------------------------------------------------------ calls */

static int receive_descriptor(int from)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int fd;

	/* no end of file: the sender may have said why there is none */
	if (recvmsg(from, &m, 0) < 1 || !CMSG_FIRSTHDR(&m))
		_exit(0);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1u << 5)
#endif

/* the listener of a filter that holds every read(2) of this process */
static int hold_reads(unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { ARRAY_SIZE(code), code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &filter);
}

static void read_p_held(void *unused)
{
	int fd = hold_reads(0);

	if (fd < 0)
		work_skip("no notifications of seccomp here");
	send_descriptor(s[0], fd);
	close_others(p[0], q[1]);
	get(p[0]);
}

static void supervise(void *unused)
{
	close_others(s[1], -1);
	receive_descriptor(s[1]);
}

/* it looks as if it were in read(2), but the supervisor can answer in the kernel's stead */
static void seccomp_held(void)
{
	pid_t supervisor;

	make_pipes();
	make_socket_pair(s, SOCK_SEQPACKET);
	role("supervised", work_spawn(read_p_held, NULL));
	supervisor = work_spawn(supervise, NULL);
	role("supervisor", supervisor);
	role("reader", work_spawn(read_q, NULL));
	let_go();
	asleep("supervised", SYS_read);
	asleep("supervisor", SYS_pause);
	asleep("reader", SYS_read);
}

static int u[2];

static void splice_into_p(void *unused)
{
	close_others(u[0], p[1]);
	splice(u[0], NULL, p[1], NULL, 1, 0);
}

static void nothing(int unused)
{
}

static void read_p_held_for_good(void *unused)
{
	int fd = hold_reads(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	if (fd < 0)
		work_skip("no such notifications of seccomp here");
	signal(SIGUSR1, nothing);
	send_descriptor(s[0], fd);
	close_others(p[0], u[1]);
	get(p[0]);
}

static void supervise_for_good(void *unused)
{
	/* larger than what any kernel has */
	static uint64_t notification[64];
	int fd;

	close_others(s[1], -1);
	fd = receive_descriptor(s[1]);
	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, notification))
		work_die("a notification");
}

static bool is_uninterruptible(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
		work_die("a process that is held");
	fclose(f);
	return state == 'D';
}

/*
 * From the first signal on that comes when the supervisor has taken the notification, no other
 * wakes it but one that ends it: as who waits for the lock of a pipe, which somebody has.
 */
static void seccomp_lock(void)
{
	pid_t held;

	make_pipes();
	make_socket_pair(s, SOCK_SEQPACKET);
	make_socket_pair(u, SOCK_STREAM);
	role("waiter", work_spawn(splice_into_p, NULL));
	asleep("waiter", SYS_splice);
	held = work_spawn(read_p_held_for_good, NULL);
	role("supervised", held);
	role("supervisor", work_spawn(supervise_for_good, NULL));
	let_go();
	asleep("supervisor", SYS_pause);
	kill(held, SIGUSR1);
	while (!is_uninterruptible(held))
		usleep(1000);
}

/* --------------------------------------------------------------------- children */

static void hold_nothing(void *unused)
{
	close_others(-1, -1);
}

static void vfork_writer(void *unused)
{
	/* a child that lives, but that vfork(2) does not wait for */
	work_wait(work_spawn(hold_nothing, NULL));
	if (!vfork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		tell(getpid());
		close_others(p[1], -1);
		put(p[1]);
		_exit(0);
	}
}

/* it does so uninterruptibly, so asleep() would not do */
static void wait_in_vfork(pid_t pid)
{
	struct timespec t = { .tv_nsec = 1000000 };
	char path[64], line[256];
	long nr = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	while (nr != SYS_vfork) {
		FILE *f = fopen(path, "re");

		if (!f)
			work_die(path);
		/* no number but "running" until it sleeps */
		nr = fgets(line, sizeof(line), f) && line[0] != 'r' ? strtol(line, NULL, 10) : -1;
		fclose(f);
		nanosleep(&t, NULL);
	}
}

/* the parent of a vfork(2) has the reading end of the full pipe that its child writes to */
static void vfork_other(void)
{
	pid_t parent;

	make_pipe(p);
	make_channel();
	fill(p[1]);
	parent = work_spawn(vfork_writer, NULL);
	role("parent", parent);
	role("child", hear_pid());
	let_go();
	asleep("child", SYS_write);
	wait_in_vfork(parent);
}

static const struct work_mode modes[] = {
	{ "memfdholder", memfd_holder }, { "sysvshm", sysv_segment },
	{ "clonevm", clone_vm },	 { "pidnamespaces", two_namespaces },
	{ "seccompn", seccomp_held },	 { "seccomplock", seccomp_lock },
	{ "vforkother", vfork_other },	 { "clonevmleader", clone_vm_without_leader },
	{ "clonevmended", clone_vm_with_ended },
};

int main(int argc, char **argv)
{
	/* before work_main() registers what ends its children: so it comes after that */
	atexit(end_namespaces);
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
