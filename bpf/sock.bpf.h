/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What all kinds of sockets share, whatever their family: what is learned of a
 * message while its call lasts, and the joining of two halves of a connection.
 */
#ifndef LENS_SOCK_BPF_H
#define LENS_SOCK_BPF_H

#include "ident_sock.bpf.h"
#include "pass.bpf.h"
#include "storage.bpf.h"
#include "totals.bpf.h"

/*
 * Of the call a task is in. The queue a datagram went into is known only where
 * it is queued, and its size and what was copied of it only where it is
 * copied; the end of the call takes both up again. So it does with the
 * descriptors of a message.
 */
struct sock_note {
	struct lens_chan to;	/* kind 0: nothing was queued */
	__u64 to_file;
	__u32 copied, size;
	__u32 has_copy;
	__u32 passes;		/* the control data has descriptors */
	struct pass_control control;
};

struct sock_notes_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sock_note);
};
extern struct sock_notes_map lens_sock_notes SEC(".maps");

/* the note of the current task, made if there is none; NULL: counted as loss */
static __always_inline struct sock_note *sock_note_make(struct task_struct *t, __u32 kind)
{
	struct sock_note *note = storage_make(bpf_task_storage_get, &lens_sock_notes, t);

	if (!note)
		loss_add(kind, LENS_LOSS_STORAGE, 1, 0);
	return note;
}

/* *ret: the control data noted of the call that returns now; size 0 if it has no descriptors */
static __always_inline void sock_take_control(struct pass_control *ret)
{
	struct sock_note *note;

	ret->size = 0;
	/* nearly never anybody is in such a call */
	if (!lens_passing)
		return;
	note = bpf_task_storage_get(&lens_sock_notes, bpf_get_current_task_btf(), NULL, 0);
	if (!note || !note->passes)
		return;
	*ret = note->control;
	note->passes = 0;
	__sync_fetch_and_add(&lens_passing, -1);
}

/* tells that two channels are each other's peer */
__hidden int sock_join(const struct lens_chan *chan, const struct lens_chan *peer);

/*
 * A system call on the socket behind the file at an address has returned; for
 * the kinds that are counted there. flags: MSG_* of what was received; of what was sent, which
 * message of its call it is. A global function, walked once.
 */
int sock_returned(__u64 file, __u32 dir, __s64 ret, __u32 flags, __u64 kinds);

/* has it a function of its own for splice(2)? What is taken out of others is read */
static __always_inline bool sock_is_spliced(struct file *file)
{
	struct sock *sk = file ? ident_file_sock(file) : NULL;

	return sk && BPF_CORE_READ(sk, sk_socket, ops, splice_read);
}

#endif
