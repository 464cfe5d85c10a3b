# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The command line of `ipclens stuck`: what it watches, and what is asked of it."""

import contextlib
import ctypes
import fcntl
import os
import re
import select
import signal
import subprocess
import tempfile
import time

import lens
from knots import Knot, look

F_SETPIPE_SZ = 1031
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60}

DOCUMENT = {"schema", "host", "taken_at_ns", "complete", "waits", "cycles", "roots", "channels",
            "processes"}


class Watch:
    """A `stuck --watch`, and what it has said so far."""

    def __init__(self, *args, interval="50ms"):
        self.run = lens.Lens("stuck", "--watch=" + interval, *args)

    def text(self):
        # the position of the file is the writer's, too
        return os.pread(self.run.stdout.fileno(), 1 << 24, 0).decode()

    def wait_for(self, word):
        lens.wait_for(lambda: word in self.text(), lens.LIMIT_S / 2, word)
        return self.text()

    def end(self, status):
        self.run.signal(signal.SIGINT)
        return self.run.finish(status).decode()


def blocked_s(text):
    """The times that waits are said to last, in the order of the text."""
    return [float(number) * UNITS[unit]
            for number, unit in re.findall(r", for at least ([0-9.]+) (\w+)", text)]


def said(*args, status):
    """(stdout, lines on stderr) of one `stuck`."""
    out, err = lens.run("stuck", *args, status=status)
    return out.decode(), err.splitlines()


@lens.test()
def stuck_watch_adds_up():
    """What several looks prove of one wait is told as its time."""
    knot = Knot("unixstopped")
    begin = time.monotonic()
    watch = Watch("-p", knot.pid["reader"])
    watch.wait_for("peer-stopped")
    seen = time.monotonic()
    time.sleep(1)
    os.kill(knot.pid["reader"], signal.SIGCONT)
    watch.wait_for("peer-slow")
    least, most = 1, time.monotonic() - begin
    told = blocked_s(watch.end(5))
    lens.require(told[0] <= seen - begin, "first said: %r s" % told)
    # rounded to three digits
    lens.require(least <= told[-1] <= most * 1.01, "%g s, not within %g to %g s"
                 % (told[-1], least, most))
    knot.work.end()


@lens.test()
def stuck_watch_tells_only_what_differs():
    """A second knot comes and goes: the first one, which stays, is told once."""
    # who has a lock is known whatever others, who may look as well, hold for a moment
    stays = Knot("posixlock")
    watch = Watch()
    first = watch.wait_for("(%d)  " % stays.pid["owner"])
    lens.require("new: " not in first and "gone: " not in first, first)
    comes = Knot("posixlock")
    title = r"peer-slow  \S+\(%d\)"
    owner = title % comes.pid["owner"]
    watch.wait_for("(%d)  " % comes.pid["owner"])
    comes.work.end()
    lens.wait_for(lambda: re.search("gone: " + owner, watch.text()), lens.LIMIT_S / 2, "end")
    text = watch.end(None)
    stays.work.end()
    for pattern, times in ((title % stays.pid["owner"], 1), ("new: .*" + owner, 1), (owner, 2)):
        lens.equal(pattern, times, len(re.findall(pattern, text)))
    lens.require(len(text) > len(first), text)


@lens.test()
def stuck_watch_streams():
    """--json: a header, then a document a line, of which each is complete."""
    knot = Knot("unixstopped")
    watch = Watch("--json", "-p", knot.pid["reader"])
    watch.wait_for("peer-stopped")
    os.kill(knot.pid["reader"], signal.SIGCONT)
    watch.wait_for("peer-slow")
    lines = [lens.parse(line.encode()) for line in watch.end(5).splitlines()]
    knot.work.end()
    header, documents = lines[0], lines[1:]
    lens.equal("schemas", {"ipclens.stuck/1"}, {line["schema"] for line in lines})
    lens.equal("header", (50000000, True), (header["watch_ns"], "host" in header))
    lens.require("waits" not in header, "a header that is a document")
    lens.require(len(documents) >= 2, "%d documents" % len(documents))
    for doc in documents:
        lens.require(DOCUMENT <= set(doc), "missing: %s" % (DOCUMENT - set(doc)))
    stamps = [int(doc["taken_at_ns"]) for doc in documents]
    lens.equal("order", sorted(stamps), stamps)
    verdicts = [{root["verdict"] for root in doc["roots"]} for doc in documents]
    lens.equal("first and last", ({"peer-stopped"}, {"peer-slow"}), (verdicts[0], verdicts[-1]))
    waits = [doc["waits"][0]["blocked_ns"] for doc in documents]
    lens.require(waits[0] < waits[-1], "blocked times %r" % waits)


@lens.test()
def stuck_watch_slow_reader():
    """A signal that comes while the output finds no room: what has begun is written to its end.
    timeout(1) sends two, to the process and to its group."""
    knot = Knot("unixstopped")
    ours, its = os.pipe()
    os.write(its, b"\n" * fcntl.fcntl(its, F_SETPIPE_SZ, 4096))
    watch = subprocess.Popen([lens.BINARY, "stuck", "--watch=50ms", "--json",
                              "-p", str(knot.pid["reader"])], stdout=its, stderr=subprocess.PIPE)
    os.close(its)
    with open("/proc/%d/syscall" % watch.pid) as call:
        lens.wait_for(lambda: call.seek(0) or call.read().startswith("1 0x1 "),
                      lens.LIMIT_S / 2, "write")
    for number in (signal.SIGINT, signal.SIGTERM):
        watch.send_signal(number)
    with open("/proc/%d/status" % watch.pid) as status:
        lens.wait_for(lambda: status.seek(0) or "ShdPnd:\t0000000000000000" in status.read(),
                      lens.LIMIT_S / 2, "signal that is taken")
    with open(ours, "rb") as text:
        lines = [lens.parse(line) for line in text if line.strip()]
    knot.work.end()
    lens.equal("what it said", b"", watch.communicate(timeout=lens.LIMIT_S)[1])
    lens.equal("exit status", 5, watch.returncode)
    lens.require(len(lines) > 1 and DOCUMENT <= set(lines[-1]), "no document")


@lens.test()
def stuck_watch_stopped_reader():
    """Who reads nothing does not keep it, when somebody asks who will not ask again."""
    knot = Knot("unixstopped")
    ours, its = os.pipe()
    os.write(its, b"\n" * fcntl.fcntl(its, F_SETPIPE_SZ, 4096))
    watch = subprocess.Popen([lens.BINARY, "stuck", "--watch=50ms", "--json",
                              "-p", str(knot.pid["reader"])], stdout=its)
    os.close(its)
    with open("/proc/%d/syscall" % watch.pid) as call:
        lens.wait_for(lambda: call.seek(0) or call.read().startswith("1 0x1 "),
                      lens.LIMIT_S / 2, "write")
    watch.send_signal(signal.SIGTERM)
    lens.equal("exit status", 130, watch.wait(lens.LIMIT_S))
    os.close(ours)
    knot.work.end()


@lens.test()
def stuck_watch_interval_apart():
    """The interval as a word of its own is no interval: the message says how it is given."""
    for args, hint in ((("--watch", "2"), "--watch=2"), (("--watch", "500ms"), "--watch=500ms")):
        out, err = said(*args, status=2)
        lens.equal("output", "", out)
        lens.require(hint in err[0], err)
    for args in (("2",), ("--watch", "abc")):
        out, err = said(*args, status=2)
        lens.require("takes no arguments" in err[0] and "--watch=" not in err[0], err)


# ---------------------------------------------------------------- targets

def ended_pid():
    """The id of a process that is no more."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


@lens.test()
def stuck_target_missing():
    """Who asks about what is not there learns that, and not that nothing is stuck."""
    gone = ended_pid()
    nowhere = "/lens-nowhere-%d" % os.getpid()
    for args, name in ((("-p", gone), str(gone)), (("--cgroup", nowhere), nowhere),
                       (("--json", "-p", gone), str(gone)),
                       (("--watch=10ms", "-p", gone), str(gone))):
        out, err = said(*args, status=1)
        lens.equal("output", "", out)
        lens.require(len(err) == 1 and name in err[0] and "no process" in err[0], err)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "kept")
        lens.run("record", "-o", path, "-d", "10ms", "--stuck")
        lens.equal("of a recording", "", said("-i", path, "-p", gone, status=1)[0])


@lens.test()
def stuck_target_some():
    """Of several the missing ones are told, and the others looked at."""
    knot = Knot("unixstopped")
    gone = ended_pid()
    out, err = said("-p", "%d,%d" % (gone, knot.pid["reader"]), status=5)
    lens.require("peer-stopped" in out, out)
    lens.require(len(err) == 1 and str(gone) in err[0], err)
    out, err = said("-p", knot.pid["reader"], status=5)
    lens.equal("said", [], err)
    knot.work.end()


@lens.test()
def stuck_target_unmatched_name():
    """A pattern may match nobody: that is no error, but it is said."""
    out, err = said("--comm", "lens-nobody-*", status=0)
    lens.require("nothing is stuck" in out, out)
    lens.require(len(err) == 1 and "lens-nobody-*" in err[0], err)


@lens.test()
def stuck_target_ends_later():
    """A watched process that ends is gone, and the watch goes on until it is told to end."""
    knot = Knot("unixstopped")
    watch = Watch("-p", knot.pid["reader"])
    watch.wait_for("peer-stopped")
    # in this order: who writes to nobody ends by itself
    os.kill(knot.pid["writer"], signal.SIGKILL)
    os.kill(knot.pid["reader"], signal.SIGKILL)
    watch.wait_for("gone: ")
    lens.equal("ended by itself", None, watch.run.process.poll())
    text = watch.end(5)
    lens.require("nothing is stuck" in text, text)
    lens.equal("said", [], watch.run.stderr)


# ------------------------------------------------------------------ words

@lens.test()
def stuck_waiter_is_no_other():
    """Who waits for an end that it has as well is not counted among those who could help."""
    for count in (2, 4):
        knot = Knot("crowd", numbers=(count,))
        channel = knot.wait("first")["channel"]
        waits = [w for w in knot.doc["waits"] if w["channel"] == channel]
        lens.equal("waits", count, len(waits))
        for wait in waits:
            lens.equal("holders", count, wait["waits_for_count"])
            lens.require(("only %d waiting processes could" % (count - 1) if count > 2 else
                          "which is blocked in ") in wait["explanation"], wait["explanation"])
            lens.require("other process" not in wait["explanation"], wait["explanation"])
        knot.work.end()


# --------------------------------------------------------------- processes

def fork(function, *keep):
    """The pid of a child that runs function with no descriptors but these."""
    pid = os.fork()
    if not pid:
        try:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
            first = 0
            for fd in sorted(keep) + [os.sysconf("SC_OPEN_MAX")]:
                os.closerange(first, fd)
                first = fd + 1
            function()
        finally:
            os._exit(0)
    return pid


@contextlib.contextmanager
def children(*started):
    try:
        yield started
    finally:
        for pid in started:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def call_itself(name):
    with open("/proc/self/comm", "wb") as f:
        f.write(name)


def sleeps(pid):
    with open("/proc/%d/stat" % pid, "rb") as f:
        return f.read().rpartition(b")")[2].split()[0] == b"S"


def deadlock(*names):
    """Two processes of these names, each of which reads what the other one has to write."""
    pipes = [os.pipe(), os.pipe()]

    def reader_of(own, other, name):
        def run():
            call_itself(name)
            os.read(own[0], 1)
        return fork(run, own[0], other[1])
    pids = [reader_of(pipes[i], pipes[1 - i], name) for i, name in enumerate(names)]
    for fd in pipes[0] + pipes[1]:
        os.close(fd)
    return children(*pids)


def deadlocked(*args):
    """({pid: verdict}, exit status) of a look at some, when those sleep that it is about."""
    doc, status = look(*args)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    return {pid[w["process"]]: w["verdict"] for w in doc["waits"]}, status


@lens.test()
def stuck_for_a_time():
    """--for tells only who has waited for all of that time in one call."""
    ends = [os.pipe(), os.pipe()]

    def reader(own):
        def run():
            while os.read(own[0], 1):
                pass
        return fork(run, own[0])
    with children(*(reader(own) for own in ends)) as (patient, fed):
        lens.wait_for(lambda: sleeps(patient) and sleeps(fed), lens.LIMIT_S / 2, "readers")
        which = "%d,%d" % (patient, fed)
        lens.equal("a short look", {patient, fed}, set(deadlocked("-p", which)[0]))
        run = lens.Lens("stuck", "--json", "--for", "2s", "-p", which)
        while run.process.poll() is None:
            # it is back in the same call most of the time
            os.write(ends[1][1], b"x")
            select.select([], [], [], 0.05)
        doc = lens.parse(run.finish(0))
    for fd in ends[0] + ends[1]:
        os.close(fd)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    waits = {pid[w["process"]]: w["blocked_ns"] for w in doc["waits"]}
    lens.equal("who stays", {patient}, set(waits))
    lens.require(waits[patient] >= 2e9, "%d ns" % waits[patient])


QUOTED = r'"((?:[^"\\]|\\.)*)"'
NODE = re.compile(r"  p(\d+) \[label=%s(?:, color=(red|orange))?\];" % QUOTED)
EDGE = re.compile(r"  p(\d+) -> p(\d+) \[label=%s(, style=dashed)?\];" % QUOTED)


def graph(text):
    """({pid: (label, colour)}, {(from, to)}) of a graph in which each line is as it has to be."""
    lines = text.splitlines()
    lens.equal("frame", ["digraph stuck {", "  node [shape=box];", "}"], lines[:2] + lines[-1:])
    nodes, edges = {}, set()
    for line in lines[2:-1]:
        node, edge = NODE.fullmatch(line), EDGE.fullmatch(line)
        lens.require(node or edge, "neither node nor edge: %s" % line)
        if node:
            lens.require(int(node[1]) not in nodes, "told twice: %s" % line)
            nodes[int(node[1])] = (re.sub(r"\\(.)", r"\1", node[2]), node[3])
        else:
            edges.add((int(edge[1]), int(edge[2])))
    lens.require({pid for edge in edges for pid in edge} <= set(nodes), "an edge without a node")
    return nodes, edges


@lens.test()
def stuck_dot():
    """The graph of a deadlock, with names that quoting has to keep apart from its own signs."""
    names = (b'a"];\\n\\', b'b\n"->\x80{')
    with deadlock(*names) as pids:
        lens.wait_for(lambda: all(map(sleeps, pids)), lens.LIMIT_S / 2, "deadlock")
        out, _ = said("--dot", "-p", "%d,%d" % pids, status=5)
    nodes, edges = graph(out)
    lens.equal("nodes", set(pids), set(nodes))
    lens.equal("edges", {pids, pids[::-1]}, edges)
    for pid, name in zip(pids, names):
        label, colour = nodes[pid]
        lens.equal("label", name + b"(%d)" % pid, lens.unescape(label))
        lens.equal("colour", "red", colour)


@lens.test()
def stuck_dot_names_whom_text_names():
    """Of several who wait for the same and have inherited it, one stands for all, as in text."""
    knot = Knot("crowd", numbers=(4,))
    channel = knot.wait("first")["channel"]
    ids = {w["process"] for w in knot.doc["waits"] if w["channel"] == channel}
    waiters = {p["pid"] for p in knot.doc["processes"] if p["id"] in ids}
    out, _ = said("--dot", "-p", ",".join(map(str, waiters)), status=5)
    edges = [(int(e[1]), int(e[2])) for e in map(EDGE.fullmatch, out.splitlines()) if e]
    lens.equal("waiters", 4, len(waiters))
    lens.equal("who has an arrow", sorted(waiters), sorted(a for a, _ in edges if a in waiters))
    lens.equal("to itself", [], [a for a, b in edges if a == b])
    lens.equal("the rest as a number", 4, out.count('[label="2 others"'))
    knot.work.end()


@lens.test()
def stuck_cycles_of_what_is_asked():
    """Whoever on a ring one asks about, the ring is shown, in text as in JSON; no other ring is."""
    with deadlock(b"one", b"other") as pids:
        lens.wait_for(lambda: all(map(sleeps, pids)), lens.LIMIT_S / 2, "another deadlock")
        knot = Knot("four")
        for role, pid in knot.pid.items():
            doc, _ = look("-p", pid)
            by_id = {p["id"]: p["pid"] for p in doc["processes"]}
            lens.equal("cycles, by " + role, [set(knot.pid.values())],
                       [{by_id[p] for p in cycle} for cycle in doc["cycles"]])
            out, _ = said("-p", pid, status=5)
            lens.require(all("(%d)" % one in out for one in knot.pid.values()), out)
            lens.require(not any("(%d)" % one in out for one in pids), out)
        for args in (("--channel", "lens-no-such-channel"), ("-t", "eventfd")):
            lens.equal("cycles, by %s" % args[0], [], look(*args)[0]["cycles"])
        knot.work.end()


@lens.test()
def stuck_by_name():
    """--comm: who is called so, and who waits for that one."""
    name = "lens-%d" % os.getpid()
    with deadlock(name.encode() + b"-a", b"other") as pids:
        lens.wait_for(lambda: all(map(sleeps, pids)), lens.LIMIT_S / 2, "deadlock")
        expected = dict.fromkeys(pids, "deadlock"), 5
        for pattern in (name + "-a", name + "-?", "lens-*-a"):
            lens.equal(pattern, expected, deadlocked("--comm", pattern))
        lens.equal("nobody", ({}, 0), deadlocked("--comm", name))


@lens.test()
def stuck_by_channel():
    """--channel: waits about it, by its name or a pattern."""
    with deadlock(b"one", b"other") as pids:
        lens.wait_for(lambda: all(map(sleeps, pids)), lens.LIMIT_S / 2, "deadlock")
        doc = lens.parse(lens.Lens("stuck", "--json", "-p", pids[0]).finish(5))
        by_id = {p["id"]: p["pid"] for p in doc["processes"]}
        wait, = (w for w in doc["waits"] if by_id[w["process"]] == pids[0])
        name = wait["explanation"].split(" on ")[1].split(" ")[0]
        for pattern in (name, name[:-2] + "??"):
            lens.require(pids[0] in deadlocked("--channel", pattern)[0], pattern)
        lens.equal("another one", ({}, 0), deadlocked("--channel", name + "?"))


@lens.test()
def stuck_by_cgroup():
    """--cgroup: who is in it or below, and who waits for that one; whole names only."""
    with contextlib.ExitStack() as stack:
        top = stack.enter_context(tempfile.TemporaryDirectory())
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", top.encode(), b"cgroup2", 0, None):
            raise lens.Skip("cannot mount cgroup2: %s" % os.strerror(ctypes.get_errno()))
        stack.callback(libc.umount2, top.encode(), 2)
        name = "/lens-%d" % os.getpid()
        for path in (name, name + "/below"):
            os.mkdir(top + path)
            stack.callback(os.rmdir, top + path)
        pids = stack.enter_context(deadlock(b"inside", b"outside"))
        with open(top + name + "/below/cgroup.procs", "w") as f:
            f.write(str(pids[0]))
        lens.wait_for(lambda: all(map(sleeps, pids)), lens.LIMIT_S / 2, "deadlock")
        for path in (name, name + "/", name + "/below"):
            lens.equal(path, (dict.fromkeys(pids, "deadlock"), 5), deadlocked("--cgroup", path))
        lens.require("no process" in said("--cgroup", name[:-1], status=1)[1][0], "half a name")
