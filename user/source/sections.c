// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Our own handlers of program sections; see sections.h.
 */
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "source/loads.h"
#include "source/sections.h"
#include "wire.h"

static const struct section {
	const char *name;
	enum bpf_attach_type attach_type;
	const char *target;		/* name of what is attached to begins so */
	unsigned target_kind;
	uint32_t flags;
} sections[] = {
	{ "tp_btf", BPF_TRACE_RAW_TP, "btf_trace_", BTF_KIND_TYPEDEF, 0 },
	{ "fexit", BPF_TRACE_FEXIT, "", BTF_KIND_FUNC, 0 },
	{ "fentry", BPF_TRACE_FENTRY, "", BTF_KIND_FUNC, 0 },
	{ "iter", BPF_TRACE_ITER, "bpf_iter_", BTF_KIND_FUNC, 0 },
	{ "iter.s", BPF_TRACE_ITER, "bpf_iter_", BTF_KIND_FUNC, BPF_F_SLEEPABLE },
	/* run by hand: attached to nothing */
	{ "raw_tp", 0, NULL, 0, 0 },
};

static const struct kernel *kernel_in_use;
static const struct bpf_map *addressed;
static int32_t operands[LENS_FILL_LAST - LENS_FILL_FIRST + 1];
static size_t handler_count;	/* of sections; registered */

static const struct section *find_section(const char *name)
{
	size_t len = strcspn(name, "/");

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (strlen(sections[i].name) == len && !strncmp(sections[i].name, name, len))
			return &sections[i];
	return NULL;
}

uint32_t sections_target(const struct kernel_types *t, const char *section)
{
	const struct section *s;
	char name[128];

	if (*section == '?')
		section++;
	s = find_section(section);
	if (!s || !s->target || !strchr(section, '/'))
		return 0;
	snprintf(name, sizeof(name), "%s%s", s->target, strchr(section, '/') + 1);
	return kernel_types_find(t, name, s->target_kind);
}

static bool is_cast_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_KFUNC_CALL &&
	       insn->imm == LENS_CAST_CALL;
}

static struct bpf_insn move(uint8_t to, uint8_t from)
{
	return (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = to,
				  .src_reg = from };
}

/*
 * core_cast() leaves a call without a number. Where the kernel has no such
 * function it returns what it was given.
 */
static bool fill_in_cast(struct bpf_insn *insn, uint32_t function)
{
	if (!is_cast_call(insn))
		return false;
	if (function)
		insn->imm = function;
	else
		*insn = move(BPF_REG_0, BPF_REG_1);
	return true;
}

static bool fill_in_operand(struct bpf_insn *insn)
{
	uint32_t which = (uint32_t)insn->imm - LENS_FILL_FIRST;
	uint8_t class = BPF_CLASS(insn->code);

	if ((class != BPF_ALU64 && class != BPF_ALU) || BPF_SRC(insn->code) != BPF_K ||
	    which > LENS_FILL_LAST - LENS_FILL_FIRST)
		return false;
	insn->imm = operands[which];
	return true;
}

/* the address of the one value of a map, instead of the map's */
static bool fill_in_address(struct bpf_insn *insn)
{
	if (insn->code != (BPF_LD | BPF_DW | BPF_IMM) || insn->src_reg != BPF_PSEUDO_MAP_FD ||
	    insn->imm != bpf_map__fd(addressed))
		return false;
	insn->src_reg = BPF_PSEUDO_MAP_VALUE;
	return true;
}

/* the last four instructions of core_load_word() */
enum { LOAD_WHERE, LOAD_BYTES, LOAD_CALL, LOAD_RESULT, LOAD_INSNS };

static bool is_load(const struct bpf_insn *insn, uint32_t how)
{
	const struct bpf_insn *bytes = &insn[LOAD_BYTES], *call = &insn[LOAD_CALL];

	return bytes->code == (BPF_ALU64 | BPF_MOV | BPF_K) && (uint32_t)bytes->imm > how &&
	       (uint32_t)bytes->imm <= how + 8 && insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) &&
	       insn->dst_reg == BPF_REG_1 && call->code == (BPF_JMP | BPF_CALL) &&
	       !call->src_reg && call->imm == BPF_FUNC_probe_read_kernel &&
	       BPF_CLASS(insn[LOAD_RESULT].code) == BPF_LDX;
}

/*
 * A probing read of so many bytes to some place, and a load from there. With core_cast(): the
 * address, whose type is the operand, and a load from what that call returns; or from
 * the address itself, if it has a type.
 */
static bool fill_in_load(struct bpf_insn *insn, size_t left, uint32_t function)
{
	bool is_field = left >= LOAD_INSNS && is_load(insn, LENS_FIELD);

	if (left < LOAD_INSNS || (!is_field && !is_load(insn, LENS_LOAD)))
		return false;
	insn[LOAD_BYTES].imm -= is_field ? LENS_FIELD : LENS_LOAD;
	if (!function)
		return true;
	insn[LOAD_RESULT].src_reg = BPF_REG_0;
	if (is_field) {
		insn[LOAD_CALL] = move(BPF_REG_0, BPF_REG_3);
		return true;
	}
	insn[LOAD_WHERE].src_reg = BPF_REG_3;
	insn[LOAD_BYTES].imm = operands[LENS_FILL_TYPE_WORD - LENS_FILL_FIRST];
	insn[LOAD_CALL].src_reg = BPF_PSEUDO_KFUNC_CALL;
	insn[LOAD_CALL].imm = function;
	return true;
}

static void fill_in(struct bpf_insn *insns, size_t count, uint32_t cast_function)
{
	for (size_t i = 0; i < count; i++) {
		if (fill_in_cast(&insns[i], cast_function) || fill_in_operand(&insns[i]) ||
		    fill_in_load(&insns[i], count - i, cast_function))
			continue;
		fill_in_address(&insns[i]);
	}
}

/* loads as a program of any kind of ours */
static struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int set_insns(struct bpf_program *prog, struct bpf_prog_load_opts *opts,
		     uint32_t cast_function)
{
	size_t count = bpf_program__insn_cnt(prog);
	struct bpf_insn *insns = xcalloc(count, sizeof(*insns));
	int err;

	memcpy(insns, bpf_program__insns(prog), count * sizeof(*insns));
	fill_in(insns, count, cast_function);
	if (loads_take(prog, opts, insns, count)) {
		opts->func_info_cnt = opts->line_info_cnt = 0;
		return bpf_program__set_insns(prog, nothing, ARRAY_SIZE(nothing));
	}
	err = bpf_program__set_insns(prog, insns, count);
	free(insns);
	return err;
}

/* libbpf is about to load prog */
static int prepare(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct kernel *k = kernel_in_use;
	const char *name = bpf_program__section_name(prog);
	const struct section *s = find_section(name);

	if (s->target) {
		opts->attach_btf_id = sections_target(k->types, name);
		if (!opts->attach_btf_id)
			return -ESRCH;
		opts->prog_flags |= s->flags;
		bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING);
	}
	return set_insns(prog, opts, k->cast_function);
}

/*
 * Once for the life of the process: libbpf 1.1 frees its table when the last
 * handler leaves it, and uses it again for the next one.
 */
static int register_handlers(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = prepare);
	char pattern[16];
	int handler;

	while (handler_count < ARRAY_SIZE(sections)) {
		const struct section *section = &sections[handler_count];

		snprintf(pattern, sizeof(pattern), "%s+", section->name);
		/* for programs of their real type libbpf loads the kernel's types beforehand */
		handler = libbpf_register_prog_handler(pattern, BPF_PROG_TYPE_RAW_TRACEPOINT,
						       section->attach_type, &opts);
		if (handler < 0)
			return handler;
		handler_count++;
	}
	return 0;
}

int sections_use(const struct kernel *k)
{
	kernel_in_use = k;
	return register_handlers();
}

void sections_address(const struct bpf_map *map)
{
	addressed = map;
}

void sections_fill(uint32_t which, int32_t value)
{
	operands[which - LENS_FILL_FIRST] = value;
}
