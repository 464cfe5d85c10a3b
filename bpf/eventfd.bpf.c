// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind eventfd.bpf.h, and the hooks at function level, which also
 * see io_uring. What the kernel itself adds (io_uring, AIO, vhost, KVM) goes no
 * such way, and shows as what was read and never written.
 */
#include "birth.bpf.h"
#include "eventfd.bpf.h"
#include "fd.bpf.h"

#define VALUE_BYTES 8
/* a sum of more than these would not stay a number that anybody can subtract from */
#define VALUE_MAX (1ull << 48)
/* writev(2) adds once for each of its segments, which have eight bytes each */
#define SEGMENTS_MAX 8

/* ------------------------------------------------------------------- values */

static __always_inline __s64 value_unseen(void)
{
	loss_add(LENS_KIND_EVENTFD, LENS_LOSS_UNSEEN, 1, 0);
	return 0;
}

/* adds the value at an address of the caller's; false if it is none */
static __always_inline bool value_add(__u64 at, __u64 *sum)
{
	__u64 value;

	if (bpf_probe_read_user(&value, sizeof(value), (void *)at) || value > VALUE_MAX)
		return false;
	*sum += value;
	return true;
}

/* a read takes one value into the first segment, unless that is a small one */
static __noinline __s64 values_of_vector(__u64 at, bool compat, __u32 count)
{
	__u64 sum = 0, segment[2];
	__u32 narrow[2], i;

	for (i = 0; i < SEGMENTS_MAX && i < count; i++) {
		if (compat) {
			if (bpf_probe_read_user(narrow, sizeof(narrow), (void *)at))
				return value_unseen();
			segment[0] = narrow[0];
			segment[1] = narrow[1];
		} else if (bpf_probe_read_user(segment, sizeof(segment), (void *)at)) {
			return value_unseen();
		}
		at += compat ? sizeof(narrow) : sizeof(segment);
		if (segment[1] < VALUE_BYTES || !value_add(segment[0], &sum))
			return value_unseen();
	}
	return i < count ? value_unseen() : sum;
}

static __always_inline __s64 values_of(__u64 at, __u32 place, __u32 count)
{
	__u64 sum = 0;

	if (place == EVENTFD_VECTOR || place == EVENTFD_VECTOR32)
		return values_of_vector(at, place == EVENTFD_VECTOR32, count);
	if (place == EVENTFD_UNKNOWN || !value_add(at, &sum))
		return value_unseen();
	return sum;
}

__s64 eventfd_amount(__u64 file, __u32 dir, __s64 ret, __u64 at, __u32 place)
{
	if (ret <= 0 || !file_is_eventfd((struct file *)file))
		return ret;
	return values_of(at, place, dir == LENS_READ ? 1 : ret / VALUE_BYTES);
}

static __always_inline int eventfd_count(__u64 file, __u32 dir, __s64 ret)
{
	struct call call = { .ret = ret, .moved = ret > 0 };
	struct lens_total_key key = {};

	if (is_restart(ret) || ident_file(file, &key) != LENS_KIND_EVENTFD)
		return 0;
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	return totals_count(&key, (struct file *)file, 0, &call);
}

int eventfd_made(__s64 fd, __u32 value)
{
	struct lens_total_key key = {};
	struct lens_chan number;
	struct lens_proc unused;
	struct file *file;

	if (fd < 0)
		return 0;
	file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);
	if (!file || !ident_eventfd(file, &key))
		return 0;
	ident_split(&key, &number, &unused);
	birth_add(&number);
	return value ? eventfd_count((__u64)file, LENS_WRITE, value) : 0;
}

/* ------------------------------------------------------------ function hooks */

SEC("?fexit/eventfd_write")
int BPF_PROG(eventfd__fexit__write, struct file *file, const char *buffer, unsigned long size,
	     void *position, long ret)
{
	if (ret > 0)
		ret = values_of((__u64)buffer, EVENTFD_BUFFER, 1);
	return eventfd_count(ident_address(file), LENS_WRITE, ret);
}

#define KERNEL_HALF (1ull << 63)

struct segment { __u64 base, bytes; };

/*
 * Where in user memory the value went that has just been copied through iter: to
 * the end of what it has filled, be that in its one buffer, or in a list of
 * segments, which is the kernel's own memory. 0: somewhere else.
 */
static __always_inline __u64 value_place(struct iov_iter *iter)
{
	__u64 buffer = (__u64)BPF_CORE_READ(iter, ubuf);
	__u64 offset = BPF_CORE_READ(iter, iov_offset);
	struct segment s;

	if (buffer & KERNEL_HALF) {
		if (bpf_probe_read_kernel(&s, sizeof(s), (void *)(offset ? buffer :
							buffer - sizeof(s))))
			return 0;
		buffer = s.base;
		offset = offset ? : s.bytes;
	}
	return offset < VALUE_BYTES || buffer & KERNEL_HALF ? 0 : buffer + offset - VALUE_BYTES;
}

SEC("?fexit/eventfd_read")
int BPF_PROG(eventfd__fexit__read, struct kiocb *iocb, struct iov_iter *to, long ret)
{
	__u64 place;

	if (ret > 0) {
		place = value_place(to);
		ret = values_of(place, place ? EVENTFD_BUFFER : EVENTFD_UNKNOWN, 1);
	}
	return eventfd_count(ident_address(iocb->ki_filp), LENS_READ, ret);
}

SEC("?fexit/do_eventfd")
int BPF_PROG(eventfd__fexit__made, unsigned int count, int flags, int ret)
{
	return eventfd_made(ret, count);
}
