// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The hook behind every variant named `sys`: one program at the end of system
 * calls, where the registers still hold the arguments. It works on any kernel
 * with BTF, under lockdown too. Every call of every process runs through it,
 * so what is not ours must leave at once.
 */
#include "arch.bpf.h"
#include "eventfd.bpf.h"
#include "fd.bpf.h"
#include "mapping.bpf.h"
#include "mqueue.bpf.h"
#include "pipe.bpf.h"
#include "procvm.bpf.h"
#include "pty.bpf.h"
#include "sock.bpf.h"
#include "sockcall.bpf.h"
#include "strict.bpf.h"
#include "straddle.bpf.h"
#include "sysvmsg.bpf.h"

const volatile __u16 lens_calls[CALL_TABLE] = ARCH_CALLS;

/* kinds whose variant is `sys`; the bit of no kind: pidfd_getfd(2) is told of, too */
const volatile __u64 lens_sys_kinds = ~0ull;
/* kinds whose hooks miss the calls older than they are: those are counted here, too */
const volatile __u64 lens_straddle_kinds = 0;
/* kinds whose hooks do not see what splice(2) takes out, nor control data of messages */
const volatile __u64 lens_splice_kinds = 0;

/*
 * Is a socket told of a call on its descriptor that moved nothing, so that this may be an
 * empty message? Neither of vectors without room, nor of reads of nothing; and the end of
 * what splice(2) and sendfile(2) copy is no message.
 */
static __always_inline bool calls_reach_socket(const struct call_args *a, __u32 class, bool compat)
{
	return class == CALL_WRITE || (class == CALL_READ && a->arg[2]) ||
	       (class == CALL_READV && sockcall_room(a->arg[1], a->arg[2], compat));
}

/* does no hook but the end of splice(2) or sendfile(2) see what that takes out of a file? */
static __noinline __u64 calls_splice_kinds(__u32 fd)
{
	struct file *file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);

	return sock_is_spliced(file) ? lens_splice_kinds : 0;
}

/* sockets go another way here and not in fd_count(), which would be one call too deep */
static __always_inline int calls_count(__u32 fd, __u32 dir, __s64 ret, bool is_short, bool reaches,
				       __u64 kinds)
{
	struct file *file;

	if (kinds_counted(KINDS_SOCK) && kinds & KINDS_SOCK) {
		file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);
		if (file && ident_file_sock(file))
			return reaches ? sock_returned((__u64)file, dir, ret, 0, kinds) : 0;
	}
	return fd_count(fd, dir, ret, is_short, kinds & ~KINDS_SOCK);
}

static __always_inline int calls_msgctl(__s32 id, __u32 command, __s64 ret)
{
	/* the 32-bit ABI may add IPC_64 */
	if ((command & 0xff) == KDEF_IPC_RMID && ret == 0)
		return sysvmsg_removed(id);
	return 0;
}

static __always_inline int calls_ipc(struct call_args *a, __s64 ret)
{
	__u32 call = a->arg[0] & 0xffff, version = a->arg[0] >> 16, buffer = a->arg[4];
	struct lens_total_key key;
	__s32 id = a->arg[1];

	sysvmsg_key(ident_current(), id, call == KDEF_IPC_MSGSND ? LENS_WRITE : LENS_READ, &key);
	if (call == KDEF_IPC_MSGSND)
		return sysvmsg_sent(&key, sysvmsg_type(buffer, true), a->arg[2], ret);
	if (call == KDEF_IPC_MSGCTL)
		return calls_msgctl(id, a->arg[2], ret);
	if (call != KDEF_IPC_MSGRCV)
		return 0;
	/* the oldest form hides the buffer behind one more pointer */
	if (!version)
		bpf_probe_read_user(&buffer, sizeof(buffer), (void *)a->arg[4]);
	return sysvmsg_received(&key, sysvmsg_type(buffer, true), a->arg[2], a->arg[3], ret);
}

/* what a call moved, where bytes are not what counts */
static __always_inline __s64 calls_amount(struct call_args *a, __u32 class, bool compat, __s64 ret)
{
	__u32 dir = class == CALL_WRITE || class == CALL_WRITEV ? LENS_WRITE : LENS_READ;
	__u32 place = class <= CALL_WRITE ? EVENTFD_BUFFER :
		      compat ? EVENTFD_VECTOR32 : EVENTFD_VECTOR;
	struct file *file;

	if (class > CALL_WRITEV)
		return ret;
	file = ident_fd_probe((void *)bpf_get_current_task_btf(), a->arg[0]);
	return file ? eventfd_amount((__u64)file, dir, ret, a->arg[1], place) : ret;
}

/* more are looked at in no call; AIO_LISTIO_MAX of most systems is less */
#define AIO_MAX 4096
/* struct iocb, include/uapi/linux/aio_abi.h: the same for 32-bit callers */
#define AIO_FILE_AT 20

struct aio {
	__u64 requests;			/* array of pointers, in user memory */
	__u64 kinds;
	bool compat;
};

/* one request on a channel: its result goes to where nobody looks */
static long aio_request(__u32 i, struct aio *a)
{
	__u64 at = a->requests + i * (a->compat ? sizeof(__u32) : sizeof(__u64)), request = 0;
	struct lens_total_key key;
	__u32 fd = 0;

	if (a->compat ? bpf_probe_read_user(&request, sizeof(__u32), (void *)at) :
			bpf_probe_read_user(&request, sizeof(__u64), (void *)at))
		return 1;
	if (bpf_probe_read_user(&fd, sizeof(fd), (void *)(request + AIO_FILE_AT)))
		return 1;
	key.kind = LENS_KIND_NONE;
	ident_counted((__u64)ident_fd_probe((void *)bpf_get_current_task_btf(), fd), &key);
	if (key.kind && a->kinds >> (key.kind & 63) & 1)
		loss_add(key.kind, LENS_LOSS_UNSEEN, 1, 0);
	return 0;
}

/* io_submit(2) took so many requests */
static __noinline int aio_submitted(struct pt_regs *regs, bool compat, __s64 taken, __u64 kinds)
{
	struct aio a = { .requests = compat ? (__u32)regs->dx : regs->dx, .kinds = kinds,
			 .compat = compat };

	if (taken > 0)
		bpf_loop(taken < AIO_MAX ? taken : AIO_MAX, aio_request, &a, 0);
	return 0;
}

/* by descriptor: what is not worth a place in the straight line of read and write */
static __noinline int calls_files(struct pt_regs *regs, __u32 class, bool compat, __s64 ret,
				  __u64 kinds)
{
	__u32 fd, dir = LENS_WRITE;
	struct call_args a;
	__u64 from = kinds;

	arch_args(regs, compat, &a);
	if (kinds_counted(KIND_BIT(LENS_KIND_EVENTFD)) && kinds & KIND_BIT(LENS_KIND_EVENTFD))
		ret = calls_amount(&a, class, compat, ret);
	fd = a.arg[0];
	switch (class) {
	case CALL_READ:
	case CALL_READV:
		dir = LENS_READ;
		break;
	case CALL_SENDFILE:
		from &= ~KINDS_FIFO;	/* out of a pipe it takes nothing */
		fd = a.arg[1];
		/* fallthrough */
	case CALL_SPLICE:
		if (lens_splice_kinds)
			from |= calls_splice_kinds(fd);
		calls_count(fd, LENS_READ, ret, false, true, from);
		fd = class == CALL_SPLICE ? a.arg[2] : a.arg[0];
		break;
	case CALL_TEE:	/* copies; the source keeps its bytes */
		fd = a.arg[1];
		break;
	case CALL_VMSPLICE:
		dir = fd_dir(fd);
		break;
	case CALL_OPEN:
		if (kinds_counted(KIND_BIT(LENS_KIND_PTY)) && kinds & KIND_BIT(LENS_KIND_PTY))
			pty_opened(ret);
		return kinds_counted(KINDS_FIFO) && kinds & KIND_BIT(LENS_KIND_FIFO) ?
			pipe_opened(ret) : 0;
	case CALL_EVENTFD:
		return kinds_counted(KIND_BIT(LENS_KIND_EVENTFD)) &&
		       kinds & KIND_BIT(LENS_KIND_EVENTFD) ? eventfd_made(ret, a.arg[0]) : 0;
	}
	return calls_count(fd, dir, ret, (class == CALL_READ || class == CALL_WRITE) &&
			   ret > 0 && ret < (__s64)a.arg[2],
			   ret || calls_reach_socket(&a, class, compat), kinds);
}

static __always_inline int calls_msgsnd(__s32 id, __u64 buffer, __u64 size, bool compat, __s64 ret)
{
	struct lens_total_key key;

	sysvmsg_key(ident_current(), id, LENS_WRITE, &key);
	return sysvmsg_sent(&key, sysvmsg_type(buffer, compat), size, ret);
}

static __always_inline int calls_msgrcv(__s32 id, __u64 buffer, __u64 size, __u32 flags,
					bool compat, __s64 ret)
{
	struct lens_total_key key;

	sysvmsg_key(ident_current(), id, LENS_READ, &key);
	return sysvmsg_received(&key, sysvmsg_type(buffer, compat), size, flags, ret);
}

static __noinline int calls_queues(struct pt_regs *regs, __u32 class,
				   bool compat, __s64 ret)
{
	struct call_args a;

	arch_args(regs, compat, &a);
	switch (class) {
	case CALL_MSGSND:
		return calls_msgsnd(a.arg[0], a.arg[1], a.arg[2], compat, ret);
	case CALL_MSGRCV:
		return calls_msgrcv(a.arg[0], a.arg[1], a.arg[2], a.arg[4], compat, ret);
	case CALL_MSGCTL:
		return calls_msgctl(a.arg[0], a.arg[1], ret);
	case CALL_IPC:
		return calls_ipc(&a, ret);
	}
	return 0;
}

/* without an array of arguments: what is called from here needs most of the stack there is */
static __noinline int calls_mqueue(struct pt_regs *regs, __u32 class, bool compat, __s64 ret)
{
	__u64 file = fd_file_address(compat ? regs->bx : regs->di, ret >= 0);
	__u64 priority = compat ? (__u32)regs->si : regs->r10;

	if (!file)
		return 0;
	if (class == CALL_MQSEND)
		return mqueue_sent(file, priority, compat ? (__u32)regs->dx : regs->dx, ret);
	return mqueue_received(file, priority, ret);
}

static __noinline int calls_mappings(struct pt_regs *regs, __u32 class, bool compat, __s64 ret)
{
	struct call_args a;

	arch_args(regs, compat, &a);
	if (class == CALL_IPC)
		class = mapping_ipc(arch_ipc_call(regs), &a, &ret);
	return mapping_wants(class, &a) && !mapping_is_test() ? mapping_ended(class, &a, ret) : 0;
}

static __always_inline int calls_other(struct pt_regs *regs, __u32 class, bool compat, __s64 ret,
				       __u64 kinds)
{
	if (class == CALL_AIO)
		return aio_submitted(regs, compat, ret, kinds);
	if (class <= CALL_FD_LAST)
		return kinds_counted(KINDS_FD) ? calls_files(regs, class, compat, ret, kinds) : 0;
	if (class <= CALL_SOCK_LAST)
		return kinds_counted(KINDS_SOCK) ? sockcall(regs, class, compat, ret, kinds) : 0;
	if (class >= CALL_MMAP)
		return kinds_counted(KINDS_MEMORY) ? calls_mappings(regs, class, compat, ret) : 0;
	if (class == CALL_GETFD)
		return lens_sys_kinds & KIND_BIT(LENS_KIND_NONE) ?
			procvm_fetched(compat ? regs->bx : regs->di, ret) : 0;
	if (class >= CALL_VM_READ)
		return kinds_counted(KIND_BIT(LENS_KIND_PROCESS_VM)) ?
			procvm_returned(compat ? regs->bx : regs->di,
					class == CALL_VM_WRITE ? LENS_WRITE : LENS_READ, ret) : 0;
	if (class >= CALL_MQSEND)
		return kinds_counted(KIND_BIT(LENS_KIND_POSIX_MQ)) ?
			calls_mqueue(regs, class, compat, ret) : 0;
	if (class == CALL_IPC) {
		if (arch_ipc_call(regs) >= KDEF_IPC_SHMAT)
			return kinds_counted(KINDS_MEMORY) && kinds & KINDS_MEMORY ?
				calls_mappings(regs, class, compat, ret) : 0;
		if (!(kinds & KIND_BIT(LENS_KIND_SYSV_MSG)))
			return 0;
	}
	return kinds_counted(KIND_BIT(LENS_KIND_SYSV_MSG)) ?
		calls_queues(regs, class, compat, ret) : 0;
}

/* kinds that a call of this class may be about */
static __always_inline __u64 calls_kinds(__u32 class)
{
	if (class <= CALL_FD_LAST)
		return KINDS_FD;
	if (class <= CALL_SOCK_LAST)
		return KINDS_SOCK;
	if (class < CALL_IPC)
		return KIND_BIT(LENS_KIND_SYSV_MSG);
	if (class == CALL_IPC)
		return KIND_BIT(LENS_KIND_SYSV_MSG) | KINDS_MEMORY;
	if (class < CALL_VM_READ)
		return KIND_BIT(LENS_KIND_POSIX_MQ);
	if (class == CALL_GETFD)
		return KIND_BIT(LENS_KIND_NONE);
	return class < CALL_MMAP ? KIND_BIT(LENS_KIND_PROCESS_VM) : KINDS_MEMORY;
}

/* may it be of a kind in KINDS_DEVICE? file is known to the verifier */
static __always_inline bool calls_is_device(struct file *file)
{
	struct inode *i = file->f_inode;

	/* the device of a file that is none is 0 */
	return i->i_rdev >> 20 == KDEF_TTYAUX_MAJOR ||
	       (i->i_rdev >> 20) - KDEF_UNIX98_PTY_SLAVE_MAJOR < KDEF_UNIX98_PTY_MAJORS ||
	       i->i_sb->s_magic == KDEF_ANON_INODE_FS_MAGIC;
}

/*
 * The straight lines: what is left to do of a call that went through, 0: nothing was counted.
 * Whatever moved bytes did so on a descriptor that there is, whose number is not compared with
 * the size of the table.
 */
static __always_inline __u64 calls_on_pipe(__u64 *ctx, struct task_struct *t, __u32 dir)
{
	struct pt_regs *regs = (void *)ctx[0];
	struct hit h;

	if (!core_fill_is(LENS_FILL_STRAIGHT) || (__s64)ctx[1] <= 0 ||
	    !pipe_hit(&h, fd_entry(t->files->fdt, regs->di), t, dir, false))
		return 0;
	regs = (void *)ctx[0];
	h.slot->bytes += ctx[1];
	if ((__s64)ctx[1] < (__s64)regs->dx)
		h.slot->shorts++;
	return hit_end(&h);
}

static __always_inline __u64 calls_on_queue(__u64 *ctx, struct task_struct *t, __u32 dir)
{
	struct pt_regs *regs = (void *)ctx[0];
	__s64 ret = ctx[1];
	struct hit h;

	if (!core_fill_is(LENS_FILL_STRAIGHT_QUEUES) ||
	    (dir == LENS_WRITE ? ret != 0 : !sysvmsg_is_plain(regs->r8, ret)) ||
	    !sysvmsg_hit(&h, t, regs->di, dir, false))
		return 0;
	h.slot->bytes += dir == LENS_WRITE ? regs->dx : ret;
	return hit_end(&h);
}

static __noinline int calls_follow_pipe(struct pt_regs *regs, __u32 dir, __s64 ret, __u64 left)
{
	struct file *file = fd_entry(ident_current()->files->fdt, regs->di);

	return pipe_follow(left, ident_address(file), dir, ret, ret < (__s64)regs->dx);
}

static __noinline int calls_follow_queue(struct pt_regs *regs, __u32 dir, __s64 ret, __u64 left)
{
	return sysvmsg_follow(left, dir == LENS_WRITE ? (__s64)regs->dx : ret,
			      sysvmsg_type(regs->si, false));
}

/* what calls_begin() found beside the class */
#define CALLS_COMPAT 0x100
#define CALLS_STRADDLES 0x200
#define CALLS_FOLLOWED 0x400	/* counted, with what is left to do above CALLS_LEFT_SHIFT */
#define CALLS_LEFT_SHIFT 16

static __noinline __u64 calls_found(__u32 class)
{
	struct task_struct *t = bpf_get_current_task_btf();
	bool compat = arch_is_compat(t);
	__u32 found = compat ? class >> CALL_COMPAT_SHIFT : class & CALL_NATIVE;

	/* marked only where functions are hooked, and nothing is counted straight then */
	if (lens_straddle_kinds && straddle_end(t) && found)
		found |= CALLS_STRADDLES;
	return found && compat ? found | CALLS_COMPAT : found;
}

/*
 * What is to be done of a call of some class, that of both ABIs still; 0: nothing more. Apart
 * from the program itself, which has to keep nothing over a call then: most calls end there.
 */
static __noinline __u64 calls_begin(__u64 *ctx, __u32 class)
{
	struct task_struct *t = bpf_get_current_task_btf();
	__u32 native = class & CALL_NATIVE;
	__u64 left;

	if (arch_is_compat(t))
		return calls_found(class);
	if (native - CALL_READ <= LENS_WRITE)
		left = calls_on_pipe(ctx, t, native - CALL_READ);
	else if (native - CALL_MSGSND <= 1)
		left = calls_on_queue(ctx, t, native == CALL_MSGSND);
	else
		return calls_found(class);
	if (left == TOTALS_DONE)
		return 0;
	if (left)
		return left << CALLS_LEFT_SHIFT | CALLS_FOLLOWED | native;
	return calls_found(class);
}

/* what calls_begin() left to do of a call that it counted */
static __always_inline int calls_follow(struct pt_regs *regs, __u32 class, __s64 ret, __u64 left)
{
	if (core_fill_is(LENS_FILL_STRAIGHT) && class <= CALL_WRITE)
		return calls_follow_pipe(regs, class - CALL_READ, ret, left);
	return calls_follow_queue(regs, class == CALL_MSGSND, ret, left);
}

/* looks for the file again: what is called from here needs the stack */
static __noinline int calls_read_write(struct pt_regs *regs, __u32 class, __s64 ret, __u64 kinds)
{
	struct file *file = fd_file(ident_current(), regs->di);
	__u32 mode;

	if (!file) {
		fd_count_lost(ret);
		return 0;
	}
	mode = file->f_inode->i_mode & KDEF_S_IFMT;
	if (kinds_counted(KINDS_SOCK) && kinds & KINDS_SOCK && mode == KDEF_S_IFSOCK) {
		/* of a read of nothing the socket is not told */
		if (class == CALL_READ && !regs->dx)
			return 0;
		return sock_returned(ident_address(file), class == CALL_WRITE ? LENS_WRITE :
				     LENS_READ, ret, 0, kinds);
	}
	if ((kinds & KINDS_FIFO && mode == KDEF_S_IFIFO) ||
	    (kinds_counted(KINDS_DEVICE) && kinds & KINDS_DEVICE && calls_is_device(file)))
		return calls_files(regs, class, false, ret, kinds);
	return 0;
}

SEC("?tp_btf/sys_exit")
int calls__sys__exit(__u64 *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	__u32 class = arch_class(regs->orig_ax);
	__u64 kinds, found;
	bool compat;
	__s64 ret;

	if (!class)
		return 0;
	found = calls_begin(ctx, class);
	if (!found)
		return 0;
	regs = (void *)ctx[0];
	ret = ctx[1];
	class = found & CALL_NATIVE;
	if (found & CALLS_FOLLOWED)
		return calls_follow(regs, class, ret, found >> CALLS_LEFT_SHIFT);
	compat = found & CALLS_COMPAT;
	kinds = lens_sys_kinds;
	if (found & CALLS_STRADDLES)
		kinds |= lens_straddle_kinds;
	/* in this order: the first is nearly always true */
	if (!(kinds & calls_kinds(class)) && !(lens_splice_kinds & calls_kinds(class)))
		return 0;
	if (lens_has_cast && !lens_strict && !compat && class <= CALL_WRITE)
		return is_restart(ret) ? 0 : calls_read_write(regs, class, ret, kinds);
	return calls_other(regs, class, compat, ret, kinds);
}
