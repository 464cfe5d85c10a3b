/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * TCP over loopback whose records the kernel encrypts (kTLS). What counts is
 * what the calls were given and have returned, not what that takes on the wire.
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "line.h"

static struct line one[2];

/* in both directions, by a key that says nothing */
static void encrypt(int fd)
{
	struct tls12_crypto_info_aes_gcm_128 with = {
		.info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128 },
	};

	memset(with.key, 7, sizeof(with.key));
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		work_skip(errno == ENOENT ? "this kernel has no TLS" : strerror(errno));
	if (setsockopt(fd, SOL_TLS, TLS_TX, &with, sizeof(with)) ||
	    setsockopt(fd, SOL_TLS, TLS_RX, &with, sizeof(with)))
		work_skip("this kernel has no AES-GCM");
}

static void connect_plain(void)
{
	line_open(AF_INET, SOCK_STREAM, one);
}

static void connect_encrypted(void)
{
	connect_plain();
	for (int i = 0; i < 2; i++)
		encrypt(one[i].fd);
}

/* every call that moves bytes, but for sendmmsg(2), which is refused here */
static void run_calls(void)
{
	struct iovec v[2] = { { line_bytes, 10 }, { line_bytes + 50, 20 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };
	const struct line *a = &one[0], *b = &one[1];

	connect_encrypted();
	work_ready();
	work_expect_error(line_did(b, WORK_READ, recv(b->fd, line_bytes, 1, MSG_DONTWAIT)), EAGAIN,
			  "recv");
	line_did(a, WORK_WRITE, write(a->fd, line_bytes, 100));
	line_did(a, WORK_WRITE, writev(a->fd, v, 2));
	line_did(a, WORK_WRITE, send(a->fd, line_bytes, 70, MSG_MORE));
	line_did(a, WORK_WRITE, sendto(a->fd, line_bytes, 80, 0, NULL, 0));
	line_did(a, WORK_WRITE, sendmsg(a->fd, &m, 0));
	line_did(b, WORK_READ, read(b->fd, line_bytes, 50));
	line_did(b, WORK_READ, readv(b->fd, v, 2));
	line_did(b, WORK_READ, recv(b->fd, line_bytes, 90, MSG_WAITALL));
	line_did(b, WORK_READ, recvmsg(b->fd, &m, MSG_WAITALL));
	work_expect(recvmmsg(b->fd, mm, 2, MSG_WAITALL, NULL), 2, "recvmmsg");
	for (int i = 0; i < 2; i++)
		line_did(b, WORK_READ, mm[i].msg_len);
	/* looks, which move nothing */
	for (int i = 0; i < 5; i++)
		work_expect(recv(b->fd, line_bytes, 5, MSG_PEEK), 5, "peek");
	work_any_operations(b->in, WORK_READ);
	line_get(b, 50);
	line_put(b, 70);
	line_get(a, 70);
}

static void run_splice(void)
{
	connect_encrypted();
	line_splice(one, 4096, 1096);
}

static void answer(void *unused)
{
	line_get(&one[1], 1000);
	line_put(&one[1], 300);
	line_get(&one[1], 275);
	work_tick(0);
}

/* a request and an answer by another process */
static void run_talk(void)
{
	pid_t kid;

	connect_encrypted();
	work_ready();
	kid = work_spawn(answer, NULL);
	line_put(&one[0], 1000);
	line_get(&one[0], 300);
	line_put(&one[0], 275);
	work_wait(kid);
}

/* a handshake that is not encrypted, and then what is; more than a record */
static void run_later(void)
{
	connect_plain();
	work_ready();
	line_put(&one[0], 517);
	line_get(&one[1], 517);
	for (int i = 0; i < 2; i++)
		encrypt(one[i].fd);
	line_put(&one[0], 100000);
	line_get(&one[1], 60000);
	line_get(&one[1], 40000);
}

/* what waits inside: on the wire as three records, and half of one taken out of the stream */
static void run_queued(void)
{
	connect_encrypted();
	work_ready();
	for (int i = 0; i < 3; i++)
		line_put(&one[0], 1000);
	line_get(&one[1], 500);
}

/* the same before the start, and read after it; in the other direction a record was begun */
static void run_held(void)
{
	connect_encrypted();
	work_expect(send(one[0].fd, line_bytes, 1000, 0), 1000, "send");
	work_expect(recv(one[1].fd, line_bytes, 500, 0), 500, "recv");
	work_expect(send(one[1].fd, line_bytes, 70, MSG_MORE), 70, "send");
	work_ready();
	work_expect(recv(one[1].fd, line_bytes, 500, 0), 500, "recv");
	work_expect(send(one[1].fd, line_bytes, 30, 0), 30, "send");
	work_expect(recv(one[0].fd, line_bytes, 100, MSG_WAITALL), 100, "recv");
}

/* ... and gone with both ends */
static void run_closed(void)
{
	work_ready();
	connect_encrypted();
	line_put(&one[0], 1000);
	line_get(&one[1], 1000);
	line_put(&one[0], 2000);
	line_get(&one[1], 300);
	for (int i = 0; i < 2; i++) {
		work_gone(one[i].in);
		close(one[i].fd);
	}
}

static const struct work_mode modes[] = {
	{ "calls", run_calls },
	{ "splice", run_splice },
	{ "talk", run_talk },
	{ "later", run_later },
	{ "queued", run_queued },
	{ "held", run_held },
	{ "closed", run_closed },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
