// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind sockcall.bpf.h.
 */
#include "sockcall.bpf.h"
#include "fd.bpf.h"
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

struct headers {
	__u64 at;			/* where the length of the next one is, in user memory */
	__u64 file, kinds;
	__u32 stride, dir, flags;
	__u32 compat;
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

/*
 * How many bytes fit into the buffers of a header in user memory; not inlined, so that
 * what counts has not its locals on the stack.
 */
static __noinline __u64 header_room(__u64 header, __u32 compat)
{
	struct room r = { .compat = compat };
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
	r.at = vector[0];
	bpf_loop(vector[1] < HEADERS_MAX ? vector[1] : HEADERS_MAX, add_buffer, &r, 0);
	return r.bytes;
}

static __always_inline __s64 fitting(__s64 ret, __u64 room)
{
	return ret > 0 && room < ret ? room : ret;
}

static __always_inline __u32 header_len_at(bool compat)
{
	return compat ? COMPAT_HEADER_LEN_AT : HEADER_LEN_AT;
}

static long count_header(__u32 i, struct headers *h)
{
	__u32 len = 0;

	bpf_probe_read_user(&len, sizeof(len), (void *)h->at);
	if (h->flags & KDEF_MSG_TRUNC && h->dir == LENS_READ)
		len = fitting(len, header_room(h->at - header_len_at(h->compat), h->compat));
	h->at += h->stride;
	sock_returned(h->file, h->dir, len, h->flags, h->kinds);
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

__u32 sockcall_unwrap(struct call_args *a)
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

int sockcall(struct pt_regs *regs, __u32 class, bool compat, __s64 ret, __u64 kinds)
{
	struct headers h = {};
	struct call_args a;

	if (is_restart(ret))
		return 0;
	arch_args(regs, compat, &a);
	if (class == CALL_SOCKETCALL)
		class = sockcall_unwrap(&a);
	if (!class)
		return 0;
	h.file = (__u64)ident_fd_probe((void *)bpf_get_current_task_btf(), a.arg[0]);
	if (!h.file) {
		fd_count_lost(ret);
		return 0;
	}
	switch (class) {
	case CALL_RECVFROM:
		if (a.arg[3] & KDEF_MSG_TRUNC)
			ret = fitting(ret, a.arg[2]);
		return sock_returned(h.file, LENS_READ, ret, a.arg[3], kinds);
	case CALL_RECVMSG:
		if (a.arg[2] & KDEF_MSG_TRUNC)
			ret = fitting(ret, header_room(a.arg[1], compat));
		return sock_returned(h.file, LENS_READ, ret, a.arg[2], kinds);
	case CALL_RECVMMSG:
	case CALL_SENDMMSG:
		h.at = a.arg[1] + header_len_at(compat);
		h.compat = compat;
		h.stride = compat ? COMPAT_HEADER_BYTES : HEADER_BYTES;
		h.dir = class == CALL_SENDMMSG ? LENS_WRITE : LENS_READ;
		h.flags = a.arg[3];
		h.kinds = kinds;
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
		return fitting(ret, header_room(a.arg[1], compat));
	return ret;
}
