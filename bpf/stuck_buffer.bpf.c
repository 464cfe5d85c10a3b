// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Buffers that calls are given. A call that has taken a message already, and finds the page to
 * put it in missing, sleeps as if it still waited for one; a page of a file in a file system of
 * user space (FUSE) comes when another process sends it.
 */
#include "foreign.bpf.h"
#include "stuck.bpf.h"

#define BUFFERS_MAX 16 /* of a vector: of more, the others are not looked at */

struct vector {
	struct task_struct *task;
	__u64 at, left; /* struct iovec */
	bool served;
};

struct buffer {
	__u64 from, size;
};

static long buffer_next(__u32 i, struct vector *v)
{
	struct buffer b = {};

	if (!v->left)
		return 1;
	v->served = foreign_memory(v->task, v->at, sizeof(b)) == FOREIGN_SERVED;
	if (v->served || bpf_copy_from_user_task(&b, sizeof(b), (void *)v->at, v->task, 0))
		return 1;
	v->served = foreign_memory(v->task, b.from, b.size) == FOREIGN_SERVED;
	v->at += sizeof(b);
	v->left--;
	return v->served;
}

/* struct msghdr: where the vector is, and how many it has */
#define MESSAGE_VECTOR 16
#define EPOLL_EVENT_SIZE 12
#define CHILD_SIZE 128 /* siginfo_t */

enum form { FORM_NONE, FORM_BUFFER, FORM_VECTOR, FORM_MESSAGE };

static __always_inline enum form buffer_of(__u32 call, const struct call_args *a,
					   struct buffer *ret)
{
	ret->from = a->arg[1];
	ret->size = a->arg[2];
	switch (call) {
	case LENS_CALL_READV:
	case LENS_CALL_PREADV:
	case LENS_CALL_WRITEV:
	case LENS_CALL_PWRITEV:
		return FORM_VECTOR;
	case LENS_CALL_RECVMSG:
	case LENS_CALL_RECVMMSG:
	case LENS_CALL_SENDMSG:
	case LENS_CALL_SENDMMSG:
		return FORM_MESSAGE;
	case LENS_CALL_READ:
	case LENS_CALL_PREAD:
	case LENS_CALL_RECVFROM:
	case LENS_CALL_RECV:
	case LENS_CALL_WRITE:
	case LENS_CALL_PWRITE:
	case LENS_CALL_SENDTO:
	case LENS_CALL_SEND:
	case LENS_CALL_MQ_SEND:
	case LENS_CALL_MQ_RECEIVE:
	case LENS_CALL_MSGSND:
	case LENS_CALL_MSGRCV:
		return FORM_BUFFER;
	case LENS_CALL_EPOLL_WAIT:
	case LENS_CALL_EPOLL_PWAIT:
	case LENS_CALL_EPOLL_PWAIT2:
		ret->size *= EPOLL_EVENT_SIZE;
		return FORM_BUFFER;
	case LENS_CALL_WAITID:
		ret->from = a->arg[2];
		ret->size = CHILD_SIZE;
		return FORM_BUFFER;
	case LENS_CALL_WAIT4:
	case LENS_CALL_WAITPID:
		ret->size = sizeof(__s32);
		return FORM_BUFFER;
	}
	return FORM_NONE;
}

static __noinline bool is_served(struct task_struct *t, enum form form, struct buffer *b)
{
	struct vector v = { .task = t };
	__u64 at;

	if (!b)
		return false;
	at = b->from;
	if (form == FORM_MESSAGE) {
		at += MESSAGE_VECTOR;
		b->size = sizeof(*b);
	}
	v.served = foreign_memory(t, at, b->size) == FOREIGN_SERVED;
	if (v.served || form == FORM_BUFFER)
		return v.served;
	v.at = at;
	v.left = b->size;
	if (form == FORM_MESSAGE) {
		if (bpf_copy_from_user_task(b, sizeof(*b), (void *)at, t, 0))
			return false;
		v.at = b->from;
		v.left = b->size;
	}
	bpf_loop(BUFFERS_MAX, buffer_next, &v, 0);
	return v.served;
}

int stuck_buffer(struct task_struct *t, struct seq_file *seq, __u32 call,
		 const struct call_args *a, bool compat)
{
	struct lens_rec_memory r = { .call = call, .flags = LENS_MEMORY_SERVED };
	struct buffer b;
	enum form form = buffer_of(call, a, &b);

	/* vectors of 32-bit callers look different */
	if (!form || !b.from || (compat && form != FORM_BUFFER) || !is_served(t, form, &b))
		return 0;
	rec_init(&r.h, LENS_REC_MEMORY, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	ident_proc(t, &r.proc);
	r.tid = t->pid;
	bpf_seq_write(seq, &r, sizeof(r));
	return 0;
}
