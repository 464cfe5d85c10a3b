/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * In the sandbox nothing can be reached that was not open before, and what was
 * open still works: a recording is written and closed, another one read.
 */
#define _GNU_SOURCE 1

#include "test.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "source/recording.h"
#include "source/sandbox.h"

static void enter(bool keep_uid, bool file_io)
{
	struct sandbox_options opt = { .keep_uid = keep_uid, .allow_file_io = file_io };

	CHECK_EQ_I64(sandbox_enter(&opt), 0);
}

/* ends a case in the sandbox: the leak check would need what is forbidden here */
static void leave(void)
{
	_exit(0);
}

/* the call returned this, and errno says it was the filter */
#define CHECK_DENIED(call)						\
	do {								\
		errno = 0;						\
		CHECK_EQ_I64(call, -1);					\
		CHECK_EQ_I64(errno, EPERM);				\
	} while (0)

/* value of a line of /proc/self/status, through a descriptor opened before */
static void status_line(int fd, const char *name, char out[64])
{
	char text[8192];
	ssize_t n;
	const char *at, *end;

	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	n = read(fd, text, sizeof(text) - 1);
	CHECK(n > 0);
	text[n] = '\0';
	at = strstr(text, name);
	CHECK(at);
	at += strlen(name) + strlen(":\t");
	end = strchr(at, '\n');
	CHECK(end && end - at < 64);
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = '\0';
}

static void check_status(int fd, const char *name, const char *want)
{
	char got[64];

	status_line(fd, name, got);
	CHECK_STR(got, want);
}

TEST(no_privilege_is_left)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	int fd = open("/proc/self/status", O_RDONLY);

	if (geteuid() != 0)
		TEST_SKIP("needs root to have something to give up");
	enter(false, false);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		check_status(fd, sets[i], "0000000000000000");
	check_status(fd, "Uid", "65534\t65534\t65534\t65534");
	check_status(fd, "Gid", "65534\t65534\t65534\t65534");
	check_status(fd, "NoNewPrivs", "1");
	check_status(fd, "Seccomp", "2");
	check_status(fd, "Groups", " ");
	CHECK_DENIED(setuid(0));
	leave();
}

TEST(uid_can_be_kept)
{
	int fd = open("/proc/self/status", O_RDONLY);
	char want[64];

	snprintf(want, sizeof(want), "%u\t%u\t%u\t%u", getuid(), getuid(), getuid(), getuid());
	enter(true, true);
	check_status(fd, "Uid", want);
	check_status(fd, "CapEff", "0000000000000000");
	leave();
}

/* the start needs CAP_BPF and CAP_PERFMON only: none of CAP_SETUID, CAP_SETPCAP */
TEST(works_with_few_capabilities)
{
	static const cap_value_t few[] = { CAP_BPF, CAP_PERFMON };
	cap_t caps;
	int fd;

	if (geteuid() != 0)
		TEST_SKIP("choosing capabilities needs root");
	caps = cap_init();
	CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	CHECK(setresuid(12345, 12345, 12345) == 0);
	CHECK(cap_set_flag(caps, CAP_PERMITTED, 2, few, CAP_SET) == 0);
	CHECK(cap_set_flag(caps, CAP_EFFECTIVE, 2, few, CAP_SET) == 0);
	CHECK(cap_set_proc(caps) == 0);
	cap_free(caps);
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	fd = open("/proc/self/status", O_RDONLY);
	enter(false, false);
	check_status(fd, "CapPrm", "0000000000000000");
	check_status(fd, "Uid", "12345\t12345\t12345\t12345");
	leave();
}

TEST(nothing_new_can_be_reached)
{
	pid_t parent = getppid(), self = getpid();
	int epoll = epoll_create1(0), pidfd = (int)syscall(SYS_pidfd_open, parent, 0);
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER };
	struct io_uring_params ring = { 0 };
	struct epoll_event event = { 0 };
	struct stat st;
	char *argv[] = { "/bin/true", NULL };

	enter(false, true);
	CHECK_DENIED(open("/etc/passwd", O_RDONLY));
	CHECK_DENIED(open("/tmp/x", O_WRONLY | O_CREAT, 0600));
	CHECK_DENIED(stat("/etc/passwd", &st));
	CHECK_DENIED(unlink("/etc/passwd"));
	CHECK_DENIED(chmod("/tmp", 0777));
	CHECK_DENIED(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_DENIED(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_DENIED(execve(argv[0], argv, argv + 1));
	CHECK_DENIED(syscall(SYS_fork));
	CHECK_DENIED(syscall(SYS_clone3, NULL, 0));
	CHECK_DENIED(ptrace(PTRACE_ATTACH, parent, NULL, NULL));
	CHECK_DENIED(kill(parent, 0));
	CHECK_DENIED(kill(parent, SIGTERM));
	CHECK_DENIED(syscall(SYS_tgkill, parent, parent, SIGTERM));
	CHECK_DENIED(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0));
	CHECK_DENIED(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
	CHECK_DENIED(syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
	CHECK_DENIED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	CHECK_DENIED(fcntl(epoll, F_SETOWN, parent));
	CHECK_DENIED(epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event));
	CHECK_DENIED(syscall(SYS_io_uring_setup, 1, &ring));
	CHECK_DENIED(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	CHECK_DENIED(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
	CHECK_DENIED(syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr)));
	CHECK_DENIED(syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr)));
	CHECK_DENIED(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		     MAP_FAILED ? -1 : 0);
	CHECK_DENIED(mprotect(NULL, 0, PROT_EXEC));
	CHECK_DENIED(ioctl(0, TIOCSTI, "x"));
	CHECK(self == getpid());
	leave();
}

/* the filter stops the same calls first: this wall is tried without it */
TEST(landlock_is_a_wall_of_its_own)
{
	static const int abi_query = 1;
	int held = open("/proc/self/status", O_RDONLY);
	char byte;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, abi_query) < 1)
		TEST_SKIP("this kernel has no Landlock");
	CHECK_EQ_I64(sandbox_become(geteuid(), getegid()), 0);
	CHECK_EQ_I64(sandbox_forbid_files(), 0);
	CHECK(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
	CHECK(open("/tmp", O_RDONLY | O_DIRECTORY) == -1 && errno == EACCES);
	CHECK(mkdir("/tmp/lens-sandbox-made", 0700) == -1 && errno == EACCES);
	CHECK(access("/tmp/lens-sandbox-made", F_OK) == -1 && errno == ENOENT);
	CHECK_EQ_I64(read(held, &byte, 1), 1);
	leave();
}

TEST(event_loop_still_works)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, 0), epoll = epoll_create1(0);
	struct itimerspec in_1_ms = { .it_value = { .tv_nsec = 1000000 } };
	struct epoll_event event = { .events = EPOLLIN };
	struct timespec now, wait = { .tv_nsec = 1000 };
	union bpf_attr attr = { .map_fd = 9999 };
	uint64_t expired;
	struct stat st;
	void *memory;

	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) == 0);
	enter(false, false);
	CHECK(timerfd_settime(timer, 0, &in_1_ms, NULL) == 0);
	CHECK(epoll_wait(epoll, &event, 1, 1000) == 1);
	CHECK(read(timer, &expired, sizeof(expired)) == sizeof(expired));
	CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
	CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL) == 0);
	CHECK(fstat(timer, &st) == 0);
	/* heap, by brk and by mmap, growing and shrinking */
	memory = xcalloc(1, 1000);
	memory = xrealloc(memory, 1, 10 << 20);
	memory = xrealloc(memory, 1, 20 << 20);
	free(memory);
	/* allowed: the kernel looks at the bad descriptor */
	CHECK(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) == -1 && errno == EBADF);
	CHECK(syscall(SYS_bpf, BPF_MAP_GET_NEXT_KEY, &attr, sizeof(attr)) == -1 && errno == EBADF);
	CHECK(syscall(SYS_bpf, BPF_MAP_LOOKUP_AND_DELETE_ELEM, &attr, sizeof(attr)) == -1 &&
	      errno == EBADF);
	/* files only where asked for */
	CHECK_DENIED(pread(timer, &expired, 8, 0));
	CHECK_DENIED(ftruncate(timer, 0));
	leave();
}

/* ------------------------------------------------------------ recordings */

static int write_marks(struct recording_writer *w, unsigned count)
{
	struct lens_rec_mark mark = { .h = { .len = sizeof(mark), .type = LENS_REC_MARK } };
	struct lens_rec_total total = {
		.h = { .len = sizeof(total), .type = LENS_REC_TOTAL },
		.key = { .kind = LENS_KIND_PIPE },
	};

	for (unsigned i = 0; i < count; i++) {
		int r;

		mark.value = i * 0x9e3779b97f4a7c15ULL;
		total.key.ino = i;
		total.total.bytes = mark.value;
		r = recording_write(w, &mark.h);
		if (r == 0)
			r = recording_write(w, &total.h);
		if (r == 0 && i % 5000 == 0)
			r = recording_flush(w);
		if (r < 0)
			return r;
	}
	return 0;
}

static int count_records(void *arg, const struct lens_rec *rec)
{
	++*(uint64_t *)arg;
	return 0;
}

/* the directory is root's, the recorder nobody: long enough for the log to start over */
TEST(recording_is_written_and_closed)
{
	char place[] = "/tmp/lens-sandbox-XXXXXX";
	_cleanup_(recording_freep) struct recording_reader *r = NULL;
	struct recording_writer *w = NULL;
	uint64_t records = 0;
	int status;
	pid_t pid;

	CHECK(mkdtemp(place) && chdir(place) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ_I64(recording_create("r", false, &w), 0);
		enter(false, true);
		CHECK_EQ_I64(write_marks(w, 200000), 0);
		CHECK_EQ_I64(recording_close(&w), 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ_I64(status, 0);
	CHECK_EQ_I64(recording_open("r", &r), 0);
	CHECK_EQ_I64(recording_read(r, count_records, &records), 0);
	CHECK(recording_is_complete(r));
	CHECK_EQ_U64(records, 400000);
	/* one file, and nothing beside it */
	CHECK(access("r-wal", F_OK) != 0 && access("r-shm", F_OK) != 0);
	CHECK(unlink("r") == 0 && rmdir(place) == 0);
}

TEST(recording_is_read)
{
	char place[] = "/tmp/lens-sandbox-XXXXXX";
	_cleanup_(recording_freep) struct recording_reader *r = NULL;
	struct recording_writer *w = NULL;
	uint64_t records = 0;

	CHECK(mkdtemp(place) && chdir(place) == 0);
	CHECK_EQ_I64(recording_create("r", false, &w), 0);
	CHECK_EQ_I64(write_marks(w, 1000), 0);
	CHECK_EQ_I64(recording_close(&w), 0);
	CHECK_EQ_I64(recording_open("r", &r), 0);
	CHECK(unlink("r") == 0 && chdir("/") == 0 && rmdir(place) == 0);
	enter(false, true);
	CHECK_EQ_I64(recording_read(r, count_records, &records), 0);
	CHECK(recording_is_complete(r));
	CHECK_EQ_U64(records, 2000);
	leave();
}

/* ---------------------------------------------------------------- command */

TEST(command_is_released_from_the_sandbox)
{
	char *argv[] = { "sh", "-c", "exit 3", NULL };
	_cleanup_(command_freep) struct command *c = NULL;
	int status;

	CHECK_EQ_I64(command_prepare(argv, &c), 0);
	enter(false, false);
	CHECK_EQ_I64(command_go(c), 0);
	CHECK_EQ_I64(command_wait(c, &status), 0);
	CHECK(WIFEXITED(status));
	CHECK_EQ_I64(WEXITSTATUS(status), 3);
	leave();
}
