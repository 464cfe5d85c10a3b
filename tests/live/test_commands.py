# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The other commands: trace, list, record, report -i, doctor; exit statuses."""

import json
import os
import re
import shutil
import signal
import stat
import tempfile
import threading
import time

import lens

GOLDEN = os.path.join(lens.ROOT, "tests/golden/pipe.lens")
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39


class Directory:
    """A scratch directory that is gone after the test."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="lens-live-")
        return self.path

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)


def ndjson(data, schema):
    """Lines of a stream, its header taken off and checked."""
    lines = [lens.parse(line) for line in data.splitlines()]
    lens.require(lines, "no line at all")
    lens.equal("schema", schema, lines[0].get("schema"))
    return lines[1:]


# -------------------------------------------------------------------- trace

def traced(program, mode, *args):
    work = lens.Workload(program, mode, *args)
    observer = lens.observe(*lens.narrow(program), command="trace")
    work.go()
    truth = work.truth()
    lines = ndjson(observer.interrupt(), "ipclens.trace/1")
    work.end()
    return lines, truth


CALLS = (("read", ("read", "msgrcv", "mq_receive")), ("write", ("write", "msgsnd", "mq_send")))


def compare_trace(lines, truth, name):
    ops = [line for line in lines if line.get("name") == name]
    expected = sum(end["operations"] for end in truth["ends"])
    lens.equal("operations of " + name, expected, len(ops))
    for direction, calls in CALLS:
        moved = sum(end["bytes"] for end in truth["ends"] if end["dir"] == direction)
        lens.equal("%s: bytes of %s" % (name, direction), moved,
                   sum(op["bytes"] for op in ops if op["op"] in calls))
    errors = sum(end["errors"] for end in truth["ends"])
    lens.equal(name + ": errors", errors, sum(1 for op in ops if op["result"] < 0))
    stamps = [int(op["ts_ns"]) for op in ops]
    lens.require(all(stamps), "an operation without a time")


def by_time(ops):
    """What two processors did comes in batches of each, also of one process that moved."""
    return sorted(ops, key=lambda op: int(op["ts_ns"]))


@lens.test()
def trace_pipe():
    lines, truth = traced("pipe", "nonblock")
    compare_trace(lines, truth["channels"][0], truth["channels"][0]["name"])
    lens.require("loss" in lines[-1], "the last line does not tell the loss")


@lens.test()
def trace_peers():
    lines, truth = traced("pipe", "pingpong", 50)
    for channel in truth["channels"]:
        compare_trace(lines, channel, channel["name"])
        for op in lines:
            if op.get("name") == channel["name"]:
                # by the middle of it both ends are known
                peers = {p["process"].split("@")[0] for p in op["peers"]}
                mine = op["process"].split("@")[0]
                others = {str(e["pid"]) for e in channel["ends"]} - {mine}
                lens.require(others <= peers, "peers of %s: %r" % (mine, peers))


def write_on(pipe, end):
    """Slowly, so that it takes no time to show."""
    while not end.wait(0.01):
        os.write(pipe, b"x")


@lens.test(limit_s=60)
def trace_ends_late():
    """What happened is shown, too, where the last look at a crowded host takes its time."""
    crowd = lens.Workload("scale", "pipes", *((10, 1500) if lens.SCALE > 2 else (100, 3000)))
    ends, end = os.pipe(), threading.Event()
    writer = threading.Thread(target=write_on, args=(ends[1], end))
    observer = lens.observe("-t", "pipe", command="trace")
    writer.start()
    lines = ndjson(observer.interrupt(), "ipclens.trace/1")
    end.set()
    writer.join()
    said = [line.decode() for line in observer.stderr]
    lens.equal("not shown", [], [line for line in said if "not shown" in line])
    name = "pipe:[%d]" % os.fstat(ends[1]).st_ino
    lens.require([line for line in lines if line.get("name") == name], "it has not seen the pipe")
    for fd in ends:
        os.close(fd)
    crowd.go()
    crowd.truth()


@lens.test()
def trace_sysvmsg():
    lines, truth = traced("sysvmsg", "types")
    channel = truth["channels"][0]
    ops = by_time(line for line in lines if line.get("type") == "sysv-msg"
                  and re.split("[^0-9]", line["channel"])[-1] == str(channel["id"]))
    compare_trace(ops, channel, ops[0]["name"] if ops else "sysv-msg")
    sent = [op["msgtype"] for op in ops if op["op"] == "msgsnd"]
    received = [op["msgtype"] for op in ops if op["op"] == "msgrcv"]
    lens.equal("types sent", [1, 2, 3, 4, 5, 2 ** 63 - 1], [int(t) for t in sent])
    lens.equal("types received", [3, 2 ** 63 - 1, 1, 2], [int(t) for t in received])


@lens.test()
def trace_mqueue():
    lines, truth = traced("mqueue", "noprio")
    channel = truth["channels"][0]
    name = bytes.fromhex(channel["path_hex"]).decode()
    compare_trace(lines, channel, name)
    ops = by_time(line for line in lines if line.get("name") == name)
    sent = [op.get("priority") for op in ops if op["op"] == "mq_send"]
    received = [op.get("priority") for op in ops if op["op"] == "mq_receive"]
    lens.equal("priorities sent", [5, 1, 9, 5], sent)
    # two of them did not ask
    lens.equal("priorities received", [None, None, 5], received)


@lens.test()
def trace_eventfd():
    lines, truth = traced("eventfd", "before")
    name = "eventfd:[%d]" % truth["channels"][0]["ino"]
    ops = [(op["op"], op["amount"], op["bytes"], op["result"])
           for op in by_time(op for op in lines if op.get("name") == name)]
    lens.equal("operations", [("write", 3, 0, 8), ("read", 503, 0, 8), ("write", 4, 0, 8)], ops)


@lens.test()
def trace_pty():
    lines, truth = traced("pty", "queued")
    name = "pts/%d" % truth["channels"][0]["ino"]
    ops = [(op["op"], op["bytes"])
           for op in by_time(op for op in lines if op.get("name") == name)]
    lens.equal("operations", [("write", 1500), ("write", 700), ("read", 200), ("read", 300)], ops)


@lens.test()
def trace_max_events():
    work = lens.Workload("pipe", "selfpipe", 500)
    observer = lens.observe("--max-events", 20, command="trace")
    work.go()
    lines = ndjson(observer.finish(), "ipclens.trace/1")
    lens.equal("operations", 20, sum(1 for line in lines if "op" in line))


@lens.test()
def trace_text_hostile():
    work = lens.Workload("fifo", "hostile")
    observer = lens.Lens("trace", *lens.OPTIONS).wait_observing()
    work.go()
    work.truth()
    check_text(observer.interrupt())


# --------------------------------------------------------------------- list

@lens.test()
def list_pipe():
    work = lens.Workload("pipe", "rw")
    work.go()
    truth = work.truth()
    out, _ = lens.run("list", "--json")
    doc = lens.parse(out)
    lens.equal("schema", "ipclens.list/1", doc["schema"])
    lens.check_variants(doc, {})
    channel = lens.find_channel(doc, truth["channels"][0])
    lens.equal("queued_bytes", 777, channel["queued_bytes"])
    lens.equal("capacity_bytes", 65536, channel["capacity_bytes"])
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    roles = {pid[e["process"]]: e["role"] for e in channel["endpoints"]}
    # the reader was forked with both ends and keeps both
    lens.equal("roles", {e["pid"]: "both" for e in truth["channels"][0]["ends"]}, roles)
    for end in channel["endpoints"]:
        lens.equal("descriptors", open_descriptors(pid[end["process"]], channel["name"]),
                   sorted(end["fds"]))


def open_descriptors(pid, name):
    base = "/proc/%d/fd" % pid
    return sorted(int(fd) for fd in os.listdir(base) if os.readlink(base + "/" + fd) == name)


@lens.test()
def list_backlog():
    work = lens.Workload("sysvmsg", "backlog")
    work.go()
    truth = work.truth()
    doc = lens.parse(lens.run("list", "--json")[0])
    for one in truth["channels"]:
        channel = lens.find_channel(doc, one)
        for key in ("queued_by_msgtype", "queued_messages", "queued_bytes", "capacity_bytes"):
            lens.equal(key, one[key], channel[key])


@lens.test()
def list_deep():
    """Every message of a long backlog, though it takes several records to tell."""
    work = lens.Workload("sysvmsg", "deep")
    work.go()
    truth = work.truth()
    channel = lens.find_channel(lens.parse(lens.run("list", "--json")[0]), truth["channels"][0])
    lens.equal("backlog", truth["channels"][0]["queued_by_msgtype"], channel["queued_by_msgtype"])
    lens.equal("messages", 199, channel["queued_messages"])


@lens.test()
def list_namespaces():
    """Queues of other ipc namespaces are there, and apart."""
    work = lens.Workload("sysvmsg", "namespaces")
    work.go()
    truth = work.truth()
    doc = lens.parse(lens.run("list", "--json")[0])
    for one in truth["channels"]:
        lens.equal("backlog", one["queued_by_msgtype"],
                   lens.find_channel(doc, one)["queued_by_msgtype"])


def listed(program, mode):
    """What `list` says of each channel of a workload: (document, truth, channels)."""
    work = lens.Workload(program, mode)
    work.go()
    truth = work.truth()
    doc = lens.parse(lens.run("list", "--json")[0])
    channels = [lens.find_channel(doc, one) for one in truth["channels"]]
    for one, channel in zip(truth["channels"], channels):
        for key in ("queued_by_priority", "queued_messages", "queued_bytes", "capacity_bytes"):
            if key in one and not (key == "queued_messages" and one["type"] not in lens.QUEUES):
                lens.equal(key, one[key], channel[key])
    return doc, truth, channels


@lens.test()
def list_eventfd():
    _, truth, channels = listed("eventfd", "before")
    lens.equal("depth of the truth", 4, truth["channels"][0]["queued_bytes"])
    lens.equal("counter", 4, channels[0]["counter"])
    lens.equal("semaphore", False, channels[0]["semaphore"])
    lens.equal("bytes", None, channels[0].get("capacity_bytes"))
    lens.equal("roles", ["both"], [end["role"] for end in channels[0]["endpoints"]])


@lens.test()
def list_pty():
    """Both ends with who holds them, what lies in either direction, and the mode."""
    doc, _, directions = listed("pty", "queued")
    lens.equal("queued", [500, 1200], [one["queued_bytes"] for one in directions])
    channel = [c for c in doc["channels"] if c["id"] == directions[0]["id"]][0]
    lens.equal("ends", ["master", "slave"], sorted(e["end"] for e in channel["endpoints"]))
    lens.equal("changed", [False] * 2,
               [one["line_discipline_changes"] for one in channel["directions"]])
    lens.equal("capacity", [None] * 2, [one["capacity_bytes"] for one in channel["directions"]])


@lens.test()
def list_pty_cooked():
    doc, _, directions = listed("pty", "cooked")
    channel = [c for c in doc["channels"] if c["id"] == directions[0]["id"]][0]
    lens.equal("changed", [True] * 2,
               [one["line_discipline_changes"] for one in channel["directions"]])


@lens.test()
def list_mqueue():
    doc, truth, channels = listed("mqueue", "priorities")
    lens.equal("name", bytes.fromhex(truth["channels"][0]["path_hex"]),
               lens.unescape(channels[0]["name"]))
    lens.equal("capacity_messages", 10, channels[0]["capacity_messages"])
    lens.equal("roles", ["both"], [end["role"] for end in channels[0]["endpoints"]])
    lens.equal("notify", None, channels[0]["notify"])


@lens.test()
def list_mqueue_unheld():
    """A queue is there without anybody holding it."""
    _, _, channels = listed("mqueue", "unheld")
    lens.equal("endpoints", [], channels[0]["endpoints"])
    lens.equal("backlog", {"1": 1, "6": 1}, channels[0]["queued_by_priority"])


@lens.test()
def list_mqueue_unlinked():
    """A queue is there without a name, while somebody holds it."""
    _, _, channels = listed("mqueue", "unlinked")
    lens.equal("backlog", {"1": 1}, channels[0]["queued_by_priority"])


@lens.test()
def list_mqueue_namespaces():
    """One name, two queues."""
    _, truth, channels = listed("mqueue", "namespaces")
    lens.equal("names", ["/lens-mq-same"] * 2, [channel["name"] for channel in channels])
    lens.equal("namespaces", {str(one["ipcns"]) for one in truth["channels"]},
               {channel["ns"]["ipc"] for channel in channels})
    lens.equal("messages", [2, 2], [channel["queued_messages"] for channel in channels])
    lens.equal("bytes", [200, 666], sorted(channel["queued_bytes"] for channel in channels))


@lens.test()
def list_mqueue_notify():
    _, truth, channels = listed("mqueue", "notify")
    lens.equal("notify", {"pid": truth["facts"]["notified"], "method": "signal"},
               channels[0]["notify"])


@lens.test()
def list_hostile():
    work = lens.Workload("fifo", "hostile")
    work.go()
    truth = work.truth()
    doc = lens.parse(lens.run("list", "--json")[0])
    for one in truth["channels"]:
        lens.equal("name", bytes.fromhex(one["path_hex"]),
                   lens.unescape(lens.find_channel(doc, one)["name"]))
    check_text(lens.run("list")[0])


def check_text(data):
    text = data.decode("utf-8")
    bad = re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text)
    lens.require(not bad, "text output holds %r" % bad[:10])
    lens.require(text.strip(), "no text at all")


@lens.test()
def report_text_hostile():
    work = lens.Workload("fifo", "hostile")
    # of a busy host only the busiest channels are shown
    observer = lens.Lens("report", "-p", str(work.pid), *lens.OPTIONS).wait_observing()
    work.go()
    work.truth()
    out = observer.interrupt()
    check_text(out)
    lens.require(b"hostile" in out or b"esc-" in out, "the channels are not in the report")


# ------------------------------------------------------------------- record

@lens.test()
def record_and_replay():
    with Directory() as where:
        path = os.path.join(where, "run.lens")
        work = lens.Workload("many", "matrix")
        observer = lens.Lens("record", "-o", path, *lens.OPTIONS).wait_observing()
        work.go()
        truth = work.truth()
        observer.interrupt()
        lens.equal("mode of the recording", 0o600, stat.S_IMODE(os.stat(path).st_mode))
        doc = lens.parse(lens.run("report", "-i", path, "--json")[0])
        lens.check_document(doc)
        # whether flows can be exact is another test's question
        lens.compare(doc, truth, may_be_inexact=True)


def saved_equals_live(program, mode):
    with Directory() as where:
        path = os.path.join(where, "run.lens")
        work = lens.Workload(program, mode)
        observer = lens.observe(*lens.narrow(program), "--save", path)
        work.go()
        truth = work.truth()
        live = observer.interrupt()
        work.end()
        replayed, _ = lens.run("report", "-i", path, "--json")
        lens.compare(lens.parse(live), truth, may_be_inexact=True)
        if live != replayed:
            at = next(i for i, pair in enumerate(zip(live + b" ", replayed + b" "))
                      if pair[0] != pair[1])
            raise lens.Failure("replay differs at byte %d: %r, live %r"
                               % (at, replayed[at - 40:at + 40], live[at - 40:at + 40]))


for saved in (("pipe", "rw"), ("pipe", "shortlived"), ("many", "matrix"), ("fifo", "hostile"),
              ("sysvmsg", "backlog"), ("sysvmsg", "rmid"), ("mqueue", "unheld"),
              ("mqueue", "matrix"), ("eventfd", "semaphore"), ("eventfd", "kernel"), ("pty", "raw"),
              ("pty", "cooked")):
    lens.register("replay_%s_%s" % saved, lambda one=saved: saved_equals_live(*one))


@lens.test()
def record_killed():
    """kill -9 costs at most the last second; what is there can be read."""
    with Directory() as where:
        path = os.path.join(where, "run.lens")
        work = lens.Workload("pipe", "pingpong", 100)
        observer = lens.Lens("record", "-o", path, *lens.OPTIONS).wait_observing()
        work.go()
        truth = work.truth()
        # the second that may be lost
        time.sleep(1 + lens.SCALE)
        observer.signal(signal.SIGKILL).finish(-signal.SIGKILL)
        out, said = lens.run("report", "-i", path, "--json")
        lens.require(path in said, "no word about the recording being cut short: " + said)
        lens.compare_counts(lens.parse(out), truth)


@lens.test()
def record_stream():
    """record -o - writes NDJSON."""
    work = lens.Workload("pipe", "rw")
    observer = lens.Lens("record", "-o", "-", *lens.OPTIONS).wait_observing()
    work.go()
    work.truth()
    lines = [json.loads(line) for line in observer.interrupt().splitlines()]
    lens.require(len(lines) > 10, "only %d lines" % len(lines))


@lens.test()
def record_refuses_symlink():
    with Directory() as where:
        path = os.path.join(where, "link")
        os.symlink(os.path.join(where, "target"), path)
        _, said = lens.run("record", "-o", path, "--duration", "1s", status=1)
        lens.require(not os.path.exists(os.path.join(where, "target")), "wrote through a symlink")
        lens.require(path + " is a symbolic link" in said, said)


@lens.test()
def replay_refuses_garbage():
    with Directory() as where:
        path = os.path.join(where, "garbage")
        with open(path, "wb") as f:
            f.write(b"not a recording" * 1000)
        _, said = lens.run("report", "-i", path, status=1)
        lens.require("garbage" in said, "the message does not name the file: " + said)
        lens.run("report", "-i", os.path.join(where, "absent"), status=1)
        # of one that was cut off nothing may be left to report on; one line says so
        shutil.copy(GOLDEN, path)
        os.truncate(path, os.path.getsize(path) // 2)
        out, said = lens.run("report", "-i", path, status=1)
        lens.equal("report", b"", out)
        lens.equal("lines", 1, said.count("\n") + 1)


# ----------------------------------------------------- doctor, exit statuses

@lens.test()
def doctor_json():
    doc = lens.doctor()
    text = json.dumps(doc)
    for group in ("pipe", "sysvmsg", "mqueue", "eventfd", "pty"):
        want = os.environ.get("LENS_EXPECT_VARIANT_" + group)
        lens.require(group in text, "doctor says nothing of " + group)
        lens.require(not want or want in text, "doctor does not know variant %s" % want)
    if not lens.NARROW:     # its text needs no second look at the kernel
        check_text(lens.run("doctor")[0])


@lens.test()
def selftest_leaves_no_trace():
    """The calls that prove that hooks fire show nowhere, not even with --self."""
    with Directory() as path:
        path = os.path.join(path, "recording")
        # its output is no pipe: every channel it is an end of would be one of the test
        observer = lens.Lens("record", "-o", path, "--duration", "100ms", *lens.OPTIONS)
        observer.finish()
        doc = lens.parse(lens.run("report", "-i", path, "--json", "--self", "--idle")[0])
    own = {p["id"] for p in doc["processes"] if p["pid"] == observer.process.pid}
    used = [c["name"] for c in doc["channels"]
            if any(e["process"] in own for e in c["endpoints"])]
    # its standard error, and the lines to who sweeps up after a recording and function hooks
    sockets = [name for name in used if name.startswith("socket:")]
    hooks = any("fexit" in row["variant"] for row in doc["coverage"])
    lens.equal("channels of the self-test", set(), set(used) - set(sockets))
    lens.equal("sockets it has", 2 + hooks, len(sockets))


@lens.test()
def exit_usage():
    for args in (("report", "--no-such-option"), ("no-such-command",), ("report", "-p", "x"),
                 ("report", "--duration", "soon"), ("report", "-t", "carrier-pigeon"),
                 ("stuck", "--dot", "--json"), ("record",), ()):
        lens.run(*args, status=2)
    for command in ("report", "trace"):
        _, said = lens.run(command, "--", status=2)
        lens.require("no command comes after --" in said, said)


@lens.test()
def exit_help():
    for args in (("--help",), ("report", "--help"), ("trace", "--help"), ("list", "--help"),
                 ("record", "--help"), ("doctor", "--help")):
        out, _ = lens.run(*args)
        lens.require(b"ipclens" in out, "%r shows nothing" % (args,))
    for command in ("report", "trace", "list", "stuck"):
        words = lens.run(command, "--help")[0].decode().replace(",", " ").split()
        lens.equal("types that %s --help does not name" % command, set(),
                   (set(lens.GROUPS) | {"pipe", "pty", "eventfd", "signal"}) - set(words))


@lens.test()
def exit_no_process():
    # beyond every pid_max
    _, said = lens.run("report", "--duration", "1s", "-p", 4194305, status=1)
    lens.require("4194305" in said, "the message does not name the process: " + said)


def launcher(*how):
    return (os.path.join(lens.WORK, "launch"),) + tuple(str(word) for word in how)


@lens.test()
def exit_no_capability():
    """Without CAP_BPF or CAP_PERFMON: status 4, and one line that names it."""
    with lens.public_binary() as binary:
        for missing, kept, name in ((CAP_BPF, CAP_PERFMON, "CAP_BPF"),
                                    (CAP_PERFMON, CAP_BPF, "CAP_PERFMON")):
            for how in (("--drop", missing, "--drop", CAP_SYS_ADMIN),
                        ("--uid", 65534, "--keep", kept)):
                run = lens.Lens("report", "--duration", "1s", launch=launcher(*how),
                                binary=binary)
                run.finish(4)
                lens.require(name in run.said(), "%s is not named: %s" % (name, run.said()))
                lens.equal("lines of the message", 1, len(run.stderr))


@lens.test()
def enough_capability():
    """CAP_BPF and CAP_PERFMON of a plain user suffice for exact pipes."""
    launch = launcher("--uid", 65534, "--keep", CAP_BPF, "--keep", CAP_PERFMON)
    work = lens.Workload("pipe", "rw")
    with lens.public_binary() as binary:
        observer = lens.Lens("report", "--json", *lens.OPTIONS, *lens.narrow("pipe"),
                             launch=launch, binary=binary).wait_observing()
        work.go()
        truth = work.truth()
        doc = observer.document()
    lens.check_document(doc)
    lens.compare(doc, truth)


@lens.test()
def exit_strict():
    """Without loss --strict changes nothing."""
    work = lens.Workload("pipe", "rw")
    observer = lens.observe("--strict")
    work.go()
    truth = work.truth()
    doc = lens.parse(observer.signal(signal.SIGINT).finish(None))
    lens.compare(doc, truth)
    # other programs of this host may have lost something
    lost = any(doc["loss"][cause] for cause in lens.LOSSES)
    lens.equal("exit status", 3 if lost else 0, observer.process.returncode)


@lens.test()
def exit_strict_loss():
    work = lens.Workload("many", "matrix")
    observer = lens.observe("--strict", "--simulate-drops", 3)
    work.go()
    truth = work.truth()
    doc = lens.parse(observer.signal(signal.SIGINT).finish(3))
    lens.require(doc["loss"]["ring_full"] > 0, "drops were simulated, none is reported")
    lens.check_document(doc, lost=True)
    # totals do not come through the ring; flows say that they are not exact
    lens.compare(doc, truth, may_be_inexact=True)


@lens.test()
def forced_variant():
    """--variant forces one; a wrong name is a usage error, an impossible one status 4."""
    work = lens.Workload("pipe", "rw")
    observer = lens.Lens("report", "--json", "--variant", "pipe=sys").wait_observing()
    work.go()
    truth = work.truth()
    doc = lens.parse(observer.interrupt())
    lens.compare(doc, truth)
    lens.equal("variant", {"sys"}, {row["variant"] for row in doc["coverage"]
                                    if row["type"] in ("pipe", "fifo")})
    lens.run("report", "--duration", "1s", "--variant", "pipe=nonsense", status=2)
