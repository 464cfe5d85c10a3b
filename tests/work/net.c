/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind net.h: ioctls on interfaces, and for the pair of devices
 * that is a cable one message of rtnetlink(7).
 */
#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "work.h"

#define CABLE "lens0"

static void ask(unsigned long what, struct ifreq *request)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, what, request))
		work_die(request->ifr_name);
	close(fd);
}

static void bring_up(const char *device)
{
	struct ifreq request = { .ifr_flags = IFF_UP };

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	ask(SIOCSIFFLAGS, &request);
}

static void set_address(const char *device, unsigned long what, const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct ifreq request = { .ifr_flags = 0 };

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	inet_pton(AF_INET, address, &in.sin_addr);
	memcpy(&request.ifr_addr, &in, sizeof(in));
	ask(what, &request);
}

void net_enter(void)
{
	if (unshare(CLONE_NEWNET))
		work_skip("no network namespace can be made");
	bring_up("lo");
}

void net_add_address(const char *address)
{
	set_address("lo:1", SIOCSIFADDR, address);
}

/* ---------------------------------------------------------------- steering */

/* of sysfs each mount shows the devices of the namespace that it was mounted in */
static void steer(int processor)
{
	char path[] = "/tmp/sysXXXXXX", mask[32];
	int fd, len, at;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(path) || mount("sysfs", path, "sysfs", 0, NULL))
		work_skip("no sysfs can be mounted");
	at = open(path, O_PATH | O_DIRECTORY);
	fd = openat(at, "class/net/lo/queues/rx-0/rps_cpus", O_WRONLY);
	if (fd < 0)
		work_skip("this kernel does not steer packets (CONFIG_RPS)");
	len = snprintf(mask, sizeof(mask), "%x", 1u << processor);
	work_expect(write(fd, mask, (size_t)len), len, "rps_cpus");
	close(fd);
	close(at);
	umount2(path, MNT_DETACH);
	rmdir(path);
}

void net_deliver_elsewhere(void)
{
	cpu_set_t allowed, here;
	int processor[2], count = 0;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (int i = 0; i < 32 && count < 2; i++)
		if (CPU_ISSET(i, &allowed))
			processor[count++] = i;
	if (count < 2)
		work_skip("only one processor");
	CPU_ZERO(&here);
	CPU_SET(processor[0], &here);
	sched_setaffinity(0, sizeof(here), &here);
	steer(processor[1]);
}

/* ------------------------------------------------------------------- cable */

struct message {
	struct nlmsghdr header;
	struct ifinfomsg device;
	char attributes[256];
};

/* begins an attribute, which has no content yet */
static struct rtattr *begin(struct message *m, unsigned short type)
{
	struct rtattr *a = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(0);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_LENGTH(0);
	return a;
}

static void add(struct message *m, const void *data, size_t len)
{
	char *at = (char *)m + m->header.nlmsg_len;

	memset(at, 0, NLMSG_ALIGN(len));
	if (data)
		memcpy(at, data, len);
	m->header.nlmsg_len += (uint32_t)NLMSG_ALIGN(len);
}

/* ends one that holds others, or data */
static void finish(const struct message *m, struct rtattr *a)
{
	a->rta_len = (unsigned short)((const char *)m + m->header.nlmsg_len - (const char *)a);
}

static void put(struct message *m, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = begin(m, type);

	add(m, data, len);
	a->rta_len = (unsigned short)RTA_LENGTH(len);
}

static void make_pair(int other)
{
	struct message m = { .header = { .nlmsg_len = NLMSG_LENGTH(sizeof(m.device)),
					 .nlmsg_type = RTM_NEWLINK,
					 .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE |
							NLM_F_EXCL | NLM_F_ACK } };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct rtattr *info, *data, *peer;
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[sizeof(m)];
	} answer;

	put(&m, IFLA_IFNAME, CABLE, sizeof(CABLE));
	info = begin(&m, IFLA_LINKINFO);
	put(&m, IFLA_INFO_KIND, "veth", 4);
	data = begin(&m, IFLA_INFO_DATA);
	peer = begin(&m, VETH_INFO_PEER);
	add(&m, NULL, sizeof(m.device));
	put(&m, IFLA_IFNAME, CABLE, sizeof(CABLE));
	put(&m, IFLA_NET_NS_FD, &other, sizeof(other));
	finish(&m, peer);
	finish(&m, data);
	finish(&m, info);
	if (fd < 0 || send(fd, &m, m.header.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		work_die("rtnetlink");
	close(fd);
	if (answer.error.error)
		work_skip("no pair of virtual network devices can be made");
}

void net_connect(int other, const char *mine, const char *its)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	make_pair(other);
	for (int i = 0; i < 2; i++) {
		if (setns(i ? here : other, CLONE_NEWNET))
			work_die("setns");
		set_address(CABLE, SIOCSIFADDR, i ? mine : its);
		set_address(CABLE, SIOCSIFNETMASK, "255.255.255.0");
		bring_up(CABLE);
	}
	close(here);
}
