// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * POSIX message queues: counting for every variant, and the hooks at function
 * level, through which native and 32-bit calls go.
 */
#include "fd.bpf.h"
#include "message.bpf.h"
#include "mqueue.bpf.h"

static __always_inline int mqueue_count(__u64 file, __u32 dir, const struct call *call)
{
	struct file *f = (struct file *)file;
	struct lens_total_key key = {};

	if (!ident_mqueue_inode(BPF_CORE_READ(f, f_inode), &key))
		return 0;	/* no queue: the call failed with EBADF */
	ident_user_probe((void *)bpf_get_current_task_btf(), dir, &key);
	return totals_count(&key, f, FILE_MQUEUE, call);
}

int mqueue_sent(__u64 file, __u32 priority, __u64 size, __s64 ret)
{
	struct call call = {
		.ret = ret < 0 ? ret : (__s64)size, .aux = priority, .moved = ret >= 0,
	};
	__u32 message = message_number(MESSAGE_SENT);

	/* of one that was not sent nobody asks */
	if (ret >= 0)
		call.message = message;
	if (is_restart(ret))
		return 0;
	return mqueue_count(file, LENS_WRITE, &call);
}

int mqueue_received(__u64 file, __u64 priority, __s64 ret)
{
	struct call call = { .ret = ret, .aux = LENS_PRIORITY_UNKNOWN, .moved = ret >= 0,
			     .message = message_number(MESSAGE_TAKEN) };
	__u32 value;

	if (is_restart(ret))
		return 0;
	/* whoever passes no place for it does not learn it, and neither do we */
	if (priority && call.moved &&
	    !bpf_probe_read_user(&value, sizeof(value), (void *)priority))
		call.aux = value;
	/* taken from the queue, but the caller's buffer was not there: the message is lost */
	call.is_short = ret == -KDEF_EFAULT;
	return mqueue_count(file, LENS_READ, &call);
}

/* the file of a call that was made, or 0 */
static __always_inline __u64 mqueue_file(int fd, __s64 ret)
{
	struct file *file = ident_fd_probe((void *)bpf_get_current_task_btf(), fd);

	if (!file)
		fd_count_lost(ret + 1);	/* a send that succeeds returns 0 */
	return (__u64)file;
}

SEC("?fexit/do_mq_timedsend")
int BPF_PROG(mqueue__fexit__send, int fd, const char *text, unsigned long size,
	     unsigned int priority, void *timeout, int ret)
{
	__u64 file = mqueue_file(fd, ret);

	if (file)
		mqueue_sent(file, priority, size, ret);
	return 0;
}

SEC("?fexit/do_mq_timedreceive")
int BPF_PROG(mqueue__fexit__receive, int fd, char *text, unsigned long size, unsigned int *priority,
	     void *timeout, int ret)
{
	__u64 file = mqueue_file(fd, ret);

	if (file)
		mqueue_received(file, (__u64)priority, ret);
	return 0;
}
