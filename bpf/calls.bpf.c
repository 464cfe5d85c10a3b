// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The hook behind every variant named `sys`: one program at the end of system
 * calls, where the registers still hold the arguments. It works on any kernel
 * with BTF, under lockdown too. Every call of every process runs through it,
 * so what is not ours must leave at once.
 */
#include "arch.bpf.h"
#include "pipe.bpf.h"
#include "straddle.bpf.h"
#include "sysvmsg.bpf.h"

const volatile __u16 lens_calls[CALL_TABLE] = ARCH_CALLS;

/*
 * Which hook groups chose their variant `sys`; of the others only those calls
 * are counted here that are older than their hooks.
 */
const volatile bool lens_sys_pipe = true;
const volatile bool lens_sys_sysvmsg = true;

/*
 * Kernels without bpf_rdonly_cast (before v6.2) get an object compiled with
 * LENS_PLAIN: to learn that a kernel function is missing libbpf asks for
 * CAP_SYS_ADMIN. Used in this file only: libbpf 1.1 cannot link a kernel
 * function that two objects name.
 */
#ifndef LENS_PLAIN
extern void *bpf_rdonly_cast(void *obj, __u32 btf_id) __ksym __weak;

/*
 * The file behind a descriptor of the current task, with plain loads: a fault
 * reads as zero. The file table is not locked; another thread may close the
 * descriptor under our eyes, which then looks like a descriptor that was
 * never open.
 */
static __always_inline struct file *calls_fd_file(struct task_struct *t, __u32 fd)
{
	struct fdtable *fdt = t->files->fdt;
	struct hlist_head *slot;

	if (fd >= fdt->max_fds)
		return NULL;
	/* an array of pointers has no type of its own: borrow one that holds a pointer */
	slot = bpf_rdonly_cast((void *)((__u64)fdt->fd + (__u64)fd * 8),
			       bpf_core_type_id_kernel(struct hlist_head));
	return bpf_rdonly_cast(slot->first, bpf_core_type_id_kernel(struct file));
}
#endif

static __always_inline int calls_splice(__u32 in, __u32 out, __s64 ret)
{
	pipe_count_fd(in, LENS_READ, ret, false);
	return pipe_count_fd(out, LENS_WRITE, ret, false);
}

static __always_inline int calls_msgctl(__s32 id, __u32 command, __s64 ret)
{
	/* the 32-bit ABI may add IPC_64 */
	if ((command & 0xff) == KDEF_IPC_RMID && ret == 0)
		return sysvmsg_removed(id);
	return 0;
}

static __always_inline int calls_ipc(struct call_args *a, __s64 ret)
{
	__u32 call = a->arg[0] & 0xffff, version = a->arg[0] >> 16, buffer = a->arg[4];
	__s32 id = a->arg[1];

	if (call == KDEF_IPC_MSGSND)
		return sysvmsg_sent(id, sysvmsg_type(buffer, true), a->arg[2], ret);
	if (call == KDEF_IPC_MSGCTL)
		return calls_msgctl(id, a->arg[2], ret);
	if (call != KDEF_IPC_MSGRCV)
		return 0;
	/* the oldest form hides the buffer behind one more pointer */
	if (!version)
		bpf_probe_read_user(&buffer, sizeof(buffer), (void *)a->arg[4]);
	return sysvmsg_received(id, sysvmsg_type(buffer, true), a->arg[2], a->arg[3], ret);
}

/* pipes: what is not worth a place in the straight line of read and write */
static __noinline int calls_pipes(struct pt_regs *regs, __u32 class,
				  bool compat, __s64 ret)
{
	struct call_args a;
	bool is_short;

	arch_args(regs, compat, &a);
	is_short = ret > 0 && ret < (__s64)a.arg[2];
	switch (class) {
	case CALL_READ:
		return pipe_count_fd(a.arg[0], LENS_READ, ret, is_short);
	case CALL_WRITE:
		return pipe_count_fd(a.arg[0], LENS_WRITE, ret, is_short);
	case CALL_READV:
		return pipe_count_fd(a.arg[0], LENS_READ, ret, false);
	case CALL_WRITEV:
		return pipe_count_fd(a.arg[0], LENS_WRITE, ret, false);
	case CALL_SPLICE:
		return calls_splice(a.arg[0], a.arg[2], ret);
	case CALL_TEE:	/* copies; the source keeps its bytes */
		return pipe_count_fd(a.arg[1], LENS_WRITE, ret, false);
	case CALL_VMSPLICE:
		return pipe_count_vmsplice(a.arg[0], ret);
	case CALL_SENDFILE:
		return pipe_count_fd(a.arg[0], LENS_WRITE, ret, false);
	case CALL_OPEN:
		return pipe_opened(ret);
	}
	return 0;
}

static __noinline int calls_queues(struct pt_regs *regs, __u32 class,
				   bool compat, __s64 ret)
{
	struct call_args a;

	arch_args(regs, compat, &a);
	switch (class) {
	case CALL_MSGSND:
		return sysvmsg_sent(a.arg[0], sysvmsg_type(a.arg[1], compat), a.arg[2], ret);
	case CALL_MSGRCV:
		return sysvmsg_received(a.arg[0], sysvmsg_type(a.arg[1], compat), a.arg[2],
					a.arg[4], ret);
	case CALL_MSGCTL:
		return calls_msgctl(a.arg[0], a.arg[1], ret);
	case CALL_IPC:
		return calls_ipc(&a, ret);
	}
	return 0;
}

static __always_inline int calls_other(struct pt_regs *regs, __u32 class, bool compat, __s64 ret)
{
	if (class <= CALL_PIPE_LAST)
		return calls_pipes(regs, class, compat, ret);
	return calls_queues(regs, class, compat, ret);
}

static __always_inline bool calls_wants(struct task_struct *t, __u32 class)
{
	if (class <= CALL_PIPE_LAST ? lens_sys_pipe : lens_sys_sysvmsg)
		return true;
	return straddle_end(t);
}

static __always_inline int calls_compat(struct task_struct *t, struct pt_regs *regs, __u32 class,
					__s64 ret)
{
	if (!calls_wants(t, class))
		return 0;
	return calls_other(regs, class, true, ret);
}

#ifndef LENS_PLAIN
/* the straight line */
static __always_inline int calls_read_write(struct task_struct *t, struct pt_regs *regs,
					    __u32 class, __s64 ret)
{
	struct file *file;

	if (is_restart(ret))
		return 0;
	/* as an untrusted pointer: the verifier searches all types for each trusted step */
	t = bpf_rdonly_cast(t, bpf_core_type_id_kernel(struct task_struct));
	file = calls_fd_file(t, regs->di);
	if (!file) {
		pipe_count_lost(ret);
		return 0;
	}
	return pipe_count(t, file, class == CALL_WRITE ? LENS_WRITE : LENS_READ, ret,
			  ret > 0 && ret < (__s64)regs->dx);
}
#endif

SEC("?tp_btf/sys_exit")
int BPF_PROG(calls__sys__exit, struct pt_regs *regs, long ret)
{
	__u32 class = arch_class(regs->orig_ax);
	struct task_struct *t;

	if (!class)
		return 0;
	t = bpf_get_current_task_btf();
	if (arch_is_compat(t))
		return calls_compat(t, regs, class >> CALL_COMPAT_SHIFT, ret);
	class &= CALL_NATIVE;
	if (!calls_wants(t, class))
		return 0;
#ifndef LENS_PLAIN
	if (class <= CALL_WRITE)
		return calls_read_write(t, regs, class, ret);
#endif
	return calls_other(regs, class, false, ret);
}
