// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What exists at this moment, whoever made it and whenever: processes, who
 * holds which channel, calls in progress, SysV queues of every ipc namespace
 * that has a process. Iterators that write records to their seq file; what one
 * object can have many of goes through the ring, since a seq record is
 * limited to 32 KiB.
 */
#include "arch.bpf.h"
#include "backlog.bpf.h"
#include "describe.bpf.h"
#include "foreign.bpf.h"
#include "ident_sock.bpf.h"
#include "inet.bpf.h"
#include "ipc.bpf.h"
#include "object.bpf.h"
#include "pass.bpf.h"
#include "snapshot.bpf.h"
#include "sockcall.bpf.h"
#include "storage.bpf.h"
#include "straddle.bpf.h"
#include "task.bpf.h"
#include "totals.bpf.h"

extern const volatile __u16 lens_calls[CALL_TABLE];

/* ---------------------------------------------------------------- processes */

bool lens_without_arguments = false;

/*
 * The arguments of t, in a record of their own. Its memory may be on disk, so
 * the iterator is one that may sleep; it runs in the collector only, which
 * reads one iterator at a time, so nobody else uses the scratch buffer.
 */
static __noinline int procs_argv(struct task_struct *t, struct seq_file *seq)
{
	__u32 which = SCRATCH_LOOK, kept;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	unsigned long start = BPF_CORE_READ(t, mm, arg_start);
	unsigned long size = BPF_CORE_READ(t, mm, arg_end) - start;
	struct lens_rec_proc *r = (void *)s;

	if (!s || !start || !size || lens_without_arguments)
		return 0;
	kept = size > LENS_ARGV_MAX ? LENS_ARGV_MAX : size;
	if (foreign_memory(t, start, kept) != FOREIGN_HERE)
		return 0;
	barrier_var(kept);
	if (bpf_copy_from_user_task(s->data + sizeof(*r), kept & (2 * LENS_ARGV_MAX - 1),
				    (void *)start, t, 0))
		return 0;
	r->exe_len = 0;
	r->cgroup_len = 0;
	r->argv_len = kept;
	r->h.flags = LENS_F_SNAPSHOT | (size > LENS_ARGV_MAX ? LENS_F_TRUNCATED : 0);
	r->h.len = align8(sizeof(*r) + kept);
	bpf_seq_write(seq, s, align8(sizeof(*r) + kept));
	return 0;
}

int snap_process(struct task_struct *t, struct seq_file *seq)
{
	__u32 which = SCRATCH_LOOK, len;
	struct scratch *s;

	if (t->flags & KDEF_PF_KTHREAD || t->pid != t->tgid)
		return 0;
	/* a leader that has ended stands for its threads, and for nobody when they have too */
	if (!BPF_CORE_READ(t, signal, live.counter))
		return 0;
	len = task_describe(t, which, LENS_PROC_SEEN);
	s = bpf_map_lookup_elem(&lens_scratch, &which);
	if (!s || !len || len > SCRATCH_SIZE)
		return 0;
	((struct lens_rec *)s)->flags |= LENS_F_SNAPSHOT;
	bpf_seq_write(seq, s, len);
	procs_argv(t, seq);
	return 0;
}

SEC("?iter.s/task")
int snap__iter__procs(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;

	return t ? snap_process(t, ctx->meta->seq) : 0;
}

/* ------------------------------------------------------------------ holders */

/*
 * The file at an address stands for the channel of key, which is open in that mode by fd;
 * made: LENS_END_MADE or 0.
 */
static __noinline int holder_found(struct bpf_iter__task_file *ctx,
				   const struct lens_total_key *key, struct file *file, __u32 mode,
				   __u32 made)
{
	__u32 which = SCRATCH_LOOK, len, name_len = 0;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_hold *h = (void *)s;

	if (!s)
		return 0;
	__builtin_memset(h, 0, sizeof(*h));
	ident_split(key, &h->chan, &h->proc);
	totals_found(&h->chan);
	h->fd = ctx->fd;
	h->mode = mode;
	h->flags = made;
	if (object_is_memory(key->kind)) {
		object_depth(key->kind, file, &h->depth);
		name_len = object_name(key->kind, which, sizeof(*h), file);
	} else {
		describe_depth(key->kind, KINDS_ALL, file, &h->depth);
		name_len = describe_name(key->kind, KINDS_ALL, which, sizeof(*h), file);
	}
	len = align8(sizeof(*h) + (name_len & DESCRIBE_LEN));
	rec_init(&h->h, LENS_REC_HOLD, len);
	h->h.flags = LENS_F_SNAPSHOT | describe_flags(name_len);
	h->name_len = name_len & DESCRIBE_LEN;
	if (len > SCRATCH_SIZE)
		return 0;
	bpf_seq_write(ctx->meta->seq, h, len);
	return 0;
}

/* where a socket of the internet protocols is; what is at its other end shows that */
static __noinline int holder_address(struct bpf_iter__task_file *ctx,
				     const struct lens_total_key *key, struct file *file)
{
	struct sock *sk = ident_file_sock(file);
	struct lens_rec_sock r = {};
	struct lens_proc unused;

	if (!sk)
		return 0;
	ident_split(key, &r.chan, &unused);
	if (key->kind == LENS_KIND_UDP) {
		/* what the socket sends elsewhere is there as long as it is */
		r.chan.gen = LENS_GEN_OUTGOING;
		totals_found(&r.chan);
		r.chan.gen = 0;
	}
	inet_tell((__u64)sk, &r);
	rec_init(&r.h, LENS_REC_SOCK, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

/* descriptors inside a unix socket, once a look; there are few sockets that hold any */
static __always_inline int holder_queue(const struct lens_total_key *key, struct file *file)
{
	struct sock *sk = ident_file_sock(file);
	struct lens_proc unused;
	struct lens_chan chan;
	__u32 one = 1;

	if (!BPF_CORE_READ(sk, sk_receive_queue.qlen))
		return 0;
	ident_split(key, &chan, &unused);
	if (bpf_map_lookup_elem(&lens_walked, &chan))
		return 0;
	if (pass_in_flight((__u64)sk, &chan))
		bpf_map_update_elem(&lens_walked, &chan, &one, BPF_ANY);
	return 0;
}

/*
 * The other end of a socket: joined to a half of a connection; what datagrams
 * are sent to is a channel that the holder of the sender can write to.
 */
static __noinline int holder_peer(struct bpf_iter__task_file *ctx,
				  const struct lens_total_key *key, struct file *file)
{
	struct lens_total_key its = *key;
	struct lens_rec_peer r = {};
	struct lens_proc unused;
	struct file *f;

	f = ident_sock_probe(ident_unix_peer(ident_file_sock(file)), &its);
	if (!f)
		return 0;
	if (!kind_has_halves(key->kind))
		return holder_found(ctx, &its, f, KDEF_FMODE_WRITE, 0);
	ident_split(key, &r.chan, &unused);
	ident_split(&its, &r.peer, &unused);
	rec_init(&r.h, LENS_REC_PEER, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

SEC("?iter/task_file")
int snap__iter__files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task, *leader;
	struct lens_total_key key = {};
	struct file *file = ctx->file;
	__u64 address;
	__u32 mode;

	if (!t || !file)
		return 0;
	address = ident_address(file);
	if (!ident_held(address, &key))
		return 0;
	t = ident_task(t);
	leader = core_field(t, group_leader);
	key.start_ns = core_field(leader, start_boottime);
	key.tgid = core_field(t, tgid);
	mode = file->f_mode & (KDEF_FMODE_READ | KDEF_FMODE_WRITE);
	/* datagrams are sent through a socket, but not to it */
	if (key.kind == LENS_KIND_UNIX_DGRAM || key.kind == LENS_KIND_UDP)
		mode = KDEF_FMODE_READ;
	holder_found(ctx, &key, (struct file *)address, mode,
		     ident_made((void *)ident_address(t), (struct file *)address));
	if (kind_is_inet(key.kind))
		holder_address(ctx, &key, (struct file *)address);
	else if (kind_is_sock(key.kind))
		holder_peer(ctx, &key, (struct file *)address);
	if (kind_is_unix(key.kind))
		holder_queue(&key, (struct file *)address);
	if (key.kind == LENS_KIND_POSIX_MQ)
		backlog_mqueue(BPF_CORE_READ(file, f_inode), BPF_CORE_READ(file, f_path.dentry));
	return 0;
}

/* --------------------------------------------------------- calls in progress */

static __always_inline bool wait_file(struct task_struct *t, __u32 fd, __u32 dir,
				      struct lens_chan *ret)
{
	struct file *file = ident_fd_probe(t, fd);
	struct lens_total_key key = {};
	struct lens_proc unused;

	if (!file || !ident_file((__u64)file, &key))
		return false;
	/* of one that is not connected only the address in user memory says where to */
	if (key.kind == LENS_KIND_UNIX_DGRAM && dir == LENS_WRITE &&
	    !ident_sock_probe(ident_unix_peer(ident_file_sock(file)), &key))
		return false;
	/* what leaves a socket for another is in no queue of its own */
	if (key.kind == LENS_KIND_UDP && dir == LENS_WRITE)
		return false;
	ident_split(&key, ret, &unused);
	return true;
}

static __always_inline bool wait_is_full_pipe(struct task_struct *t, __u32 fd)
{
	struct file *file = ident_fd_probe(t, fd);
	struct pipe_inode_info *p = file ? BPF_CORE_READ(file, f_inode, i_pipe) : NULL;

	return p && BPF_CORE_READ(p, head) - BPF_CORE_READ(p, tail) >= BPF_CORE_READ(p, max_usage);
}

/* from one descriptor to another: for room if there is none, or else for data */
static __noinline bool wait_between(struct task_struct *t, __u32 from, __u32 to,
				    struct lens_rec_wait *w)
{
	if (!wait_is_full_pipe(t, to) && wait_file(t, from, w->dir, &w->chan))
		return true;
	w->dir = LENS_WRITE;
	return wait_file(t, to, w->dir, &w->chan);
}

static __always_inline void wait_queue(struct task_struct *t, __s32 id, struct lens_chan *ret)
{
	ret->ino = (__u32)id;
	ret->dev = BPF_CORE_READ(t, nsproxy, ipc_ns, ns.inum);
	ret->gen = 0;
	ret->kind = LENS_KIND_SYSV_MSG;
	ret->pad = 0;
}

/* fills in channel, direction and size of the call t is in; false if it is none of ours */
static __noinline bool wait_resolve(struct task_struct *t, struct call_args *a, __u32 class,
				    struct lens_rec_wait *w)
{
	w->asked = a->arg[2];
	w->dir = LENS_READ;
	switch (class) {
	case CALL_WRITEV:
	case CALL_SENDMSG:
	case CALL_SENDMMSG:
		w->dir = LENS_WRITE;
		/* fallthrough */
	case CALL_READV:
	case CALL_RECVMSG:
	case CALL_RECVMMSG:
		w->asked = 0;	/* unknown: the sizes are in user memory */
		return wait_file(t, a->arg[0], w->dir, &w->chan);
	case CALL_WRITE:
	case CALL_SENDTO:
		w->dir = LENS_WRITE;
		/* fallthrough */
	case CALL_READ:
	case CALL_RECVFROM:
		return wait_file(t, a->arg[0], w->dir, &w->chan);
	case CALL_SPLICE:
		w->asked = a->arg[4];
		return wait_between(t, a->arg[0], a->arg[2], w);
	case CALL_TEE:
		return wait_file(t, a->arg[0], w->dir, &w->chan);
	case CALL_SENDFILE:
		w->asked = a->arg[3];
		return wait_between(t, a->arg[1], a->arg[0], w);
	case CALL_VMSPLICE:
		w->asked = 0;
		w->dir = LENS_WRITE;
		return wait_file(t, a->arg[0], w->dir, &w->chan);
	case CALL_MQSEND:
		w->dir = LENS_WRITE;
		/* fallthrough */
	case CALL_MQRECEIVE:
		return wait_file(t, a->arg[0], w->dir, &w->chan);
	case CALL_MSGSND:
		w->dir = LENS_WRITE;
		wait_queue(t, a->arg[0], &w->chan);
		return true;
	case CALL_MSGRCV:
		w->msgtype = a->arg[3];
		wait_queue(t, a->arg[0], &w->chan);
		return true;
	}
	return false;
}

/* fills in the call on a channel that t is in; false if it is in none */
static __always_inline bool wait_find(struct task_struct *t, struct lens_rec_wait *w)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	struct call_args args;
	__u32 class;
	bool compat;
	__u64 nr;

	if (!regs)
		return false;
	nr = BPF_CORE_READ(regs, orig_ax);
	class = arch_class(nr);
	compat = BPF_CORE_READ(t, thread_info.status) & KDEF_TS_COMPAT;
	class = compat ? class >> CALL_COMPAT_SHIFT : class & CALL_NATIVE;
	if (!class)
		return false;
	args.arg[0] = compat ? (__u32)BPF_CORE_READ(regs, bx) : BPF_CORE_READ(regs, di);
	args.arg[1] = compat ? (__u32)BPF_CORE_READ(regs, cx) : BPF_CORE_READ(regs, si);
	args.arg[2] = compat ? (__u32)BPF_CORE_READ(regs, dx) : BPF_CORE_READ(regs, dx);
	args.arg[3] = compat ? (__u32)BPF_CORE_READ(regs, si) : BPF_CORE_READ(regs, r10);
	args.arg[4] = compat ? (__u32)BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, r8);
	if (!wait_resolve(t, &args, class, w))
		return false;
	/* a stopped task has left its call and will restart it */
	w->asleep = (BPF_CORE_READ(t, __state) & KDEF_TASK_SLEEPS) != 0;
	w->tid = t->pid;
	w->nr = nr;
	w->switches = t->nvcsw + t->nivcsw;
	ident_proc(t, &w->proc);
	return true;
}

SEC("?iter/task")
int snap__iter__waits(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct lens_rec_wait w = {};

	if (!t || t->flags & KDEF_PF_KTHREAD || !wait_find(t, &w))
		return 0;
	rec_init(&w.h, LENS_REC_WAIT, sizeof(w));
	w.h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(ctx->meta->seq, &w, sizeof(w));
	return 0;
}

/* --------------------------------------------------- calls older than our hooks */

struct straddlers_map lens_straddlers SEC(".maps");
__s32 lens_straddling;

/*
 * Run once, when the end of system calls is hooked and functions are not yet:
 * whoever is asleep in a call now entered its function before the hooks.
 */
SEC("?iter/task")
int calls__iter__straddle(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct lens_rec_wait w = {};
	__u32 *mark;

	if (!t || t->flags & KDEF_PF_KTHREAD || !wait_find(t, &w) || !w.asleep)
		return 0;
	mark = storage_make(bpf_task_storage_get, &lens_straddlers, t);
	if (!mark) {
		loss_add(w.chan.kind, LENS_LOSS_STORAGE, 1, 0);
		return 0;
	}
	*mark = 1;
	__sync_fetch_and_add(&lens_straddling, 1);
	return 0;
}

/* ------------------------------------------------------------ message queues */

static long queue_next(__u32 index, struct ipc_walk *w)
{
	struct lens_rec_chan r = {};
	struct msg_queue *q = ipc_at(w->ns, IPC_MESSAGES, index);

	if (!q)
		return 0;
	r.chan.ino = (__u32)BPF_CORE_READ(q, q_perm.id);
	r.chan.dev = w->inum;
	r.chan.kind = LENS_KIND_SYSV_MSG;
	totals_found(&r.chan);
	describe_queue(q, &r.depth);
	r.lspid = pid_in_root(BPF_CORE_READ(q, q_lspid));
	r.lrpid = pid_in_root(BPF_CORE_READ(q, q_lrpid));
	r.uid = BPF_CORE_READ(q, q_perm.uid.val);
	r.mode = BPF_CORE_READ(q, q_perm.mode) & 0777;
	rec_init(&r.h, LENS_REC_CHAN, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&r, sizeof(r), LENS_KIND_SYSV_MSG);
	if (r.depth.queued_msgs)
		backlog_queue(q, &r.chan, r.depth.queued_msgs);
	return 0;
}

SEC("?iter/task")
int sysvmsg__iter__queues(struct bpf_iter__task *ctx)
{
	struct ipc_walk w = {};
	int max = ipc_walk_begin(ctx->task, IPC_MESSAGES, LENS_KIND_SYSV_MSG, &w);

	if (max >= 0)
		bpf_loop(max + 1, queue_next, &w, 0);
	return 0;
}
