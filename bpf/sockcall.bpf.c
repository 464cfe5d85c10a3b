// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind sockcall.bpf.h.
 */
#include "sockcall.bpf.h"
#include "fd.bpf.h"
#include "pass.bpf.h"
#include "sock.bpf.h"

/* UIO_MAXIOV: the kernel takes no more headers in one call */
#define HEADERS_MAX 1024

/* struct mmsghdr: a header, then the length of what was moved; include/linux/socket.h */
#define HEADER_BYTES 64
#define HEADER_LEN_AT 56
#define COMPAT_HEADER_BYTES 32
#define COMPAT_HEADER_LEN_AT 28

/* struct msghdr: where the vector of its buffers is, and then how many there are */
#define HEADER_VECTOR_AT 16
#define COMPAT_HEADER_VECTOR_AT 8

/* struct msghdr: how long its control data is; no less of it holds a descriptor */
#define CONTROL_SIZE_AT 40
#define COMPAT_CONTROL_SIZE_AT 20
#define CONTROL_MIN 16

struct headers {
	__u64 at;			/* where the next one is, in user memory */
	__u64 file, kinds;
	__u32 flags;
	/* small: a chain of calls has 512 bytes of stack */
	__u8 dir, compat;
	__u8 passes;			/* descriptors are told of here, too */
	__u8 pad;
};

struct room {
	__u64 at;			/* the next struct iovec */
	__u64 bytes;
	__u32 compat;
	__u32 pad;
};

static long add_buffer(__u32 i, struct room *r)
{
	__u64 len[2] = {};
	__u32 len32[2] = {};

	if (r->compat) {
		bpf_probe_read_user(len32, sizeof(len32), (void *)r->at);
		len[1] = len32[1];
	} else {
		bpf_probe_read_user(len, sizeof(len), (void *)r->at);
	}
	r->at += r->compat ? sizeof(len32) : sizeof(len);
	r->bytes += len[1];
	return 0;
}

__noinline __u64 sockcall_room(__u64 vector, __u64 count, bool compat)
{
	struct room r = { .at = vector, .compat = compat };

	bpf_loop(count < HEADERS_MAX ? count : HEADERS_MAX, add_buffer, &r, 0);
	return r.bytes;
}

/*
 * How many bytes fit into the buffers of a header in user memory. A global function: inside
 * the loop over headers, the verifier would walk this one's loop anew at every turn of that.
 */
__noinline __u64 sockcall_header_room(__u64 header, __u32 compat)
{
	__u32 vector32[2] = {};
	__u64 vector[2] = {};

	if (compat) {
		bpf_probe_read_user(vector32, sizeof(vector32),
				    (void *)(header + COMPAT_HEADER_VECTOR_AT));
		vector[0] = vector32[0];
		vector[1] = vector32[1];
	} else {
		bpf_probe_read_user(vector, sizeof(vector), (void *)(header + HEADER_VECTOR_AT));
	}
	return sockcall_room(vector[0], vector[1], compat);
}

static __always_inline __s64 fitting(__s64 ret, __u64 room)
{
	return ret > 0 && room < ret ? room : ret;
}

/*
 * Tells of the descriptors in the message at h->at; without control data that is one read. A
 * call that was noted on its way is told of here instead.
 */
static __always_inline int tell_passes(struct headers *h, bool noted)
{
	__u32 size = 0;

	bpf_probe_read_user(&size, sizeof(size), (void *)h->at +
			    (h->compat ? COMPAT_CONTROL_SIZE_AT : CONTROL_SIZE_AT));
	if (size < CONTROL_MIN && !lens_passing)
		return 0;
	return pass_returned(h->file, h->at, h->dir, h->compat, noted);
}

static long count_header(__u32 i, struct headers *h)
{
	__u32 len = 0;

	bpf_probe_read_user(&len, sizeof(len), (void *)h->at +
			    (h->compat ? COMPAT_HEADER_LEN_AT : HEADER_LEN_AT));
	if (h->flags & KDEF_MSG_TRUNC && h->dir == LENS_READ)
		len = fitting(len, sockcall_header_room(h->at, h->compat));
	if (h->kinds & KINDS_SOCK)
		sock_returned(h->file, h->dir, len, h->dir == LENS_WRITE ? i : h->flags,
			      h->kinds);
	if (h->passes)
		tell_passes(h, false);
	h->at += h->compat ? COMPAT_HEADER_BYTES : HEADER_BYTES;
	return 0;
}

/*
 * ret messages have been moved; without any, the call failed once. By bpf_loop(),
 * since the verifier walks every turn of any other loop.
 */
static __always_inline int count_headers(struct headers *h, __s64 ret)
{
	if (ret <= 0)
		return sock_returned(h->file, h->dir, ret, h->flags, h->kinds);
	bpf_loop(ret < HEADERS_MAX ? ret : HEADERS_MAX, count_header, h, 0);
	return 0;
}

/* the one message of a call; by tracepoints the sender has noted where a datagram went */
static __always_inline int count_message(struct headers *h, __s64 ret)
{
	bool noted = !(h->kinds & KIND_BIT(LENS_KIND_UNIX_DGRAM));

	if (h->kinds & KINDS_SOCK)
		sock_returned(h->file, h->dir, ret, h->flags, h->kinds);
	if (h->passes && ret >= 0)
		tell_passes(h, noted);
	return 0;
}

/* apart from its caller, whose stack is needed for what comes later */
__noinline __u32 sockcall_unwrap(struct call_args *a)
{
	static const volatile __u8 calls[KDEF_SYS_SENDMMSG + 1] = {
		[KDEF_SYS_SEND] = CALL_SENDTO, [KDEF_SYS_SENDTO] = CALL_SENDTO,
		[KDEF_SYS_RECV] = CALL_RECVFROM, [KDEF_SYS_RECVFROM] = CALL_RECVFROM,
		[KDEF_SYS_SENDMSG] = CALL_SENDMSG, [KDEF_SYS_RECVMSG] = CALL_RECVMSG,
		[KDEF_SYS_SENDMMSG] = CALL_SENDMMSG, [KDEF_SYS_RECVMMSG] = CALL_RECVMMSG,
	};
	__u32 call = a->arg[0], words[4] = {}, i;

	if (call > KDEF_SYS_SENDMMSG)
		return CALL_NONE;
	/* headers have three words, and the fourth is not used of them */
	if (bpf_probe_read_user(words, sizeof(words), (void *)a->arg[1]) &&
	    bpf_probe_read_user(words, 3 * sizeof(words[0]), (void *)a->arg[1]))
		return CALL_NONE;
	for (i = 0; i < 4; i++)
		a->arg[i] = words[i];
	return calls[call];
}

/* likewise */
static __noinline __u64 file_of(__u32 fd, bool done)
{
	return fd_file_address(fd, done);
}

int sockcall(struct pt_regs *regs, __u32 class, bool compat, __s64 ret, __u64 kinds)
{
	struct headers h = { .kinds = kinds, .compat = compat };
	struct call_args a;

	if (is_restart(ret))
		return 0;
	h.passes = ((kinds | lens_splice_kinds) & KINDS_UNIX) != 0;
	arch_args(regs, compat, &a);
	if (class == CALL_SOCKETCALL)
		class = sockcall_unwrap(&a);
	if (!class || !(kinds & KINDS_SOCK || (class >= CALL_RECVMSG && h.passes)))
		return 0;
	h.file = file_of(a.arg[0], ret > 0);
	if (!h.file)
		return 0;
	h.at = a.arg[1];
	switch (class) {
	case CALL_RECVFROM:
		if (a.arg[3] & KDEF_MSG_TRUNC)
			ret = fitting(ret, a.arg[2]);
		return sock_returned(h.file, LENS_READ, ret, a.arg[3], kinds);
	case CALL_RECVMSG:
		h.dir = LENS_READ;
		h.flags = a.arg[2];
		if (h.flags & KDEF_MSG_TRUNC)
			ret = fitting(ret, sockcall_header_room(h.at, compat));
		return count_message(&h, ret);
	case CALL_SENDMSG:
		h.dir = LENS_WRITE;
		return count_message(&h, ret);
	case CALL_RECVMMSG:
	case CALL_SENDMMSG:
		h.dir = class == CALL_SENDMMSG ? LENS_WRITE : LENS_READ;
		h.flags = a.arg[3];
		return count_headers(&h, ret);
	}
	return sock_returned(h.file, LENS_WRITE, ret, 0, kinds);
}

__s64 sockcall_fitting(__s64 ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	bool compat = arch_is_compat(t);
	struct call_args a;
	__u32 class;

	class = arch_class(BPF_CORE_READ(regs, orig_ax));
	class = compat ? class >> CALL_COMPAT_SHIFT : class & CALL_NATIVE;
	arch_args_probe(regs, compat, &a);
	if (class == CALL_SOCKETCALL)
		class = sockcall_unwrap(&a);
	if (class == CALL_RECVFROM)
		return fitting(ret, a.arg[2]);
	if (class == CALL_RECVMSG || class == CALL_RECVMMSG)
		return fitting(ret, sockcall_header_room(a.arg[1], compat));
	/* nobody else but io_uring has flags, and where its buffers are nothing tells here */
	loss_add(LENS_KIND_UDP, LENS_LOSS_UNSEEN, 1, 0);
	return ret;
}
