/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Shared memory: what becomes of mappings, and hand-offs by futex(2) on words
 * in them. Bytes that move through memory pass no system call; none are
 * counted. Shared by every variant of the hooks.
 */
#ifndef LENS_MAPPING_BPF_H
#define LENS_MAPPING_BPF_H

#include "arch.bpf.h"
#include "handoff.bpf.h"

/*
 * Does this call need a closer look? Most mappings are private and die as
 * such: what the registers can rule out goes no further.
 */
static __always_inline bool mapping_wants(__u32 class, struct call_args *a)
{
	if (class == CALL_MMAP)
		return (a->arg[3] & KDEF_MAP_TYPE) != KDEF_MAP_PRIVATE ||
		       a->arg[3] & KDEF_MAP_FIXED;
	if (class == CALL_FUTEX)
		return !(a->arg[1] & KDEF_FUTEX_PRIVATE_FLAG);
	if (class == CALL_SEAL)
		return a->arg[1] == KDEF_F_ADD_SEALS;
	return true;
}

/* calls of this thread group are only counted, so that the collector sees that hooks fire */
extern __u32 lens_tester;
extern __u32 lens_tested;

static __always_inline bool mapping_is_test(void)
{
	if (!lens_tester || lens_tester != bpf_get_current_pid_tgid() >> 32)
		return false;
	__sync_fetch_and_add(&lens_tested, 1);
	return true;
}

/* a record of a call on its way */
struct mapping_step {
	__u64 file;		/* what was mapped or sealed, 0: no object is told of */
	__u32 which;		/* scratch buffer, SCRATCH_NONE: none is taken */
	__u32 tell;		/* there is something to be told */
};

/*
 * The steps of telling what a call has done, side by side and not inside each
 * other, since depth of calls and stack are limited. All are global functions,
 * which the verifier walks once.
 *
 * Puts a record of the call into a scratch buffer, if it did anything of interest.
 */
int mapping_called(__u32 class, struct call_args *args, __s64 ret, struct mapping_step *step);
/* ... and of one that failed, if it did something nevertheless */
int mapping_failed(__u32 class, struct call_args *args, struct mapping_step *step);
/* adds depth and name of the object behind that file to the record */
int mapping_describe(__u32 which, __u64 file);
int mapping_name(__u32 which, __u64 file);
/* hands the record over */
int mapping_tell(__u32 which);
/* tells what a segment of the current process's ipc namespace is now */
int mapping_segment(__s32 id);

/* a call that mapping_wants(), and that is none of a test, ended with ret */
static __always_inline int mapping_ended(__u32 class, struct call_args *a, __s64 ret)
{
	struct mapping_step step = { .which = SCRATCH_NONE };

	/* addresses are no error codes: those are the last page */
	bool failed = ret < 0 && ret >= -4095;

	if (class >= CALL_FUTEX)
		return failed ? 0 : handoff_called(class, a, ret);
	if (!failed)
		mapping_called(class, a, ret, &step);
	else if (ret == -KDEF_EINVAL || (class != CALL_MREMAP && class != CALL_MPROTECT))
		return 0;	/* arguments that the kernel does nothing by */
	else
		mapping_failed(class, a, &step);
	if (step.file) {
		mapping_describe(step.which, step.file);
		mapping_name(step.which, step.file);
	}
	if (step.tell)
		mapping_tell(step.which);
	if (step.which < SCRATCH_NONE)
		scratch_give(step.which);
	if (class == CALL_SHMGET)
		return mapping_segment(ret);
	return class == CALL_SHMAT ? mapping_segment(a->arg[0]) : 0;
}

/*
 * Makes of a call of the i386 ipc(2) multiplexer, (call, first, second, third,
 * pointer, ...), the one it stands for; returns its class.
 */
static __always_inline __u32 mapping_ipc(__u32 call, struct call_args *a, __s64 *ret)
{
	__u64 pointer = a->arg[4], third = a->arg[3];
	__u32 address = 0;

	a->arg[0] = a->arg[1];
	a->arg[1] = a->arg[2];
	switch (call) {
	case KDEF_IPC_SHMAT:
		/* returns 0, and the address through its third argument */
		if (!*ret) {
			bpf_probe_read_user(&address, sizeof(address), (void *)third);
			*ret = address;
		}
		return CALL_SHMAT;
	case KDEF_IPC_SHMDT:
		a->arg[0] = pointer;
		return CALL_SHMDT;
	case KDEF_IPC_SHMGET:
		return CALL_SHMGET;
	case KDEF_IPC_SHMCTL:
		return CALL_SHMCTL;
	}
	return CALL_NONE;
}

#endif
