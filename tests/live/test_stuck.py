# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` on processes whose knots are known by construction."""

import ctypes
import os
import re
import shutil
import tempfile

import lens
from knots import (FULL, HELD, KNOTS, NEVER_ON_A_HEALTHY_HOST, RINGS, RING_CYCLES, Knot,
                   knot_test, look, program_of, ring_test)

KNOTS.update({
    "full": ({"writer": "peer-slow"}, {"writer": ["reader"]}, {"reader": ("peer-slow", 1)}),
    "own": ({"reader": "eof-leak"}, {"reader": ["reader"]}, {"reader": ("eof-leak", 0)}),
    "orphan": ({"reader": "eof-leak"}, {"reader": ["holder"]},
               {"holder": ("eof-leak", 1)}),
    "sets": ({"poll": "external", "select": "external", "epoll": "external"},
             {"poll": ["writer"], "select": ["writer"], "epoll": ["writer"]}, {}),
    "deadowner": ({"waiter": "owner-dead"}, {"waiter": []}, {"waiter": ("owner-dead", 0)}),
    "owner": ({"waiter": "peer-slow"}, {"waiter": ["owner"]}, {"owner": ("peer-slow", 1)}),
    "wordstimed": ({"waiter": "waiting", "reader": "waiting"},
                   {"waiter": ["reader", "waiter"],
                    "reader": ["waiter"]}, {}),
    # no process waits for another one, so that this is no circle
    "wordalone": ({"waiter": "dead-end"}, {"waiter": ["waiter"]}, {"waiter": ("dead-end", 0)}),
    # a signal may have the parent tell its child to end
    "wordminded": ({"child": "external", "parent": "external"},
                   {"child": ["child", "parent"], "parent": ["child"]}, {}),
    "wordhandler": ({"waiter": "external"}, {"waiter": ["waiter"]}, {}),
    "wordthread": ({"waiter": "external"}, {"waiter": ["waiter"]}, {}),
    "robust": ({"waiter": "peer-slow"}, {"waiter": ["owner"]}, {"owner": ("peer-slow", 1)}),
    "nomatch": ({"receiver": "no-match"}, {}, {"receiver": ("no-match", 0)}),
    "noroom": ({"receiver": "no-match", "sender": "no-match"}, {},
               {"receiver": ("no-match", 0), "sender": ("no-match", 0)}),
    "inflight": ({"reader": "eof-leak"}, {}, {"reader": ("eof-leak", 0)}),
    "threads": ({"process": "external"}, {"process": ["process"]}, {}),
})

KNOTS.update({
    "unixfull": FULL,
    "unixstopped": ({"writer": "peer-stopped"}, {"writer": ["reader"]},
                    {"reader": ("peer-stopped", 1)}),
    "unixtraced": ({"writer": "peer-stopped"}, {"writer": ["reader"]},
                   {"reader": ("peer-stopped", 1)}),
    "tcpbacklog": ({"client": "external", "late": "peer-slow"},
                   {"client": ["listener"], "late": ["listener"]}, {"listener": ("peer-slow", 1)}),
    "dgramfull": FULL,
    "tcpfull": FULL,
    "backlog": ({"client": "external", "late": "peer-slow"},
                {"client": ["listener"], "late": ["listener"]}, {"listener": ("peer-slow", 1)}),
    "accept": ({"server": "external"}, {"server": []}, {}),
    "mqfull": ({"sender": "peer-slow"}, {"sender": ["receiver"]}, {"receiver": ("peer-slow", 1)}),
    "inherit": HELD, "flock": HELD, "posixlock": HELD, "ofdlock": HELD, "sem": HELD,
    "heirclaimed": ({"waiter": "peer-slow", "reader": "waiting"},
                    {"waiter": ["owner"], "reader": ["waiter"]}, {"owner": ("peer-slow", 1)}),
    "sharedlock": ({"waiter": "peer-slow", "sharer": "eof-leak"},
                   {"waiter": ["owner", "sharer"], "sharer": ["sharer"]},
                   {"owner": ("peer-slow", 1), "sharer": ("eof-leak", 0)}),
    "fifoopen": ({"opener": "dead-end"}, {"opener": []}, {"opener": ("dead-end", 0)}),
    "fifoheld": ({"opener": "external"}, {"opener": ["holder"]}, {}),
    "eventfd": ({"reader": "external"}, {}, {}),
    "terminal": ({"slave": "peer-slow"}, {"slave": ["master"]}, {"master": ("peer-slow", 1)}),
    "timed": ({"poll": "waiting", "reader": "waiting"}, {"poll": ["reader"], "reader": ["poll"]},
              {}),
    "queue32": ({"receiver": "no-match"}, {}, {"receiver": ("no-match", 0)}),
    "ringpolled": ({"ring": "external", "plain": "external"},
                   {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringempty": ({"ring": None, "plain": "external"}, {"plain": ["ring"]}, {}),
    "ringepoll": ({"ring": "external", "plain": "external"},
                  {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringtimeout": ({"ring": "waiting", "plain": "waiting"}, {"plain": ["ring"]}, {}),
    "ringlimit": ({"ring": "waiting", "plain": "waiting"},
                  {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringforgotten": ({"ring": "waiting", "plain": "waiting"},
                      {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringeither": ({"ring": "external", "plain": "external"},
                   {"ring": ["plain", "sleeper"], "plain": ["ring"]}, {}),
    "ringbusy": ({"ring": "external", "plain": "external"},
                 {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringbeside": ({"ring": "external", "plain": "external"},
                   {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringminimum": ({"ring": "waiting", "plain": "waiting"},
                    {"ring": ["plain"], "plain": ["ring"]}, {}),
    "ringregistered": ({"ring": "external", "plain": "external"}, {"plain": ["ring"]}, {}),
    "ringorphan": ({"ring": "external", "plain": "external"}, {"plain": ["ring"]}, {}),
    "selfpipe": ({"loop": "external"}, {"loop": ["loop"]}, {}),
})

RINGS.update({
    "two": {"one": "two", "two": "one"},
    "ring": {"ringed": "plain", "plain": "ringed"},
    "words": {"waiter": "reader", "reader": "waiter"},
    "childfd": {"parent": "child", "child": "parent"},
    "child": {"parent": "child", "child": "parent"},
    "pollcycle": {"poll": "epoll", "epoll": "poll"},
    "mutexpipe": {"reader": "locker", "locker": "reader"},
    "lockqueue": {"sender": "locker", "locker": "sender"},
    "unixcycle": {"one": "two", "two": "one"},
    "tcpcycle": {"one": "two", "two": "one"},
    "poll32": {"poll": "reader", "reader": "poll"},
    "socket32": {"one": "two", "two": "one"},
    "semcycle": {"reader": "taker", "taker": "reader"},
    "restarted": {"poll": "reader", "reader": "poll"},
    "splice": {"splice": "reader", "reader": "splice"},
    "four": {"writer": "reader", "reader": "receiver", "receiver": "locker", "locker": "writer"},
})


RINGS.update({mode: {"ring": "plain", "plain": "ring"} for mode in RING_CYCLES})


for _mode in KNOTS:
    lens.register("stuck_" + _mode, knot_test(_mode))
for _mode in RINGS:
    lens.register("stuck_" + _mode, ring_test(_mode))


@lens.test()
def stuck_wordleader():
    """That several threads tell of the same memory, as their leader has ended, hides nobody."""
    knot = Knot("wordleader")
    lens.equal("verdicts", dict.fromkeys(("waiter", "reader"), "deadlock"), knot.verdicts())
    lens.equal("cycles", [{"waiter", "reader"}], knot.cycles())
    knot.end()


@lens.test()
def stuck_status_is_about_what_is_asked():
    """A deadlock elsewhere is no reason for exit status 5 about a process that has none."""
    knot = Knot("two")
    idle = Knot("accept")
    lens.equal("exit status about a server", 0, idle.status)
    idle.work.end()
    knot.look()
    lens.equal("exit status about the knot", 5, knot.status)
    knot.work.end()


@lens.test()
def stuck_chain():
    """Fifty processes behind one that is stopped."""
    knot = Knot("chain")
    expected = {"p%d" % i: "peer-stopped" for i in range(49)}
    lens.equal("verdicts", expected, knot.verdicts())
    lens.equal("roots", {"p49": ("peer-stopped", 49)}, knot.roots())
    lens.equal("exit status", 5, knot.status)
    for i in range(49):
        lens.equal("providers", ["p%d" % (i + 1)], knot.providers("p%d" % i))
    os.kill(knot.pid["p49"], 18)
    knot.work.end()


@lens.test()
def stuck_crowd():
    """Who waits for many is not told of each by each; how many there are, and who, is told."""
    knot = Knot("crowd", numbers=(100,))
    waits = [w for w in knot.doc["waits"] if w["channel"] == knot.wait("first")["channel"]]
    lens.equal("waits", (100, {"deadlock"}), (len(waits), {w["verdict"] for w in waits}))
    for wait in waits:
        lens.equal("all who could end it", 100, wait["waits_for_count"])
        lens.require(0 < len(wait["waits_for"]) <= 16, "those who are named")
    ends = [c["endpoints"] for c in knot.doc["channels"] if c["id"] == waits[0]["channel"]]
    lens.equal("endpoints", sorted(w["process"] for w in waits),
               sorted({e["process"] for e in ends[0] if e["role"] == "writer"}))
    knot.work.end()


@lens.test()
def stuck_fifo_being_opened():
    """Which FIFO, which end: no process has a descriptor of it yet."""
    for mode, role, end in (("fifonamed", "reader", "write"), ("fifonamedwrite", "writer", "read")):
        knot = Knot(mode)
        wait = knot.wait(role)
        lens.equal("verdict", "external", wait["verdict"])
        lens.equal("direction and type", ("open", "fifo"), (wait["direction"], wait["type"]))
        path = "/tmp/lens-knot-fifo-%d" % knot.work.process.pid
        lens.equal("name", [path], [c["name"] for c in knot.doc["channels"]
                                    if c["id"] == wait["channel"]])
        lens.require("opens it by name could open its %s end" % end in wait["explanation"],
                     wait["explanation"])
        knot.work.end()


def frozen(path, pid, name, freeze, thaw):
    """A knot whose reader the cgroup at path, made for that, has frozen; then it goes on."""
    os.mkdir(path)
    try:
        for file, text in (("cgroup.procs", str(pid)), (name, freeze)):
            with open(os.path.join(path, file), "w") as f:
                f.write(text)
        yield
        with open(os.path.join(path, name), "w") as f:
            f.write(thaw)
        with open(os.path.join(os.path.dirname(path), "cgroup.procs"), "w") as f:
            f.write(str(pid))
    finally:
        os.rmdir(path)


def text_of(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def check_frozen(knot, path, name, freeze, thaw, is_frozen):
    for _ in frozen(path, knot.pid["reader"], name, freeze, thaw):
        lens.wait_for(lambda: is_frozen(path), lens.LIMIT_S / 2, "frozen reader")
        knot.look()
        lens.equal("verdicts", {"writer": "peer-stopped"}, knot.verdicts())
        lens.equal("roots", {"reader": ("peer-stopped", 1)}, knot.roots())
        lens.require("frozen by its cgroup" in knot.wait("writer")["explanation"],
                     knot.wait("writer")["explanation"])
    knot.look()
    lens.equal("thawed", {"writer": "peer-slow"}, knot.verdicts())
    knot.work.end()


@lens.test()
def stuck_frozen():
    """A reader that its cgroup has frozen, of either version."""
    knot = Knot("unixfull")
    with tempfile.TemporaryDirectory() as directory:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"none", directory.encode(), b"cgroup2", 0, None):
            raise lens.Skip("cannot mount cgroup2: %s" % os.strerror(ctypes.get_errno()))
        try:
            check_frozen(knot, os.path.join(directory, "lens-%d" % os.getpid()), "cgroup.freeze",
                         "1", "0", lambda path: "frozen 1" in text_of(path, "cgroup.events"))
        finally:
            libc.umount2(directory.encode(), 2)


@lens.test()
def stuck_frozen_v1():
    freezer = "/sys/fs/cgroup/freezer"
    if not os.path.exists(os.path.join(freezer, "cgroup.procs")):
        raise lens.Skip("no freezer of cgroup v1 here")
    check_frozen(Knot("unixfull"), os.path.join(freezer, "lens-%d" % os.getpid()), "freezer.state",
                 "FROZEN", "THAWED", lambda path: text_of(path, "freezer.state") == "FROZEN\n")


def undisturbed(pid):
    """What a look must not change about a process."""
    facts = {}
    for name in ("io", "wchan", "syscall"):
        with open("/proc/%d/%s" % (pid, name)) as f:
            facts[name] = f.read()
    with open("/proc/%d/status" % pid) as f:
        text = f.read()
    for key in ("State", "TracerPid", "SigPnd", "ShdPnd", "voluntary_ctxt_switches",
                "nonvoluntary_ctxt_switches"):
        facts[key] = re.search("^%s:\\s*(.*)$" % key, text, re.M).group(1)
    facts["fds"] = sorted((fd, os.readlink("/proc/%d/fd/%s" % (pid, fd)))
                          for fd in os.listdir("/proc/%d/fd" % pid))
    return facts


@lens.test()
def stuck_disturbs_nothing():
    knot = Knot("two")
    before = [undisturbed(knot.pid[role]) for role in ("one", "two")]
    for _ in range(5):
        knot.look()
        lens.equal("verdicts", {"one": "deadlock", "two": "deadlock"}, knot.verdicts())
    lens.equal("state", before, [undisturbed(knot.pid[role]) for role in ("one", "two")])
    # the holders were proved complete each time, so no reference was left behind
    for role in ("one", "two"):
        lens.require(all(n["holders_complete"] for n in knot.wait(role)["any_of"]), "hidden holder")
    knot.work.end()


# ----------------------------------------------------------- false alarms

LOOKS = 100 if lens.LONG else 10 if lens.NARROW else 25


@lens.test(limit_s=120)
def stuck_raises_no_false_alarm():
    """A host at work, this one: pipelines, idle daemons, whatever else runs here."""
    shell = ["sh", "-c", "while :; do seq 2000 | sed s/1/2/ | sort | tail -n 1 >/dev/null; done"]
    idle = ["sh", "-c", "sleep 1000 | cat | cat >/dev/null"]
    for tool in "seq sed sort tail sleep cat".split():
        if not shutil.which(tool):
            raise lens.Skip("no %s(1) here" % tool)
    started = [lens.start(argv) for argv in (shell, shell, idle)]
    servers = [lens.Workload(program_of(mode), mode) for mode in ("accept", "selfpipe", "eventfd")]
    for server in servers:
        server.go()
        server.truth()
    try:
        for _ in range(LOOKS):
            doc, _ = look()
            wrong = [w["explanation"] for w in doc["waits"]
                     if w["verdict"] in NEVER_ON_A_HEALTHY_HOST]
            lens.equal("false alarms", [], wrong)
    finally:
        for process in started:
            for pid in reversed(lens.descendants(process.pid)):
                try:
                    os.kill(pid, 9)
                except OSError:
                    pass


# ------------------------------------------------------------ random graphs

GRAPHS = int(os.environ.get("LENS_GRAPHS", "1000" if lens.LONG else "25"))
FIRST_GRAPH = int(os.environ.get("LENS_FIRST_GRAPH", "1"))
# a descriptor on its way in a socket of two processes, which polls it too
ONCE_WRONG = (200883,)

# by the hope that follows from the graph: never, when continued, outside, soon
EXPECTED = ({"deadlock"}, {"peer-stopped"}, {"external", "waiting", "peer-slow"},
            {"external", "waiting", "peer-slow"})


def look_undisturbed(pids):
    """A look in which nobody else on the host held a file of theirs, as another look does."""
    for _ in range(5):
        doc, status = look("-p", pids)
        if not any("a holder that is not seen" in w["explanation"] for w in doc["waits"]):
            break
    return doc, status


def check_graph(seed):
    work = lens.Workload("tangle", "graph", seed)
    work.go()
    facts = work.truth()["facts"]
    pid = {key: value for key, value in facts.items() if re.match("n[0-9]+$", key)}
    helpers = [value for key, value in facts.items() if re.match("c[0-9]+$", key)]
    doc, status = look_undisturbed(",".join(map(str, [*pid.values(), *helpers])))
    by_id = {p["id"]: p["pid"] for p in doc["processes"]}
    got = {by_id[w["process"]]: w for w in doc["waits"]}
    dead = set()
    for name, one in pid.items():
        hope = facts["hope " + name[1:]]
        if hope < 0:
            continue
        label = "graph %d, %s, %s" % (seed, name, {k: v for k, v in facts.items() if k[0] != "n"})
        lens.require(one in got, label + ": no wait")
        lens.require(got[one]["verdict"] in EXPECTED[hope],
                     "%s: hope %d, verdict %s: %s" % (label, hope, got[one]["verdict"],
                                                      got[one]["explanation"]))
        if hope == 0:
            dead.add(one)
            dead.update(value for key, value in facts.items() if key == "c" + name[1:])
    rings = [{by_id[p] for p in cycle} for cycle in doc["cycles"]]
    found = any(ring <= dead for ring in rings)
    lens.require(found == bool(dead), "graph %d: cycles" % seed)
    lens.equal("graph %d: exit status" % seed, True, status == 5 or not dead)
    work.end()


@lens.test(limit_s=60 + GRAPHS * 4)
def stuck_random_graphs():
    """Random graphs of up to eight processes, and chains of fifty, over twenty-two ways to wait."""
    for seed in (*ONCE_WRONG, *range(FIRST_GRAPH, FIRST_GRAPH + GRAPHS)):
        check_graph(seed)


# -------------------------------------------------------------------- cost

@lens.test(limit_s=60)
def stuck_needs_two_capabilities():
    """CAP_BPF and CAP_PERFMON alone see what root sees, poll sets and futex words included."""
    launch = [os.path.join(lens.WORK, "launch"), "--uid", "65534", "--keep", "39", "--keep", "38"]
    for mode, role, verdict in (("pollcycle", "poll", "deadlock"),
                                ("deadowner", "waiter", "owner-dead")):
        knot = Knot(mode)
        with lens.public_binary() as binary:
            one = lens.Lens("stuck", "--json", "-p", knot.pid[role], launch=launch, binary=binary)
            doc = lens.parse(one.finish(5))
        by_id = {p["id"]: p["pid"] for p in doc["processes"]}
        lens.equal("verdict of " + role, [verdict], [w["verdict"] for w in doc["waits"]
                                                     if by_id[w["process"]] == knot.pid[role]])
        knot.work.end()


@lens.test()
def stuck_watch_tells_changes():
    """The knot appears once, and again only when it has changed; Ctrl-C ends with 5."""
    knot = Knot("unixstopped")
    one = lens.Lens("stuck", "--watch=50ms", "-p", knot.pid["reader"])
    def told(word):
        # the position of the file is the writer's, too
        return os.pread(one.stdout.fileno(), 1 << 20, 0).decode().count(word)
    lens.wait_for(lambda: told("peer-stopped"), lens.LIMIT_S / 2, "first finding")
    os.kill(knot.pid["reader"], 18)
    lens.wait_for(lambda: told("peer-slow"), lens.LIMIT_S / 2, "change")
    one.signal(2)
    one.finish(5)
    knot.work.end()
