# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Signals and memory: what a process does to another one directly."""

import ctypes
import os
import tempfile

import batch
import lens

LIBC = ctypes.CDLL(None, use_errno=True)


def flows(doc, kind, pids):
    """{(from pid, to pid, name of the channel): (messages, bytes)}; all of them are exact"""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    channels = {c["id"]: c for c in doc["channels"] if c["type"] == kind}
    got = {}
    for flow in doc["flows"]:
        channel = channels.get(flow["channel"])
        ends = (pid.get(flow["from"]), pid.get(flow["to"]))
        if not channel or not pids & set(ends):
            continue
        lens.require(flow["exact"], "a flow that is not exact")
        key = ends + (channel["name"],)
        lens.require(key not in got, "two flows of one kind between the same two")
        got[key] = (flow["messages"], flow["bytes"])
    return got


def errors(doc, kind, sender):
    """{(target pid, name): calls of the sender that failed}"""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    return {(pid.get(c["target"]), c["name"]): end["write"]["errors"] + end["read"]["errors"]
            for c in doc["channels"] if c["type"] == kind for end in c["endpoints"]
            if pid[end["process"]] == sender and end["write"]["errors"] + end["read"]["errors"]}


def check_signals(doc, truth):
    # the signal that ended it
    lens.require("ipclens" not in {p["comm"] for p in doc["processes"]}, "it shows itself")
    me, facts = truth["pid"], truth["facts"]
    one, two = facts["one"], facts["two"]
    lens.equal("signals", {
        (me, one, "SIGUSR1"): (5, 0), (me, one, "signal %d" % facts["queued"]): (7, 0),
        (me, one, "SIGUSR2"): (5, 0), (me, one, "SIGHUP"): (4, 0), (me, one, "SIGURG"): (6, 0),
        (me, two, "SIGURG"): (6, 0), (me, two, "SIGTERM"): (2, 0),
    }, flows(doc, "signal", {me, one, two}))
    lens.equal("that found no room", {(one, "signal %d" % facts["overflown"]): 1},
               errors(doc, "signal", me))


batch.register("process_signals", check_signals, "signal", "all")
batch.register("process_signals_late", check_signals, "signal", "all", late=True)


@lens.test()
def process_signals_traced():
    """A line for each, whose other end is the process it went to."""
    work = lens.Workload("signal", "all")
    tracer = lens.observe("--json", "-t", "signal", "-p", work.pid, command="trace")
    work.go()
    facts = work.truth()["facts"]
    lines = [line for line in map(lens.parse, tracer.interrupt().splitlines()) if "op" in line]
    lens.equal("signals", 5 + 7 + 3 + 2 + 4 + 2 + 2 * 6 + 1, len(lines))
    lens.equal("targets", {facts["one"], facts["two"]},
               {int(peer["process"].split("@")[0]) for line in lines for peer in line["peers"]})
    lens.equal("errors", ["EAGAIN"], [line["error"] for line in lines if "error" in line])


def check_memory(doc, truth):
    me, target, reader = truth["pid"], truth["facts"]["target"], truth["facts"]["reader"]
    lens.equal("bytes", {
        (target, me, "memory of %d" % target): (11, 10 * 4096 + 10),
        (me, target, "memory of %d" % target): (4, 400),
        (me, reader, "memory of %d" % me): (3, 1500),
    }, flows(doc, "process-vm", {me, target, reader}))
    lens.equal("that failed", {(target, "memory of %d" % target): 2},
               errors(doc, "process-vm", me))
    lens.equal("that was refused", {(me, "memory of %d" % me): 1},
               errors(doc, "process-vm", truth["facts"]["nobody"]))


batch.register("process_memory", check_memory, "procvm", "all")
batch.register("process_memory_sys", check_memory, "procvm", "all", "--variant", "procvm=sys")


@batch.test("procvm", "namespace", late=True)
def process_namespace(doc, truth):
    """Another pid namespace has other numbers for the same processes."""
    first = truth["facts"]["first"]
    second = [p["pid"] for p in doc["processes"] if p["nspid"] == 2
              and p["ppid"] == first]
    lens.equal("second processes", 1, len(second))
    lens.equal("bytes", {(second[0], first, "memory of %d" % second[0]): (5, 320)},
               flows(doc, "process-vm", {first}))
    lens.equal("signals", {(first, second[0], "SIGUSR1"): (1, 0)},
               flows(doc, "signal", {first}))


class Cgroup:
    """One of the unified hierarchy, wherever that is mounted, for the time of a test."""

    def __init__(self, *parts):
        self.root = tempfile.mkdtemp(prefix="ipclens-cgroup-")
        self.made = []
        self.parts = parts

    def __enter__(self):
        try:
            if LIBC.mount(b"none", self.root.encode(), b"cgroup2", 0, None):
                raise OSError(ctypes.get_errno(), "mount")
            for part in self.parts:
                self.made.append(os.path.join((self.made or [self.root])[-1], part))
                os.mkdir(self.made[-1])
        except OSError as error:
            self.__exit__()
            raise lens.Skip("no cgroup can be made here: %s" % error)
        return self

    def add(self, pid):
        with open(os.path.join(self.made[-1], "cgroup.procs"), "w") as f:
            f.write(str(pid))

    def __exit__(self, *error):
        lens.end_all()
        for path in reversed(self.made):
            # the kernel lets go of the dead a little later
            lens.wait_for(lambda: not os.path.exists(path) or try_rmdir(path), 5, "empty cgroup")
        LIBC.umount(self.root.encode())
        os.rmdir(self.root)


def try_rmdir(path):
    try:
        os.rmdir(path)
        return True
    except OSError:
        return False


@lens.test()
def process_container():
    """Processes of a container: its id, the host's numbers of them, and their own."""
    container = "%064x" % os.getpid()
    with Cgroup("ipclens-test-%d" % os.getpid(), "docker-%s.scope" % container, "inner") as group:
        work = lens.Workload("procvm", "namespace", late=True)
        group.add(work.pid)
        watcher = lens.observe("-t", "signal,process-vm")
        work.go()
        first = work.truth()["facts"]["first"]
        doc = watcher.document()
    me = {p["pid"]: p for p in doc["processes"]}
    second = [p for p in doc["processes"] if p["nspid"] == 2 and p["ppid"] == first]
    lens.equal("second processes", 1, len(second))
    lens.equal("containers", [container] * 2, [me[first]["container"], second[0]["container"]])
    lens.equal("cgroup", True, second[0]["cgroup"].endswith("docker-%s.scope/inner" % container))
    lens.equal("pid namespaces", True, me[first]["pidns"] == second[0]["pidns"])
    lens.equal("own number of the first", 1, me[first]["nspid"])


@lens.test()
def process_made_elsewhere():
    """A process that clone3(2) put into another cgroup than its parent's, and that is gone soon."""
    name = "ipclens-test-%d" % os.getpid()
    with Cgroup(name) as group:
        work = lens.Workload("ident", "elsewhere", group.made[-1])
        watcher = lens.observe("-t", "pipe")
        work.go()
        truth = work.truth()
        doc = watcher.document()
        lens.compare(doc, truth)
    cgroup = {p["pid"]: p["cgroup"] for p in doc["processes"]}
    lens.require(cgroup[truth["facts"]["kid"]].endswith("/" + name),
                 "cgroup: %s" % cgroup[truth["facts"]["kid"]])
    lens.require(name not in cgroup[truth["pid"]], "cgroup: %s" % cgroup[truth["pid"]])


@lens.test()
def process_replayed():
    """A recording tells the same."""
    with tempfile.TemporaryDirectory() as folder:
        work = lens.Workload("signal", "all")
        path = folder + "/rec"
        watcher = lens.observe("--save", path, *lens.narrow("signal"))
        work.go()
        truth = work.truth()
        doc = watcher.document()
        check_signals(doc, truth)
        check_signals(lens.parse(lens.run("report", "-i", path, "--json")[0]), truth)


def check_compat(doc, truth):
    me, target = truth["pid"], truth["facts"]["target"]
    memory = "memory of %d" % target
    lens.equal("signals", {(me, target, "SIGUSR1"): (3, 0)}, flows(doc, "signal", {me}))
    lens.equal("bytes", {(target, me, memory): (3, 300), (me, target, memory): (1, 100)},
               flows(doc, "process-vm", {me}))


OF_PROCVM = lens.narrow("procvm")
batch.register("process_compat", check_compat, "compat", "process", *OF_PROCVM)
batch.register("process_compat_sys", check_compat, "compat", "process", *OF_PROCVM, "--variant",
               "procvm=sys")
