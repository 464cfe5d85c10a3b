// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind describe.bpf.h. Reads are lockless: every walk is
 * bounded, and a torn read gives a wrong number once, never a fault.
 */
#include "describe.bpf.h"
#include "ipc.bpf.h"

#define COMPONENT_MAX 256	/* NAME_MAX + 1 */
#define DEPTH_MAX 2100		/* components of a 4 KiB path, and some mounts */

/* ------------------------------------------------------------------- paths */

/* which the verifier does not know, who would walk a climb that has run full once more else */
static volatile bool unknown_zero;

struct climb {
	struct dentry *dentry;
	struct mount *mount;
	struct kernfs_node *kn;
	__u32 which, offset, end;
	bool full;
};

static __always_inline bool climb_add(struct climb *c, const void *name)
{
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &c->which);
	__u32 at = c->offset;
	long len;

	if (!s || at >= c->end || at >= SCRATCH_SIZE) {
		c->full = true;
		return false;
	}
	/* may run past end by one component: SCRATCH_SLACK is there for it */
	len = bpf_probe_read_kernel_str(s->data + at, COMPONENT_MAX, name);
	if (len <= 0 || at + len > c->end) {
		c->full = true;
		return false;
	}
	c->offset = at + len;
	return true;
}

static long climb_dentry(__u32 i, struct climb *c)
{
	struct dentry *d = c->dentry, *parent;
	struct mount *m = c->mount, *up;

	if (d == BPF_CORE_READ(m, mnt.mnt_root)) {
		up = BPF_CORE_READ(m, mnt_parent);
		if (!up || up == m)
			return 1;
		c->dentry = BPF_CORE_READ(m, mnt_mountpoint);
		c->mount = up;
		return 0;
	}
	parent = BPF_CORE_READ(d, d_parent);
	if (!parent || parent == d)
		return 1;
	if (!climb_add(c, BPF_CORE_READ(d, d_name.name)))
		return 1;
	c->dentry = parent;
	return 0;
}

static __always_inline __u32 climb_result(const struct climb *c, __u32 start)
{
	__u32 len = c->offset - start;

	if (c->offset < start || len > DESCRIBE_LEN)
		return 0;
	return len | (c->full ? DESCRIBE_TRUNCATED : 0);
}

__u32 describe_path(__u32 which, __u32 offset, __u32 limit, __u64 address)
{
	struct path *path = (void *)address;
	struct climb c = { .which = which, .offset = offset, .end = offset + limit,
			   .full = unknown_zero };
	struct vfsmount *mnt = BPF_CORE_READ(path, mnt);

	if (!mnt)
		return 0;
	c.dentry = BPF_CORE_READ(path, dentry);
	c.mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	bpf_loop(DEPTH_MAX, climb_dentry, &c, 0);
	return climb_result(&c, offset);
}

__u32 describe_leaf(__u32 which, __u32 offset, __u64 address)
{
	struct dentry *dentry = (void *)address;
	struct climb c = { .which = which, .offset = offset, .end = offset + COMPONENT_MAX };

	climb_add(&c, BPF_CORE_READ(dentry, d_name.name));
	return climb_result(&c, offset);
}

static long climb_kernfs(__u32 i, struct climb *c)
{
	struct kernfs_node *kn = c->kn, *parent;
	struct kernfs_node___pre615 *old = (void *)kn;

	if (bpf_core_field_exists(old->parent))
		parent = BPF_CORE_READ(old, parent);
	else
		parent = BPF_CORE_READ(kn, __parent);
	if (!parent)
		return 1;	/* the root has no name */
	if (!climb_add(c, BPF_CORE_READ(kn, name)))
		return 1;
	c->kn = parent;
	return 0;
}

__u32 describe_cgroup(__u32 which, __u32 offset, __u32 limit, __u64 address)
{
	struct kernfs_node *kn = (void *)address;
	struct climb c = { .which = which, .offset = offset, .end = offset + limit, .kn = kn,
			   .full = unknown_zero };
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);

	if (!kn || !s || offset >= SCRATCH_SIZE)
		return 0;
	bpf_loop(DEPTH_MAX, climb_kernfs, &c, 0);
	if (c.offset == offset) {
		/* the root: one component without a name */
		s->data[offset] = '\0';
		c.offset++;
	}
	return climb_result(&c, offset);
}

/* ------------------------------------------------------------------- depth */

struct tally {
	struct pipe_buffer *bufs;
	__u32 tail, mask;
	__u64 bytes;
};

static long tally_buffer(__u32 i, struct tally *t)
{
	struct pipe_buffer *bufs = t->bufs;
	__u64 at = (__u64)((t->tail + i) & t->mask) * bpf_core_type_size(struct pipe_buffer);
	__u32 len = 0;

	bpf_probe_read_kernel(&len, sizeof(len),
			      (void *)bufs + at + bpf_core_field_offset(struct pipe_buffer, len));
	t->bytes += len;
	return 0;
}

/* largest ring a pipe can have: pipe-max-size may be raised to 2 GiB, pages of 4 KiB */
#define PIPE_SLOTS_MAX (1 << 19)

int describe_pipe(__u64 address, struct lens_depth *ret)
{
	struct file *file = ident_file_at(address);
	struct pipe_inode_info *p;
	struct inode *inode;
	struct tally t = {};
	__u32 used, slots;

	if (!ret)
		return 0;
	inode = core_field(file, f_inode);
	p = core_field(inode, i_pipe);
	if (!p)
		return 0;
	t.tail = core_field(p, tail);
	used = core_field(p, head) - t.tail;
	slots = core_field(p, ring_size);
	t.mask = slots - 1;
	if (used > slots || slots > PIPE_SLOTS_MAX)
		return 0;	/* torn read */
	if (used) {
		t.bufs = BPF_CORE_READ(p, bufs);	/* an address, to add to */
		bpf_loop(used, tally_buffer, &t, 0);
	}
	ret->queued_bytes = t.bytes;
	ret->queued_msgs = used;
	ret->capacity_msgs = core_field(p, max_usage);
	ret->capacity_bytes = (__u64)ret->capacity_msgs * KDEF_PAGE_SIZE;
	ret->readers = core_field(p, readers);
	ret->writers = core_field(p, writers);
	ret->valid = LENS_DEPTH_VALID;
	if (core_field(file, f_flags) & KDEF_O_DIRECT)
		ret->valid |= LENS_DEPTH_PACKETS;
	return 0;
}

struct count {
	void *head, *at;
	__u32 n;
};

static long count_entry(__u32 i, struct count *c)
{
	if (!c->at || c->at == c->head)
		return 1;
	c->n++;
	return bpf_probe_read_kernel(&c->at, sizeof(c->at), c->at) != 0;
}

static __noinline __u32 list_length(void *head)
{
	struct count c = { .head = head };

	if (bpf_probe_read_kernel(&c.at, sizeof(c.at), head))
		return 0;
	bpf_loop(4096, count_entry, &c, 0);
	return c.n;
}

/* without who sleeps in a call on it */
static __always_inline void queue_depth(struct msg_queue *q, struct lens_depth *ret)
{
	ret->queued_bytes = BPF_CORE_READ(q, q_cbytes);
	ret->queued_msgs = BPF_CORE_READ(q, q_qnum);
	ret->capacity_bytes = BPF_CORE_READ(q, q_qbytes);
	ret->key = BPF_CORE_READ(q, q_perm.key);
	ret->valid = LENS_DEPTH_VALID;
}

int describe_queue_of(__s32 id, struct lens_depth *ret)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	struct msg_queue *q = ipc_at(BPF_CORE_READ(t, nsproxy, ipc_ns), IPC_MESSAGES,
				     id & IPC_INDEX_MASK);

	/* removed by now, it has no key any more */
	if (ret && q && BPF_CORE_READ(q, q_perm.id) == id)
		queue_depth(q, ret);
	return 0;
}

int describe_queue(struct msg_queue *q, struct lens_depth *ret)
{
	queue_depth(q, ret);
	ret->wait_readers = list_length((void *)q + bpf_core_field_offset(struct msg_queue,
									   q_receivers));
	ret->wait_writers = list_length((void *)q + bpf_core_field_offset(struct msg_queue,
									   q_senders));
	return 0;
}

static __always_inline __u32 sleepers(struct mqueue_inode_info *q, __u32 which)
{
	return list_length((void *)q + bpf_core_field_offset(struct mqueue_inode_info, e_wait_q) +
			   which * bpf_core_type_size(struct ext_wait_queue) +
			   bpf_core_field_offset(struct ext_wait_queue, list));
}

/* without who sleeps: from the hook to here little is left of the stack */
int describe_mqueue_depth(__u64 address, struct lens_depth *ret)
{
	struct inode *inode = (void *)address;
	struct mqueue_inode_info *q =
		(void *)inode - bpf_core_field_offset(struct mqueue_inode_info, vfs_inode);
	struct ipc_namespace *ns = BPF_CORE_READ(inode, i_sb, s_fs_info);

	if (!ret)
		return 0;
	ret->queued_bytes = BPF_CORE_READ(q, qsize);
	ret->queued_msgs = BPF_CORE_READ(q, attr.mq_curmsgs);
	ret->capacity_msgs = BPF_CORE_READ(q, attr.mq_maxmsg);
	ret->capacity_bytes = ret->capacity_msgs * BPF_CORE_READ(q, attr.mq_msgsize);
	ret->key = ns ? BPF_CORE_READ(ns, ns.inum) : 0;
	ret->valid = LENS_DEPTH_VALID;
	return 0;
}

int describe_mqueue(struct inode *inode, struct lens_depth *ret)
{
	struct mqueue_inode_info *q =
		(void *)inode - bpf_core_field_offset(struct mqueue_inode_info, vfs_inode);

	describe_mqueue_depth((__u64)inode, ret);
	ret->wait_writers = sleepers(q, 0);
	ret->wait_readers = sleepers(q, 1);
	return 0;
}

int describe_eventfd(__u64 address, struct lens_depth *ret)
{
	struct file *file = (void *)address;
	struct eventfd_ctx *ctx = BPF_CORE_READ(file, private_data);

	if (!ret)
		return 0;
	ret->queued_bytes = BPF_CORE_READ(ctx, count);
	ret->valid = LENS_DEPTH_VALID;
	if (BPF_CORE_READ(ctx, flags) & KDEF_EFD_SEMAPHORE)
		ret->valid |= LENS_DEPTH_SEMAPHORE;
	return 0;
}

struct pieces {
	struct tty_buffer *at;
	__u64 bytes;
};

static long count_piece(__u32 i, struct pieces *p)
{
	struct tty_buffer *b = p->at;
	int commit, read;

	if (!b)
		return 1;
	commit = BPF_CORE_READ(b, commit);
	read = BPF_CORE_READ(b, read);
	if (commit > read)
		p->bytes += commit - read;
	p->at = BPF_CORE_READ(b, next);
	return 0;
}

/* a pty takes 8 KiB (drivers/tty/pty.c), in pieces of at least 256 bytes; any device, 64 KiB */
#define PIECES_MAX 512

/* the settings that count are those of the slave, in whose line discipline both directions meet */
static __always_inline bool pty_is_cooked(struct tty_struct *tty)
{
	bool is_slave = BPF_CORE_READ(tty, driver, major) == KDEF_UNIX98_PTY_SLAVE_MAJOR;
	struct tty_struct *slave = is_slave ? tty : BPF_CORE_READ(tty, link);
	__u32 local = BPF_CORE_READ(slave, termios.c_lflag);

	if (is_slave)
		return local & KDEF_TTY_LINE_CHANGES ||
		       BPF_CORE_READ(slave, termios.c_iflag) & KDEF_TTY_INPUT_CHANGES;
	return local & KDEF_TTY_ECHOES ||
	       BPF_CORE_READ(slave, termios.c_oflag) & KDEF_TTY_OUTPUT_CHANGES;
}

int describe_pty(__u64 file, struct lens_depth *ret)
{
	struct tty_struct *tty = file_tty((struct file *)file);
	struct pieces p = {};
	struct n_tty_data *in;

	if (!tty || !ret || BPF_CORE_READ(tty, ldisc, ops, num) != KDEF_N_TTY)
		return 0;
	in = BPF_CORE_READ(tty, disc_data);
	p.at = BPF_CORE_READ(tty, port, buf.head);
	bpf_loop(PIECES_MAX, count_piece, &p, 0);
	ret->queued_bytes = p.bytes + BPF_CORE_READ(in, read_head) - BPF_CORE_READ(in, read_tail);
	ret->valid = LENS_DEPTH_VALID;
	if (pty_is_cooked(tty))
		ret->valid |= LENS_DEPTH_COOKED;
	return 0;
}
