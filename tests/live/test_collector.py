# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The collector under stress and under suspicion: stopped, killed, unprivileged."""

import os
import random
import select
import signal
import subprocess
import tempfile
import time

import kobjects
import lens

STOPPED_S = 60 if lens.LONG else 5


def under_load(*options, command="report"):
    """(observer, workload at full speed)"""
    work = lens.Workload("pipe", "load")
    observer = lens.observe(*options, command=command)
    work.go()
    return observer, work


def finish_load(work):
    work.say("stop")
    return work.truth()


OPERATIONS = 10 ** 9 if lens.LONG else 10 ** 6
HOURS = 3600


@lens.test(limit_s=HOURS if lens.LONG else 60)
def every_operation_counts():
    """Of 10^9 with LENS_LONG, by two processes at full speed, none is missing and none too much."""
    works = [lens.Workload("pipe", "selfpipe", OPERATIONS // 4) for _ in range(2)]
    observer = lens.observe(*lens.narrow("pipe"), "-p", ",".join(str(w.pid) for w in works))
    for work in works:
        work.go()
    truths = [work.truth(limit_s=HOURS) for work in works]
    doc = observer.document()
    lens.check_document(doc)
    for truth in truths:
        lens.compare(doc, truth)
    done = sum(end["operations"] for t in truths for c in t["channels"] for end in c["ends"])
    lens.equal("operations", OPERATIONS, done)


@lens.test(limit_s=STOPPED_S + 30)
def stopped_collector():
    """Totals stay exact although nobody reads anything for a while."""
    observer, work = under_load(*lens.narrow("pipe"))
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
    observer = lens.observe(*lens.narrow("many"))
    observer.signal(signal.SIGSTOP)
    work.go()
    truth = work.truth()
    observer.signal(signal.SIGCONT)
    doc = observer.document()
    lens.check_document(doc, lost=True)
    lens.compare(doc, truth, may_be_inexact=True)


def end_s(observer):
    """Seconds from a SIGTERM to the end: (those in which it was its turn, those of others)."""
    pid = observer.process.pid
    began, waited = time.monotonic(), lens.waited_for_processor_s(pid)
    observer.signal(signal.SIGTERM)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    waited = lens.waited_for_processor_s(pid) - waited
    return time.monotonic() - began - waited, waited


@lens.test(limit_s=40)
def terminated_at_full_load():
    """SIGTERM ends it within a second, with the whole document."""
    for command in ("report", "trace"):
        observer, work = under_load(*lens.narrow("pipe"), command=command)
        time.sleep(1)
        took, waited = end_s(observer)
        # the kernel's threads that it waits for had to wait like it
        lens.require(took <= lens.SCALE + waited, "%s took %.2f s to end, and %.2f s of waiting "
                     "for a processor" % (command, took, waited))
        out = observer.finish()
        if command == "report":
            lens.check_document(lens.parse(out), lost=True)
        finish_load(work)
        work.end()


@lens.test()
def duration_ends_it():
    """By itself, and not before; how much later says how busy the host is."""
    out, _ = lens.run("report", "--json", "--duration", "1s", *lens.OPTIONS)
    duration = lens.parse(out)["interval"]["duration_s"]
    lens.require(1 <= duration <= 1 + lens.PATIENCE, "duration_s is %r" % duration)


# ------------------------------------------------------------------- residue

@lens.test()
def killed_leaves_nothing():
    observer, work = under_load(*lens.narrow("pipe"))
    objects = kobjects.objects_of(observer)
    observer.signal(signal.SIGKILL).finish(-signal.SIGKILL)
    lens.wait_for(lambda: not kobjects.still_there(objects), 5, "end of all programs and maps")
    finish_load(work)


KILLS = 300 if lens.LONG else 3 if lens.NARROW else 5


@lens.test(limit_s=HOURS if lens.LONG else 60)
def killed_at_any_moment():
    """SIGKILL while it loads, attaches, looks or observes: nobody's objects are left."""
    try:
        import ctypes  # noqa: F401
    except ImportError:
        raise lens.Skip("no ctypes here")
    before = kobjects.all_objects()
    began = time.monotonic()
    lens.observe(*lens.narrow("pipe")).interrupt()
    # from the first instruction to the end of one that is not killed
    span = time.monotonic() - began
    chance = random.Random(KILLS)
    for _ in range(KILLS):
        observer = lens.Lens("report", "--json", *lens.narrow("pipe"), *lens.OPTIONS)
        time.sleep(chance.uniform(0, span))
        observer.signal(signal.SIGKILL).finish(None)
    # those of others who run on this host are held by them
    lens.wait_for(lambda: not kobjects.all_objects() - before - kobjects.held_by_anybody(), 1,
                  "end of all objects")


# ---------------------------------------------------------------- privileges

def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@lens.test()
def privileges_given_up():
    observer = lens.observe(*lens.narrow("pipe"))
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
    observer, work = under_load(*lens.narrow("pipe"))
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
    script = "%s trace --json --duration 3s %s | cat | cat" % (lens.BINARY,
                                                               " ".join(lens.narrow("pipe")))
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
    script = "%s report --json --duration 1s | cat" % lens.BINARY
    with tempfile.TemporaryFile() as out:
        shell = lens.start(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=out,
                           stderr=subprocess.DEVNULL)
        shell.wait(lens.LIMIT_S * lens.PATIENCE)
        out.seek(0)
        doc = lens.parse(out.read())
    lens.check_document(doc, lost=True)
    shown = [p["comm"] for p in doc["processes"] if p["ppid"] == shell.pid]
    lens.require("ipclens" not in shown, "it shows itself")


@lens.test()
def reader_of_a_report_observed():
    """Only what goes out at once can feed itself; who waits for a report is one like all others."""
    observer = lens.start([lens.BINARY, "report", "--json", "--ops", "-t", "pipe", *lens.OPTIONS],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    select.select([observer.stderr], [], [], lens.LIMIT_S)
    # it has returned from the call by which it said so
    lens.wait_for(lambda: status_of(observer.pid)["State"].startswith("S"), lens.LIMIT_S, "sleep")
    said = os.read(observer.stderr.fileno(), 4096).decode()
    lens.require(lens.OBSERVING in said, "said: " + said)
    cat = lens.start(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    os.write(cat.stdin.fileno(), b"x" * 7)
    cat.communicate()
    observer.send_signal(signal.SIGINT)
    doc = lens.parse(observer.communicate()[0])
    mine = {p["id"] for p in doc["processes"] if p["pid"] == os.getpid()}
    own = [f for f in doc["flows"] if f["from"] in mine]
    lens.equal("bytes written by who reads the report", [7], [f["bytes"] for f in own])
    lens.require(own[0]["residency_ns"], "not followed")


@lens.test()
def neighbour_in_our_terminal_observed():
    """Who writes to the terminal that we write to as well is not one of us for that."""
    master, terminal = os.openpty()
    with tempfile.TemporaryFile() as out:
        observer = lens.start([lens.BINARY, "report", "--json", "-t", "pipe,pty", *lens.OPTIONS],
                              stdin=subprocess.DEVNULL, stdout=out, stderr=terminal)
        said = b""
        while lens.OBSERVING.encode() not in said:
            said += os.read(master, 4096)
        shell = lens.start(["sh", "-c", "head -c 12345 /dev/zero | wc -c"],
                           stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
        shell.wait(lens.LIMIT_S * lens.PATIENCE)
        while b"12345" not in said:
            said += os.read(master, 4096)
        observer.send_signal(signal.SIGINT)
        observer.wait(lens.LIMIT_S * lens.PATIENCE)
        out.seek(0)
        doc = lens.parse(out.read())
    mine = {p["id"]: p["comm"] for p in doc["processes"] if p["ppid"] == shell.pid}
    lens.equal("flows", [("head", "wc", 12345)],
               [(mine.get(f["from"]), mine.get(f["to"]), f["bytes"]) for f in doc["flows"]
                if f["to"] in mine])
    os.close(master)
    os.close(terminal)


@lens.test()
def output_of_the_command_observed():
    """`report -- CMD | od`: what CMD writes to the pipe that we write to as well is its own."""
    with tempfile.TemporaryDirectory() as directory:
        path, seen = (os.path.join(directory, name) for name in ("run.lens", "seen"))
        os.mkfifo(seen)
        # CMD ends when all of it has been read, and the report then goes the same way
        script = ("%s report %s --save %s -- sh -c 'head -c 12345 /dev/zero; read x <%s' |"
                  " { od -N 12345 >/dev/null; echo >%s; cat >/dev/null; }" % (
                      lens.BINARY, " ".join(("-t", "pipe", *lens.OPTIONS)), path, seen, seen))
        shell = lens.start(["sh", "-c", script], stderr=subprocess.DEVNULL)
        shell.wait(lens.LIMIT_S * lens.PATIENCE)
        doc = lens.parse(lens.run("report", "--json", "-t", "pipe", "-i", path)[0])
    lens.check_document(doc)
    comm = {p["id"]: p["comm"] for p in doc["processes"]}
    moved = {side: [(comm[e["process"]], e[side]["bytes"]) for c in doc["channels"]
                    for e in c["endpoints"] if e[side]["bytes"]] for side in ("write", "read")}
    # a shell may be od(1) itself
    reader = moved["read"][0][0] if moved["read"] else None
    lens.equal("moved", {"write": [("head", 12345)], "read": [(reader, 12345)]}, moved)
    lens.equal("flows", [("head", reader, 12345)],
               [(comm[f["from"]], comm[f["to"]], f["bytes"]) for f in doc["flows"]])


@lens.test()
def output_of_the_command_traced():
    """... one by one, and not what that makes wc and ipclens do."""
    script = "%s trace --json %s -- head -c 12345 /dev/zero | cat" % (
        lens.BINARY, " ".join(("-t", "pipe", *lens.OPTIONS)))
    with tempfile.TemporaryFile() as out:
        shell = lens.start(["sh", "-c", script], stdout=out, stderr=subprocess.DEVNULL)
        shell.wait(lens.LIMIT_S * lens.PATIENCE)
        out.seek(0)
        lines = [lens.parse(line) for line in out.read().replace(b"\0", b"").splitlines()]
    ops = [line for line in lines if "op" in line]
    lens.equal("who", {"head"}, {line["comm"] for line in ops})
    lens.equal("bytes", 12345, sum(line["bytes"] for line in ops))


@lens.test()
def trace_ends_with_its_reader():
    """`trace | head`: who left reads nothing more, whether anything happens or not."""
    for traffic in (True, False):
        work = lens.Workload("pipe", "pingpong", 1000)
        reader, writer = os.pipe()
        observer = lens.start([lens.BINARY, "trace", "--json", "-p", str(work.pid),
                               *lens.narrow("pipe"), *lens.OPTIONS],
                              stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        lens.require(os.read(reader, 1 << 16).startswith(b'{"schema"'), "no header")
        os.close(reader)
        if traffic:
            work.go()
        lens.equal("exit status", 0, observer.wait(lens.LIMIT_S * lens.PATIENCE))


@lens.test()
def cgroup_without_processes_is_told():
    for command in (("report", "-d", "10ms"), ("list",)):
        _, said = lens.run(*command, "-t", "pipe", "--cgroup", "/sys/fs/cgroup")
        lens.require("no process was in cgroup /sys/fs/cgroup" in said, "said: " + said)


@lens.test()
def closed_output_is_no_other_file():
    """Where nothing is open at 1, nothing of ours gets there and the report in it."""
    for closed in (">&-", "<&- >&-", "<&- >&- 2>&-"):
        shell = 'exec "$0" report -d 10ms -t pipe ' + closed
        ran = subprocess.run(["sh", "-c", shell, lens.BINARY], stderr=subprocess.PIPE, text=True,
                             timeout=lens.LIMIT_S * lens.PATIENCE)
        lens.equal("exit status with " + closed, 1, ran.returncode)
        lens.require("2>" in closed or "Bad file descriptor" in ran.stderr, "said: " + ran.stderr)
