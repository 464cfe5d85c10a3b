// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Descriptors: who holds which end of what, and what an end looks like now.
 * A descriptor that nobody can wait for, such as that of a file, is left out
 * unless somebody has locked the file.
 */
#include "describe.bpf.h"
#include "ktypes_memory.bpf.h"
#include "stuck.bpf.h"

/* ------------------------------------------------------------ anonymous inodes */

static __always_inline void fill_eventfd(struct file *f, struct lens_rec_desc *d)
{
	struct eventfd_ctx *ctx = core_load(f, private_data);

	d->object = LENS_OBJECT_EVENTFD;
	d->self = (__u64)ctx;
	d->ino = (__u32)core_load(ctx, id);
	d->queued_bytes = core_load(ctx, count);
	/* one reference is the descriptor's; irqfd, AIO and the like take more */
	if (core_load(ctx, kref.refcount.refs.counter) > 1)
		d->flags |= LENS_DESC_KERNEL_USER;
}

static __always_inline __u32 pid_number(struct pid *p)
{
	__u32 nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr),
			      (void *)p + bpf_core_field_offset(struct pid, numbers) +
				      bpf_core_field_offset(struct upid, nr));
	return nr;
}

/* whoever has it may have to bring that process its memory */
static __always_inline __u32 watched_process(struct userfaultfd_ctx *ctx)
{
	if (!bpf_core_type_exists(struct userfaultfd_ctx) ||
	    !bpf_core_field_exists(((struct mm_struct *)NULL)->owner))
		return 0;
	return BPF_CORE_READ(ctx, mm, owner, tgid);
}

static __always_inline void fill_anonymous(struct file *f, struct lens_rec_desc *d, char *name)
{
	bpf_probe_read_kernel_str(name, STUCK_NAME_MAX,
				  core_load_of(f, f_path.dentry, d_name.name));
	if (NAME_IS(name, "[eventfd]")) {
		fill_eventfd(f, d);
	} else if (NAME_IS(name, "[eventpoll]")) {
		d->object = LENS_OBJECT_EPOLL;
		d->self = (__u64)core_load(f, private_data);
	} else if (NAME_IS(name, "[signalfd]")) {
		d->object = LENS_OBJECT_SIGNALFD;
	} else if (NAME_IS(name, "[timerfd]")) {
		d->object = LENS_OBJECT_TIMERFD;
		d->self = (__u64)core_load(f, private_data);
		if (stuck_timerfd_is_idle((void *)d->self))
			d->flags |= LENS_DESC_IDLE;
	} else if (NAME_IS(name, "[io_uring]")) {
		d->object = LENS_OBJECT_IO_URING;
		d->self = (__u64)core_load(f, private_data);
	} else if (NAME_IS(name, "[pidfd]")) {
		d->object = LENS_OBJECT_PIDFD;
		d->pid = pid_number(core_load(f, private_data));
	} else if (NAME_IS(name, "inotify")) {
		d->object = LENS_OBJECT_INOTIFY;
	} else {
		d->object = LENS_OBJECT_DEVICE;
		if (NAME_IS(name, "[userfaultfd]"))
			d->pid = watched_process(core_load(f, private_data));
	}
}

/* ---------------------------------------------------------- files with a name */

/* the file as a plain address: of what is in a record the verifier knows nothing */
static __always_inline struct file *file_address(const struct lens_rec_desc *d)
{
	return (struct file *)*(const volatile __u64 *)&d->file;
}

#define MUTEX_FLAGS 7ull /* of mutex.owner, beside the address */

/* whose it is: splice(2) keeps it while it waits for a socket */
static __always_inline __u64 has_lock(struct inode *i)
{
	if (!bpf_core_field_exists(((struct mutex *)NULL)->owner)) /* PREEMPT_RT */
		return 0;
	return core_load_of(i, i_pipe, mutex.owner.counter) & ~MUTEX_FLAGS;
}

static __always_inline void fill_pipe(struct inode *i, struct lens_rec_desc *d)
{
	struct lens_depth depth = {};

	d->object = d->dev == lens_pipefs_dev ? LENS_OBJECT_PIPE : LENS_OBJECT_FIFO;
	d->self = (__u64)core_load(i, i_pipe);
	describe_depth(d->object, KINDS_ALL, file_address(d), &depth);
	d->queued_bytes = depth.queued_bytes;
	d->queued_msgs = depth.queued_msgs;
	d->capacity_bytes = depth.capacity_bytes;
	d->capacity_msgs = depth.capacity_msgs;
	d->readers = depth.readers;
	d->writers = depth.writers;
	/* counts from when the pipe was made, or was given another size */
	if (core_load_of(i, i_pipe, head))
		d->flags |= LENS_DESC_USED;
	d->peer = has_lock(i);
}

static __always_inline void fill_mq(struct file *f, struct inode *i, struct lens_rec_desc *d,
				    char *name)
{
	struct mqueue_inode_info *m =
		(void *)i - bpf_core_field_offset(struct mqueue_inode_info, vfs_inode);
	long len;

	d->object = LENS_OBJECT_POSIX_MQ;
	d->self = (__u64)i;
	d->queued_msgs = core_load(m, attr.mq_curmsgs);
	d->capacity_msgs = core_load(m, attr.mq_maxmsg);
	d->queued_bytes = core_load(m, qsize);
	d->capacity_bytes = core_load(m, attr.mq_maxmsg) * core_load(m, attr.mq_msgsize);
	if (core_load(m, notify_owner) &&
	    core_load(m, notify.sigev_notify) == KDEF_SIGEV_SIGNAL) {
		d->signalled = (__u64)core_load(m, notify_owner);
		d->signal = core_load(m, notify.sigev_signo);
	}
	/* each open file has its dentry, and so has the name */
	d->readers = core_load_of(f, f_path.dentry, d_lockref.count) -
		     (d->flags & LENS_DESC_NAMED ? 1 : 0);
	len = bpf_probe_read_kernel_str(name, STUCK_NAME_MAX,
					core_load_of(f, f_path.dentry, d_name.name));
	if (len > 1)
		d->name_len = len - 1;
}

/* of the devpts it is in */
static __always_inline __u32 pty_dev(struct tty_struct *master)
{
	struct pts_fs_info *devpts = core_load(master, driver_data);

	return core_load_of(devpts, sb, s_dev);
}

/*
 * From the beginning of the call, or, where VMIN asks for some bytes, from the first one, which
 * the call has taken already; one that waits for a single byte has no limit.
 */
static __always_inline bool is_read_timed(struct tty_struct *tty)
{
	return !(core_load(tty, termios.c_lflag) & KDEF_TTY_ICANON) &&
	       core_load(tty, termios.c_cc[KDEF_TTY_VTIME]) &&
	       core_load(tty, termios.c_cc[KDEF_TTY_VMIN]) != 1;
}

/* /dev/tty, 5:0, is the slave that controls who opened it, or a console, which has no other end */
static __always_inline void fill_device(struct file *f, struct inode *i, struct lens_rec_desc *d)
{
	__u32 major = core_load(i, i_rdev) >> 20, minor = core_load(i, i_rdev) & 0xfffff;
	bool master = major == KDEF_TTYAUX_MAJOR && minor == 2;
	bool controlling = major == KDEF_TTYAUX_MAJOR && minor == 0;
	struct tty_file_private *private = core_load(f, private_data);
	struct tty_struct *tty, *link;

	d->object = LENS_OBJECT_DEVICE;
	if (!master && !controlling &&
	    (major < KDEF_UNIX98_PTY_SLAVE_MAJOR ||
	     major >= KDEF_UNIX98_PTY_SLAVE_MAJOR + KDEF_UNIX98_PTY_MAJORS))
		return;
	tty = core_load(private, tty);
	link = core_load(tty, link);
	if (!link)
		return;
	d->object = LENS_OBJECT_PTY;
	d->self = (__u64)tty;
	d->peer = (__u64)link;
	d->ino = (__u32)core_load(tty, index);
	if (master)
		d->flags |= LENS_DESC_MASTER;
	if (core_load(tty, flow.stopped))
		d->flags |= LENS_DESC_OUTPUT_STOPPED;
	if (is_read_timed(tty))
		d->flags |= LENS_DESC_READ_TIMED;
	if (controlling)
		d->dev = pty_dev(link);
}

/* without a name: whoever has it can map it */
static __always_inline void fill_memory(struct inode *i, struct lens_rec_desc *d)
{
	d->object = LENS_OBJECT_MEMORY;
	d->self = (__u64)i;
}

static __always_inline void fill_socket(struct file *f, struct lens_rec_desc *d, char *name)
{
	struct socket *socket = core_load(f, private_data);
	struct sock *sk = core_load(socket, sk);

	if (sk)
		stuck_sock(sk, d, name);
}

__u64 stuck_references(struct file *f)
{
	struct file___pre613 *old = (void *)f;

	if (bpf_core_field_exists(old->f_count))
		return core_load(old, f_count.counter);
	return core_load(f, f_ref.refcnt.counter) + 1;
}

/* f is just an address */
static __always_inline void fill_owner(struct file *f, struct lens_rec_desc *d)
{
	struct fown_struct *owner;

	if (bpf_core_field_exists(f->f_owner))
		owner = core_load(f, f_owner);
	else
		owner = (void *)f + bpf_core_field_offset(struct file___pre612, f_owner);
	d->signalled = (__u64)core_load(owner, pid);
	d->signal = core_load(owner, signum);
	if (!d->signal)
		d->signal = KDEF_SIGIO;
}

int stuck_file(struct file *f, struct lens_rec_desc *d, char *name)
{
	struct inode *i = core_field(f, f_inode);
	struct super_block *super = core_field(i, i_sb);
	__u32 mode = core_field(i, i_mode) & KDEF_S_IFMT;
	__u64 magic = core_field(super, s_magic);

	d->file = (__u64)f;
	d->cred = (__u64)core_field(f, f_cred);
	d->ino = core_field(i, i_ino);
	d->dev = core_field(super, s_dev);
	d->gen = core_field(i, i_generation);
	d->mode = core_field(f, f_mode) & (KDEF_FMODE_READ | KDEF_FMODE_WRITE);
	d->refs = stuck_references(f);
	if (core_field(i, i_nlink))
		d->flags |= LENS_DESC_NAMED;
	if (core_field(f, f_flags) & KDEF_O_NONBLOCK)
		d->flags |= LENS_DESC_NONBLOCK;
	if (core_field(f, f_flags) & KDEF_O_ASYNC)
		fill_owner(file_address(d), d);
	if (mode == KDEF_S_IFIFO)
		fill_pipe(i, d);
	else if (mode == KDEF_S_IFSOCK && magic == KDEF_SOCKFS_MAGIC)
		fill_socket(f, d, name);
	else if (magic == KDEF_MQUEUE_MAGIC && mode == KDEF_S_IFREG)
		fill_mq(f, i, d, name);
	else if (magic == KDEF_ANON_INODE_FS_MAGIC)
		fill_anonymous(f, d, name);
	else if (magic == KDEF_PID_FS_MAGIC) {
		d->object = LENS_OBJECT_PIDFD;
		d->pid = pid_number(core_load(i, i_private));
	} else if (mode == KDEF_S_IFCHR)
		fill_device(f, i, d);
	else if ((mode == KDEF_S_IFREG || mode == KDEF_S_IFDIR) && core_load(i, i_flctx))
		d->object = LENS_OBJECT_FILE;
	else if (mode == KDEF_S_IFREG && !(d->flags & LENS_DESC_NAMED))
		fill_memory(i, d);
	return d->object;
}

/* ------------------------------------------------------------------- iterator */

static __always_inline bool closes_on_exec(struct task_struct *t, __u32 fd)
{
	unsigned long word = 0;
	unsigned long *bits = t->files->fdt->close_on_exec;

	bpf_probe_read_kernel(&word, sizeof(word), bits + fd / 64);
	return word >> (fd & 63) & 1;
}

/* length of the name that stuck_file() left behind the record, its end included */
static __always_inline __u32 name_length(const struct lens_rec_desc *d)
{
	__u32 which = SCRATCH_LOOK;

	if (d->object == LENS_OBJECT_FIFO)
		return describe_name(LENS_KIND_FIFO, KINDS_ALL, which, sizeof(*d), file_address(d));
	return d->name_len & (STUCK_NAME_MAX - 1);
}

__u32 stuck_desc_finish(struct scratch *s)
{
	struct lens_rec_desc *d = (void *)s;
	__u32 name_len = name_length(d), len = align8(sizeof(*d) + (name_len & DESCRIBE_LEN));

	rec_init(&d->h, LENS_REC_DESC, len);
	d->h.flags = LENS_F_SNAPSHOT | (name_len & DESCRIBE_TRUNCATED ? LENS_F_TRUNCATED : 0);
	d->name_len = name_len & DESCRIBE_LEN;
	if (d->object == LENS_OBJECT_FIFO)
		d->flags |= LENS_DESC_PATH;
	return len;
}

/* a listener counts connections that were not accepted apart from what is in its queue */
static __always_inline void look_into_socket(const struct lens_rec_desc *d)
{
	if (d->queued_msgs)
		stuck_in_flight((void *)d->self);
	if (d->flags & LENS_DESC_LISTEN || (d->object == LENS_OBJECT_UNIX_DGRAM && d->queued_msgs))
		stuck_peer_waiters((void *)d->self);
}

/* who waits for a lock is told once, by a descriptor of the process that has it */
static __noinline bool is_of(struct task_struct *t, __u64 task)
{
	return core_load((struct task_struct *)task, tgid) == (__s32)t->tgid;
}

SEC("?iter/task_file")
int stuck__iter__descs(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	__u32 which = SCRATCH_LOOK, len;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_desc *d = (void *)s;
	struct file *f;

	if (!t || !ctx->file || !s)
		return 0;
	f = ident_file_at(ident_address(ctx->file));
	__builtin_memset(d, 0, sizeof(*d));
	s->data[sizeof(*d)] = '\0';
	if (!stuck_file(f, d, s->data + sizeof(*d)))
		return 0;
	d->refs--; /* the iterator's */
	d->fd = ctx->fd;
	if (closes_on_exec(t, d->fd))
		d->flags |= LENS_DESC_CLOEXEC;
	d->proc.tgid = t->tgid;
	d->proc.start_ns = t->group_leader->start_boottime;
	len = stuck_desc_finish(s);
	if (len > SCRATCH_SIZE)
		return 0;
	bpf_seq_write(ctx->meta->seq, d, len);
	if (d->object == LENS_OBJECT_PIPE || d->object == LENS_OBJECT_FIFO) {
		if (d->peer && is_of(t, d->peer))
			stuck_lock_waiters((void *)d->self);
	} else if (d->object == LENS_OBJECT_EPOLL)
		stuck_epoll((void *)d->self);
	else if (d->object == LENS_OBJECT_IO_URING)
		stuck_ring(d->self);
	else if (d->object >= LENS_OBJECT_UNIX_STREAM && d->object <= LENS_OBJECT_UNIX_SEQPACKET)
		look_into_socket(d);
	return 0;
}
