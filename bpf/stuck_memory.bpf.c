// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the calls that threads are blocked in refer to: poll sets, futex words,
 * addresses in the memory of the process; semaphores in the kernel;
 * shared mappings. The memory may be on disk, so the iterator may sleep.
 */
#include "foreign.bpf.h"
#include "ipc.bpf.h"
#include "ktypes_memory.bpf.h"
#include "stuck.bpf.h"

/* ------------------------------------------------------------------- semaphores */

struct sem_walk {
	struct sem_array *array;
	void *head, *at; /* the list of undos */
	struct lens_rec_sem r;
};

#define SEMS_MAX 250 /* SEMMSL is 32000, but Linux distributions of old had 250 */

static long sem_value(__u32 num, struct sem_walk *w)
{
	struct sem *s = (void *)w->array + bpf_core_field_offset(struct sem_array, sems) +
			num * bpf_core_type_size(struct sem);
	struct pid *pid = BPF_CORE_READ(s, sempid);

	w->r.num = num;
	w->r.value = BPF_CORE_READ(s, semval);
	w->r.pid = 0;
	if (pid)
		bpf_probe_read_kernel(&w->r.pid, sizeof(w->r.pid),
				      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
					      bpf_core_field_offset(struct upid, nr));
	rec_init(&w->r.h, LENS_REC_SEM, sizeof(w->r));
	w->r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	return 0;
}

/* an array at the end of the structure; up to some v6 a pointer to what follows it */
static __noinline __s32 undo_adjust(struct sem_undo *u, __u32 num)
{
	struct sem_undo___pointer *pointer = (void *)u;
	__s16 adjust = 0;

	if (bpf_core_field_exists(pointer->semadj)) {
		short *array = BPF_CORE_READ(pointer, semadj);

		bpf_probe_read_kernel(&adjust, sizeof(adjust), array + num);
	} else {
		bpf_probe_read_kernel(&adjust, sizeof(adjust),
				      (void *)u + bpf_core_field_offset(struct sem_undo, semadj) +
					      num * sizeof(adjust));
	}
	return adjust;
}

static long sem_adjust(__u32 num, struct sem_walk *w)
{
	struct sem_undo *u = w->at - bpf_core_field_offset(struct sem_undo, list_id);

	w->r.adjust = undo_adjust(u, num);
	if (!w->r.adjust)
		return 0;
	w->r.num = num;
	rec_init(&w->r.h, LENS_REC_SEM, sizeof(w->r));
	w->r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	return 0;
}

static long sem_undo(__u32 i, struct sem_walk *w)
{
	struct sem_undo *u = w->at - bpf_core_field_offset(struct sem_undo, list_id);

	if (!w->at || w->at == w->head)
		return 1;
	w->r.undo = (__u64)BPF_CORE_READ(u, ulp);
	if (w->r.undo)
		bpf_loop(w->r.count < SEMS_MAX ? w->r.count : SEMS_MAX, sem_adjust, w, 0);
	return bpf_probe_read_kernel(&w->at, sizeof(w->at), w->at) != 0;
}

#define SEM_INDEX_MASK 0x7fff /* IPCMNI, unless booted with ipcmni_extend */

/* hands over the semaphores of a set, for a task; a global function, walked once */
__noinline int stuck_semaphores(__u64 task, __u32 id)
{
	struct task_struct *t = (struct task_struct *)task;
	struct ipc_namespace *ns = BPF_CORE_READ(t, nsproxy, ipc_ns);
	struct sem_array *array;
	struct sem_walk w = {};

	if (!ns)
		return 0;
	array = xarray_get((void *)ns + bpf_core_field_offset(struct ipc_namespace, ids) +
				   bpf_core_field_offset(struct ipc_ids, ipcs_idr) +
				   bpf_core_field_offset(struct idr, idr_rt),
			   id & SEM_INDEX_MASK);
	if (!array || BPF_CORE_READ(array, sem_perm.id) != (int)id)
		return 0;
	w.array = array;
	w.r.ipcns = BPF_CORE_READ(ns, ns.inum);
	w.r.id = id;
	w.r.key = BPF_CORE_READ(array, sem_perm.key);
	w.r.count = BPF_CORE_READ(array, sem_nsems);
	bpf_loop(w.r.count < SEMS_MAX ? w.r.count : SEMS_MAX, sem_value, &w, 0);
	w.head = (void *)array + bpf_core_field_offset(struct sem_array, list_id);
	if (!bpf_probe_read_kernel(&w.at, sizeof(w.at), w.head))
		bpf_loop(1024, sem_undo, &w, 0);
	return 0;
}

/* ----------------------------------------------------------------------- memory */

#define MEMORY_MAX 8184 /* bytes of one piece, a multiple of 8 */
#define MEMORY_MASK 8191

#define WORDS_MAX 128 /* FUTEX_WAITV_MAX */
#define FLAGS (KDEF_FUT_OFF_INODE | KDEF_FUT_OFF_MMSHARED)

#define WORD_BYTES 24 /* a pthread mutex up to its kind */

struct piece {
	__u64 from;
	__u64 size;
	__u64 least; /* of those bytes, enough if the rest cannot be read */
};

/* what to read for a call: (address, size) */
static __always_inline bool memory_of(__u32 call, const struct call_args *a, struct piece *p)
{
	switch (call) {
	case LENS_CALL_FUTEX:
		p->from = a->arg[0];
		p->size = WORD_BYTES;
		p->least = 4;
		break;
	case LENS_CALL_CONNECT:
		p->from = a->arg[1];
		p->size = a->arg[2];
		break;
	case LENS_CALL_SENDTO:
		p->from = a->arg[4];
		p->size = a->arg[5];
		break;
	case LENS_CALL_IO_URING_ENTER:
		if (!(a->arg[3] & KDEF_IORING_ENTER_EXT_ARG))
			return false;
		p->from = a->arg[4];
		p->size = 24; /* struct io_uring_getevents_arg */
		break;
	case LENS_CALL_SOCKETCALL:
		p->from = a->arg[1];
		p->size = 24;
		p->least = 12;
		break;
	case LENS_CALL_IPC:
		p->from = a->arg[4];
		p->size = 8;
		break;
	default:
		return false;
	}
	return p->from && p->size;
}

/* served: set if that memory is what the thread may wait for */
static __always_inline bool copy(struct task_struct *t, void *to, __u32 size, __u64 from,
				 bool *served)
{
	int where = foreign_memory(t, from, size);

	if (where == FOREIGN_SERVED)
		*served = true;
	barrier_var(size);
	if (where != FOREIGN_HERE || !size || size > MEMORY_MAX)
		return false;
	return !bpf_copy_from_user_task(to, size & MEMORY_MASK, (void *)from, t, 0);
}

static __always_inline __u32 copy_piece(struct task_struct *t, char *to, const struct piece *p,
					bool *served)
{
	__u32 size = p->size > MEMORY_MAX ? MEMORY_MAX : p->size;

	if (copy(t, to, size, p->from, served))
		return size;
	size = p->least;
	return size && copy(t, to, size, p->from, served) ? size : 0;
}

/*
 * What is around a futex word tells who has the lock: a mutex up to its kind, or a whole
 * pthread_rwlock_t, of which the third or the fourth word may be the one. What of it stands on
 * another page need not be there.
 */
static __always_inline __u32 copy_word(struct task_struct *t, char *to, __u64 from,
				       __u32 *ret_before, bool *served)
{
	bool unused = false;	/* the thread waits for the word alone */

	*ret_before = 12;
	if (copy(t, to, 12 + 44, from - 12, &unused))
		return 12 + 44;
	*ret_before = 8;
	if (copy(t, to, 8 + 48, from - 8, &unused))
		return 8 + 48;
	*ret_before = 0;
	if (copy(t, to, WORD_BYTES, from, &unused))
		return WORD_BYTES;
	return copy(t, to, 4, from, served) ? 4 : 0;
}

static __always_inline __u64 end_of_stack(struct task_struct *t)
{
	return ident_address((void *)bpf_task_pt_regs(t));
}

/* the operations on semaphores that a task waits to carry out */
static __noinline __u32 copy_operations(struct task_struct *t, char *to)
{
	struct sem_queue *q =
		(void *)stuck_queued(ident_address(t), end_of_stack(t), QUEUED_SEM, 1);
	__u32 size = core_load(q, nsops) * bpf_core_type_size(struct sembuf);

	if (!q || !to || size > MEMORY_MAX)
		return 0;
	barrier_var(size);
	if (bpf_probe_read_kernel(to, size & MEMORY_MASK, core_load(q, sops)))
		return 0;
	return size;
}

struct words_walk {
	__u64 at, mm;
	__u32 count;
};

static long word_next(__u32 i, struct words_walk *w)
{
	__u32 which = SCRATCH_LOOK;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct futex_vector *v = (void *)w->at;
	struct lens_word *word;
	__u32 offset;

	if (!s || i >= WORDS_MAX)
		return 1;
	offset = core_load(v, q.key.both.offset);
	barrier_var(i);
	word = (void *)s->data + sizeof(struct lens_rec_memory) +
	       (i & (WORDS_MAX - 1)) * sizeof(*word);
	word->sequence = core_load(v, q.key.both.ptr);
	/* moved to one of another process's own, it is in no object that is seen */
	if (!(offset & KDEF_FUT_OFF_INODE))
		word->sequence = word->sequence == w->mm ? 0 : LENS_WORD_STRANGE;
	word->offset = core_load(v, q.key.both.word) * KDEF_PAGE_SIZE + (offset & ~FLAGS);
	w->at += bpf_core_type_size(struct futex_vector);
	w->count = i + 1;
	return 0;
}

/* the words that a task sleeps at, to where records go */
static __noinline __u32 copy_words(struct task_struct *t, __u32 count)
{
	struct words_walk w = { .mm = (__u64)BPF_CORE_READ(t, mm) };

	if (!count || count > WORDS_MAX)
		return 0;
	w.at = stuck_queued(ident_address(t), end_of_stack(t), QUEUED_WORDS, count);
	if (!w.at)
		return 0;
	bpf_loop(count, word_next, &w, 0);
	return w.count * sizeof(struct lens_word);
}

/* of what socketcall(2) was given the first is the descriptor */
static __always_inline bool is_replaced(struct task_struct *t, const char *given)
{
	return !stuck_subject(ident_address(t), *(const __u32 *)given, end_of_stack(t));
}

#define IPC_SEMOP 1 /* include/uapi/linux/ipc.h: SEMOP, SEMTIMEDOP */
#define IPC_SEMTIMEDOP 4

static __always_inline bool is_ipc_semop(__u32 call, const struct call_args *a)
{
	return call == LENS_CALL_IPC &&
	       ((__u16)a->arg[0] == IPC_SEMOP || (__u16)a->arg[0] == IPC_SEMTIMEDOP);
}

static __noinline int emit_memory(struct task_struct *t, struct seq_file *seq, __u32 call,
				  const struct call_args *a)
{
	__u32 which = SCRATCH_LOOK, size = 0, before = 0, len;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct lens_rec_memory *r = (void *)s;
	struct piece p = {};
	bool served = false;

	if (!s || !a)
		return 0;
	if (call == LENS_CALL_SEMOP || call == LENS_CALL_SEMTIMEDOP || is_ipc_semop(call, a))
		size = copy_operations(t, s->data + sizeof(*r));
	else if (call == LENS_CALL_FUTEX_WAITV)
		size = copy_words(t, a->arg[1]);
	else if (memory_of(call, a, &p))
		size = call == LENS_CALL_FUTEX && !(a->arg[1] & KDEF_FUTEX_PRIVATE_FLAG)
			       ? copy_word(t, s->data + sizeof(*r), p.from, &before, &served)
			       : copy_piece(t, s->data + sizeof(*r), &p, &served);
	if ((!size && !served) || size > MEMORY_MAX)
		return 0;
	len = align8(sizeof(*r) + size);
	__builtin_memset(r, 0, sizeof(*r));
	rec_init(&r->h, LENS_REC_MEMORY, len);
	r->h.flags = LENS_F_SNAPSHOT | (p.size > size ? LENS_F_TRUNCATED : 0);
	ident_proc(t, &r->proc);
	r->tid = t->pid;
	r->call = call;
	r->size = size;
	r->flags = served ? LENS_MEMORY_SERVED : 0;
	if (call == LENS_CALL_SOCKETCALL && size && is_replaced(t, s->data + sizeof(*r)))
		r->flags |= LENS_MEMORY_ELSEWHERE;
	r->before = before;
	bpf_seq_write(seq, s, len);
	return 0;
}

/* the futex that a waiter expects to be moved to, 0: it does not say */
static __always_inline __u64 second_of(const struct call_args *a)
{
	return (a->arg[1] & KDEF_FUTEX_CMD_MASK) == KDEF_FUTEX_WAIT_REQUEUE_PI ? a->arg[4] : 0;
}

/*
 * Not on the stack, of which the verifier knows what it can be: it would walk on with each call
 * there is. One will do, since one collector takes one walk at a time.
 */
static struct {
	struct call_args args;
	__u32 nr, flags, call;
} asleep;

SEC("?iter.s/task")
int stuck__iter__memory(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct call_args *a = &asleep.args;
	__u32 call;

	if (!t || t->flags & KDEF_PF_KTHREAD || !(BPF_CORE_READ(t, __state) & KDEF_TASK_SLEEPS))
		return 0;
	__builtin_memset(&asleep, 0, sizeof(asleep));
	call = asleep.call = stuck_call(t, &asleep.nr, &asleep.flags, a);
	if (call >= LENS_CALL_OPEN && call <= LENS_CALL_EXECVEAT)
		stuck_leases(t);
	if (call >= LENS_CALL_OPEN && call <= LENS_CALL_OPEN_BY_HANDLE)
		return stuck_opening(t, ctx->meta->seq);
	if (call >= LENS_CALL_POLL && call <= LENS_CALL_PSELECT)
		return stuck_polled(t, ctx->meta->seq, call);
	if (call == LENS_CALL_FLOCK || call == LENS_CALL_FCNTL)
		stuck_locks(ident_address(t), end_of_stack(t));
	if (call == LENS_CALL_SEMOP || call == LENS_CALL_SEMTIMEDOP)
		stuck_semaphores(ident_address(t), a->arg[0]);
	if (is_ipc_semop(call, a))
		stuck_semaphores(ident_address(t), a->arg[1]);
	if (call == LENS_CALL_FUTEX && !(a->arg[1] & KDEF_FUTEX_PRIVATE_FLAG))
		a->arg[0] = stuck_futex(t, ctx->meta->seq, a->arg[0], second_of(a));
	if (call == LENS_CALL_FUTEX_WAITV)
		lens_words_shared = true;
	barrier();
	emit_memory(t, ctx->meta->seq, asleep.call, a);
	return stuck_buffer(t, ctx->meta->seq, asleep.call, a, asleep.flags & LENS_THREAD_COMPAT);
}

/* --------------------------------------------------------------------- mappings */

/* of SysV shared memory, removed or not: shmat(2) takes a number (ipc/shm.c, newseg()) */
static __always_inline bool is_segment(struct vm_area_struct *v)
{
	char name[8] = {};

	bpf_probe_read_kernel_str(name, sizeof(name),
				  BPF_CORE_READ(v, vm_file, f_path.dentry, d_name.name));
	return name[0] == 'S' && name[1] == 'Y' && name[2] == 'S' && name[3] == 'V';
}

SEC("?iter/task_vma")
int stuck__iter__mappings(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *t = ctx->task;
	struct vm_area_struct *v = ctx->vma;
	struct lens_rec_mapping r = {};
	struct inode *i;

	/* most are not; a plain load */
	if (!t || !v || !(v->vm_flags & KDEF_VM_SHARED))
		return 0;
	i = BPF_CORE_READ(v, vm_file, f_inode);
	if (!i || BPF_CORE_READ(i, i_sb, s_magic) == KDEF_ANON_INODE_FS_MAGIC)
		return 0;
	ident_proc(t, &r.proc);
	r.tid = t->pid;
	r.start = BPF_CORE_READ(v, vm_start);
	r.end = BPF_CORE_READ(v, vm_end);
	r.offset = (__u64)BPF_CORE_READ(v, vm_pgoff) * KDEF_PAGE_SIZE;
	r.object = (__u64)i;
	r.ino = BPF_CORE_READ(i, i_ino);
	r.dev = BPF_CORE_READ(i, i_sb, s_dev);
	r.file = (__u64)BPF_CORE_READ(v, vm_file);
	r.refs = stuck_references((struct file *)r.file);
	r.sequence = stuck_sequence(i);
	if (BPF_CORE_READ(i, i_nlink) || is_segment(v))
		r.flags = LENS_DESC_NAMED;
	rec_init(&r.h, LENS_REC_MAPPING, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}
