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

/* ret messages have been moved; without any, the call failed once */
static __always_inline int count_headers(struct call_args *a, __u64 file, __u32 dir, bool compat,
					 __s64 ret, __u64 kinds)
{
	__u64 at = a->arg[1] + (compat ? COMPAT_HEADER_LEN_AT : HEADER_LEN_AT);
	__u32 flags = a->arg[3], stride = compat ? COMPAT_HEADER_BYTES : HEADER_BYTES, len, i;

	if (ret <= 0)
		return sock_returned(file, dir, ret, flags, kinds);
	for (i = 0; i < HEADERS_MAX && i < ret; i++) {
		len = 0;
		bpf_probe_read_user(&len, sizeof(len), (void *)at);
		at += stride;
		sock_returned(file, dir, len, flags, kinds);
	}
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
	struct call_args a;
	__u64 file;

	if (is_restart(ret))
		return 0;
	arch_args(regs, compat, &a);
	if (class == CALL_SOCKETCALL)
		class = sockcall_unwrap(&a);
	if (!class)
		return 0;
	file = (__u64)ident_fd_probe((void *)bpf_get_current_task_btf(), a.arg[0]);
	if (!file) {
		fd_count_lost(ret);
		return 0;
	}
	switch (class) {
	case CALL_RECVFROM:
		return sock_returned(file, LENS_READ, ret, a.arg[3], kinds);
	case CALL_RECVMSG:
		return sock_returned(file, LENS_READ, ret, a.arg[2], kinds);
	case CALL_RECVMMSG:
		return count_headers(&a, file, LENS_READ, compat, ret, kinds);
	case CALL_SENDMMSG:
		return count_headers(&a, file, LENS_WRITE, compat, ret, kinds);
	}
	return sock_returned(file, LENS_WRITE, ret, 0, kinds);
}
