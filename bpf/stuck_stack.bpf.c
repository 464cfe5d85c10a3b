// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Where the threads that do not run are: their kernel stack, the registers
 * they entered the kernel with, and the memory from their stack pointer on, from
 * which the collector unwinds the user stack: no kernel does that of another
 * task. Nothing but stacks is read, whatever the collector asks for.
 */
#include "foreign.bpf.h"
#include "stuck.bpf.h"

/* set by the collector: only this thread, and from this address on; 0: all, from their pointers */
__u32 lens_stack_tid = 0;
unsigned long long lens_stack_from = 0;

/* further away than most stacks are large it is something else */
#define STACK_MOST (8ull << 20)
/* a length is bounded by a mask, which the verifier believes: room for more than is used */
#define LEN_MASK 0x3fff
#define PAGES (LENS_STACK_BYTES / KDEF_PAGE_SIZE + 2)

_Static_assert(LENS_STACK_BYTES <= LEN_MASK, "stacks larger than their mask");

struct stack_buffer {
	struct lens_rec_stack r;
	char memory[LEN_MASK + 1 + 2 * KDEF_PAGE_SIZE];
};

/* larger than any scratch; one will do, since one collector takes one walk at a time */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_buffer);
} lens_stack SEC(".maps");

static __always_inline void fill_registers(struct pt_regs *regs, struct lens_rec_stack *r)
{
	r->reg[LENS_REG_BX] = BPF_CORE_READ(regs, bx);
	r->reg[LENS_REG_BP] = BPF_CORE_READ(regs, bp);
	r->reg[LENS_REG_SP] = BPF_CORE_READ(regs, sp);
	r->reg[LENS_REG_R12] = BPF_CORE_READ(regs, r12);
	r->reg[LENS_REG_R13] = BPF_CORE_READ(regs, r13);
	r->reg[LENS_REG_R14] = BPF_CORE_READ(regs, r14);
	r->reg[LENS_REG_R15] = BPF_CORE_READ(regs, r15);
	r->reg[LENS_REG_IP] = BPF_CORE_READ(regs, ip);
}

/* page by page, since all of a copy fails if one page is not there: behind the stack, the last */
static __noinline __u32 copy_memory(struct task_struct *t, struct stack_buffer *b, __u64 from)
{
	__u32 have = 0;

	if (!b)
		return 0;
	for (int i = 0; i < PAGES && have < LENS_STACK_BYTES; i++) {
		__u32 size = KDEF_PAGE_SIZE - (from & (KDEF_PAGE_SIZE - 1));

		if (size > LENS_STACK_BYTES - have)
			size = LENS_STACK_BYTES - have;
		if (foreign_memory(t, from, size) != FOREIGN_HERE)
			break;
		barrier_var(size);
		barrier_var(have);
		if (bpf_copy_from_user_task(b->memory + (have & LEN_MASK),
					    size & (2 * KDEF_PAGE_SIZE - 1), (void *)from, t, 0))
			break;
		have += size;
		from += size;
	}
	return have;
}

static __always_inline void fill_memory(struct task_struct *t, struct stack_buffer *b)
{
	__u64 sp = b->r.reg[LENS_REG_SP], from = lens_stack_tid ? lens_stack_from : sp;

	b->r.memory_from = from;
	if (from >= sp && from - sp < STACK_MOST)
		b->r.memory_len = copy_memory(t, b, from) & ~7u;
}

SEC("?iter.s/task")
int stuck__iter__stacks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	struct stack_buffer *b;
	struct pt_regs *regs;
	__u32 zero = 0, len;
	long bytes;

	if (!t || t->flags & KDEF_PF_KTHREAD || !BPF_CORE_READ(t, __state) ||
	    (lens_stack_tid && t->pid != lens_stack_tid))
		return 0;
	b = bpf_map_lookup_elem(&lens_stack, &zero);
	regs = (void *)bpf_task_pt_regs(t);
	if (!b || !regs)
		return 0;
	__builtin_memset(&b->r, 0, sizeof(b->r));
	bytes = bpf_get_task_stack(t, b->r.address, sizeof(b->r.address), 0);
	b->r.count = bytes < 0 ? bytes : (__u64)bytes / sizeof(b->r.address[0]);
	b->r.tid = t->pid;
	b->r.switches = t->nvcsw + t->nivcsw;
	if (BPF_CORE_READ(t, thread_info.status) & KDEF_TS_COMPAT)
		b->r.flags |= LENS_THREAD_COMPAT;
	ident_proc(t, &b->r.proc);
	fill_registers(regs, &b->r);
	fill_memory(t, b);
	len = sizeof(b->r) + b->r.memory_len;
	rec_init(&b->r.h, LENS_REC_STACK, len);
	b->r.h.flags = LENS_F_SNAPSHOT;
	barrier_var(len);
	bpf_seq_write(ctx->meta->seq, b, len & LEN_MASK);
	return 0;
}
