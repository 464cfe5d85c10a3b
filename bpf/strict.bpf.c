// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind strict.bpf.h. Only tables of descriptors that several
 * tasks share can change under a call. For those the file is looked up at the
 * beginning, too, and changes are counted by descriptor, so that a file that
 * came back is noticed as well. Which one the kernel took in between cannot be
 * known from outside: such a call is counted for its first file, and as
 * ambiguous.
 */
#include "arch.bpf.h"
#include "storage.bpf.h"
#include "strict.bpf.h"

const volatile bool lens_strict = false;

#define CALL_FDS 2

struct begun_fd {
	__u64 file;		/* an address, to compare */
	struct lens_total_key key;
	__u32 fd;
	__u32 changes;		/* complete ones of this descriptor until then */
};

struct begun_call {
	__u32 fd_count;		/* 0: not in a call, or nobody shares its descriptors */
	__u32 pad;
	struct begun_fd fd[CALL_FDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct begun_call);
} lens_strict_calls SEC(".maps");

/* by descriptor, several sharing a place; the last one is for calls about a range */
#define PLACES 64
struct table_changes {
	__u32 begun[PLACES + 1];
	__u32 ended[PLACES + 1];
};

/* of the group leader: threads share their table */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct table_changes);
} lens_strict_tables SEC(".maps");

static __always_inline bool is_shared(struct task_struct *t)
{
	return BPF_CORE_READ(t, files, count.counter) > 1;
}

/* ended: those over; else those begun */
static __always_inline __u32 changes_of(const struct table_changes *c, __u32 fd, bool ended)
{
	if (!c)
		return 0;
	return ended ? c->ended[fd % PLACES] + c->ended[PLACES] :
		       c->begun[fd % PLACES] + c->begun[PLACES];
}

static __always_inline struct table_changes *table_get(struct task_struct *t)
{
	return bpf_task_storage_get(&lens_strict_tables, t->group_leader, NULL, 0);
}

/* -------------------------------------------------------------- the beginning */

static __always_inline void begin_fd(struct task_struct *t, struct begun_call *c, __u32 fd)
{
	struct begun_fd *b = &c->fd[c->fd_count & (CALL_FDS - 1)];

	b->fd = fd;
	/* changes under way now count as later ones */
	b->changes = changes_of(table_get(t), fd, true);
	b->file = (__u64)ident_fd_probe(t, fd);
	b->key.kind = LENS_KIND_NONE;
	ident_file(b->file, &b->key);
	c->fd_count++;
}

static __always_inline int begin_call(struct task_struct *t, struct pt_regs *regs, bool compat,
				      __u32 class)
{
	bool shared = is_shared(t);
	struct begun_call *c;
	struct call_args a;

	if (!shared) {
		c = bpf_task_storage_get(&lens_strict_calls, t, NULL, 0);
		if (c)
			c->fd_count = 0;
		return 0;
	}
	c = storage_make(bpf_task_storage_get, &lens_strict_calls, t);
	if (!c) {
		loss_add(LENS_KIND_NONE, LENS_LOSS_STORAGE, 1, 0);
		return 0;
	}
	c->fd_count = 0;
	arch_args(regs, compat, &a);
	begin_fd(t, c, class == CALL_TEE ? a.arg[1] : a.arg[0]);
	if (class == CALL_SPLICE || class == CALL_SENDFILE)
		begin_fd(t, c, class == CALL_SPLICE ? a.arg[2] : a.arg[1]);
	return 0;
}

static __always_inline int count_change(struct task_struct *t, struct pt_regs *regs, bool compat,
					enum fd_change change, bool ended)
{
	struct table_changes *c;
	struct call_args a;
	__u32 place;

	if (!is_shared(t))
		return 0;
	c = storage_make(bpf_task_storage_get, &lens_strict_tables, t->group_leader);
	if (!c) {
		loss_add(LENS_KIND_NONE, LENS_LOSS_STORAGE, 1, 0);
		return 0;
	}
	arch_args(regs, compat, &a);
	place = change == FD_CHANGE_RANGE ? PLACES :
		(change == FD_CHANGE_FIRST ? a.arg[0] : a.arg[1]) % PLACES;
	__sync_fetch_and_add(ended ? &c->ended[place] : &c->begun[place], 1);
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(calls__strict__enter, struct pt_regs *regs, long nr)
{
	struct task_struct *t = bpf_get_current_task_btf();
	bool compat = arch_is_compat(t);
	__u32 class = arch_class(regs->orig_ax);
	enum fd_change change;

	class = compat ? class >> CALL_COMPAT_SHIFT : class & CALL_NATIVE;
	if (class && class < CALL_OPEN)
		return begin_call(t, regs, compat, class);
	change = arch_fd_change(regs->orig_ax, compat);
	return change ? count_change(t, regs, compat, change, false) : 0;
}

/* -------------------------------------------------------------------- the end */

SEC("?tp_btf/sys_exit")
int BPF_PROG(calls__strict__exit, struct pt_regs *regs, long ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	bool compat = arch_is_compat(t);
	enum fd_change change = arch_fd_change(regs->orig_ax, compat);

	return change ? count_change(t, regs, compat, change, true) : 0;
}

int strict_doubts(__u32 fd, __u64 file, struct lens_total_key *key)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct begun_call *c;
	struct begun_fd *b;
	__u32 begun;

	if (!key || !is_shared(t))
		return false;
	c = bpf_task_storage_get(&lens_strict_calls, t, NULL, 0);
	b = c && c->fd_count > 1 && c->fd[1].fd == fd ? &c->fd[1] : c ? &c->fd[0] : NULL;
	if (!b || !c->fd_count || b->fd != fd) {
		/* the call is older than our hooks: nobody knows */
		key->kind = LENS_KIND_NONE;
		ident_file(file, key);
		return true;
	}
	begun = changes_of(table_get(t), fd, false);
	if (b->file == file && b->changes == begun)
		return false;
	*key = b->key;
	return true;
}
