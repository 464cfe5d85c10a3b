# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The collector under stress and under suspicion: stopped, killed, unprivileged."""

import os
import signal
import subprocess
import time

import lens

STOPPED_S = 60 if lens.LONG else 5


def under_load(*options):
    """(observer, workload at full speed)"""
    work = lens.Workload("pipe", "load")
    observer = lens.observe(*options)
    work.go()
    return observer, work


def finish_load(work):
    work.say("stop")
    return work.truth()


@lens.test(limit_s=STOPPED_S + 30)
def stopped_collector():
    """Totals stay exact although nobody reads anything for a while."""
    observer, work = under_load()
    observer.signal(signal.SIGSTOP)
    time.sleep(STOPPED_S)
    truth = finish_load(work)
    observer.signal(signal.SIGCONT)
    doc = observer.document()
    lens.check_document(doc, lost=True)
    lens.compare(doc, truth, may_be_inexact=True)


@lens.test(limit_s=STOPPED_S + 30)
def stopped_collector_many_to_many():
    """With a record per operation the ring overflows: counted, and flows say so."""
    work = lens.Workload("many", "matrix", 20000)
    observer = lens.observe()
    observer.signal(signal.SIGSTOP)
    work.go()
    truth = work.truth()
    observer.signal(signal.SIGCONT)
    doc = observer.document()
    lens.check_document(doc, lost=True)
    lens.compare(doc, truth, may_be_inexact=True)


@lens.test(limit_s=40)
def terminated_at_full_load():
    """SIGTERM ends it within a second, with the whole document."""
    for command in ("report", "trace"):
        work = lens.Workload("pipe", "load")
        observer = lens.observe(command=command)
        work.go()
        time.sleep(1)
        began = time.monotonic()
        out = observer.signal(signal.SIGTERM).finish()
        took = time.monotonic() - began
        # detaching function hooks waits for grace periods, which take long on a slow machine
        limit = 1 if lens.SCALE == 1 else 4 * lens.SCALE
        lens.require(took <= limit, "%s took %.2f s to end" % (command, took))
        if command == "report":
            lens.check_document(lens.parse(out), lost=True)
        finish_load(work)
        work.end()


@lens.test()
def duration_ends_it():
    began = time.monotonic()
    out, _ = lens.run("report", "--json", "--duration", "1s", *lens.OPTIONS)
    took = time.monotonic() - began
    lens.require(1 <= took <= 1 + 2 * lens.SCALE, "took %.2f s" % took)
    duration = lens.parse(out)["interval"]["duration_s"]
    lens.require(0.9 <= duration <= 1 + lens.SCALE, "duration_s is %r" % duration)


# ------------------------------------------------------------------- residue

def kernel_objects(pid):
    """{(kind, id)} of the BPF objects whose descriptors the process holds."""
    found = set()
    base = "/proc/%d/fdinfo" % pid
    for fd in os.listdir(base):
        try:
            with open(os.path.join(base, fd)) as f:
                fields = dict(line.split(":", 1) for line in f if ":" in line)
        except OSError:
            continue
        for key in ("prog_id", "map_id", "link_id"):
            if key in fields:
                found.add((key[:-3], int(fields[key])))
    return found


SYS_BPF = 321  # x86-64
BY_ID = {"prog": 13, "map": 14, "link": 30}  # enum bpf_cmd: BPF_*_GET_FD_BY_ID


def known_to_kernel(kind, number):
    """Asks the kernel for a descriptor of that object."""
    import ctypes  # not everywhere where the rest runs
    libc = ctypes.CDLL(None, use_errno=True)
    attr = (ctypes.c_uint32 * 4)(number)
    fd = libc.syscall(SYS_BPF, BY_ID[kind], ctypes.byref(attr), ctypes.sizeof(attr))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def still_there(objects):
    try:
        return {one for one in objects if known_to_kernel(*one)}
    except ImportError:
        pass
    # the next best: whether any process holds them
    held = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                held |= kernel_objects(int(entry))
            except OSError:
                continue
    return objects & held


@lens.test()
def killed_leaves_nothing():
    observer, work = under_load()

    def objects_now():
        """None while some go: what counts the calls older than the hooks ends with the last one."""
        objects = set()
        for pid in lens.descendants(observer.process.pid):
            objects |= kernel_objects(pid)
        return objects if still_there(objects) == objects else None

    objects = lens.wait_for(objects_now, 5, "moment at which all objects that it has stay")
    lens.require({kind for kind, _ in objects} >= {"map"} and len(objects) > 3,
                 "only these objects found: %r" % sorted(objects))
    observer.signal(signal.SIGKILL).finish(-signal.SIGKILL)
    lens.wait_for(lambda: not still_there(objects), 5, "end of all programs and maps")
    finish_load(work)


# ---------------------------------------------------------------- privileges

def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@lens.test()
def privileges_given_up():
    observer = lens.observe()
    for pid in lens.descendants(observer.process.pid):
        status = status_of(pid)
        for field, expected in (("CapEff", 0), ("CapPrm", 0), ("CapInh", 0), ("CapBnd", 0),
                                ("CapAmb", 0)):
            lens.equal(field, expected, int(status[field], 16))
        lens.equal("NoNewPrivs", "1", status["NoNewPrivs"])
        lens.equal("Seccomp", "2", status["Seccomp"])
        lens.equal("Uid", ["65534"] * 4, status["Uid"].split())
        lens.equal("Gid", ["65534"] * 4, status["Gid"].split())
        lens.equal("Groups", "", status["Groups"].strip())
    observer.document()


@lens.test()
def privileges_of_replay():
    """A recording is read without privileges, too; a directory is not one."""
    lens.run("report", "-i", "/", status=1)


@lens.test()
def memory_bounded():
    """32 MB resident at most, under load and with thousands of channels."""
    observer, work = under_load()
    many = lens.Workload("pipe", "shortlived", 500)
    many.go()
    many.truth()
    time.sleep(1)
    for pid in lens.descendants(observer.process.pid):
        peak_kb = int(status_of(pid)["VmHWM"].split()[0])
        lens.require(peak_kb <= 32 * 1024, "%d kB resident at the peak" % peak_kb)
    finish_load(work)
    observer.document()


# -------------------------------------------------------------- self-exclusion

@lens.test(limit_s=30)
def own_pipeline_excluded():
    """trace | cat | cat in a pid namespace must not feed itself."""
    out_path = "/tmp/lens-own-%d" % os.getpid()
    script = "%s trace --json --duration 3s | cat | cat" % lens.BINARY
    with open(out_path, "wb") as out:
        shell = lens.start([os.path.join(lens.WORK, "launch"), "--pidns", "sh", "-c", script],
                           stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
    try:
        mine = set()
        while shell.poll() is None:
            mine.update(str(pid) for pid in lens.descendants(shell.pid))
            time.sleep(0.02)
        with open(out_path, "rb") as f:
            lines = [lens.parse(line) for line in f.read().splitlines()]
    finally:
        os.unlink(out_path)
    lens.equal("schema", "ipclens.trace/1", lines[0].get("schema") if lines else None)
    own = [line for line in lines if line.get("process", "").split("@")[0] in mine]
    lens.require(len(own) <= 30, "%d events of its own in 3 s" % len(own))


@lens.test()
def own_report_excluded():
    """`report | cat` shows neither itself nor the pipe it writes to."""
    out_path = "/tmp/lens-own-%d" % os.getpid()
    script = "%s report --json --duration 1s | cat" % lens.BINARY
    with open(out_path, "wb") as out:
        shell = lens.start(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=out,
                           stderr=subprocess.DEVNULL)
    try:
        shell.wait(lens.LIMIT_S * lens.SCALE)
        with open(out_path, "rb") as f:
            doc = lens.parse(f.read())
    finally:
        os.unlink(out_path)
    lens.check_document(doc, lost=True)
    lens.require("ipclens" not in {p["comm"] for p in doc["processes"]}, "it shows itself")
