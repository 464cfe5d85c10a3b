# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck --stack`: where blocked threads are."""

import os
import shutil
import tempfile

import lens
import knots

CAP_SYS_PTRACE = 19
CAP_SYSLOG = 34
CAP_PERFMON = 38
CAP_BPF = 39
# what waits in a write to a pipe, by kernel: up to 6.12, from 6.15 on
PIPE_WRITE = {"pipe_write", "anon_pipe_write"}


def stack_of(wait):
    """{space: frames, "missing": {space: why}}"""
    return {"kernel": [f for f in wait["stack"] if f["space"] == "kernel"],
            "user": [f for f in wait["stack"] if f["space"] == "user"],
            "missing": wait["stack_missing"]}


def names(frames):
    return [frame["function"] for frame in frames]


@lens.test()
def stack_kernel():
    """A writer to a full pipe is inside the write of pipes, called by that of files."""
    knot = knots.Knot("full", "--stack")
    stack = stack_of(knot.wait("writer"))
    lens.equal("missing", None, stack["missing"]["kernel"])
    found = names(stack["kernel"])
    inside = [i for i, name in enumerate(found) if name in PIPE_WRITE]
    lens.require(inside, "no write to a pipe in %s" % found)
    lens.require("vfs_write" in found[inside[0] + 1:], "not called by vfs_write: %s" % found)
    lens.require(all(frame["offset"] > 0 for frame in stack["kernel"]), "a frame before its call")
    knot.options = ()
    knot.look()
    lens.require("stack" not in knot.wait("writer"), "a stack without --stack")
    out, _ = lens.run("stuck", "--stack", "-p", knot.pid["writer"])
    lines = out.decode().splitlines()
    at = [i for i, line in enumerate(lines) if "<- " in line and "write" in line][0]
    lens.require(lines[at + 1].split()[0] == "kernel", "no stack below the wait: " + lines[at + 1])
    lens.require(any(line.split("+")[0].split()[-1] in PIPE_WRITE for line in lines[at + 1:]
                     if "+0x" in line), "no write to a pipe: %s" % lines)
    knot.work.end()


@lens.test()
def stack_hidden_kernel():
    """Who may not see addresses of the kernel is told so, in one line, and gets the rest."""
    knot = knots.Knot("full")
    launch = [os.path.join(lens.WORK, "launch"), "--drop", str(CAP_SYSLOG)]
    one = lens.Lens("stuck", "--json", "--stack", "-p", knot.pid["writer"], launch=launch)
    doc = lens.parse(one.finish(0))
    lens.equal("lines about it", 1, one.said().count("hides"))
    stacks = [stack_of(w) for w in doc["waits"] if w["syscall"] == "write" and "stack" in w]
    lens.require(stacks, "no wait")
    for stack in stacks:
        lens.equal("frames", [], stack["kernel"])
        lens.require("hides" in stack["missing"]["kernel"], "nothing said")
    knot.work.end()


# ------------------------------------------------------------------ user stacks

# the way to the read(2) that all of them sleep in, innermost first
DEEP = ["deep_wait", "deep_inner", "deep_sized", "deep_outer"]


def look(pids, *args, launch=()):
    """Waits, with stacks, of these processes."""
    # whoever launch makes of us may not enter the folder that this was built in
    with lens.public_binary() as binary:
        one = lens.Lens("stuck", "--json", "--stack", "-p", ",".join(map(str, pids)), *args,
                        launch=launch, binary=binary)
        doc = lens.parse(one.finish(None))
    lens.require(one.process.returncode in (0, 5), one.said())
    ids = {p["id"] for p in doc["processes"] if p["pid"] in pids}
    return [w for w in doc["waits"] if w["process"] in ids]


class Deep:
    """A process deep in functions known by name."""

    def __init__(self, mode, program="deep"):
        self.work = lens.Workload(program, mode)
        self.work.go()
        self.pid = self.work.truth()["facts"]["reader"]
        self.waits = look([self.pid])

    def stack(self, main=True):
        """Of the thread that its process began with, or of the other one."""
        found = [stack_of(w) for w in self.waits if (w["tid"] == self.pid) == main]
        lens.equal("threads that wait", 1, len(found))
        return found[0]

    def deep(self, main=True):
        return [name for name in names(self.stack(main)["user"])
                if name and name.startswith("deep_")]


def complete(stack):
    lens.equal("missing", None, stack["missing"]["user"])
    lens.equal("outermost", "_start", names(stack["user"])[-1])


@lens.test()
def stack_user():
    """Functions are listed in the order in which they were called, down to the start."""
    deep = Deep("calls")
    stack = deep.stack()
    lens.equal("way", DEEP, deep.deep())
    lens.equal("one behind the other", DEEP, names(stack["user"])[1:5])
    complete(stack)
    lens.require("work_main" in names(stack["user"]), "not called by main")
    lens.require(all(f["offset"] > 0 for f in stack["user"]), "a frame before its call")
    lens.equal("modules", {"deep"}, {f["module"] for f in stack["user"]})
    deep.work.end()


@lens.test()
def stack_user_large():
    """Frames larger than what is read at once are no end."""
    deep = Deep("large")
    lens.equal("way", DEEP + ["deep_large", "deep_larger"], deep.deep())
    complete(deep.stack())
    deep.work.end()


@lens.test()
def stack_user_threads():
    """Each thread has a stack of its own."""
    deep = Deep("threads")
    lens.equal("way", ["deep_wait", "deep_second"], deep.deep())
    complete(deep.stack())
    other = deep.stack(main=False)
    lens.equal("other way", DEEP, deep.deep(main=False))
    lens.equal("missing", None, other["missing"]["user"])
    lens.require("in_thread" in names(other["user"]), "not from where it began")
    lens.require("_start" not in names(other["user"]), "a thread that began with its process")
    deep.work.end()


@lens.test()
def stack_user_signal():
    """Behind a signal handler goes on who was interrupted."""
    deep = Deep("signal")
    lens.equal("way", DEEP + ["deep_handler", "deep_interrupted"], deep.deep())
    found = names(deep.stack()["user"])
    at = found.index("deep_handler")
    lens.equal("kernel's frame", "<signal handler called>", found[at + 1])
    lens.require(found.index("deep_interrupted") > at, "interrupted who was called later")
    complete(deep.stack())
    deep.work.end()


@lens.test()
def stack_user_generated():
    """Code of no file is shown as such, and nothing is made up behind it."""
    deep = Deep("generated")
    stack = deep.stack()
    lens.equal("way", DEEP, deep.deep())
    lens.equal("last one", (None, "[anon]"),
               (stack["user"][-1]["function"], stack["user"][-1]["module"]))
    lens.require("no file" in stack["missing"]["user"], stack["missing"]["user"])
    deep.work.end()


@lens.test()
def stack_user_denied():
    """Without CAP_SYS_PTRACE the kernel's part is there, and what is missing is said."""
    knot = knots.Knot("full")
    launch = [os.path.join(lens.WORK, "launch"), "--uid", "65534"]
    for cap in (CAP_BPF, CAP_PERFMON, CAP_SYSLOG):
        launch += ["--keep", str(cap)]
    waits = look(list(knot.pid.values()), launch=launch)
    lens.require(waits, "no wait")
    for wait in waits:
        stack = stack_of(wait)
        lens.require(stack["kernel"], "no kernel stack")
        lens.equal("frames", [], stack["user"])
        lens.require("CAP_SYS_PTRACE" in stack["missing"]["user"], "nothing said")
    knot.work.end()


def blocked_program(*argv):
    """A program that nobody here has written, when it reads what does not come."""
    read_end, write_end = os.pipe()
    process = lens.start(list(argv), stdin=read_end)
    os.close(read_end)
    syscall = "/proc/%d/syscall" % process.pid
    lens.wait_for(lambda: open(syscall).read().split()[:2] == ["0", "0x0"], 20, "read of stdin")
    return process, write_end


def in_order(expected, found):
    at = iter(found)
    return all(name in at for name in expected)


def stranger_test(expected, *argv):
    def one():
        if not shutil.which(argv[0]):
            raise lens.Skip(argv[0] + " is not installed")
        process, write_end = blocked_program(*argv)
        waits = look([process.pid])
        lens.equal("waits", 1, len(waits))
        stack = stack_of(waits[0])
        lens.equal("missing", None, stack["missing"]["user"])
        lens.require(in_order(expected, names(stack["user"])),
                     "%s is not the order of %s" % (names(stack["user"]), expected))
        os.close(write_end)
        process.wait()
    return one


# stripped programs and libraries: only what they export has a name
lens.register("stack_stranger_python", stranger_test(
    ["read", "_PyEval_EvalFrameDefault", "PyEval_EvalCode", "Py_BytesMain", "__libc_start_main"],
    "/usr/bin/python3", "-c", "import os; os.read(0, 1)"))
lens.register("stack_stranger_perl", stranger_test(
    ["read", "Perl_pp_sysread", "Perl_runops_standard", "perl_run", "__libc_start_main"],
    "/usr/bin/perl", "-e", "sysread(STDIN, $x, 1)"))
lens.register("stack_stranger_cat", stranger_test(["read", "__libc_start_main"], "/bin/cat"))


@lens.test()
def stack_user_deleted():
    """A program that is no longer there, in a place that only its own root has."""
    gone = os.path.join(lens.WORK, "deep.gone")
    shutil.copy(os.path.join(lens.WORK, "deep"), gone)
    deep = lens.Workload("deep.gone", "calls")
    os.unlink(gone)
    deep.go()
    waits = look([deep.truth()["facts"]["reader"]])
    stack = [stack_of(w) for w in waits if w["syscall"] == "read"][0]
    lens.equal("way", DEEP, names(stack["user"])[1:5])
    deep.end()


@lens.test()
def stack_user_elsewhere():
    """A program in a file system that only its own mount namespace has."""
    tool = shutil.which("unshare")
    unshare = [tool] if tool else ["/bin/busybox", "unshare"]
    place = tempfile.mkdtemp()
    box = "" if tool else "busybox "
    script = (box + "mount -t tmpfs none \"$1\" && " + box + "cp \"$0\" \"$1/deep\" && "
              "exec \"$1/deep\" calls")
    deep = lens.Workload(*unshare, "-m", "/bin/sh", "-c", script, os.path.join(lens.WORK, "deep"),
                         place)
    deep.go()
    waits = look([deep.truth()["facts"]["reader"]])
    stack = stack_of(waits[0])
    lens.equal("way", DEEP, names(stack["user"])[1:5])
    complete(stack)
    lens.require(not os.path.exists(os.path.join(place, "deep")), "it is here, too")
    deep.end()
    os.rmdir(place)


@lens.test()
def stack_user_few_rights():
    """CAP_SYS_PTRACE suffices for files that anybody may read."""
    launch = [os.path.join(lens.WORK, "launch"), "--uid", "65534"]
    for cap in (CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE):
        launch += ["--keep", str(cap)]
    process, write_end = blocked_program("/bin/cat")
    waits = look([process.pid], launch=launch)
    lens.equal("waits", 1, len(waits))
    stack = stack_of(waits[0])
    lens.equal("missing", None, stack["missing"]["user"])
    lens.require(in_order(["read", "__libc_start_main"], names(stack["user"])), str(stack))
    os.close(write_end)
    process.wait()


@lens.test()
def stack_disturbs_nothing():
    """Whoever is looked at has no tracer, runs no instruction, and holds and is held as before."""
    knot = knots.Knot("full")
    before = {pid: state(pid) for pid in knot.pid.values()}
    for _ in range(3):
        lens.require(look(list(knot.pid.values())), "no wait")
    lens.equal("state", before, {pid: state(pid) for pid in knot.pid.values()})
    knot.work.end()


def state(pid):
    kept = ("State", "TracerPid", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
            "SigPnd", "ShdPnd", "Threads", "FDSize")
    with open("/proc/%d/status" % pid) as f:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    fds = {fd: os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)}
    return [lines[key] for key in kept], fds, open("/proc/%d/io" % pid).read()


def has_ended(path):
    try:
        with open(path) as f:
            return "State:\tZ" in f.read()
    except (FileNotFoundError, ProcessLookupError):
        return True


# CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE
KEPT = 1 << 2 | 1 << CAP_SYS_PTRACE | 1 << 40


@lens.test()
def stack_leaves_nothing_behind():
    """The process that reads files ends with the one it reads for, also if that is killed."""
    one = lens.Lens("stuck", "--stack", "--watch=1h")
    helpers = lens.wait_for(lambda: lens.descendants(one.process.pid)[1:], 60, "a reader")
    lens.equal("readers", 1, len(helpers))
    path = "/proc/%d/status" % helpers[0]
    lens.wait_for(lambda: "Seccomp:\t2" in open(path).read(), 20, "filter")
    status = open(path).read()
    lens.require("NoNewPrivs:\t1" in status and "Uid:\t65534\t65534" in status, status)
    kept = int(status.split("CapPrm:\t")[1].split()[0], 16)
    lens.equal("rights", 0, kept & ~KEPT)
    one.process.kill()
    one.process.wait()
    lens.wait_for(lambda: has_ended(path), 20, "its end")
