// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind procvm.bpf.h, and hooks at the entry points
 * of the calls, so that no other call pays.
 */
#include "procvm.bpf.h"
#include "arch.bpf.h"
#include "pass.bpf.h"
#include "xarray.bpf.h"

/* the task of a number in the pid namespace of the current one, by probing reads; may be NULL */
static __always_inline struct task_struct *task_of_pid(__u32 nr)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct pid *own = BPF_CORE_READ(t, thread_pid), *pid;
	__u32 level = BPF_CORE_READ(own, level) & 31;	/* MAX_PID_NS_LEVEL is 32 */
	struct pid_namespace *ns = NULL;
	struct hlist_node *link;

	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)own +
			      bpf_core_field_offset(struct pid, numbers) +
			      level * bpf_core_type_size(struct upid) +
			      bpf_core_field_offset(struct upid, ns));
	pid = ns ? xarray_get((void *)ns + bpf_core_field_offset(struct pid_namespace, idr) +
			      bpf_core_field_offset(struct idr, idr_rt), nr) : NULL;
	/* the first list is that of the thread with this number */
	link = pid ? BPF_CORE_READ(pid, tasks[0].first) : NULL;
	return link ? (void *)link - bpf_core_field_offset(struct task_struct, pid_links) : NULL;
}

/*
 * Who has ended since is not known any more: that counts for a process without
 * a name. A call on a number that nobody has fails, and is nobody's.
 */
int procvm_returned(__s32 pid, __u32 dir, __s64 ret)
{
	struct call call = { .ret = ret, .moved = ret > 0 };
	struct task_struct *to = task_of_pid(pid);
	struct lens_total_key key = {};
	struct lens_proc target = {};

	if (to)
		ident_proc(to, &target);
	else if (ret < 0)
		return 0;
	ident_target(&target, LENS_KIND_PROCESS_VM, 0, &key);
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	return totals_count(&key, NULL, FILE_NONE, &call);
}

/* the task that a pidfd stands for, by probing reads; NULL: it has ended */
static __always_inline struct task_struct *task_of_pidfd(struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);
	struct hlist_node *link;
	struct pid *pid;

	/* v6.9 gave them a file system */
	pid = BPF_CORE_READ(i, i_sb, s_magic) == KDEF_PID_FS_MAGIC ? BPF_CORE_READ(i, i_private) :
								    BPF_CORE_READ(f, private_data);
	link = pid ? BPF_CORE_READ(pid, tasks[0].first) : NULL;
	return link ? (void *)link - bpf_core_field_offset(struct task_struct, pid_links) : NULL;
}

/* a copy of an own descriptor comes from nobody */
int procvm_fetched(__u32 pidfd, __s64 ret)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf(), *from;
	struct file *f = ret >= 0 ? ident_fd_probe(t, pidfd) : NULL;
	struct lens_total_key key = {};
	struct lens_proc source = {}, unused;
	struct lens_chan via;

	from = f ? task_of_pidfd(f) : NULL;
	if (!from)
		return 0;
	ident_proc(from, &source);
	if (source.tgid == bpf_get_current_pid_tgid() >> 32)
		return 0;
	ident_target(&source, LENS_KIND_PROCESS_VM, 0, &key);
	ident_split(&key, &via, &unused);
	return pass_fetched(&via, (__u64)ident_fd_probe(t, ret), ret);
}

static __always_inline int vm_returned(struct pt_regs *regs, bool compat, __u32 dir, __s64 ret)
{
	struct call_args a;

	arch_args(regs, compat, &a);
	return procvm_returned(a.arg[0], dir, ret);
}

/* not the function behind all of them: before v6.8 a hook takes no more than six arguments */
#define VM_HOOK(name, abi, call, compat, dir)				\
	SEC("?fexit/__" #abi "_sys_" #call)				\
	int BPF_PROG(name, struct pt_regs *regs, long ret)		\
	{								\
		return vm_returned(regs, compat, dir, ret);		\
	}

#define GETFD_HOOK(name, abi, compat)					\
	SEC("?fexit/__" #abi "_sys_pidfd_getfd")			\
	int BPF_PROG(name, struct pt_regs *regs, long ret)		\
	{								\
		procvm_fetched(compat ? regs->bx : regs->di, ret);	\
		return 0;						\
	}

VM_HOOK(procvm__fexit_any__read, x64, process_vm_readv, false, LENS_READ)
VM_HOOK(procvm__fexit_any__write, x64, process_vm_writev, false, LENS_WRITE)
VM_HOOK(procvm__fexit__read32, ia32, process_vm_readv, true, LENS_READ)
VM_HOOK(procvm__fexit__write32, ia32, process_vm_writev, true, LENS_WRITE)
/* a group of its own: where an end comes from is told whatever else is observed */
GETFD_HOOK(fetch__fexit_any__getfd, x64, false)
GETFD_HOOK(fetch__fexit__getfd32, ia32, true)
