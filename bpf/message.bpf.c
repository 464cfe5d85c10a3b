// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Numbers for the messages of SysV and POSIX queues. Both take the message from
 * load_msg(), in the context of the sender, and give it to free_msg() in that of
 * the receiver, once it is copied out. Whoever fails to send, destroys a queue or
 * looks with MSG_COPY frees as well, but then returns from no receiving call with
 * a message. An address is used again at once; its number is not.
 */
#include "arch.bpf.h"
#include "ident.bpf.h"
#include "message.bpf.h"
#include "storage.bpf.h"

bool lens_numbering;
__u32 lens_last_message;	/* number given last; wraps */
__u32 lens_first_message;	/* older ones are not to be relied on: some were missed since */

/*
 * By tracepoints of the allocator, messages are told from everything else by where
 * in the kernel they are allocated and freed. That is learned from messages of the
 * collector's own, of sizes that nobody else allocates meanwhile.
 */
unsigned long lens_message_alloc_site;
unsigned long lens_message_free_site;
__u32 lens_lesson_tgid;		/* whose messages; 0: no lesson is under way */
__u32 lens_lesson_bytes;	/* how long they are */
unsigned long lens_lesson_alloc_site, lens_lesson_free_site;	/* what was learned */
static __u64 lesson_address;

/* what is in a queue on this host; address -> number */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u32);
} lens_messages SEC(".maps");

struct message_call {
	__u32 number[2];	/* by enum message_end */
};

/* of the call that a task is in */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct message_call);
} lens_message_calls SEC(".maps");

static __always_inline void note(enum message_end end, __u32 number)
{
	struct message_call *c = storage_make(bpf_task_storage_get, &lens_message_calls,
					      bpf_get_current_task_btf());

	if (c)
		c->number[end] = number;
	else
		loss_add(LENS_KIND_NONE, LENS_LOSS_STORAGE, 1, 0);
}

static __always_inline int message_made(__u64 address)
{
	__u32 number = __sync_fetch_and_add(&lens_last_message, 1) + 1;

	/* one that gets no number is attributed as if it had been sent before */
	if (bpf_map_update_elem(&lens_messages, &address, &number, BPF_ANY)) {
		loss_add(LENS_KIND_NONE, LENS_LOSS_STORAGE, 1, 0);
		number = 0;
	}
	note(MESSAGE_SENT, number);
	return 0;
}

/* queues that go free what is in them, too, in calls of any kind */
static __always_inline bool is_receiving(void)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	__u32 class = arch_class(regs->orig_ax);

	class = arch_is_compat(t) ? class >> CALL_COMPAT_SHIFT : class & CALL_NATIVE;
	return class == CALL_MSGRCV || class == CALL_MQRECEIVE || class == CALL_IPC;
}

static __always_inline int message_freed(__u64 address)
{
	__u32 *known = bpf_map_lookup_elem(&lens_messages, &address), number = 0;

	if (known) {
		number = *known;
		bpf_map_delete_elem(&lens_messages, &address);
		if ((__s32)(number - lens_first_message) < 0)
			number = 0;
	}
	if (is_receiving())
		note(MESSAGE_TAKEN, number);
	return 0;
}

int message_of_call(__u32 end)
{
	struct message_call *c = bpf_task_storage_get(&lens_message_calls,
						      bpf_get_current_task_btf(), NULL, 0);
	__u32 number;

	if (!c)
		return 0;
	number = c->number[end & 1];
	c->number[MESSAGE_SENT] = c->number[MESSAGE_TAKEN] = 0;
	return number && (__s32)(number - lens_first_message) >= 0 ? number : 0;
}

/* ------------------------------------------------------------ function hooks */

SEC("?fexit/load_msg")
int BPF_PROG(message__fexit__load, const void *text, unsigned long size, struct msg_msg *ret)
{
	__u64 address = ident_address(ret);

	return address >= -(__u64)KDEF_MAX_ERRNO ? 0 : message_made(address);
}

SEC("?fentry/free_msg")
int BPF_PROG(message__fexit__free, struct msg_msg *message)
{
	return message_freed(ident_address(message));
}

/* --------------------------------------------------------------- tracepoints */

static __always_inline bool is_lesson(void)
{
	__u32 tgid = lens_lesson_tgid;

	return tgid && tgid == bpf_get_current_pid_tgid() >> 32;
}

SEC("?tp_btf/kmalloc")
int BPF_PROG(message__tp__alloc, unsigned long site, const void *object, unsigned long bytes)
{
	if (site == lens_message_alloc_site)
		return message_made((__u64)object);
	if (is_lesson() && bytes == bpf_core_type_size(struct msg_msg) + lens_lesson_bytes) {
		lens_lesson_alloc_site = site;
		lesson_address = (__u64)object;
	}
	return 0;
}

SEC("?tp_btf/kfree")
int BPF_PROG(message__tp__free, unsigned long site, const void *object)
{
	if (site == lens_message_free_site)
		return message_freed((__u64)object);
	if (is_lesson() && lesson_address == (__u64)object)
		lens_lesson_free_site = site;
	return 0;
}
