# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Signals and memory: what a process does to another one directly."""

import tempfile

import lens


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


@lens.test()
def process_signals():
    check_signals(*lens.watched("signal", "all"))


@lens.test()
def process_signals_late():
    check_signals(*lens.watched("signal", "all", late=True))


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


@lens.test()
def process_memory():
    check_memory(*lens.watched("procvm", "all"))


@lens.test()
def process_memory_sys():
    check_memory(*lens.watched("procvm", "all", options=("--variant", "procvm=sys")))


@lens.test()
def process_namespace():
    """Another pid namespace has other numbers for the same processes."""
    doc, truth = lens.watched("procvm", "namespace", late=True)
    first = truth["facts"]["first"]
    second = [p["pid"] for p in doc["processes"] if p["nspid"] == 2
              and p["ppid"] == first]
    lens.equal("second processes", 1, len(second))
    lens.equal("bytes", {(second[0], first, "memory of %d" % second[0]): (5, 320)},
               flows(doc, "process-vm", {first}))
    lens.equal("signals", {(first, second[0], "SIGUSR1"): (1, 0)},
               flows(doc, "signal", {first}))


@lens.test()
def process_replayed():
    """A recording tells the same."""
    with tempfile.TemporaryDirectory() as folder:
        work = lens.Workload("signal", "all")
        path = folder + "/rec"
        watcher = lens.observe("--save", path)
        work.go()
        truth = work.truth()
        doc = watcher.document()
        check_signals(doc, truth)
        check_signals(lens.parse(lens.run("report", "-i", path, "--json")[0]), truth)


def check_compat(*options):
    doc, truth = lens.watched("compat", "process", options=options)
    me, target = truth["pid"], truth["facts"]["target"]
    memory = "memory of %d" % target
    lens.equal("signals", {(me, target, "SIGUSR1"): (3, 0)}, flows(doc, "signal", {me}))
    lens.equal("bytes", {(target, me, memory): (3, 300), (me, target, memory): (1, 100)},
               flows(doc, "process-vm", {me}))


@lens.test()
def process_compat():
    check_compat()


@lens.test()
def process_compat_sys():
    check_compat("--variant", "procvm=sys")
