/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A thread's registers and memory from the kernel side, what its process has
 * mapped and the files of that from the reader: together its user stack. The
 * thread is blocked and stays so, or else what comes out is thrown away; it is
 * neither stopped nor attached to.
 */
#include "source/user_stack.h"

#include "source/stack_files.h"

#define LOOK_NS 3000000000ull /* for all stacks of one look */
#define MAPS_BYTES (4u << 20) /* of text; what is mapped behind that is code of no file */
#define STAT_BYTES 4096u
#define TICK_NS 10000000ull /* of /proc/PID/stat: USER_HZ is 100 */
#define PIECES 6	    /* of a stack, each of LENS_STACK_BYTES */

struct piece {
	uint64_t from;
	size_t len;
	char bytes[LENS_STACK_BYTES];
};

struct user_stacks {
	struct reader *reader;
	struct stack_files *files;
	/* of the process whose threads were last asked for */
	struct lens_proc proc;
	struct unwind_maps *maps;
	int maps_error;
	/* the thread that is being unwound */
	const struct lens_rec_stack *stack;
	struct piece pieces[PIECES];
	size_t piece_count;
	user_stacks_more more;
	void *more_arg;
};

struct user_stacks *user_stacks_new(struct reader *reader)
{
	struct user_stacks *u = xcalloc(1, sizeof(*u));

	u->reader = reader;
	u->files = stack_files_new();
	return u;
}

static void forget_process(struct user_stacks *u)
{
	unwind_maps_freep(&u->maps);
	u->proc = (struct lens_proc){};
}

void user_stacks_freep(struct user_stacks **u)
{
	if (!*u)
		return;
	forget_process(*u);
	stack_files_freep(&(*u)->files);
	free(*u);
	*u = NULL;
}

void user_stacks_begin(struct user_stacks *u)
{
	forget_process(u);
	stack_files_forget(u->files);
	reader_limit(u->reader, LOOK_NS);
}

/* ------------------------------------------------------------------- process */

/* pids are those of the initial namespace; in our /proc the number may be another process */
static int check_process(struct user_stacks *u, const struct lens_proc *proc)
{
	_cleanup_(buf_fini) struct buf text = {};
	unsigned long long ticks;
	const char *at;
	int err = reader_proc_file(u->reader, READER_STAT, proc->tgid, STAT_BYTES, &text);

	if (err)
		return err;
	/* the name may hold anything, a ')' too; field 3 begins behind the last one */
	at = text.len ? strrchr(text.data, ')') : NULL;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%llu", &ticks) == 1 && ticks == proc->start_ns / TICK_NS ? 0
											   : -ESRCH;
}

static int use_process(struct user_stacks *u, const struct lens_proc *proc)
{
	_cleanup_(buf_fini) struct buf text = {};

	if (u->proc.tgid == proc->tgid && u->proc.start_ns == proc->start_ns)
		return u->maps_error;
	forget_process(u);
	stack_files_trim(u->files);
	u->proc = *proc;
	u->maps_error = check_process(u, proc);
	if (!u->maps_error)
		u->maps_error = reader_proc_file(u->reader, READER_MAPS, proc->tgid, MAPS_BYTES,
						 &text);
	if (!u->maps_error)
		u->maps = unwind_maps_parse(text.len ? text.data : "", text.len);
	return u->maps_error;
}

static enum lens_frames_end end_of_error(int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return LENS_FRAMES_DENIED;
	case -ENOENT:
	case -ESRCH:
		return LENS_FRAMES_GONE;
	case -ETIMEDOUT:
		return LENS_FRAMES_OUT_OF_TIME;
	default:
		return LENS_FRAMES_UNREADABLE;
	}
}

/* -------------------------------------------------------------------- memory */

bool user_stacks_take(struct user_stacks *u, const struct event *ev)
{
	const struct lens_rec_stack *r = ev->lens_rec_stack;
	struct piece *p = &u->pieces[u->piece_count];

	/* of another moment it would be nonsense, together with the rest */
	if (u->piece_count == PIECES || r->tid != u->stack->tid ||
	    r->switches != u->stack->switches || !ev->memory.len)
		return false;
	p->from = r->memory_from;
	p->len = ev->memory.len;
	memcpy(p->bytes, ev->memory.data, ev->memory.len);
	u->piece_count++;
	return true;
}

static bool word_at(const struct user_stacks *u, uint64_t address, uint64_t *ret)
{
	for (size_t i = 0; i < u->piece_count; i++) {
		const struct piece *p = &u->pieces[i];

		if (address >= p->from && address - p->from + sizeof(*ret) <= p->len) {
			memcpy(ret, p->bytes + (address - p->from), sizeof(*ret));
			return true;
		}
	}
	return false;
}

static bool read_word(void *arg, uint64_t address, uint64_t *ret)
{
	struct user_stacks *u = arg;

	if (word_at(u, address, ret))
		return true;
	if (u->piece_count == PIECES)
		return false;
	/* it lies behind a large frame */
	u->more(u->more_arg, u->stack->tid, address);
	return word_at(u, address, ret);
}

/* -------------------------------------------------------------------- frames */

static const struct unwind_elf *file_of(void *arg, const struct unwind_mapping *m)
{
	struct user_stacks *u = arg;

	return stack_files_get(u->files, u->reader, u->proc.tgid, m);
}

static struct unwind_regs registers(const struct lens_rec_stack *s)
{
	static const uint8_t numbers[LENS_REG_MAX] = {
		[LENS_REG_BX] = UNWIND_BX, [LENS_REG_BP] = UNWIND_BP, [LENS_REG_SP] = UNWIND_SP,
		[LENS_REG_R12] = 12, [LENS_REG_R13] = 13, [LENS_REG_R14] = 14, [LENS_REG_R15] = 15,
		[LENS_REG_IP] = UNWIND_IP,
	};
	struct unwind_regs regs = {};

	for (size_t i = 0; i < LENS_REG_MAX; i++) {
		regs.value[numbers[i]] = s->reg[i];
		regs.known |= 1u << numbers[i];
	}
	return regs;
}

enum lens_frames_end user_stacks_add(struct user_stacks *u, const struct event *ev,
				     user_stacks_more more, void *arg, struct frames *f)
{
	static const enum lens_frames_end ends[] = {
		[UNWIND_COMPLETE] = LENS_FRAMES_COMPLETE, [UNWIND_DEEP] = LENS_FRAMES_DEEP,
		[UNWIND_NO_FILE] = LENS_FRAMES_NO_FILE,
		[UNWIND_NO_ELF] = LENS_FRAMES_FILE_UNREADABLE,
		[UNWIND_NO_RULE] = LENS_FRAMES_NO_RULE,
		[UNWIND_UNSUPPORTED] = LENS_FRAMES_UNSUPPORTED,
		[UNWIND_NO_MEMORY] = LENS_FRAMES_UNREADABLE,
	};
	const struct lens_rec_stack *stack = ev->lens_rec_stack;
	struct unwind_thread thread = { NULL, read_word, file_of, u };
	struct unwind_frame frames[LENS_FRAMES_MAX];
	enum unwind_end end;
	size_t count;
	int err;

	if (stack->flags & LENS_THREAD_COMPAT)
		return LENS_FRAMES_COMPAT;
	err = use_process(u, &stack->proc);
	if (err)
		return end_of_error(err);
	u->stack = stack;
	u->piece_count = 0;
	u->more = more;
	u->more_arg = arg;
	user_stacks_take(u, ev);
	thread.maps = u->maps;
	end = unwind_frames(&thread, registers(stack), frames, LENS_FRAMES_MAX, &count);
	for (size_t i = 0; i < count; i++)
		frames_add(f, frames[i].function, frames[i].module, frames[i].offset);
	return ends[end];
}
