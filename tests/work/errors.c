/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Calls on sockets that fail, or move less than they were asked to, in every way that can be
 * provoked once the kernel has come to the protocol; among them some that succeed.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "line.h"
#include "net.h"

static struct line one[2];
/* no memory is there */
static char *hole;

static void dig_hole(void)
{
	hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (hole == MAP_FAILED)
		work_die("mmap");
	signal(SIGPIPE, SIG_IGN);
}

static void fails(const struct line *l, enum work_dir dir, ssize_t ret, int why)
{
	work_expect_error(line_did(l, dir, ret), why, dir == WORK_WRITE ? "send" : "recv");
}

/* a vector that begins well and leads nowhere; what of it was moved is up to the kernel */
static void fault(const struct line *a, const struct line *b)
{
	struct iovec v[2] = { { line_bytes, 10 }, { hole, 20 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	ssize_t n = line_did(a, WORK_WRITE, sendmsg(a->fd, &m, 0));

	if (n > 0)
		line_get(b, (size_t)n);
	n = line_did(a, WORK_WRITE, writev(a->fd, v, 2));
	if (n > 0)
		line_get(b, (size_t)n);
	fails(a, WORK_WRITE, send(a->fd, hole, 30, 0), EFAULT);
}

static void nothing_there(const struct line *l)
{
	struct timeval soon = { .tv_usec = 1000 }, never = { 0 };
	struct iovec v = { line_bytes, 10 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	fails(l, WORK_READ, recv(l->fd, line_bytes, 10, MSG_DONTWAIT), EAGAIN);
	fails(l, WORK_READ, recvmsg(l->fd, &m, MSG_DONTWAIT), EAGAIN);
	fails(l, WORK_READ, recv(l->fd, line_bytes, 10, MSG_DONTWAIT | MSG_PEEK), EAGAIN);
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	fails(l, WORK_READ, read(l->fd, line_bytes, 10), EAGAIN);
	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	fcntl(l->fd, F_SETFL, O_NONBLOCK);
	fails(l, WORK_READ, readv(l->fd, &v, 1), EAGAIN);
	fcntl(l->fd, F_SETFL, 0);
}

/* the end after which nothing more comes or goes */
static void shut(const struct line *a, const struct line *b)
{
	line_put(a, 50);
	shutdown(a->fd, SHUT_WR);
	fails(a, WORK_WRITE, send(a->fd, line_bytes, 10, 0), EPIPE);
	fails(a, WORK_WRITE, write(a->fd, line_bytes, 10), EPIPE);
	line_get(b, 50);
}

static void begin(int family, int type)
{
	line_open(family, type, one);
	dig_hole();
	work_ready();
}

static void stream(int family)
{
	begin(family, SOCK_STREAM);
	nothing_there(&one[1]);
	fault(&one[0], &one[1]);
	line_put(&one[0], 100);
	fails(&one[1], WORK_READ, recv(one[1].fd, hole, 30, 0), EFAULT);
	line_get(&one[1], 100);
	if (family == AF_INET)
		fails(&one[1], WORK_READ, recv(one[1].fd, line_bytes, 1, MSG_OOB), EINVAL);
	shut(&one[0], &one[1]);
}

static void run_stream(void)
{
	stream(AF_UNIX);
}

static void run_tcp(void)
{
	stream(AF_INET);
}

/* the other end is gone, with bytes that it had not read */
static void run_reset(void)
{
	begin(AF_INET, SOCK_STREAM);
	line_put(&one[0], 100);
	line_put(&one[1], 40);
	line_get(&one[1], 30);
	work_gone(one[1].in);
	close(one[1].fd);
	/* what had come before the reset is there still */
	line_get(&one[0], 40);
	fails(&one[0], WORK_READ, recv(one[0].fd, line_bytes, 10, 0), ECONNRESET);
	fails(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, 10, 0), EPIPE);
}

static void too_long(const struct line *l, size_t limit)
{
	fails(l, WORK_WRITE, send(l->fd, line_bytes, limit, 0), EMSGSIZE);
}

static void run_seqpacket(void)
{
	begin(AF_UNIX, SOCK_SEQPACKET);
	nothing_there(&one[1]);
	fault(&one[0], &one[1]);
	too_long(&one[0], LINE_MAX);
	fails(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, 10, MSG_OOB), EOPNOTSUPP);
	shut(&one[0], &one[1]);
}

static void run_dgram(void)
{
	begin(AF_UNIX, SOCK_DGRAM);
	nothing_there(&one[1]);
	fault(&one[0], &one[1]);
	too_long(&one[0], LINE_MAX);
	line_put(&one[0], 50);
	line_get(&one[1], 50);
	fcntl(one[0].fd, F_SETFL, O_NONBLOCK);
	/* until the queue is full, which is no error of the receiver */
	while (line_did(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, 20, 0)) == 20)
		;
	work_expect(errno, EAGAIN, "send");
}

/*
 * The second of three messages of one call leads to no memory: the call returns what was before
 * it, and the next one why there was not more.
 */
static void lost_among_others(void)
{
	struct iovec v[3] = { { line_bytes, 70 }, { hole, 70 }, { line_bytes, 70 } };
	struct mmsghdr mm[3] = { 0 };

	for (int i = 0; i < 3; i++) {
		mm[i].msg_hdr.msg_iov = &v[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		line_put(&one[0], 70);
	}
	work_expect(recvmmsg(one[1].fd, mm, 3, 0, NULL), 1, "recvmmsg");
	work_did_message(one[1].in, WORK_READ, 70);
	work_expect_error(recvmmsg(one[1].fd, mm, 3, 0, NULL), EFAULT, "recvmmsg");
	work_did(one[1].in, WORK_READ, -1);
	work_discarded(one[1].in, 70, 1);
	line_get(&one[1], 70);
}

static void run_udp(void)
{
	begin(AF_INET, SOCK_DGRAM);
	nothing_there(&one[1]);
	line_put(&one[0], 50);
	line_get(&one[1], 50);
	line_put(&one[1], 5);
	line_get(&one[0], 5);
	/* a message that leads to no memory is lost with its copy */
	line_put(&one[0], 60);
	work_expect_error(recv(one[1].fd, hole, 60, 0), EFAULT, "recv");
	work_did(one[1].in, WORK_READ, -1);
	work_discarded(one[1].in, 60, 1);
	fails(&one[1], WORK_READ, recv(one[1].fd, line_bytes, 10, MSG_DONTWAIT), EAGAIN);
	lost_among_others();
}

/* calls on sockets that are connected to nobody, or to where nobody listens */
static void run_unconnected(void)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET };
	int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	int local = socket(AF_UNIX, SOCK_STREAM, 0), packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	dig_hole();
	work_ready();
	work_expect_error(recv(tcp, line_bytes, 10, 0), ENOTCONN, "recv");
	work_expect_error(send(tcp, line_bytes, 10, 0), EPIPE, "send");
	work_fact("tcp", 2);
	work_expect_error(send(local, line_bytes, 10, 0), ENOTCONN, "send");
	work_expect_error(recv(local, line_bytes, 10, 0), EINVAL, "recv");
	work_fact("unix-stream", 2);
	work_expect_error(send(packets, line_bytes, 10, 0), ENOTCONN, "send");
	work_expect_error(recv(packets, line_bytes, 10, 0), ENOTCONN, "recv");
	work_fact("unix-seqpacket", 2);
	work_expect_error(send(udp, line_bytes, 10, 0), EDESTADDRREQ, "send");
	nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nobody.sin_port = htons(1);
	if (connect(udp, (struct sockaddr *)&nobody, sizeof(nobody)))
		work_die("connect");
	work_expect(send(udp, line_bytes, 10, 0), 10, "send");
	work_expect_error(send(udp, line_bytes, 10, 0), ECONNREFUSED, "send");
	work_expect(send(udp, line_bytes, 10, 0), 10, "send");
	work_expect_error(recv(udp, line_bytes, 10, 0), ECONNREFUSED, "recv");
	work_fact("udp", 3);
}

/* nothing that is sent to it arrives any more */
static void deafen(const struct line *l)
{
	struct sock_filter drop = { .code = BPF_RET | BPF_K, .k = 0 };
	struct sock_fprog program = { .len = 1, .filter = &drop };

	if (setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		work_die("SO_ATTACH_FILTER");
}

/* what it sends is not acknowledged, until it has waited for too long */
static void give_up(const struct line *l, const struct line *other)
{
	struct pollfd p = { .fd = l->fd };
	int soon_ms = 20;

	deafen(other);
	if (setsockopt(l->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &soon_ms, sizeof(soon_ms)))
		work_die("TCP_USER_TIMEOUT");
	line_put(l, 100);
	while (!(p.revents & POLLERR))
		if (poll(&p, 1, -1) < 0)
			work_die("poll");
	work_discarded(l->out, 100, 0);
}

/* nobody answers: the first call to hear of it fails by it, and then there is no connection */
static void run_timeout(void)
{
	struct line two[2];

	line_open(AF_INET, SOCK_STREAM, two);
	begin(AF_INET, SOCK_STREAM);
	line_put(&one[0], 30);
	line_get(&one[1], 30);
	give_up(&one[0], &one[1]);
	fails(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, 10, 0), ETIMEDOUT);
	fails(&one[0], WORK_WRITE, send(one[0].fd, line_bytes, 10, 0), EPIPE);
	give_up(&two[0], &two[1]);
	fails(&two[0], WORK_READ, recv(two[0].fd, line_bytes, 10, 0), ETIMEDOUT);
	fails(&two[0], WORK_WRITE, send(two[0].fd, line_bytes, 10, 0), EPIPE);
}

static void shorten_packets(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_mtu = 1500 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &request) || close(fd))
		work_skip("the loopback device keeps its MTU");
}

/* datagrams of several packets, of which the first ones take all the room for sending */
static void run_buffers(void)
{
	int least = 1;

	net_enter();
	shorten_packets();
	begin(AF_INET, SOCK_DGRAM);
	line_put(&one[0], 5000);
	line_get(&one[1], 5000);
	setsockopt(one[0].fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	/* for whom it was nobody can say: an error of the sender */
	work_expect_error(send(one[0].fd, line_bytes, 60000, 0), ENOBUFS, "send");
	work_expect_error(write(one[0].fd, line_bytes, 60000), ENOBUFS, "write");
	work_expect_error(send(one[0].fd, line_bytes, 1 << 16, 0), EMSGSIZE, "send");
	work_fact("errors", 3);
	line_put(&one[0], 50);
	line_get(&one[1], 50);
	line_put(&one[1], 5);
	line_get(&one[0], 5);
}

static const struct work_mode modes[] = {
	{ "stream", run_stream },
	{ "tcp", run_tcp },
	{ "reset", run_reset },
	{ "seqpacket", run_seqpacket },
	{ "dgram", run_dgram },
	{ "udp", run_udp },
	{ "timeout", run_timeout },
	{ "unconnected", run_unconnected },
	{ "buffers", run_buffers },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
