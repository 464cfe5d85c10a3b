// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind pass.bpf.h. One record for each descriptor, so that each
 * can have a name of any length.
 */
#include "describe.bpf.h"
#include "object.bpf.h"
#include "pass.bpf.h"
#include "sock.bpf.h"

__s32 lens_passing;

/* what a record tells beside the file */
struct passage {
	struct lens_chan via;
	__u32 dir, flags;
	__s32 fd;
	__u32 index, count;
};

/*
 * A record about the file, which is no channel if nothing knows it to be one. On its own,
 * like others here, so that its locals are not on the stack of what is called later.
 */
static __noinline int passage_file(struct lens_rec_pass *r, struct file *file)
{
	struct lens_total_key key = {};
	struct lens_proc unused;
	struct inode *inode;

	if (!ident_file((__u64)file, &key) && !ident_memory((__u64)file, &key)) {
		inode = BPF_CORE_READ(file, f_inode);
		key.ino = BPF_CORE_READ(inode, i_ino);
		key.dev = BPF_CORE_READ(inode, i_sb, s_dev);
		key.gen = BPF_CORE_READ(inode, i_generation);
		key.kind = LENS_KIND_NONE;
	}
	ident_split(&key, &r->what, &unused);
	r->mode = BPF_CORE_READ(file, f_mode) & (KDEF_FMODE_READ | KDEF_FMODE_WRITE);
	r->inode_type = BPF_CORE_READ(file, f_inode, i_mode) & KDEF_S_IFMT;
	return 0;
}

static __always_inline __u32 passage_name(__u32 which, const struct lens_rec_pass *r,
					  struct file *file)
{
	__u32 len;

	if (r->what.kind && !object_is_memory(r->what.kind))
		return describe_name(r->what.kind, KINDS_ALL, which, sizeof(*r), file);
	len = describe_path(which, sizeof(*r), LENS_PATH_MAX, path_of((__u64)file));
	/* in no directory, such as a memfd */
	return len ? len : describe_leaf(which, sizeof(*r), (__u64)BPF_CORE_READ(file,
										 f_path.dentry));
}

static __always_inline void passage_user(struct lens_rec_pass *r)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();

	ident_proc(t, &r->proc);
	r->tid = bpf_get_current_pid_tgid();
}

/* look: what it found, a constant; else an event of the current task */
static __always_inline int passage_tell(const struct passage *p, __u64 address, bool look)
{
	__u32 which = scratch_take(), name_len, len;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_pass *r = (void *)s;
	struct file *file = (struct file *)address;

	if (!s || !p)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->via = p->via;
	r->dir = p->dir;
	r->fd = p->fd;
	r->index = p->index;
	r->count = p->count;
	r->flags = p->flags;
	passage_file(r, file);
	name_len = passage_name(which, r, file);
	if (look) {
		totals_found(&r->what);
		describe_depth(r->what.kind, KINDS_ALL, file, &r->depth);
	} else {
		passage_user(r);
	}
	r->name_len = name_len & DESCRIBE_LEN;
	len = align8(sizeof(*r) + r->name_len);
	rec_init(&r->h, LENS_REC_PASS, len);
	r->h.flags = describe_flags(name_len) | (look ? LENS_F_SNAPSHOT : 0);
	if (len <= SCRATCH_SIZE)
		core_emit(r, len, p->via.kind);
	return scratch_give(which);
}

/* global functions: the verifier walks each once; two, since one of them has calls to spare */
int pass_event(const struct passage *p, __u64 file)
{
	return passage_tell(p, file, false);
}

int pass_found(const struct passage *p, __u64 file)
{
	return passage_tell(p, file, true);
}

int pass_fetched(const struct lens_chan *via, __u64 file, __u32 fd)
{
	struct passage p = { .dir = LENS_READ, .fd = fd, .count = 1 };

	if (!via || !file)
		return 0;
	p.via = *via;
	return pass_event(&p, file);
}

/* ------------------------------------------------------------- control data */

/* struct cmsghdr: a length, a level, a type; then what it is about */
#define HEADER_BYTES 16
#define COMPAT_HEADER_BYTES 12

/* every header and every descriptor is a step: net.core.optmem_max allows no more */
#define STEPS_MAX 8192

#define CONTROL_ENDS (~0u)

struct control_walk {
	struct passage p;
	__u64 at, end;			/* the next header; where all ends */
	__u64 fd_at;			/* the next descriptor */
	__u32 left;			/* descriptors, CONTROL_ENDS: they cannot be read */
	__u32 flags;			/* PASS_* */
};

/*
 * Zero, which the verifier does not know: before v6.7 it walks what bpf_loop()
 * calls with the values of the first time only (see backlog.bpf.c).
 */
static volatile __u32 walk_zero;

static __always_inline bool control_read(const struct control_walk *w, void *to, __u32 size,
					 __u64 from)
{
	if (w->flags & PASS_KERNEL)
		return !bpf_probe_read_kernel(to, size, (void *)from);
	return !bpf_probe_read_user(to, size, (void *)from);
}

/*
 * The next header; 1: there is none. Global, like what follows: the verifier would walk them
 * anew for every state of a walk else.
 */
__noinline int control_header(struct control_walk *w)
{
	__u32 header = COMPAT_HEADER_BYTES;
	bool compat;
	__u64 len = 0;
	struct {
		__s32 level, type;
	} about;

	if (!w)
		return 1;
	compat = w->flags & PASS_COMPAT;
	if (!compat)
		header = HEADER_BYTES;
	if (w->at + header > w->end || !control_read(w, &len, compat ? 4 : 8, w->at) ||
	    !control_read(w, &about, sizeof(about), w->at + header - sizeof(about)))
		return 1;
	if (len < header || len > w->end - w->at)
		return 1;
	if (about.level == KDEF_SOL_SOCKET && about.type == KDEF_SCM_RIGHTS) {
		w->fd_at = w->at + header;
		w->left = (len - header) / sizeof(__s32);
		w->p.count = w->left;
		w->p.index = 0;
	}
	w->at += compat ? (len + 3) & ~3ull : (len + 7) & ~7ull;
	return 0;
}

/* reads the next descriptor, and returns its file; 0: it has none */
__noinline __u64 control_file(struct control_walk *w)
{
	struct file *file;

	if (!w)
		return 0;
	if (!control_read(w, &w->p.fd, sizeof(w->p.fd), w->fd_at)) {
		w->left = CONTROL_ENDS;
		return 0;
	}
	file = ident_fd_probe((void *)bpf_get_current_task_btf(), w->p.fd);
	if (!file)	/* another thread has closed it meanwhile */
		loss_add(w->p.via.kind, LENS_LOSS_AMBIGUOUS_FD, 1, 0);
	w->fd_at += sizeof(__s32);
	w->left--;
	return (__u64)file;
}

static long walk_step(__u32 i, struct control_walk *w)
{
	__u64 file;

	if (w->left == CONTROL_ENDS)
		return 1;
	if (!w->left)
		return control_header(w) != 0;
	file = control_file(w);
	if (file)
		pass_event(&w->p, file);
	w->p.index++;
	return 0;
}

/* inline in what follows, because the kernel limits how deeply functions call each other */
static __always_inline int control_tell(struct control_walk *w, const struct pass_control *control,
					__u32 dir)
{
	w->p.dir = dir;
	w->at = control->at;
	w->end = control->at + control->size;
	w->flags = control->flags;
	w->left = walk_zero;
	bpf_loop(STEPS_MAX, walk_step, w, 0);
	return 0;
}

int pass_tell(const struct pass_control *control, const struct lens_chan *via, __u32 dir)
{
	struct control_walk w = {};

	if (!control || !via)
		return 0;
	w.p.via = *via;
	return control_tell(&w, control, dir);
}

/* ------------------------------------------------------- a call has returned */

/* struct msghdr: where its control data is, and how long */
#define CONTROL_AT 32
#define COMPAT_CONTROL_AT 16

static __noinline bool header_control(__u64 header, bool compat, struct pass_control *ret)
{
	__u64 words[2] = {};
	__u32 halves[2] = {};

	if (compat) {
		bpf_probe_read_user(halves, sizeof(halves), (void *)header + COMPAT_CONTROL_AT);
		ret->at = halves[0];
		ret->size = halves[1];
		ret->flags = PASS_COMPAT;
		return ret->size >= COMPAT_HEADER_BYTES;
	}
	bpf_probe_read_user(words, sizeof(words), (void *)header + CONTROL_AT);
	ret->at = words[0];
	ret->size = words[1];
	ret->flags = 0;
	return ret->size >= HEADER_BYTES;
}

/* where a datagram went that was sent from sk, whose key it is so far; LENS_PASS_* */
static __always_inline __u32 find_receiver(struct sock *sk, bool noted, struct lens_total_key *key)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct sock_note *note;

	note = noted ? bpf_task_storage_get(&lens_sock_notes, t, NULL, 0) : NULL;
	if (note && note->to.ino) {
		key->ino = note->to.ino;
		return 0;
	}
	return ident_sock_probe(ident_unix_peer(sk), key) ? 0 : LENS_PASS_OWN;
}

/* the queue that a message sent or received by the socket of a file goes through; kind 0: none */
__noinline int pass_queue(__u64 file, __u32 dir, __u32 noted, struct passage *ret)
{
	struct sock *sk = ident_file_sock((struct file *)file);
	struct lens_total_key key = {};
	struct lens_proc unused;

	if (!ret || !ident_sock_probe(sk, &key) || !kind_is_unix(key.kind))
		return 0;
	if (key.kind == LENS_KIND_UNIX_DGRAM && dir == LENS_WRITE)
		ret->flags = find_receiver(sk, noted, &key);
	ident_split(&key, &ret->via, &unused);
	return 0;
}

int pass_returned(__u64 file, __u64 header, __u32 dir, __u32 compat, __u32 noted)
{
	struct pass_control control = {};
	struct control_walk w = {};

	/* a call older than our hooks was noted on its way, but is told of here */
	sock_take_control(&control);
	if (!header_control(header, compat, &control))
		return 0;
	pass_queue(file, dir, noted, &w.p);
	return w.p.via.kind ? control_tell(&w, &control, dir) : 0;
}

/* --------------------------------------------------------------- in flight */

/* SCM_MAX_FD: the kernel takes no more in one message */
#define FILES_MAX 253
/* messages of one queue that are looked at */
#define QUEUE_MAX (1u << 16)

struct queue_walk {
	struct passage p;
	void *head;
	struct sk_buff *at;
	struct scm_fp_list *files;
	__u32 told;
	__u32 pad;
};

static long walk_file(__u32 i, struct queue_walk *w)
{
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file),
			      (void *)w->files + bpf_core_field_offset(struct scm_fp_list, fp) +
			      i * sizeof(void *));
	if (!file)
		return 1;
	w->p.index = i;
	pass_found(&w->p, (__u64)file);
	w->told++;
	return 0;
}

static long walk_message(__u32 i, struct queue_walk *w)
{
	struct sk_buff *skb = w->at;
	struct scm_fp_list *files = NULL;
	__s32 count;

	if (!skb || skb == w->head)
		return 1;
	bpf_probe_read_kernel(&files, sizeof(files),
			      (void *)skb + bpf_core_field_offset(struct sk_buff, cb) +
			      bpf_core_field_offset(struct unix_skb_parms, fp));
	w->at = BPF_CORE_READ(skb, next);
	if (!files)
		return 0;
	count = BPF_CORE_READ(files, count);
	if (count <= 0 || count > FILES_MAX)
		return 0;
	w->files = files;
	w->p.count = count;
	bpf_loop(count, walk_file, w, 0);
	return 0;
}

/* lockless: no further than the queue is long */
int pass_in_flight(__u64 address, const struct lens_chan *chan)
{
	struct sock *sk = (struct sock *)address;
	struct queue_walk w = {};
	__u32 count;

	if (!chan || BPF_CORE_READ(sk, __sk_common.skc_state) == KDEF_TCP_LISTEN)
		return 0;
	count = BPF_CORE_READ(sk, sk_receive_queue.qlen);
	w.p.via = *chan;
	w.p.dir = LENS_READ;
	w.p.fd = -1;
	w.head = (void *)sk + bpf_core_field_offset(struct sock, sk_receive_queue);
	w.at = BPF_CORE_READ(sk, sk_receive_queue.next);
	w.files = (void *)(__u64)walk_zero;
	w.told = walk_zero;
	bpf_loop(count < QUEUE_MAX ? count : QUEUE_MAX, walk_message, &w, 0);
	return w.told;
}
