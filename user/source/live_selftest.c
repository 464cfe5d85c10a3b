// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Do the hooks fire? Some attach and never run, as function hooks do where ftrace is
 * off, and a report would show silence as if it were the truth. So known calls of
 * our own go through channels of our own, and every one has to be found in the
 * totals before a variant counts as chosen. No trace of them is left.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lens.skel.h"
#include "source/live.h"

/* one call that succeeded; those of one channel and direction have no bit of `bytes` in common */
struct known_call {
	const char *name;
	enum live_test_chan chan;
	enum lens_dir dir;
	uint64_t bytes;
};

#define KNOWN_CALLS_MAX 9

struct known_calls {
	struct known_call call[KNOWN_CALLS_MAX];
	size_t count;
	/* of those that are known to have been seen or not as soon as they return */
	size_t seen;
	const char *missed;
};

/* a call that does not work here, for reasons of its own, proves nothing */
static void know(struct known_calls *k, const char *name, enum live_test_chan chan,
		 enum lens_dir dir, ssize_t ret)
{
	if (ret > 0 && k->count < KNOWN_CALLS_MAX)
		k->call[k->count++] = (struct known_call){ name, chan, dir, ret };
}

/* ------------------------------------------------------------------- calls */

struct pipes {
	int a[2], b[2], file;
};

static void close_pipes(struct pipes *p)
{
	int fds[] = { p->a[0], p->a[1], p->b[0], p->b[1], p->file };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int name_inode(struct live *l, enum live_test_chan which, enum lens_kind kind, int fd)
{
	const struct lens__rodata *known = l->skel->rodata;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	l->test_chans[which] = (struct lens_chan){
		.ino = st.st_ino, .kind = kind,
		.dev = kind == LENS_KIND_PIPE ? known->lens_pipefs_dev : known->lens_sockfs_dev,
	};
	return 0;
}

/* nothing here can block: the pipes are empty, and never wait */
static void call_pipes(struct live *l, struct known_calls *k)
{
	_cleanup_(close_pipes) struct pipes p = { { -1, -1 }, { -1, -1 }, -1 };
	char data[8] = "ipclens";
	struct iovec two = { data, 2 };
	ssize_t n;

	if (pipe2(p.a, O_CLOEXEC | O_NONBLOCK) || pipe2(p.b, O_CLOEXEC | O_NONBLOCK) ||
	    name_inode(l, TEST_PIPE_A, LENS_KIND_PIPE, p.a[0]) ||
	    name_inode(l, TEST_PIPE_B, LENS_KIND_PIPE, p.b[0]))
		return;
	know(k, "write", TEST_PIPE_A, LENS_WRITE, write(p.a[1], data, 1));
	know(k, "tee", TEST_PIPE_B, LENS_WRITE, tee(p.a[0], p.b[1], 1, SPLICE_F_NONBLOCK));
	know(k, "read", TEST_PIPE_A, LENS_READ, read(p.a[0], data, 1));
	know(k, "vmsplice", TEST_PIPE_A, LENS_WRITE, vmsplice(p.a[1], &two, 1, SPLICE_F_NONBLOCK));
	p.file = memfd_create("ipclens", MFD_CLOEXEC);
	if (p.file >= 0 && !ftruncate(p.file, 4))
		know(k, "sendfile", TEST_PIPE_A, LENS_WRITE, sendfile(p.a[1], p.file, NULL, 4));
	n = splice(p.a[0], NULL, p.b[1], NULL, 6, SPLICE_F_NONBLOCK);
	know(k, "splice", TEST_PIPE_A, LENS_READ, n);
	know(k, "splice", TEST_PIPE_B, LENS_WRITE, n);
}

int live_name_queue(struct live *l, enum live_test_chan chan, int id)
{
	struct stat st;

	if (stat("/proc/self/ns/ipc", &st))
		return -errno;
	l->test_chans[chan] = (struct lens_chan){
		.ino = (uint32_t)id, .dev = st.st_ino, .kind = LENS_KIND_SYSV_MSG,
	};
	return 0;
}

static void call_queue(struct live *l, struct known_calls *k)
{
	struct { long type; char text[1]; } message = { 1, "" };
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	if (id < 0)
		return;
	if (!live_name_queue(l, TEST_QUEUE, id)) {
		know(k, "msgsnd", TEST_QUEUE, LENS_WRITE,
		     msgsnd(id, &message, 1, IPC_NOWAIT) ? -1 : 1);
		know(k, "msgrcv", TEST_QUEUE, LENS_READ,
		     msgrcv(id, &message, 1, 0, IPC_NOWAIT));
	}
	msgctl(id, IPC_RMID, NULL);
}

struct sockets {
	int stream[2], datagram[2], pipe[2];
};

static void close_sockets(struct sockets *s)
{
	int fds[] = { s->stream[0], s->stream[1], s->datagram[0], s->datagram[1],
		      s->pipe[0], s->pipe[1] };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void call_sockets(struct live *l, struct known_calls *k)
{
	_cleanup_(close_sockets) struct sockets s = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	char data[8] = "ipclens";

	if (socketpair(AF_UNIX, SOCK_STREAM | flags, 0, s.stream) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | flags, 0, s.datagram) ||
	    pipe2(s.pipe, O_CLOEXEC | O_NONBLOCK) ||
	    name_inode(l, TEST_STREAM_A, LENS_KIND_UNIX_STREAM, s.stream[0]) ||
	    name_inode(l, TEST_STREAM_B, LENS_KIND_UNIX_STREAM, s.stream[1]) ||
	    name_inode(l, TEST_DATAGRAM, LENS_KIND_UNIX_DGRAM, s.datagram[1]) ||
	    name_inode(l, TEST_SPLICED, LENS_KIND_PIPE, s.pipe[0]))
		return;
	know(k, "write to a socket", TEST_STREAM_A, LENS_WRITE, write(s.stream[0], data, 1));
	know(k, "read of a socket", TEST_STREAM_B, LENS_READ, read(s.stream[1], data, 1));
	know(k, "send", TEST_STREAM_A, LENS_WRITE, send(s.stream[0], data, 2, MSG_NOSIGNAL));
	know(k, "recv", TEST_STREAM_B, LENS_READ, recv(s.stream[1], data, 2, 0));
	know(k, "send", TEST_STREAM_A, LENS_WRITE, send(s.stream[0], data, 4, MSG_NOSIGNAL));
	know(k, "splice of a socket", TEST_STREAM_B, LENS_READ,
	     splice(s.stream[1], NULL, s.pipe[1], NULL, 4, SPLICE_F_NONBLOCK));
	know(k, "send of a datagram", TEST_DATAGRAM, LENS_WRITE,
	     send(s.datagram[0], data, 1, MSG_NOSIGNAL));
	know(k, "recv of a datagram", TEST_DATAGRAM, LENS_READ, recv(s.datagram[1], data, 1, 0));
}

struct inet_sockets {
	int listener, stream[2], datagram[2];
};

static void close_inet(struct inet_sockets *s)
{
	const struct linger hard = { .l_onoff = 1 };
	int fds[] = { s->stream[0], s->stream[1], s->listener, s->datagram[0], s->datagram[1] };

	/* by a reset, which leaves no connection that waits for its time to pass */
	if (s->stream[0] >= 0)
		setsockopt(s->stream[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* a socket at any port of the loopback device, and a second one that is connected to it */
static int inet_pair(int type, int *ret_bound, int *ret_other)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*ret_bound = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	*ret_other = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*ret_bound < 0 || *ret_other < 0 ||
	    bind(*ret_bound, (struct sockaddr *)&at, sizeof(at)) ||
	    getsockname(*ret_bound, (struct sockaddr *)&at, &len) ||
	    (type == SOCK_STREAM && listen(*ret_bound, 1)))
		return -errno;
	if (connect(*ret_other, (struct sockaddr *)&at, len) && errno != EINPROGRESS)
		return -errno;
	return 0;
}

/*
 * Over loopback what is sent has usually come when the call returns. When the
 * kernel is busy it has not: then nothing is received, which proves nothing.
 * For the same reason it is not asked whose queue the datagram was counted at.
 */
static void call_inet(struct live *l, struct known_calls *k)
{
	_cleanup_(close_inet) struct inet_sockets s = { -1, { -1, -1 }, { -1, -1 } };
	char data[8] = "ipclens";

	if (!inet_pair(SOCK_DGRAM, &s.datagram[0], &s.datagram[1]) &&
	    !name_inode(l, TEST_UDP, LENS_KIND_UDP, s.datagram[0]) &&
	    !name_inode(l, TEST_UDP_SENT, LENS_KIND_UDP, s.datagram[1])) {
		l->test_chans[TEST_UDP_SENT].gen = LENS_GEN_OUTGOING;
		if (send(s.datagram[1], data, 1, MSG_NOSIGNAL) == 1)
			know(k, "recv over UDP", TEST_UDP, LENS_READ,
			     recv(s.datagram[0], data, 1, 0));
	}
	if (inet_pair(SOCK_STREAM, &s.listener, &s.stream[0]))
		return;
	s.stream[1] = accept4(s.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (s.stream[1] < 0 || name_inode(l, TEST_TCP_A, LENS_KIND_TCP, s.stream[0]) ||
	    name_inode(l, TEST_TCP_B, LENS_KIND_TCP, s.stream[1]))
		return;
	know(k, "send over TCP", TEST_TCP_A, LENS_WRITE, send(s.stream[0], data, 1, MSG_NOSIGNAL));
	know(k, "recv over TCP", TEST_TCP_B, LENS_READ, recv(s.stream[1], data, 1, 0));
	know(k, "write over TCP", TEST_TCP_A, LENS_WRITE, write(s.stream[0], data, 2));
	know(k, "read over TCP", TEST_TCP_B, LENS_READ, read(s.stream[1], data, 2));
}

/* the number the kernel knows it by; false if it does not tell */
static bool eventfd_number(int fd, __u64 *ret_id)
{
	char path[48], line[64];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "eventfd-id: %llu", ret_id) == 1)
			return true;
	return false;
}

static void call_eventfd(struct live *l, struct known_calls *k)
{
	/* what it begins with counts as added by its maker */
	_cleanup_close_ int fd = eventfd(2, EFD_CLOEXEC | EFD_NONBLOCK);
	struct lens_chan *chan = &l->test_chans[TEST_EVENTFD];
	uint64_t one = 1, value = 0;

	*chan = (struct lens_chan){ .kind = LENS_KIND_EVENTFD };
	if (fd < 0 || !eventfd_number(fd, &chan->ino))
		return;
	/* not there: nobody saw it made, which is found out below */
	bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.lens_births), chan, &chan->gen);
	know(k, "eventfd", TEST_EVENTFD, LENS_WRITE, 2);
	know(k, "eventfd write", TEST_EVENTFD, LENS_WRITE,
	     write(fd, &one, sizeof(one)) > 0 ? 1 : -1);
	know(k, "eventfd read", TEST_EVENTFD, LENS_READ,
	     read(fd, &value, sizeof(value)) > 0 ? 3 : -1);
}

/* of memory no call moves bytes that could be counted: the calls themselves are */
static void check_seen(struct live *l, struct known_calls *k, const char *name)
{
	if (l->skel->bss->lens_tested)
		k->seen++;
	else if (!k->missed)
		k->missed = name;
	l->skel->bss->lens_tested = 0;
}

static void call_segment(struct live *l, struct known_calls *k)
{
	int id = shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	void *at;

	check_seen(l, k, "shmget");
	if (id < 0)
		return;
	at = shmat(id, NULL, 0);
	check_seen(l, k, "shmat");
	shmctl(id, IPC_RMID, NULL);
	check_seen(l, k, "shmctl");
	if (at == (void *)-1)
		return;
	shmdt(at);
	check_seen(l, k, "shmdt");
}

static void call_ranges(struct live *l, struct known_calls *k)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check_seen(l, k, "mmap");
	if (at == MAP_FAILED)
		return;
	mprotect(at, page, PROT_NONE);
	check_seen(l, k, "mprotect");
	syscall(SYS_pkey_mprotect, at, page, PROT_READ, -1);
	check_seen(l, k, "pkey_mprotect");
	mremap(at, 2 * page, page, 0);
	check_seen(l, k, "mremap");
	munmap(at, page);
	check_seen(l, k, "munmap");
}

static void call_mappings(struct live *l, struct known_calls *k)
{
	_cleanup_close_ int fd = memfd_create("ipclens", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint32_t word = 0;

	l->skel->bss->lens_tester = l->self.tgid;
	call_ranges(l, k);
	call_segment(l, k);
	if (fd >= 0) {
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
		check_seen(l, k, "fcntl of a seal");
	}
	syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	check_seen(l, k, "futex");
	syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0);
	check_seen(l, k, "futex_waitv");
	l->skel->bss->lens_tester = 0;
}

/* without a devpts there is none to try; nothing can block here either */
static void call_pty(struct live *l, struct known_calls *k)
{
	_cleanup_close_ int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_close_ int slave = -1;
	struct lens_chan number = { .kind = LENS_KIND_PTY };
	struct stat st;
	uint32_t index, birth = 0;
	char data[8];
	int unlock = 0;

	if (master < 0 || ioctl(master, TIOCGPTN, &index) || ioctl(master, TIOCSPTLCK, &unlock))
		return;
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (slave < 0 || fstat(slave, &st))
		return;
	number.ino = index;
	number.dev = major(st.st_dev) << 20 | minor(st.st_dev);
	bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.lens_births), &number, &birth);
	/* not seen made: then nothing is counted under the name that the next one would have */
	number.gen = (birth ? : 1) << 1;
	l->test_chans[TEST_MASTER] = number;
	number.gen |= LENS_PTY_SLAVE;
	l->test_chans[TEST_SLAVE] = number;
	know(k, "write to a terminal", TEST_SLAVE, LENS_WRITE, write(slave, "a", 1));
	know(k, "read of a terminal", TEST_MASTER, LENS_READ, read(master, data, sizeof(data)));
}

/* our own memory */
static void call_procvm(struct live *l, struct known_calls *k)
{
	char from[2] = "i", to[2];
	struct iovec local = { to, 1 }, remote = { from, 1 };

	l->test_chans[TEST_MEMORY] = (struct lens_chan){
		.ino = l->self.start_ns, .dev = l->self.tgid, .kind = LENS_KIND_PROCESS_VM,
	};
	know(k, "process_vm_readv", TEST_MEMORY, LENS_READ,
	     process_vm_readv((pid_t)getpid(), &local, 1, &remote, 1, 0));
	know(k, "process_vm_writev", TEST_MEMORY, LENS_WRITE,
	     process_vm_writev((pid_t)getpid(), &local, 1, &remote, 1, 0));
}

/* ------------------------------------------------------------------ totals */

static struct lens_total_key key_of(const struct live *l, enum live_test_chan chan,
				    enum lens_dir dir)
{
	const struct lens_chan *c = &l->test_chans[chan];

	return (struct lens_total_key){
		.ino = c->ino, .dev = c->dev, .gen = c->gen, .kind = c->kind, .dir = dir,
		.tgid = l->self.tgid, .start_ns = l->self.start_ns,
	};
}

static uint64_t counted_bytes(const struct live *l, const struct known_call *call)
{
	struct lens_total_key key = key_of(l, call->chan, call->dir);
	struct lens_total total;

	if (bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.lens_totals), &key, &total))
		return 0;
	return total.bytes;
}

static void forget(const struct live *l)
{
	for (enum live_test_chan c = 0; c < TEST_CHANS; c++) {
		for (enum lens_dir dir = 0; dir < LENS_DIR_MAX; dir++) {
			struct lens_total_key key = key_of(l, c, dir);

			bpf_map_delete_elem(bpf_map__fd(l->skel->maps.lens_totals), &key);
		}
		bpf_map_delete_elem(bpf_map__fd(l->skel->maps.lens_chans), &l->test_chans[c]);
		bpf_map_delete_elem(bpf_map__fd(l->skel->maps.lens_self_chans), &l->test_chans[c]);
	}
}

/* ----------------------------------------------------------------- verdict */

/* a call that was not seen, NULL: none */
static const char *missed(const struct live *l, const struct known_calls *k)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct known_call *c = &k->call[i];

		if ((counted_bytes(l, c) & c->bytes) != c->bytes)
			return c->name;
	}
	return k->missed;
}

/* 1: the variant of this group was refused, another plan is needed */
static int judge(struct live *l, const char *group, const struct known_calls *k)
{
	const char *name = missed(l, k);
	char why[160];

	if (name) {
		snprintf(why, sizeof(why), "attached, but did not see our own %s", name);
		plan_refuse_group(&l->plan, group, why);
		return 1;
	}
	log_msg(LOG_DEBUG, "%s: %zu known calls were seen", group, k->count + k->seen);
	return 0;
}

static const struct {
	const char *group;
	void (*call)(struct live *l, struct known_calls *k);
} tests[] = {
	{ "pipe", call_pipes },
	{ "sysvmsg", call_queue },
	{ "unix", call_sockets },
	{ "inet", call_inet },
	{ "eventfd", call_eventfd },
	{ "pty", call_pty },
	{ "mapping", call_mappings },
	{ "procvm", call_procvm },
};

static bool is_test_chan(const struct live *l, const struct lens_chan *chan)
{
	for (enum live_test_chan c = 0; c < TEST_CHANS; c++)
		if (!memcmp(chan, &l->test_chans[c], sizeof(*chan)))
			return true;
	return false;
}

bool live_is_selftest(const struct live *l, const struct lens_rec *rec)
{
	/* all of these begin alike, and END and GONE go on alike */
	const struct lens_rec_gone *r = (const void *)rec;

	if (rec->len < sizeof(*r))
		return false;
	if (rec->type == LENS_REC_PEER || rec->type == LENS_REC_SOCK)
		return is_test_chan(l, &r->chan);
	return (rec->type == LENS_REC_END || rec->type == LENS_REC_GONE) &&
	       r->proc.tgid == l->self.tgid && r->proc.start_ns == l->self.start_ns &&
	       is_test_chan(l, &r->chan);
}

int live_selftest(struct live *l)
{
	struct known_calls known[ARRAY_SIZE(tests)] = {};
	int refused = 0, err;

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		if (plan_chosen(&l->plan, tests[i].group))
			tests[i].call(l, &known[i]);
	err = live_flush(l);
	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		refused |= judge(l, tests[i].group, &known[i]);
	/* a queue of its own is forgotten with the others */
	refused |= refused ? 0 : live_numbering_prepare(l);
	err = live_flush(l);
	forget(l);
	return err ? err : refused;
}
