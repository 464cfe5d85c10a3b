/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * TCP connections of which something is on its way: the network is down, and when it is back,
 * it arrives.
 */
#define _GNU_SOURCE 1
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "knot.h"
#include "redirect.h"
#include "work.h"

static int s[2];

static void change_loopback(bool up)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (ioctl(fd, SIOCSIFFLAGS, &request))
		work_die("SIOCSIFFLAGS");
	close(fd);
}

static void make_connection(void)
{
	if (unshare(CLONE_NEWNET))
		work_skip("no network namespaces here");
	change_loopback(true);
	redirect_pair(s);
}

static void ask_and_read(void *unused)
{
	close_others(s[0], -1);
	put(s[0]);
	get(s[0]);
}

static void read_s1(void *unused)
{
	close_others(s[1], -1);
	get(s[1]);
}

/* what the client has sent */
static void in_transit(void)
{
	make_connection();
	change_loopback(false);
	role("client", work_spawn(ask_and_read, NULL));
	role("server", work_spawn(read_s1, NULL));
	close_pair(s);
	asleep("client", SYS_read);
	asleep("server", SYS_read);
}

/* its window is full, to the last byte that probes have put there */
static bool peer_takes_nothing(void)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &info, &len))
		work_die("TCP_INFO");
	return info.tcpi_notsent_bytes && !info.tcpi_unacked && !info.tcpi_snd_wnd;
}

static void put_s0(void *unused)
{
	close_others(s[0], -1);
	put(s[0]);
}

static void take_all_and_read(void *unused)
{
	static char bytes[1 << 16];

	close_others(s[1], -1);
	while (recv(s[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	get(s[1]);
}

/* that all was taken, and that there is room again */
static void window_in_transit(void)
{
	make_connection();
	for (fill(s[0]); !peer_takes_nothing(); fill(s[0]))
		usleep(1000);
	change_loopback(false);
	role("client", work_spawn(put_s0, NULL));
	role("server", work_spawn(take_all_and_read, NULL));
	close_pair(s);
	asleep("client", SYS_write);
	asleep("server", SYS_read);
}

static const struct work_mode modes[] = {
	{ "intransit", in_transit },
	{ "windowtransit", window_in_transit },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
