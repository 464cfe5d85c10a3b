// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Threads: the call each is in, from the registers it entered the kernel with,
 * and whether it ran between two looks. The memory those calls refer to is
 * another iterator's (stuck_memory.bpf.c).
 */
#include "stuck.bpf.h"
#include "snapshot.bpf.h"
#include "storage.bpf.h"
#include "ktypes_tty.bpf.h"

const volatile __u16 lens_waits[CALL_TABLE] = ARCH_WAITS;

#define NOT_IN_A_CALL -1

/*
 * restart_syscall(2) stands for the call that a signal or a stop interrupted.
 * Its arguments are still in place. All of them but poll(2) have a time limit.
 */
static __always_inline void restarted(struct task_struct *t, __u32 *flags, struct call_args *a,
				      __u32 *call)
{
	if ((__u64)core_load(t, restart_block.poll.ufds) != a->arg[0] ||
	    (__u32)core_load(t, restart_block.poll.nfds) != (__u32)a->arg[1])
		return;
	*call = LENS_CALL_POLL;
	*flags |= LENS_THREAD_RESTARTED;
	if (!core_load(t, restart_block.poll.has_timeout))
		*flags |= LENS_THREAD_ENDLESS;
}

__u32 stuck_call(struct task_struct *t, __u32 *ret_nr, __u32 *ret_flags, struct call_args *ret_args)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	bool compat = t->thread_info.status & KDEF_TS_COMPAT;
	__u32 call;
	__u64 nr;

	if (!regs)
		return LENS_CALL_NONE;
	nr = regs->orig_ax;
	*ret_nr = nr;
	if ((__s64)nr == NOT_IN_A_CALL)
		return LENS_CALL_NONE;
	arch_args(regs, compat, ret_args);
	if (nr >= CALL_TABLE)
		return LENS_CALL_OTHER;
	barrier_var(nr);
	call = lens_waits[nr & (CALL_TABLE - 1)];
	call = compat ? call >> CALL_COMPAT_SHIFT : call & CALL_NATIVE;
	if (compat)
		*ret_flags |= LENS_THREAD_COMPAT;
	if (call == LENS_CALL_RESTART)
		restarted(t, ret_flags, ret_args, &call);
	return call;
}

/* ------------------------------------------------------------------- since when */

/* set where a system call was missed: what is kept may be about an earlier one */
bool lens_entries_missed = false;

struct entry {
	__u64 at_ns;
	__u32 nr;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct entry);
} lens_entries SEC(".maps");

/* only where somebody runs for a while and wants to know */
SEC("?tp_btf/sys_enter")
int BPF_PROG(stuck__since__enter, struct pt_regs *regs, long id)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u64 nr = regs->orig_ax;
	struct entry *e;

	if (nr >= CALL_TABLE || !lens_waits[nr & (CALL_TABLE - 1)])
		return 0;
	e = storage_make(bpf_task_storage_get, &lens_entries, t);
	if (!e) {
		/* no memory, or (before v6.2) another task uses the storage on this CPU */
		lens_entries_missed = true;
		return 0;
	}
	e->at_ns = bpf_ktime_get_boot_ns();
	e->nr = nr;
	return 0;
}

static __always_inline __u64 entered(struct task_struct *t, __u32 nr)
{
	struct entry *e;

	if (lens_entries_missed)
		return 0;
	e = bpf_task_storage_get(&lens_entries, t, NULL, 0);
	return e && e->nr == nr ? e->at_ns : 0;
}

/* ----------------------------------------------------------------- threads */

/* number of a process in the pid namespace of its parent */
static __always_inline __u32 pid_at_level(struct pid *pid, __u32 level)
{
	__u32 nr = 0;

	if (level > 32) /* MAX_PID_NS_LEVEL */
		return 0;
	core_load_at(&nr, (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
				  level * bpf_core_type_size(struct upid) +
				  bpf_core_field_offset(struct upid, nr));
	return nr;
}

static __always_inline void fill_numbers(struct task_struct *t, struct lens_rec_thread *r)
{
	struct pid *pid = core_load(t, thread_pid);
	struct task_struct *parent = core_load(t, real_parent);
	struct pid_namespace *ns = NULL;
	__u32 level;

	if (!pid)
		return;
	level = core_load(pid, level);
	if (level > 32)
		return;
	r->nstid = pid_at_level(pid, level);
	core_load_at(&ns, (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
				  level * bpf_core_type_size(struct upid) +
				  bpf_core_field_offset(struct upid, ns));
	r->pidns = core_load(ns, ns.inum);
	r->nstgid_in_parent = pid_at_level(core_load_of(t, group_leader, thread_pid),
					   core_load_of(parent, thread_pid, level));
}

/* of a process group or session */
static __always_inline struct pid *pid_of(struct task_struct *t, int type)
{
	struct pid *pid = NULL;

	core_load_at(&pid, (__u64)core_load(t, signal) +
				   bpf_core_field_offset(struct signal_struct, pids) +
				   type * sizeof(void *));
	return pid;
}

/* has this pid still a process as its leader? */
static __always_inline bool leader_lives(struct task_struct *t, int type)
{
	struct pid *group = pid_of(t, type);
	void *first = NULL;

	if (!group)
		return true;
	core_load_at(&first, (__u64)group + bpf_core_field_offset(struct pid, tasks) +
				     sizeof(void *));
	return first != NULL;
}

enum { PIDS_GROUP = 2, PIDS_SESSION = 3 }; /* PIDTYPE_PGID, PIDTYPE_SID */

/*
 * Who was adopted by an init or subreaper is an orphan, unless it is a child
 * of init by birth; then whoever led its group or session is mostly still there.
 */
static __always_inline __u32 family_flags(struct task_struct *t)
{
	struct task_struct *parent = core_load(t, real_parent);
	struct signal_struct *signal = core_load(parent, signal);
	__u32 flags = 0;

	if (core_load(parent, pid) == 1 ||
	    pid_at_level(core_load(parent, thread_pid),
			 core_load_of(parent, thread_pid, level)) == 1 ||
	    BPF_CORE_READ_BITFIELD_PROBED(signal, is_child_subreaper))
		flags |= LENS_THREAD_ADOPTED;
	if (!leader_lives(t, PIDS_GROUP) || !leader_lives(t, PIDS_SESSION))
		flags |= LENS_THREAD_LEADERLESS;
	if (pid_of(t, PIDS_SESSION) == core_load(t, thread_pid))
		flags |= LENS_THREAD_LEADER;
	return flags;
}

#define SIGNALS 64

/* 1 for all but 0, without a branch: with one, the verifier walks on with every set there can be */
static __always_inline __u64 is_any(__u64 value)
{
	__u64 negative = -value;

	barrier_var(negative);
	return (value | negative) >> 63;
}

/* all of them by one read: they are many */
static __always_inline void fill_signals(struct task_struct *t, struct lens_rec_thread *r)
{
	__u32 which = SCRATCH_LOOK, size = bpf_core_type_size(struct k_sigaction);
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct sighand_struct *hand = core_load(t, sighand);

	if (!s || !hand ||
	    bpf_probe_read_kernel(s->data, SIGNALS * size,
				  (void *)hand +
					  bpf_core_field_offset(struct sighand_struct, action)))
		return;
	for (__u32 i = 0; i < SIGNALS; i++) {
		/* 0 is the default, 1 ignores */
		__u64 handler = *(__u64 *)(s->data + i * size), handled = is_any(handler >> 1);

		r->handlers |= handled << i;
		r->ignored |= (is_any(handler) ^ handled) << i;
	}
}

#define FILTERS_MAX 32

/* may a supervisor hold its calls? Where it does, the registers look as if it were in the call */
static __always_inline bool is_supervised(struct task_struct *t)
{
	struct seccomp_filter *f = core_load(t, seccomp.filter);
	__u32 i;

	for (i = 0; f && i < FILTERS_MAX; i++) {
		if (core_load(f, notif))
			return true;
		f = core_load(f, prev);
	}
	return f != NULL;
}

/* its registers still show the call that a fatal signal ended */
static __always_inline bool is_ending(struct task_struct *t, struct signal_struct *s)
{
	return t->flags & KDEF_PF_EXITING || core_load(s, flags) & KDEF_SIGNAL_GROUP_EXIT;
}

/* those of faults, which nobody sends; and SIGCHLD, which only a child does */
#define SIGNALS_OF_ITS_OWN                                                                         \
	(1ull << 3 | 1ull << 4 | 1ull << 6 | 1ull << 7 | 1ull << 10 | 1ull << 16 | 1ull << 30)

static __always_inline bool takes_mask(__u32 call)
{
	return call == LENS_CALL_PPOLL || call == LENS_CALL_PSELECT ||
	       call == LENS_CALL_EPOLL_PWAIT || call == LENS_CALL_EPOLL_PWAIT2 ||
	       call == LENS_CALL_IO_URING_ENTER;
}

/* signals that a call which takes a mask lets in, and that are blocked at other times */
static __always_inline __u64 let_in(struct task_struct *t, __u32 call)
{
	return takes_mask(call) ? core_load(t, saved_sigmask.sig[0]) &
		~core_load(t, blocked.sig[0]) & ~SIGNALS_OF_ITS_OWN : 0;
}

static __always_inline void fill_group(struct task_struct *t, struct lens_rec_thread *r)
{
	struct pid *group = pid_of(t, PIDS_GROUP);

	r->group = (__u64)group;
	r->nsgroup_in_parent =
		pid_at_level(group, BPF_CORE_READ(t, real_parent, thread_pid, level));
}

/* what controls a process, and whom that has in the foreground */
static __always_inline struct tty_struct *terminal_of(struct task_struct *t,
						      struct pid **ret_foreground)
{
	struct signal_struct___tty *s = (void *)core_load(t, signal);
	struct tty_struct *tty = core_load(s, tty);

	*ret_foreground = tty ? core_load(tty, ctrl.pgrp) : NULL;
	return tty;
}

static __always_inline void fill_stop(struct task_struct *t, struct lens_rec_thread *r)
{
	struct pid *foreground;

	terminal_of(t, &foreground);
	r->stop_signal = core_load(t, jobctl) & KDEF_JOBCTL_STOP_SIGMASK;
	if (foreground && foreground != pid_of(t, PIDS_GROUP))
		r->flags |= LENS_THREAD_BACKGROUND;
}

static __always_inline void fill_terminal(struct task_struct *t, struct lens_rec_thread *r)
{
	struct pid *foreground;

	r->terminal = (__u64)terminal_of(t, &foreground);
	if (foreground && foreground == pid_of(t, PIDS_GROUP))
		r->flags |= LENS_THREAD_FOREGROUND;
}

static __always_inline void fill_process(struct task_struct *t, struct task_struct *u,
					 struct lens_rec_thread *r)
{
	struct signal_struct *s = core_field(u, signal);
	struct nsproxy *ns = core_field(u, nsproxy);
	struct mm_struct *mm = core_field(u, mm);
	__u64 listens = let_in(t, r->call);
	bool leads = t->pid == t->tgid;
	int end;

	r->parent = core_field_of(u, real_parent, tgid);
	if (core_field(u, jobctl) & KDEF_JOBCTL_LISTENING ||
	    core_field(s, flags) & KDEF_SIGNAL_STOP_STOPPED)
		r->flags |= LENS_THREAD_CONTINUABLE;
	if (r->state & KDEF_TASK_STOPPED)
		fill_stop(t, r);
	if (core_field(u, ptrace))
		r->tracer = core_field_of(u, parent, tgid);
	r->written = core_field(u, ioac.wchar);
	if (stuck_timer(t))
		r->flags |= LENS_THREAD_TIMER;
	if (is_ending(t, s))
		r->flags |= LENS_THREAD_ENDING;
	if (leads || listens)
		fill_signals(t, r);
	/* that is waited for, too */
	if (listens & r->handlers)
		r->flags |= LENS_THREAD_LISTENS;
	if (is_supervised(t))
		r->flags |= LENS_THREAD_SUPERVISED;
	/* not nr_threads, which counts those that have ended and nobody has reaped, too */
	if (core_field(mm, mm_users.counter) > core_field(s, live.counter))
		r->flags |= LENS_THREAD_SHARES_MEMORY;
	if (core_field(u, vfork_done))
		r->flags |= LENS_THREAD_VFORKED;
	r->ipcns = core_field_of(ns, ipc_ns, ns.inum);
	r->netns = core_field_of(ns, net_ns, ns.inum);
	r->blocked = core_field(u, blocked.sig[0]);
	r->pid = (__u64)core_load(t, thread_pid);
	if (!leads) {
		r->handlers = r->ignored = 0;
		return;
	}
	r->written += core_field(s, ioac.wchar);
	fill_group(t, r);
	fill_terminal(t, r);
	r->flags |= family_flags(t);
	end = core_field(u, exit_signal);
	if (end != KDEF_SIGCHLD)
		r->flags |= end > 0 ? LENS_THREAD_CLONED | LENS_THREAD_TELLS : LENS_THREAD_CLONED;
}

/* what both rounds tell */
static __always_inline void fill_call(struct task_struct *t, struct task_struct *u,
				      struct lens_rec_thread *r)
{
	struct call_args args = {};

	r->call = stuck_call(t, &r->nr, &r->flags, &args);
	__builtin_memcpy(r->arg, args.arg, sizeof(r->arg));
	r->switches = t->nvcsw + t->nivcsw;
	if (core_field_of(u, io_uring, xa.xa_head))
		r->flags |= LENS_THREAD_URING;
	r->tid = t->pid;
	r->proc.tgid = t->tgid;
	r->proc.start_ns = core_field_of(u, group_leader, start_boottime);
}

#define OWNER_FLAG 1ull /* RT_MUTEX_HAS_WAITERS */

static __always_inline void fill_thread(struct task_struct *t, struct task_struct *u,
					struct lens_rec_thread *r)
{
	struct rt_mutex_waiter *waits;

	if (t->flags & (KDEF_PF_IO_WORKER | KDEF_PF_USER_WORKER))
		r->flags |= LENS_THREAD_WORKER;
	r->state = core_field(u, __state);
	r->entered_ns = entered(t, r->nr);
	if (core_field(u, jobctl) & KDEF_JOBCTL_TRAP_FREEZE)
		r->flags |= LENS_THREAD_FROZEN;
	r->files = (__u64)core_load(t, files);
	r->undo = (__u64)core_load(t, sysvsem.undo_list);
	r->cred = (__u64)core_load(t, cred);
	r->task = ident_address(t);
	waits = core_load(t, pi_blocked_on);
	r->heir = (__u64)core_load_of(waits, lock, owner) & ~OWNER_FLAG;
}

static __always_inline int tell(struct lens_rec_thread *r, struct seq_file *seq)
{
	rec_init(&r->h, LENS_REC_THREAD, sizeof(*r));
	r->h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(seq, r, sizeof(*r));
	return 0;
}

static __noinline int tell_call(struct task_struct *t, struct seq_file *seq)
{
	struct lens_rec_thread r = {};

	fill_call(t, ident_task(t), &r);
	return tell(&r, seq);
}

/* the first of two rounds: processes, and the call of each thread, whether it stays in it */
SEC("?iter.s/task")
int stuck__iter__calls(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;

	if (!t || t->flags & KDEF_PF_KTHREAD)
		return 0;
	snap_process(t, ctx->meta->seq);
	return tell_call(t, ctx->meta->seq);
}

/* include/uapi/linux/wait.h */
#define WAIT_P_PGID 2
#define WAIT_P_PIDFD 3

/* which another thread, or its parent, may have put it out of since */
static __always_inline bool waits_for_own_group(const struct lens_rec_thread *r)
{
	if (r->call == LENS_CALL_WAITID)
		return (__u32)r->arg[0] == WAIT_P_PGID && !(__u32)r->arg[1];
	return !(__u32)r->arg[0];
}

/* another thread has put something else in the place of what its call is about */
static __always_inline bool is_elsewhere(struct task_struct *t, const struct lens_rec_thread *r)
{
	__u64 end = ident_address((void *)bpf_task_pt_regs(t)), task = ident_address(t);
	__u32 call = r->call;
	__u64 second = r->arg[1];

	if (call == LENS_CALL_WAITID && r->arg[0] == WAIT_P_PIDFD)
		return !stuck_awaits(t, second);
	if (call >= LENS_CALL_WAIT4 && call <= LENS_CALL_WAITID)
		return waits_for_own_group(r) &&
		       !stuck_awaits_group(t, (__u64)pid_of(t, PIDS_GROUP));
	if (!(call >= LENS_CALL_READ && call <= LENS_CALL_CONNECT) &&
	    !(call >= LENS_CALL_EPOLL_WAIT && call <= LENS_CALL_EPOLL_PWAIT2) &&
	    call != LENS_CALL_MQ_SEND && call != LENS_CALL_MQ_RECEIVE)
		return false;
	if (call == LENS_CALL_SPLICE)
		second = r->arg[2];
	else if (call != LENS_CALL_SENDFILE && call != LENS_CALL_TEE)
		second = r->arg[0];
	return !stuck_subject(task, r->arg[0], end) ||
	       (second != r->arg[0] && !stuck_subject(task, second, end));
}

/* what a socket or a terminal limits calls to may have been another time when they began */
static __always_inline bool limits_calls(struct task_struct *t, __u32 fd)
{
	__u32 mode = BPF_CORE_READ(ident_fd_probe(t, fd), f_inode, i_mode) & KDEF_S_IFMT;

	return mode == KDEF_S_IFSOCK || mode == KDEF_S_IFCHR;
}

/* a limit that no argument of the call tells */
static __always_inline bool may_be_limited(struct task_struct *t, const struct lens_rec_thread *r)
{
	if (r->call == LENS_CALL_IO_URING_ENTER)
		return r->arg[3] & KDEF_IORING_ENTER_EXT_ARG;
	if (r->call == LENS_CALL_SOCKETCALL || r->call == LENS_CALL_SPLICE ||
	    r->call == LENS_CALL_SENDFILE)
		return true;
	return r->call >= LENS_CALL_READ && r->call <= LENS_CALL_CONNECT &&
	       limits_calls(t, r->arg[0]);
}

static __always_inline __u32 timed(struct task_struct *t)
{
	return stuck_queued(ident_address(t), ident_address((void *)bpf_task_pt_regs(t)),
			    QUEUED_TIMER, 1) ? LENS_THREAD_TIMED : 0;
}

/* behind what fill_signals() reads */
#define RECORD_AT LENS_PATH_MAX

/*
 * The record is not on the stack, of which the verifier knows what is 0: it would walk on with
 * every set of fields that may be.
 */
SEC("?iter/task")
int stuck__iter__threads(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task, *u;
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_thread *r;

	if (!s || !t || t->flags & KDEF_PF_KTHREAD)
		return 0;
	r = (void *)s->data + RECORD_AT;
	__builtin_memset(r, 0, sizeof(*r));
	u = ident_task(t);
	fill_call(t, u, r);
	fill_thread(t, u, r);
	fill_numbers(t, r);
	fill_process(t, u, r);
	if (r->state & KDEF_TASK_SLEEPS && is_elsewhere(t, r))
		r->flags |= LENS_THREAD_ELSEWHERE;
	if (r->flags & LENS_THREAD_ELSEWHERE ||
	    (r->state & KDEF_TASK_SLEEPS && may_be_limited(t, r)))
		r->flags |= timed(t);
	BPF_CORE_READ_STR_INTO(&r->comm, t, comm);
	return tell(r, ctx->meta->seq);
}
