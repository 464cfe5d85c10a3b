// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind fd.bpf.h.
 */
#include "fd.bpf.h"
#include "pty.bpf.h"
#include "strict.bpf.h"

static __always_inline bool has_kind(__u64 kinds, __u32 kind)
{
	return kind && kinds >> (kind & 63) & 1;
}

static __always_inline bool is_counted(struct file *file, __u64 kinds, struct lens_total_key *key)
{
	return has_kind(kinds, ident_counted((__u64)file, key));
}

/*
 * Which file the call was about is not certain: key is that of the one it began
 * with, which it is counted for. False if neither that nor the one now is of interest.
 */
static __always_inline bool is_counted_doubtful(struct file *now, __u64 kinds,
						struct lens_total_key *key)
{
	bool counted = has_kind(kinds, key->kind);

	if (counted || is_counted(now, kinds, key))
		loss_add(key->kind, LENS_LOSS_AMBIGUOUS_FD, 1, 0);
	return counted;
}

/* what only some kinds of channel say of a call; now: the file it was about, or NULL */
static __always_inline void fill_in(const struct lens_total_key *key, struct file *now,
				    struct call *call)
{
	if (kinds_counted(KIND_BIT(LENS_KIND_PTY)) && key->kind == LENS_KIND_PTY)
		call->is_short = now && pty_is_packet(now, key->dir, call->ret);
}

int fd_count_file(__u64 task, __u64 file, __u32 dir, const struct call *call, __u64 kinds)
{
	struct lens_total_key key = {};
	struct lens_proc proc;
	struct call copy;

	if (!call || !is_counted((struct file *)file, kinds, &key))
		return 0;
	copy = *call;
	ident_proc((struct task_struct *)task, &proc);
	key.start_ns = proc.start_ns;
	key.tgid = proc.tgid;
	key.dir = dir;
	fill_in(&key, (struct file *)file, &copy);
	return totals_count(&key, (struct file *)file, 0, &copy);
}

/* what: which kinds of files can be met here; a constant */
static __always_inline int count(__u32 fd, __u32 dir, __s64 ret, bool is_short, __u64 kinds,
				 __u32 what)
{
	struct task_struct *t = (void *)bpf_get_current_task_btf();
	struct call call = { .ret = ret, .moved = ret > 0, .is_short = is_short };
	struct lens_total_key key = {};
	struct file *file;

	if (is_restart(ret))
		return 0;
	file = ident_fd_probe(t, fd);
	if (lens_strict && strict_doubts(fd, (__u64)file, &key)) {
		if (!is_counted_doubtful(file, kinds, &key))
			return 0;
		/* what it would have added nobody has looked at */
		if (key.kind == LENS_KIND_EVENTFD)
			call.ret = ret > 0 ? 0 : ret;
		call.aux = LENS_OP_AMBIGUOUS;
		file = NULL;
	} else if (!file) {
		fd_count_lost(ret);
		return 0;
	} else if (what & FILE_PIPE ? !ident_pipe_at(file, &key) : !is_counted(file, kinds, &key)) {
		return 0;
	}
	ident_user_probe(t, dir, &key);
	fill_in(&key, file, &call);
	return totals_count(&key, file, what, &call);
}

int fd_count(__u32 fd, __u32 dir, __s64 ret, __u32 is_short, __u64 kinds)
{
	return count(fd, dir, ret, is_short, kinds, 0);
}

int fd_count_pipe(__u32 fd, __u32 dir, __s64 ret)
{
	return count(fd, dir, ret, false, KINDS_FIFO, FILE_PIPE);
}

__u32 fd_dir(__u32 fd)
{
	struct file *file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);

	return file && BPF_CORE_READ(file, f_mode) & KDEF_FMODE_WRITE ? LENS_WRITE : LENS_READ;
}
