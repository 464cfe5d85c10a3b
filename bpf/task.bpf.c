// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Life of processes: fork, exec, rename, exit. Names are taken here, by the
 * kernel side, since a short-lived process is gone before /proc can be read.
 */
#include "task.bpf.h"
#include "describe.bpf.h"
#include "storage.bpf.h"
#include "straddle.bpf.h"

#define EXE_MAX 1024
#define CGROUP_MAX 512

/* ipclens itself and what reads its output, so that it never reports on itself */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct lens_proc);
	__type(value, __u32);
} lens_self_procs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct lens_chan);
	__type(value, __u32);
} lens_self_chans SEC(".maps");

/* set for every task that descends from the followed command */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} lens_tree SEC(".maps");

/* ------------------------------------------------------------ who is who */

/* one of us writes there; what shows a terminal reads that at its other end */
static __noinline int own_output(const struct lens_chan *wanted)
{
	struct lens_chan chan = *wanted;
	__u32 one = 1;

	bpf_map_update_elem(&lens_self_chans, &chan, &one, BPF_ANY);
	if (chan.kind != LENS_KIND_PTY)
		return 0;
	chan.gen ^= LENS_PTY_SLAVE;
	bpf_map_update_elem(&lens_self_chans, &chan, &one, BPF_ANY);
	return 0;
}

/*
 * Looked at once per endpoint. The collector is left out, and where operations go
 * out as they happen, who reads that as well: it would make more of them by doing
 * so, and so is what that one writes. Who writes where we write, the command or a
 * neighbour at our terminal, causes nothing that it has not done by itself.
 */
__u32 task_end_flags(const struct lens_proc *proc, const struct lens_chan *chan, __u32 dir)
{
	__u32 flags = 0, one = 1;
	__u32 *in_tree;

	in_tree = bpf_task_storage_get(&lens_tree, bpf_get_current_task_btf(), NULL, 0);
	if (in_tree)
		flags |= LENS_END_TREE;
	if (bpf_map_lookup_elem(&lens_self_procs, proc)) {
		flags |= LENS_END_SELF;
		if (dir == LENS_WRITE)
			own_output(chan);
	} else if (lens_feeds_output && dir == LENS_READ &&
		   bpf_map_lookup_elem(&lens_self_chans, chan)) {
		flags |= LENS_END_SELF;
		/* a command that shares our output is not one of us for that */
		if (!in_tree)
			bpf_map_update_elem(&lens_self_procs, proc, &one, BPF_ANY);
	}
	return flags;
}

bool task_is_self(const struct lens_proc *proc)
{
	return bpf_map_lookup_elem(&lens_self_procs, proc) != NULL;
}

/*
 * Run once by the collector: its process is the one to leave out, known by
 * kernel identity, which no pid namespace can hide. Its argument is a descriptor
 * of a pipe, which tells where pipes are.
 */
SEC("?raw_tp/sys_exit")
int core__run__hello(__u64 *args)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct lens_total_key k = {};
	struct lens_chan chan;
	struct lens_proc self, unused;
	__u32 one = 1, fd;
	struct file *f;

	ident_proc(t, &self);
	bpf_map_update_elem(&lens_self_procs, &self, &one, BPF_ANY);
	f = ident_fd_probe(t, args[0]);
	if (f && ident_pipe_probe(f, &k) && k.kind == LENS_KIND_PIPE)
		lens_pipefs_sb = (__u64)BPF_CORE_READ(f, f_inode, i_sb);
	for (fd = 1; fd <= 2; fd++) {
		f = ident_fd_probe(t, fd);
		if (!f || !(ident_pipe_probe(f, &k) || ident_pty(f, &k)))
			continue;
		ident_split(&k, &chan, &unused);
		own_output(&chan);
	}
	return 0;
}

/* ---------------------------------------------------------------- records */

/* pid and namespace of t in the innermost pid namespace it lives in */
static __always_inline void proc_fill_nspid(struct lens_rec_proc *r, struct pid *pid)
{
	__u32 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = NULL;
	void *up;

	up = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	     (__u64)level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&r->nspid, sizeof(r->nspid),
			      up + bpf_core_field_offset(struct upid, nr));
	bpf_probe_read_kernel(&ns, sizeof(ns), up + bpf_core_field_offset(struct upid, ns));
	if (ns)
		r->pidns = BPF_CORE_READ(ns, ns.inum);
}

static __always_inline void proc_fill(struct lens_rec_proc *r, struct task_struct *t, __u32 why)
{
	struct task_struct *leader = BPF_CORE_READ(t, group_leader);
	struct task_struct *parent = BPF_CORE_READ(leader, real_parent);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	struct nsproxy *ns = BPF_CORE_READ(t, nsproxy);

	ident_proc(t, &r->proc);
	ident_proc(parent, &r->parent);
	r->why = why;
	r->uid = BPF_CORE_READ(t, cred, uid.val);
	r->cgroup_id = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	if (pid)
		proc_fill_nspid(r, pid);
	if (ns) {
		r->ipcns = BPF_CORE_READ(ns, ipc_ns, ns.inum);
		r->netns = BPF_CORE_READ(ns, net_ns, ns.inum);
		r->mntns = BPF_CORE_READ(ns, mnt_ns, ns.inum);
	}
	bpf_core_read_str(r->comm, sizeof(r->comm), &leader->comm);
}

/* a PROC record without variable data in scratch `which`; its length, 0 on failure */
static __always_inline __u32 proc_brief(struct task_struct *t, __u32 which, __u32 why)
{
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_proc *r = (void *)s;

	if (!s)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	proc_fill(r, t, why);
	rec_init(&r->h, LENS_REC_PROC, sizeof(*r));
	return sizeof(*r);
}

__u32 task_describe(struct task_struct *t, __u32 which, __u32 why)
{
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct file *exe = BPF_CORE_READ(t, mm, exe_file);
	struct lens_rec_proc *r = (void *)s;
	__u32 at = proc_brief(t, which, why), exe_len = 0, cgroup_len;

	if (!s || !at)
		return 0;
	if (exe)
		exe_len = describe_path(which, at, EXE_MAX, path_of((__u64)exe));
	r->exe_len = exe_len & DESCRIBE_LEN;
	at += exe_len & DESCRIBE_LEN;
	cgroup_len = describe_cgroup(which, at, CGROUP_MAX,
				     (__u64)BPF_CORE_READ(t, cgroups, dfl_cgrp, kn));
	r->cgroup_len = cgroup_len & DESCRIBE_LEN;
	at = align8(at + (cgroup_len & DESCRIBE_LEN));
	r->h.len = at;
	if ((exe_len | cgroup_len) & DESCRIBE_TRUNCATED)
		r->h.flags = LENS_F_TRUNCATED;
	return at;
}

/* hands over the record in a scratch buffer that was taken, and gives that back */
static __always_inline int proc_emit(__u32 which, __u32 len, __u32 end_flags)
{
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);

	if (!s)
		return 0;
	if (len && len <= SCRATCH_SIZE) {
		((struct lens_rec_proc *)s)->end_flags = end_flags;
		core_emit(s, len, LENS_KIND_NONE);
	}
	return scratch_give(which);
}

/* who writes where we write, to a terminal maybe, is not one of us for that */
int task_announce(__u32 flags)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	__u32 which = scratch_take(), len = proc_brief(t, which, LENS_PROC_SEEN);
	struct lens_rec_proc *r = bpf_map_lookup_elem(&lens_scratch, &which);

	if (r && bpf_map_lookup_elem(&lens_self_procs, &r->proc))
		flags |= LENS_END_SELF;
	return proc_emit(which, len, flags);
}

/* ------------------------------------------------------------------- life */

/*
 * A loop such as `ipclens trace | while read` works through children that have
 * our output as their standard input. Other children of who reads it do not.
 */
static __always_inline void inherit_self(struct task_struct *parent, struct task_struct *child)
{
	struct lens_total_key input = {};
	struct lens_chan chan;
	struct lens_proc key;
	struct file *file;
	__u32 one = 1;

	ident_proc(parent, &key);
	if (!bpf_map_lookup_elem(&lens_self_procs, &key))
		return;
	file = ident_fd_probe(child, 0);
	if (!file || !ident_pipe_probe(file, &input))
		return;
	ident_split(&input, &chan, &key);
	if (!bpf_map_lookup_elem(&lens_self_chans, &chan))
		return;
	ident_proc(child, &key);
	bpf_map_update_elem(&lens_self_procs, &key, &one, BPF_ANY);
}

/* CLONE_INTO_CGROUP; else the cgroup is its parent's, whose path is known */
static __always_inline bool has_other_cgroup(struct task_struct *parent, struct task_struct *child)
{
	return BPF_CORE_READ(parent, cgroups, dfl_cgrp) != BPF_CORE_READ(child, cgroups, dfl_cgrp);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(task__btf__fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 *in_tree, *mine, which, len;

	in_tree = bpf_task_storage_get(&lens_tree, parent, NULL, 0);
	if (in_tree) {
		mine = storage_make(bpf_task_storage_get, &lens_tree, child);
		if (mine)
			*mine = 1;
		else
			loss_add(LENS_KIND_NONE, LENS_LOSS_STORAGE, 1, 0);
	}
	if (child->pid != child->tgid)
		return 0;	/* a thread */
	if (lens_feeds_output)
		inherit_self(parent, child);
	which = scratch_take();
	len = has_other_cgroup(parent, child) ? task_describe(child, which, LENS_PROC_FORK) :
						proc_brief(child, which, LENS_PROC_FORK);
	return proc_emit(which, len, in_tree ? LENS_END_TREE : 0);
}

/*
 * argv as exec left it. The new image has one thread and has not run yet:
 * nobody can have changed these bytes.
 */
static __noinline __u32 exec_argv(struct task_struct *t, __u32 which)
{
	__u32 len = proc_brief(t, which, LENS_PROC_EXEC), kept;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	unsigned long start = BPF_CORE_READ(t, mm, arg_start);
	unsigned long size = BPF_CORE_READ(t, mm, arg_end) - start;
	struct lens_rec_proc *r = (void *)s;

	if (!s || !len)
		return 0;
	kept = size > LENS_ARGV_MAX ? LENS_ARGV_MAX : size;
	if (bpf_probe_read_user(s->data + sizeof(*r), kept & (2 * LENS_ARGV_MAX - 1),
				(void *)start))
		return 0;
	r->argv_len = kept;
	r->h.flags = size > LENS_ARGV_MAX ? LENS_F_TRUNCATED : 0;
	r->h.len = align8(sizeof(*r) + kept);
	return r->h.len;
}

/* two records: argv stands between two paths whose length is known only when they are walked */
SEC("?tp_btf/sched_process_exec")
int BPF_PROG(task__btf__exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	__u32 flags = bpf_task_storage_get(&lens_tree, t, NULL, 0) ? LENS_END_TREE : 0;
	__u32 which = scratch_take();

	proc_emit(which, task_describe(t, which, LENS_PROC_EXEC), flags);
	which = scratch_take();
	return proc_emit(which, exec_argv(t, which), flags);
}

SEC("?tp_btf/task_rename")
int BPF_PROG(task__btf__rename, struct task_struct *t, const char *comm)
{
	__u32 which, len;
	struct scratch *s;

	if (t->pid != t->tgid)
		return 0;	/* a thread's name is not its process's */
	which = scratch_take();
	len = proc_brief(t, which, LENS_PROC_RENAME);
	s = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!s)
		return 0;
	bpf_probe_read_kernel_str(((struct lens_rec_proc *)s)->comm, LENS_COMM_LEN, comm);
	return proc_emit(which, len, 0);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(task__btf__exit, struct task_struct *t)
{
	struct lens_rec_exit r = {};

	straddle_end(t);	/* killed in its call, which returns to nobody */
	if (BPF_CORE_READ(t, signal, live.counter) != 0)
		return 0;	/* other threads live on */
	ident_proc(t, &r.proc);
	bpf_map_delete_elem(&lens_self_procs, &r.proc);
	r.code = BPF_CORE_READ(t, signal, group_exit_code);
	if (!r.code)
		r.code = t->exit_code;
	rec_init(&r.h, LENS_REC_EXIT, sizeof(r));
	core_emit(&r, sizeof(r), LENS_KIND_NONE);
	return 0;
}
