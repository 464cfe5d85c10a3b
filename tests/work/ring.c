/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Definitions behind ring.h.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"
#include "work.h"

enum { ENTRIES = 8, AREAS = 3 };

static struct {
	int fd;
	unsigned setup, features;
	bool is_hidden;
	struct { void *at; size_t size; } area[AREAS];
	unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags;
	unsigned *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
} ring;

static void *map(unsigned area, size_t size, off_t what)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
		       what);

	if (p == MAP_FAILED)
		work_die("mmap of a ring");
	ring.area[area].at = p;
	ring.area[area].size = size;
	return p;
}

bool ring_open(unsigned setup)
{
	struct io_uring_params p = { .flags = setup, .sq_thread_idle = 100 };
	char *sq, *cq;

	ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring.fd < 0 && (errno == ENOSYS || errno == EPERM))
		return false;
	if (ring.fd < 0)
		work_die("io_uring_setup");
	sq = map(0, p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = map(1, p.cq_off.cqes + p.cq_entries * sizeof(*ring.cqe), IORING_OFF_CQ_RING);
	ring.sqe = map(2, p.sq_entries * sizeof(*ring.sqe), IORING_OFF_SQES);
	ring.setup = setup;
	ring.features = p.features;
	ring.sq_tail = (unsigned *)(sq + p.sq_off.tail);
	ring.sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	ring.sq_array = (unsigned *)(sq + p.sq_off.array);
	ring.sq_flags = (unsigned *)(sq + p.sq_off.flags);
	ring.cq_head = (unsigned *)(cq + p.cq_off.head);
	ring.cq_tail = (unsigned *)(cq + p.cq_off.tail);
	ring.cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	ring.cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	return true;
}

void ring_close(void)
{
	for (unsigned i = 0; i < AREAS; i++)
		munmap(ring.area[i].at, ring.area[i].size);
	close(ring.fd);
}

int ring_fd(void)
{
	return ring.fd;
}

static int enter(unsigned submit, unsigned wait, unsigned flags)
{
	int n;

	if (ring.is_hidden)
		flags |= IORING_ENTER_REGISTERED_RING;
	do
		n = (int)syscall(SYS_io_uring_enter, ring.fd, submit, wait, flags, NULL, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

void ring_sleep(unsigned flags, const void *arg, size_t size)
{
	ring_sleep_for(1, flags, arg, size);
}

bool ring_has_answer(void)
{
	return __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) != *ring.cq_head;
}

bool ring_sleeps_at_least(void)
{
	return ring.features & 1u << 15; /* IORING_FEAT_MIN_TIMEOUT */
}

void ring_sleep_for(unsigned count, unsigned flags, const void *arg, size_t size)
{
	if (ring.is_hidden)
		flags |= IORING_ENTER_REGISTERED_RING;
	if (syscall(SYS_io_uring_enter, ring.fd, 0, count, flags | IORING_ENTER_GETEVENTS, arg,
		    size) < 0)
		work_die("io_uring_enter");
}

bool ring_register(unsigned opcode, void *arg, unsigned count)
{
	return syscall(SYS_io_uring_register, ring.fd, opcode, arg, count) >= 0;
}

bool ring_hide(void)
{
	struct io_uring_rsrc_update u = { .offset = -1U, .data = (uint64_t)ring.fd };

	if (!ring_register(IORING_REGISTER_RING_FDS, &u, 1))
		return false;
	close(ring.fd);
	ring.fd = (int)u.offset;
	ring.is_hidden = true;
	return true;
}

void ring_submit(const struct io_uring_sqe *op)
{
	unsigned tail = *ring.sq_tail, at = tail & *ring.sq_mask;

	ring.sqe[at] = *op;
	ring.sq_array[at] = at;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_SEQ_CST);
	if (!(ring.setup & IORING_SETUP_SQPOLL))
		work_expect(enter(1, 0, 0), 1, "io_uring_enter");
	else if (__atomic_load_n(ring.sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		enter(0, 0, IORING_ENTER_SQ_WAKEUP);
}

ssize_t ring_complete(void)
{
	unsigned head = *ring.cq_head;
	int res;

	while (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) == head)
		if (enter(0, 1, IORING_ENTER_GETEVENTS) < 0)
			work_die("io_uring_enter");
	res = ring.cqe[head & *ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	errno = res < 0 ? -res : 0;
	return res < 0 ? -1 : res;
}

struct io_uring_sqe ring_operation(unsigned opcode, int fd, const void *data, unsigned len)
{
	return (struct io_uring_sqe){
		.opcode = (uint8_t)opcode, .fd = fd, .off = (uint64_t)-1,
		.addr = (uint64_t)(uintptr_t)data, .len = len,
	};
}

ssize_t ring_do(const struct io_uring_sqe *op)
{
	ring_submit(op);
	return ring_complete();
}
