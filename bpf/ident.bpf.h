/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Identity: descriptor -> file -> channel, task -> process. Everything here
 * is on the hot path and therefore inlined and free of helper calls where the
 * kernel permits.
 */
#ifndef LENS_IDENT_BPF_H
#define LENS_IDENT_BPF_H

#include "core.bpf.h"
#include "ktypes_tty.bpf.h"

/*
 * The address of a typed pointer as a plain number. The verifier gives none
 * away, but the distance of two pointers is one, and so is the current task.
 */
static __always_inline __u64 ident_address(void *typed)
{
	__u64 distance = (__u64)typed - (__u64)bpf_get_current_task_btf();

	barrier_var(distance);
	return bpf_get_current_task() + distance;
}

/* t as core_field() takes it, whatever the verifier knows of it */
static __always_inline struct task_struct *ident_task(struct task_struct *t)
{
	return core_cast(t, LENS_FILL_TYPE_TASK);
}

/* the current task, without the verifier's trust where that can be had (see core_cast()) */
static __always_inline struct task_struct *ident_current(void)
{
	return ident_task(bpf_get_current_task_btf());
}

/* file as the verifier is quicker with (see core_cast()) */
static __always_inline struct file *ident_untrusted(struct file *file)
{
	return core_cast(file, LENS_FILL_TYPE_FILE);
}

static __always_inline struct file *ident_file_at(__u64 address)
{
	return core_cast(address, LENS_FILL_TYPE_FILE);
}

static __always_inline void ident_proc(struct task_struct *t, struct lens_proc *ret)
{
	ret->start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	ret->tgid = BPF_CORE_READ(t, tgid);
	ret->pad = 0;
}

/*
 * LENS_END_MADE if t opened the file itself, both addresses: a file keeps the credentials that
 * it was opened with, and every process has its own, which exec(2) and setuid(2) replace.
 */
static __always_inline __u32 ident_made(struct task_struct *t, struct file *file)
{
	const struct cred *cred = BPF_CORE_READ(file, f_cred);

	return cred && cred == BPF_CORE_READ(t, cred) ? LENS_END_MADE : 0;
}

/* the file behind a descriptor of any task, on any kernel, by probing reads */
static __always_inline struct file *ident_fd_probe(struct task_struct *t, __u32 fd)
{
	struct fdtable *fdt = BPF_CORE_READ(t, files, fdt);
	struct file **files, *f = NULL;

	if (!fdt || fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	files = BPF_CORE_READ(fdt, fd);
	if (bpf_probe_read_kernel(&f, sizeof(f), files + fd))
		return NULL;
	return f;
}

/* f is a pointer the verifier knows to be a file */
static __always_inline bool ident_pipe(struct file *f, struct lens_total_key *k)
{
	struct inode *i = f->f_inode;

	if ((i->i_mode & KDEF_S_IFMT) != KDEF_S_IFIFO)
		return false;
	k->ino = i->i_ino;
	k->dev = i->i_sb->s_dev;
	if (k->dev == lens_pipefs_dev) {
		k->gen = 0;
		k->kind = LENS_KIND_PIPE;
	} else {
		k->gen = i->i_generation;
		k->kind = LENS_KIND_FIFO;
	}
	return true;
}

/* f is just an address */
static __always_inline bool ident_pipe_probe(struct file *f, struct lens_total_key *k)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);

	if ((BPF_CORE_READ(i, i_mode) & KDEF_S_IFMT) != KDEF_S_IFIFO)
		return false;
	k->ino = BPF_CORE_READ(i, i_ino);
	k->dev = BPF_CORE_READ(i, i_sb, s_dev);
	k->gen = 0;
	k->kind = LENS_KIND_PIPE;
	if (k->dev != lens_pipefs_dev) {
		k->gen = BPF_CORE_READ(i, i_generation);
		k->kind = LENS_KIND_FIFO;
	}
	return true;
}

/* the same of a file at any address */
static __always_inline bool ident_pipe_at(struct file *file, struct lens_total_key *k)
{
	return lens_has_cast ? ident_pipe(ident_file_at((__u64)file), k) :
			       ident_pipe_probe(file, k);
}

/*
 * The kind of channel behind the file at an address, LENS_KIND_NONE if it is
 * none; fills in all of the key but the user. For calls that are not hot: a
 * global function, so that the verifier walks it once.
 */
int ident_file(__u64 file, struct lens_total_key *ret);
/* likewise, but only of the kinds that are counted in this run */
int ident_counted(__u64 file, struct lens_total_key *ret);
/* likewise, or memory that a descriptor stands for, whose reads and writes are not counted */
int ident_held(__u64 file, struct lens_total_key *ret);
/* ... and the memory alone of it */
int ident_memory(__u64 file, struct lens_total_key *ret);
/* likewise for a file that is mapped shared */
int ident_mapped(__u64 file, struct lens_total_key *ret);

/* i is just an address; a POSIX message queue has a name on a file system of its own */
static __always_inline bool ident_mqueue_inode(struct inode *i, struct lens_total_key *k)
{
	struct super_block *sb = BPF_CORE_READ(i, i_sb);

	if ((BPF_CORE_READ(i, i_mode) & KDEF_S_IFMT) != KDEF_S_IFREG ||
	    BPF_CORE_READ(sb, s_magic) != KDEF_MQUEUE_MAGIC)
		return false;
	k->ino = BPF_CORE_READ(i, i_ino);
	k->dev = BPF_CORE_READ(sb, s_dev);
	k->gen = 0;
	k->kind = LENS_KIND_POSIX_MQ;
	return true;
}

#define NAME_ALIGNED __attribute__((aligned(8)))

/*
 * name is aligned, and with a literal, so that words are compared: the verifier would walk
 * what follows for every byte that may differ else.
 */
static __always_inline bool name_begins(const char *name, const char *with, __u32 len)
{
	const __u64 *words = (const __u64 *)name;
	__u64 word, mask;

	for (__u32 at = 0; at < len; at += 8) {
		word = mask = 0;
		for (__u32 i = 0; i < 8 && at + i < len; i++) {
			word |= (__u64)(__u8)with[at + i] << i * 8;
			mask |= 0xffull << i * 8;
		}
		if ((words[at / 8] & mask) != word)
			return false;
	}
	return true;
}

#define NAME_IS(name, literal) name_begins(name, literal, sizeof(literal) - 1)

/* f is just an address; files without an inode of their own share one, but not their name */
static __always_inline bool file_is_eventfd(struct file *f)
{
	char name[16] NAME_ALIGNED = {};

	if (BPF_CORE_READ(f, f_inode, i_sb, s_magic) != KDEF_ANON_INODE_FS_MAGIC)
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(f, f_path.dentry, d_name.name));
	return NAME_IS(name, "[eventfd]");
}

/* likewise; gen is left open, too */
static __always_inline bool ident_eventfd(struct file *f, struct lens_total_key *k)
{
	struct eventfd_ctx *ctx;

	if (!file_is_eventfd(f))
		return false;
	ctx = BPF_CORE_READ(f, private_data);
	k->ino = (__u32)BPF_CORE_READ(ctx, id);
	k->dev = 0;
	k->gen = 0;
	k->kind = LENS_KIND_EVENTFD;
	return true;
}

/*
 * The terminal behind a file, NULL if it is no end of a pty. /dev/tty stands for
 * whichever terminal controls who opened it, so only the terminal itself tells.
 */
static __always_inline struct tty_struct *file_tty(struct file *f)
{
	struct inode *i = BPF_CORE_READ(f, f_inode);
	__u32 device = BPF_CORE_READ(i, i_rdev), major = device >> 20;
	struct tty_file_private *private;

	if ((BPF_CORE_READ(i, i_mode) & KDEF_S_IFMT) != KDEF_S_IFCHR ||
	    (major != KDEF_TTYAUX_MAJOR &&
	     major - KDEF_UNIX98_PTY_SLAVE_MAJOR >= KDEF_UNIX98_PTY_MAJORS))
		return NULL;
	private = BPF_CORE_READ(f, private_data);
	return private ? BPF_CORE_READ(private, tty) : NULL;
}

/* f is just an address; the number of those before it in gen, and the user, are left open */
static __always_inline bool ident_pty(struct file *f, struct lens_total_key *k)
{
	struct tty_struct *tty = file_tty(f), *master;
	struct pts_fs_info *devpts;
	__u32 major;

	if (!tty)
		return false;
	major = BPF_CORE_READ(tty, driver, major);
	if (major != KDEF_UNIX98_PTY_MASTER_MAJOR && major != KDEF_UNIX98_PTY_SLAVE_MAJOR)
		return false;
	master = major == KDEF_UNIX98_PTY_MASTER_MAJOR ? tty : BPF_CORE_READ(tty, link);
	devpts = BPF_CORE_READ(master, driver_data);
	k->ino = (__u32)BPF_CORE_READ(master, index);
	k->dev = BPF_CORE_READ(devpts, sb, s_dev);
	k->gen = tty == master ? 0 : LENS_PTY_SLAVE;
	k->kind = LENS_KIND_PTY;
	return true;
}

static __always_inline void ident_queue(struct task_struct *t, __s32 id, struct lens_total_key *k)
{
	k->ino = (__u32)id;
	k->dev = t->nsproxy->ipc_ns->ns.inum;
	k->gen = 0;
	k->kind = LENS_KIND_SYSV_MSG;
}

/* what is addressed to a process itself */
static __always_inline void ident_target(const struct lens_proc *to, __u16 kind, __u32 gen,
					 struct lens_total_key *k)
{
	k->ino = to->start_ns;
	k->dev = to->tgid;
	k->gen = gen;
	k->kind = kind;
}

static __always_inline void ident_user(struct task_struct *t, __u16 dir, struct lens_total_key *k)
{
	k->start_ns = t->group_leader->start_boottime;
	k->tgid = t->tgid;
	k->dir = dir;
}

/* likewise by probing reads, which the verifier is quicker with */
static __always_inline void ident_user_probe(struct task_struct *t, __u16 dir,
					     struct lens_total_key *k)
{
	k->start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	k->tgid = t->tgid;
	k->dir = dir;
}

static __always_inline void ident_split(const struct lens_total_key *k, struct lens_chan *ret_chan,
					struct lens_proc *ret_proc)
{
	ret_chan->ino = k->ino;
	ret_chan->dev = k->dev;
	ret_chan->gen = k->gen;
	ret_chan->kind = k->kind;
	ret_chan->pad = 0;
	ret_proc->start_ns = k->start_ns;
	ret_proc->tgid = k->tgid;
	ret_proc->pad = 0;
}

#endif
