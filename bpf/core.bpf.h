/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The one include of every program: types, helpers, configuration, maps and
 * the loss counters. Knows no mechanism.
 */
#ifndef LENS_CORE_BPF_H
#define LENS_CORE_BPF_H

#include "ktypes.h"
#include "kdefs.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "wire.h"

#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(v) asm volatile("" : "+r"(v))
#endif

/* --------------------------------------------------------- configuration */

/* set by user space before loading; the verifier prunes what they switch off */
extern const volatile __u32 lens_pipefs_dev;	/* s_dev of pipefs: tells pipes from fifos */
extern const volatile __u32 lens_sockfs_dev;	/* s_dev of sockfs */
/* address of the super block of pipefs, which is there for good; no address: not yet known */
extern __u64 lens_pipefs_sb;
extern const volatile bool lens_stream_all;	/* a record for every operation */
extern const volatile bool lens_feeds_output;	/* ... which is written out at once */
extern const volatile __u32 lens_cache_mask;	/* sets of lens_cache - 1 */
extern const volatile bool lens_preemptible;	/* function hooks are in use */

/* the kernel has bpf_rdonly_cast (v6.2) */
extern const volatile bool lens_has_cast;

/*
 * Any address as a pointer to a type of the kernel (LENS_FILL_TYPE_*: its number), for plain
 * loads: a fault reads as zero. A call without a number, which user space fills in: libbpf
 * would search all types for it, ask for CAP_SYS_ADMIN to learn that there is
 * none, and links no kernel function that two objects name (1.1). What it is given,
 * where the kernel has no such function. It also drops the verifier's trust in a pointer,
 * which makes it search all types at every step from there.
 */
#define core_cast(address, type) ({						\
	void *typed_;								\
										\
	asm volatile("r1 = %[from]\n\t"					\
		     "r2 = %[number]\n\t"					\
		     ".byte 0x85, 0x20, 0, 0\n\t"	/* call of a kernel function */	\
		     ".long %[call]\n\t"						\
		     "%[to] = r0"						\
		     : [to] "=r"(typed_)					\
		     : [from] "r"(address), [number] "i"(type), [call] "i"(LENS_CAST_CALL)	\
		     : "r0", "r1", "r2", "r3", "r4", "r5", "memory");		\
	typed_;									\
})

/*
 * What is at an address, of at most 8 bytes; 0 where there is nothing. A probing read, which is a
 * call that takes several times as long as a load: where there is core_cast(), user space makes
 * one of these very instructions, so that the verifier has no second way to walk and take out.
 * how: LENS_LOAD, or LENS_FIELD for an address that the verifier knows the type of then.
 */
#define core_load_word(width, size, address, how) ({				\
	__u64 slot_, word_;							\
										\
	asm volatile("r3 = %[from]\n\t"						\
		     "r1 = %[slot]\n\t"						\
		     "r2 = %[bytes]\n\t"					\
		     "call 113\n\t"	/* bpf_probe_read_kernel() */		\
		     "%[word] = *(" width " *)(%[slot] + 0)"			\
		     : [word] "=r"(word_)					\
		     : [from] "r"(address), [slot] "r"(&slot_), [bytes] "i"((how) + (size)) \
		     : "r0", "r1", "r2", "r3", "r4", "r5", "memory");		\
	word_;									\
})
#define core_load_bytes(address, size, how)					\
	((size) == 1 ? core_load_word("u8", 1, address, how) :			\
	 (size) == 2 ? core_load_word("u16", 2, address, how) :			\
	 (size) == 4 ? core_load_word("u32", 4, address, how) :			\
		       core_load_word("u64", 8, address, how))
/* ... into *to, which may be a pointer: it becomes an address only */
#define core_load_at(to, address)							\
	((void)(*(to) = (__typeof__(*(to)))core_load_bytes((__u64)(address), sizeof(*(to)), \
							   LENS_LOAD)))
/* ... a field there */
#define core_load(pointer, field) ({							\
	__typeof__((pointer)->field) loaded_;						\
	core_load_at(&loaded_, __builtin_preserve_access_index(&(pointer)->field));	\
	loaded_;									\
})

/* ... of what a pointer there points to */
#define core_load_of(pointer, next, field) ({						\
	__typeof__((pointer)->next) next_ = core_load(pointer, next);			\
	core_load(next_, field);							\
})

/* a field behind a pointer: core_cast() made it where there is that, else any address will do */
#define core_field(pointer, field) ({							\
	__u64 at_ = (__u64)__builtin_preserve_access_index(&(pointer)->field);		\
											\
	(__typeof__((pointer)->field))core_load_bytes(at_, sizeof((pointer)->field),	\
						      LENS_FIELD);			\
})
/* ... behind a pointer there */
#define core_field_of(pointer, next, field) ({						\
	__typeof__((pointer)->next) next_ = core_field(pointer, next);			\
	core_field(next_, field);							\
})

/*
 * Operands that user space fills in (LENS_FILL_*): one instruction, where a constant in
 * memory takes three and a register.
 */
#define core_fill_and(value, fill) asm("%0 &= %1" : "+r"(value) : "i"(fill))	/* 64 bits */
#define core_fill_and32(value, fill) asm("%0 &= %1" : "+w"(value) : "i"(fill))
#define core_fill_is(fill) ({ __u64 is_; asm("%0 = %1" : "=r"(is_) : "i"(fill)); is_; })
#define core_fill_shift(value, fill) asm("%0 <<= %1" : "+r"(value) : "i"(fill))

/* ----------------------------------------------------------------- maps */

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
};
extern struct ring_map lens_ring SEC(".maps");	/* all but operations */
/* apart, so that a flood of operations crowds nothing else out */
extern struct ring_map lens_ops_ring SEC(".maps");

/*
 * Per CPU, so that a record can be put together before it is known how long it
 * gets. Programs never move to another CPU, but a function hook can be
 * preempted by another program there (preempt=full): who puts an event
 * together takes a buffer and gives it back.
 */
#define SCRATCH_SIZE (2 * LENS_PATH_MAX)
#define SCRATCH_SLACK 1024
#define SCRATCH_COUNT 4
struct scratch {
	char data[SCRATCH_SIZE + SCRATCH_SLACK];
};

/* looks need none to be taken: only the collector reads iterators, and one at a time */
enum { SCRATCH_LOOK, SCRATCH_EVENTS, SCRATCH_NONE = SCRATCH_EVENTS + SCRATCH_COUNT };

struct scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_NONE);
	__type(key, __u32);
	__type(value, struct scratch);
};
extern struct scratch_map lens_scratch SEC(".maps");

/*
 * What could not be recorded, by kind. Shared by all CPUs, since it is seldom and in many
 * places, in each of which finding a CPU's own would have to be compiled and verified.
 */
#define LOSS_BYTES LENS_LOSS_MAX	/* behind the counters by cause */
extern __u64 lens_losses[LENS_KIND_MAX][LENS_LOSS_MAX + 1];

static __always_inline void loss_add(__u32 kind, __u32 cause, __u64 count, __u64 bytes)
{
	if (kind >= LENS_KIND_MAX)
		kind = 0;
	if (cause >= LENS_LOSS_MAX)
		return;
	__sync_fetch_and_add(&lens_losses[kind][cause], count);
	if (bytes)
		__sync_fetch_and_add(&lens_losses[kind][LOSS_BYTES], bytes);
}

/* ------------------------------------------------------------ one CPU's own */

/*
 * Takes what belongs to this CPU, false if it is taken. One instruction: between
 * looking and taking a function hook can lose the CPU to another one. What runs
 * at tracepoints cannot, and is spared the locked access.
 */
static __always_inline bool cpu_take(__u32 *busy, bool preempted)
{
	if (preempted)
		return __sync_val_compare_and_swap(busy, 0, 1) == 0;
	if (*busy)
		return false;
	*busy = 1;
	barrier();
	return true;
}

static __always_inline void cpu_give(__u32 *busy)
{
	barrier();
	*busy = 0;
}

/*
 * A buffer for an event, SCRATCH_NONE (counted as loss) when all are taken. Global
 * functions: the verifier would walk what follows once for every buffer else.
 */
__u32 scratch_take(void);
int scratch_give(__u32 which);

/* -------------------------------------------------------------- records */

static __always_inline void rec_init(struct lens_rec *r, __u32 type, __u32 len)
{
	r->len = len;
	r->type = type;
	r->flags = 0;
	r->ts_ns = bpf_ktime_get_boot_ns();
}

/* hand a finished record over; the only places that fill a ring */
__hidden int core_emit(void *rec, __u32 len, __u32 kind);
__hidden int core_emit_ops(void *rec, __u32 len, __u32 ops);
static __always_inline __u32 align8(__u32 len)
{
	return (len + 7) & ~7u;
}

#endif
