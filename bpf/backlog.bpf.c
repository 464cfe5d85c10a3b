// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind backlog.bpf.h. What they find goes through the ring,
 * since one queue can hold more than a record of an iterator.
 */
#include "backlog.bpf.h"
#include "describe.bpf.h"
#include "ident.bpf.h"

struct walked_map lens_walked SEC(".maps");

/* ---------------------------------------------------------------- messages */

struct message_walk {
	void *head, *at;
	struct lens_chan chan;
	__u32 taken, in_record;
};

#define MSGS_PER_RECORD 64
struct msgs_record {
	struct lens_rec_msgs h;
	struct lens_msg msg[MSGS_PER_RECORD];
};

static __always_inline void messages_emit(struct message_walk *w)
{
	__u32 which = SCRATCH_LOOK, len, n = w->in_record;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct msgs_record *r = (void *)s;

	if (!s || !n || n > MSGS_PER_RECORD)
		return;
	len = n * sizeof(struct lens_msg);
	barrier_var(len);
	len += sizeof(r->h);
	r->h.chan = w->chan;
	r->h.first = w->taken - n;
	r->h.count = n;
	rec_init(&r->h.h, LENS_REC_MSGS, len);
	r->h.h.flags = LENS_F_SNAPSHOT;
	core_emit(r, len, w->chan.kind);
	w->in_record = 0;
}

/* 1 at the end of the list */
static long message_next(__u32 i, struct message_walk *w)
{
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct msgs_record *r = (void *)s;
	struct msg_msg *m = w->at;
	__u32 at = w->in_record;

	if (!s || !m || (void *)m == w->head)
		return 1;
	if (at < MSGS_PER_RECORD) {
		bpf_core_read(&r->msg[at].type, sizeof(__s64), &m->m_type);
		bpf_core_read(&r->msg[at].bytes, sizeof(__u64), &m->m_ts);
		w->in_record = at + 1;
		w->taken++;
	}
	if (at + 1 >= MSGS_PER_RECORD)
		messages_emit(w);
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), m) != 0;
}

/*
 * Zero, which the verifier does not know. Before v6.7 it walks what bpf_loop()
 * calls once, with the values of the first time, and cuts out what these do
 * not reach: ab5cfac139ab ("bpf: verify callbacks as if they are called
 * unknown number of times").
 */
static volatile __u32 walk_zero;

static __always_inline bool messages_begin(struct message_walk *w, void *head)
{
	w->head = head;
	return !bpf_probe_read_kernel(&w->at, sizeof(w->at), head);
}

int backlog_queue(struct msg_queue *q, const struct lens_chan *chan, __u32 count)
{
	struct message_walk w = { .chan = *chan, .taken = walk_zero, .in_record = walk_zero };

	if (!messages_begin(&w, (void *)q + bpf_core_field_offset(struct msg_queue, q_messages)))
		return 0;
	bpf_loop(count, message_next, &w, 0);
	messages_emit(&w);
	return 0;
}

/* ------------------------------------------------- messages by their priority */

/* a POSIX queue has a tree of priorities; the highest is the rightmost */
enum tree_step { TREE_DESCEND, TREE_VISIT, TREE_ASCEND };
struct tree_walk {
	struct message_walk messages;
	struct rb_node *node;
	enum tree_step step;
};

static __always_inline long tree_visit(struct tree_walk *t)
{
	/* the node of the tree is the first member of what it is in */
	void *list = (void *)t->node + bpf_core_field_offset(struct posix_msg_tree_node, msg_list) -
		     bpf_core_field_offset(struct posix_msg_tree_node, rb_node);

	t->step = TREE_VISIT;
	return !messages_begin(&t->messages, list);
}

static long tree_next(__u32 i, struct tree_walk *t)
{
	struct rb_node *node = t->node, *next;

	if (t->step == TREE_DESCEND) {
		next = BPF_CORE_READ(node, rb_right);
		if (!next)
			return tree_visit(t);
		t->node = next;
		return 0;
	}
	if (t->step == TREE_VISIT) {
		if (!message_next(i, &t->messages))
			return 0;
		next = BPF_CORE_READ(node, rb_left);
		t->step = next ? TREE_DESCEND : TREE_ASCEND;
		if (next)
			t->node = next;
		return 0;
	}
	next = (void *)(BPF_CORE_READ(node, __rb_parent_color) & ~3ul);
	if (!next)
		return 1;
	t->node = next;
	return BPF_CORE_READ(next, rb_right) == node ? tree_visit(t) : 0;
}

/* down to a node, up from it, its messages and its end: no more than this for each message */
#define TREE_STEPS 6

static __noinline int mqueue_messages(struct mqueue_inode_info *q, const struct lens_chan *chan,
				      __u32 count)
{
	struct tree_walk t = {
		.messages = { .chan = *chan, .taken = walk_zero, .in_record = walk_zero,
			      .at = (void *)(__u64)walk_zero },
		.step = TREE_DESCEND + walk_zero,
	};

	t.node = BPF_CORE_READ(q, msg_tree.rb_node);
	if (!t.node)
		return 0;
	bpf_loop(count * TREE_STEPS, tree_next, &t, 0);
	messages_emit(&t.messages);
	return 0;
}

/* ------------------------------------------------------------- POSIX queues */

/* a record in the scratch buffer; how many messages it has */
static __noinline __u32 mqueue_emit(struct inode *inode, struct dentry *dentry,
				    const struct lens_chan *chan)
{
	struct mqueue_inode_info *q =
		(void *)inode - bpf_core_field_offset(struct mqueue_inode_info, vfs_inode);
	__u32 which = SCRATCH_LOOK, len, name_len;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_mq *r = (void *)s;

	if (!s)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->chan = *chan;
	describe_mqueue(inode, &r->depth);
	r->uid = BPF_CORE_READ(inode, i_uid.val);
	r->mode = BPF_CORE_READ(inode, i_mode) & 0777;
	r->notify_pid = pid_in_root(BPF_CORE_READ(q, notify_owner));
	r->notify_how = BPF_CORE_READ(q, notify.sigev_notify);
	name_len = describe_leaf(which, sizeof(*r), (__u64)dentry) & DESCRIBE_LEN;
	r->name_len = name_len;
	len = align8(sizeof(*r) + name_len);
	rec_init(&r->h, LENS_REC_MQ, len);
	r->h.flags = LENS_F_SNAPSHOT;
	if (len > SCRATCH_SIZE)
		return 0;
	core_emit(r, len, LENS_KIND_POSIX_MQ);
	return r->depth.queued_msgs;
}

int backlog_mqueue(struct inode *inode, struct dentry *dentry)
{
	struct lens_total_key key = {};
	struct lens_proc unused;
	struct lens_chan chan;
	__u32 count;

	if (!ident_mqueue_inode(inode, &key))
		return 0;
	ident_split(&key, &chan, &unused);
	if (bpf_map_lookup_elem(&lens_walked, &chan))
		return 0;
	/* where this does not fit a queue is told more than once, which does no harm */
	bpf_map_update_elem(&lens_walked, &chan, &key.kind, BPF_ANY);
	count = mqueue_emit(inode, dentry, &chan);
	if (count)
		mqueue_messages((void *)inode - bpf_core_field_offset(struct mqueue_inode_info,
								      vfs_inode), &chan, count);
	return 0;
}

struct name_walk {
	struct dentry *root;
	void *at;		/* the link of the next name in its directory */
};

/* names are not locked: one that is not, or no more, in this directory ends the walk */
static long name_next(__u32 i, struct name_walk *w)
{
	struct dentry___pre68 *old = NULL;
	struct dentry *d;
	struct inode *inode;
	void *link = w->at;

	if (!link)
		return 1;
	if (bpf_core_field_exists(old->d_child))
		d = link - bpf_core_field_offset(struct dentry___pre68, d_child);
	else
		d = link - bpf_core_field_offset(struct dentry, d_sib);
	if (BPF_CORE_READ(d, d_parent) != w->root)
		return 1;
	inode = BPF_CORE_READ(d, d_inode);
	if (inode)
		backlog_mqueue(inode, d);
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), link) != 0;
}

#define NAMES_MAX 65536	/* of all users of a namespace; fs.mqueue.queues_max is 256 */

/* of every ipc namespace that has a process */
SEC("?iter/task")
int mqueue__iter__names(struct bpf_iter__task *ctx)
{
	struct lens_chan walked = { .kind = LENS_KIND_POSIX_MQ };
	struct task_struct *t = ctx->task;
	struct dentry___pre68 *old = NULL;
	struct name_walk w = {};
	struct dentry *root;
	__u32 one = 1;
	void *first;

	if (!t || t->pid != t->tgid)
		return 0;
	walked.dev = BPF_CORE_READ(t, nsproxy, ipc_ns, ns.inum);
	if (!walked.dev || bpf_map_lookup_elem(&lens_walked, &walked))
		return 0;
	bpf_map_update_elem(&lens_walked, &walked, &one, BPF_ANY);
	root = BPF_CORE_READ(t, nsproxy, ipc_ns, mq_mnt, mnt_root);
	if (!root)
		return 0;
	w.root = root;
	first = (void *)root + (bpf_core_field_exists(old->d_subdirs) ?
				bpf_core_field_offset(struct dentry___pre68, d_subdirs) :
				bpf_core_field_offset(struct dentry, d_children));
	if (bpf_probe_read_kernel(&w.at, sizeof(w.at), first))
		return 0;
	bpf_loop(NAMES_MAX, name_next, &w, 0);
	return 0;
}
