// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Feature probes. By looking and trying, never by version number.
 */
#include <linux/bpf.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <linux/capability.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "source/kernel.h"
#include "source/preemption.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"

/* inode of the initial pid namespace: PROC_PID_INIT_INO, include/linux/proc_ns.h */
#define INITIAL_PIDNS 0xEFFFFFFCu

bool kernel_in_initial_pidns(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == INITIAL_PIDNS;
}

static bool has_member(const struct kernel_types *types, const char *type, const char *member)
{
	uint32_t id = kernel_types_find(types, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id ? kernel_types_at(types, id) : NULL;

	for (unsigned i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(kernel_types_string(types, btf_members(t)[i].name_off), member))
			return true;
	return false;
}

/*
 * The first process of a pid namespace waits, when it ends, for all others, and up to v6.8 it
 * holds up the grace periods of RCU Tasks meanwhile; who takes a function hook off waits for
 * one. On 6.1 a shell that was killed as the first process of a namespace with ipclens
 * in it left both, and every later user of function hooks, waiting for ever. The member came
 * with the remedy ("rcu-tasks: Eliminate deadlocks involving do_exit() and RCU tasks", v6.9).
 */
static bool hangs_with_pidns(const struct kernel *k)
{
	return !kernel_in_initial_pidns() &&
	       !has_member(k->types, "task_struct", "rcu_tasks_exit_list");
}

/*
 * Then a function hook attaches and stays silent; and what it leaves behind when it comes off has
 * the kernel warn, and give up ftrace until it is started anew, as soon as the last hook after that
 * comes off (ftrace_shutdown(), seen on 6.1 and 6.12).
 */
static bool ftrace_is_off(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/ftrace_enabled", "re");

	return f && fgetc(f) == '0';
}

/* the smallest fexit program, on a function that every kernel with pipes has */
static void probe_fexit(struct kernel *k)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FEXIT);
	uint32_t id = kernel_types_find(k->types, "do_splice", BTF_KIND_FUNC);
	int fd;

	if (!id) {
		snprintf(k->fexit_why, sizeof(k->fexit_why), "BTF lists no kernel functions");
		return;
	}
	if (hangs_with_pidns(k)) {
		snprintf(k->fexit_why, sizeof(k->fexit_why), "in a pid namespace this kernel could "
			 "hang when hooks come off");
		return;
	}
	if (ftrace_is_off()) {
		snprintf(k->fexit_why, sizeof(k->fexit_why), "kernel.ftrace_enabled is 0: function "
			 "hooks would not fire");
		return;
	}
	opts.attach_btf_id = id;
	fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "lens_probe", "GPL", code, ARRAY_SIZE(code),
			   &opts);
	if (fd < 0) {
		snprintf(k->fexit_why, sizeof(k->fexit_why),
			 fd == -EPERM ? "the kernel refuses function hooks (lockdown)" :
					"the kernel refuses function hooks: %s", strerror(-fd));
		return;
	}
	close(fd);
	k->fexit_allowed = true;
}

/* the beginning of a file as a string, NULL if it cannot be read */
static char *read_text(const char *path)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	const size_t size = 1u << 20;
	char *text = f ? xcalloc(1, size) : NULL;

	if (text && !fread(text, 1, size - 1, f)) {
		free(text);
		text = NULL;
	}
	return text;
}

static void probe_preemption(struct kernel *k)
{
	_cleanup_free_ char *debug = read_text("/sys/kernel/debug/sched/preempt");
	_cleanup_free_ char *cmdline = read_text("/proc/cmdline");
	_cleanup_free_ char *config = NULL;
	struct preemption_signs signs = { .debug = debug, .cmdline = cmdline };
	struct utsname u;
	char path[128];

	if (uname(&u))
		return;
	snprintf(path, sizeof(path), "/boot/config-%s", u.release);
	config = read_text(path);
	if (!config) {
		snprintf(path, sizeof(path), "/lib/modules/%s/config", u.release);
		config = read_text(path);
	}
	signs.version = u.version;
	signs.config = config;
	k->preempts = preemption_sign(&signs);
}

/* the type that a typedef or pointer refers to, NULL if it refers to none */
static const struct btf_type *referred(const struct kernel_types *types, const struct btf_type *t)
{
	return t && t->type && t->type < kernel_types_count(types) ?
		kernel_types_at(types, t->type) : NULL;
}

/* how many arguments a tracepoint has; btf_trace_<name> is a pointer to its prototype */
static int tracepoint_args(const struct kernel_types *types, const char *name)
{
	uint32_t id = kernel_types_find(types, name, BTF_KIND_TYPEDEF);
	const struct btf_type *t = id ? referred(types, kernel_types_at(types, id)) : NULL;

	t = t && btf_is_ptr(t) ? referred(types, t) : NULL;
	/* the first one is the tracepoint's own */
	return t && btf_is_func_proto(t) && btf_vlen(t) ? btf_vlen(t) - 1 : 0;
}

int kernel_probe(struct kernel *k)
{
	int err;

	memset(k, 0, sizeof(*k));
	err = kernel_types_open(KERNEL_BTF, &k->types);
	if (err)
		return log_err(-EOPNOTSUPP, "this kernel has no usable type information "
			       "(" KERNEL_BTF ": %s); ipclens needs one built with "
			       "CONFIG_DEBUG_INFO_BTF", strerror(-err));
	k->cast_function = kernel_types_find(k->types, "bpf_rdonly_cast", BTF_KIND_FUNC);
	/* v6.16: (ctx, req, cqe); before: (ctx, req, user_data, result, ...) */
	k->uring_flat = tracepoint_args(k->types, "btf_trace_io_uring_complete") > 3;
	probe_fexit(k);
	if (k->fexit_allowed)
		probe_preemption(k);
	return 0;
}

void kernel_fini(struct kernel *k)
{
	kernel_types_freep(&k->types);
}

/* the kernel's number of the file system that a descriptor is on */
static int device_of(int fd, const char *what, uint32_t *ret_dev)
{
	struct stat st;

	if (fd < 0)
		return log_err(-errno, "cannot create a %s: %s", what, strerror(errno));
	if (fstat(fd, &st))
		return log_err(-errno, "cannot look at a %s: %s", what, strerror(errno));
	*ret_dev = major(st.st_dev) << 20 | minor(st.st_dev);
	return 0;
}

int kernel_find_devices(uint32_t *ret_pipefs, uint32_t *ret_sockfs)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fds[2] = { -1, -1 }, err;

	err = device_of(sock, "socket", ret_sockfs);
	if (!err && pipe(fds))
		return log_err(-errno, "cannot create a pipe: %s", strerror(errno));
	if (!err)
		err = device_of(fds[0], "pipe", ret_pipefs);
	close(fds[0]);
	close(fds[1]);
	return err;
}

const char *kernel_missing_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};
	uint64_t have;

	if (syscall(SYS_capget, &header, data))
		return "";
	have = (uint64_t)data[1].effective << 32 | data[0].effective;
	if (have & 1ull << CAP_SYS_ADMIN)
		return "";
	if (!(have & 1ull << CAP_BPF))
		return have & 1ull << CAP_PERFMON ? "CAP_BPF" : "CAP_BPF and CAP_PERFMON";
	return have & 1ull << CAP_PERFMON ? "" : "CAP_PERFMON";
}
