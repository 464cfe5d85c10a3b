# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What live tests stand on: workloads, runs of ipclens, comparison of both.

A test is a function with @lens.test. It starts a workload (tests/work), runs
ipclens around it, and compares the document with what the workload says it
did. Needs the standard library only, and no shell: it also runs in virtual
machines that have little else.

IPCLENS           the binary           (default: build/ipclens)
IPCLENS_WORK      where workloads are  (default: build/tests/work)
LENS_TIME_SCALE   factor on every time limit; slow machines
LENS_LONG=1       long versions of some tests
LENS_OPTIONS      options for every run that observes, e.g. "--variant pipe=sys"
LENS_EXPECT_VARIANT_<group>   variant that must have been chosen
"""

import counters
import fnmatch
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("IPCLENS", os.path.join(ROOT, "build/ipclens")))
WORK = os.path.abspath(os.environ.get("IPCLENS_WORK", os.path.join(ROOT, "build/tests/work")))
SCALE = float(os.environ.get("LENS_TIME_SCALE", "1"))
LONG = os.environ.get("LENS_LONG") == "1"
OPTIONS = os.environ.get("LENS_OPTIONS", "").split()

OBSERVING = "ipclens: observing"
LIMIT_S = 20
START_S = 10  # until it observes


class Failure(Exception):
    """What ipclens said is not what happened."""


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


class Timeout(Exception):
    """A test, or a step of it, took longer than it may."""


# ------------------------------------------------------------------- tests

TESTS = {}


def register(name, function, limit_s=LIMIT_S):
    if name in TESTS:
        raise ValueError("two tests are called " + name)
    TESTS[name] = (function, limit_s * SCALE)


def test(limit_s=LIMIT_S):
    def add(function):
        register(function.__name__, function, limit_s)
        return function
    return add


def selected(patterns):
    """Names of tests: all, or those equal to, below or like one of the patterns."""
    def wanted(name):
        return any(name == p or name.startswith(p + "_") or fnmatch.fnmatch(name, p)
                   for p in patterns)
    return [name for name in TESTS if not patterns or wanted(name)]


def require(condition, text):
    if not condition:
        raise Failure(text)


def equal(what, expected, got):
    if expected != got:
        raise Failure("%s: expected %r, got %r" % (what, expected, got))


# --------------------------------------------------------------- processes

_started = []
_sockets = []


def start(argv, ends_by_itself=False, **keywords):
    process = subprocess.Popen(argv, **keywords)
    _started.append((process, ends_by_itself))
    return process


def end_all():
    """Ends what the test left running, and nothing else."""
    deadline = time.monotonic() + 2 * SCALE
    while _sockets:
        _sockets.pop().close()
    while _started:
        process, ends_by_itself = _started.pop()
        # a workload that finds its input closed removes its files and queues
        while ends_by_itself and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(condition, limit_s, what):
    """Until condition() is true, or Timeout."""
    deadline = time.monotonic() + limit_s * SCALE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Timeout("no %s within %g s" % (what, limit_s * SCALE))
        time.sleep(0.01)


def descendants(pid):
    """pid and all processes below it."""
    parent = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, "rb") as f:
                    parent[int(entry)] = int(f.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, its in parent.items() if its == one]
    return found


class Lines:
    """Lines from a socket, none of them waited for without limit."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def next(self, limit_s):
        """The next line without its end; None when there will be none."""
        deadline = time.monotonic() + limit_s * SCALE
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise Timeout("no line within %g s" % (limit_s * SCALE))
            data = self.sock.recv(1 << 16)
            if not data:
                return None
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def rest(self, limit_s):
        lines = []
        while True:
            line = self.next(limit_s)
            if line is None:
                return lines
            lines.append(line)


class Workload:
    """A program that prints its own truth; see tests/work/work.h."""

    def __init__(self, program, mode, *args, late=False):
        path = os.path.join(WORK, program)
        if not os.path.exists(path):
            raise Failure("workload %s is not built" % path)
        ours, its = socket.socketpair()
        self.sock = ours
        _sockets.append(ours)
        self.lines = Lines(ours)
        self.stderr = tempfile.TemporaryFile()
        env = dict(os.environ, WORK_LATE="1") if late else None
        self.process = start([path, mode] + [str(a) for a in args], stdin=its, stdout=its,
                             stderr=self.stderr, env=env, ends_by_itself=True)
        its.close()
        self.pid = self.hear("ready") and self.process.pid

    def hear(self, key):
        line = self.lines.next(LIMIT_S * 10)
        if line is None:
            self.process.wait()
            self.stderr.seek(0)
            raise Failure("workload failed: " + self.stderr.read().decode(errors="replace").strip())
        message = json.loads(line)
        if "skip" in message:
            raise Skip(message["skip"])
        return message[key]

    def say(self, line):
        self.sock.sendall(line.encode() + b"\n")

    def go(self):
        self.say("go")

    def truth(self):
        return self.hear("truth")

    def end(self):
        self.say("end")
        self.process.wait(10 * SCALE)


class Lens:
    """One run of ipclens. Neither stdout nor stderr is a pipe."""

    def __init__(self, *args, launch=(), binary=None):
        ours, its = socket.socketpair()
        self.stdout = tempfile.TemporaryFile()
        self.lines = Lines(ours)
        self.stderr = []
        self.argv = list(launch) + [binary or BINARY] + [str(a) for a in args]
        if not os.path.exists(binary or BINARY):
            raise Failure("%s is not built" % BINARY)
        self.process = start(self.argv, stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=its)
        its.close()

    def said(self):
        return " | ".join(line.decode(errors="replace") for line in self.stderr[-5:])

    def wait_observing(self):
        while True:
            try:
                line = self.lines.next(START_S)
            except Timeout as slow:
                raise Timeout("%s; said: %s" % (slow, self.said()))
            if line is None:
                raise Failure("ipclens ended (%s) before it observed: %s"
                              % (self.process.wait(), self.said()))
            self.stderr.append(line)
            if line.decode(errors="replace") == OBSERVING:
                return self

    def signal(self, number):
        self.process.send_signal(number)
        return self

    def finish(self, status=0, limit_s=LIMIT_S):
        """Waits for the end, checks the exit status, returns what is on stdout."""
        self.stderr += self.lines.rest(limit_s)
        got = self.process.wait(limit_s * SCALE)
        if status is not None and got != status:
            raise Failure("exit status of %s: expected %d, got %d (%s)"
                          % (" ".join(self.argv[1:4]), status, got, self.said()))
        self.stdout.seek(0)
        return self.stdout.read()

    def interrupt(self, limit_s=LIMIT_S):
        return self.signal(signal.SIGINT).finish(limit_s=limit_s)

    def document(self):
        """The JSON document after a SIGINT."""
        return parse(self.interrupt())


def run(*args, status=0, limit_s=LIMIT_S, launch=()):
    """A run that ends by itself: (stdout, stderr as text)."""
    lens = Lens(*args, launch=launch)
    out = lens.finish(status, limit_s)
    return out, "\n".join(line.decode(errors="replace") for line in lens.stderr)


def observe(*args, command="report", launch=()):
    """ipclens COMMAND --json, observing by now."""
    return Lens(command, "--json", *OPTIONS, *args, launch=launch).wait_observing()


def watched(program, mode, *args, late=False, options=()):
    """A workload under `report --json`: (document, truth)."""
    work = Workload(program, mode, *args, late=late)
    lens = observe(*options)
    work.go()
    truth = work.truth()
    doc = lens.document()
    work.end()
    check_document(doc, forced=dict(o.split("=") for o in options if "=" in o))
    return doc, truth


# --------------------------------------------------------------- documents

def parse(data):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Failure("output is not UTF-8: %s" % error)
    require(not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), "control bytes in JSON output")
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure("output is not JSON (%s): %r..." % (error, text[:80]))


def unescape(text):
    """The bytes behind an escaped string."""
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1] == "\\":
            out += b"\\"
            at += 2
        else:
            equal("escape", "x", text[at + 1])
            out.append(int(text[at + 2:at + 4], 16))
            at += 4
    return bytes(out)


LOSSES = ("ring_full", "map_full", "recursion", "storage", "ambiguous_fd", "unseen")
SIDE = ("operations", "messages", "bytes", "errors", "blocked_ns")
LEDGER = ("before_start", "written", "read", "queued", "discarded", "unaccounted")


def check_document(doc, lost=False, forced={}):
    """What holds for every report, whatever was observed; forced: {hook group: variant}."""
    equal("schema", "ipclens.report/1", doc["schema"])
    for key in ("host", "interval", "coverage", "loss", "processes", "channels", "flows"):
        require(key in doc, "the report has no " + key)
    for cause in LOSSES:
        require(isinstance(doc["loss"][cause], int), "loss.%s is no integer" % cause)
        # a descriptor of some other program may well be closed while it is used
        if not lost and cause not in ("ambiguous_fd", "unseen"):
            equal("loss." + cause, 0, doc["loss"][cause])
    processes = {p["id"] for p in doc["processes"]}
    channels = {c["id"] for c in doc["channels"]}
    equal("number of process ids", len(doc["processes"]), len(processes))
    equal("number of channel ids", len(doc["channels"]), len(channels))
    for channel in doc["channels"]:
        ids = [(end["process"], end.get("half")) for end in channel["endpoints"]]
        equal("endpoints of " + channel["name"], len(ids), len(set(ids)))
        require({process for process, _ in ids} <= processes,
                "an endpoint of %s is no listed process" % channel["name"])
        for end in channel["endpoints"]:
            for direction in ("read", "write"):
                require(all(isinstance(end[direction][k], int) for k in SIDE), "endpoint counters")
        check_identity(channel)
    for flow in doc["flows"]:
        require(flow["channel"] in channels, "a flow through no listed channel")
        require({flow["from"], flow["to"]} - {None} <= processes, "a flow of no listed process")
        require(flow["exact"] or flow["why"], "an inexact flow without a reason")
    check_variants(doc, forced)


def check_identity(channel):
    ledger = channel["ledger"]
    if not ledger:
        return
    require(all(isinstance(ledger[k], int) for k in LEDGER), "ledger of " + channel["name"])
    equal("ledger identity of " + channel["name"], ledger["before_start"] + ledger["written"],
          ledger["read"] + ledger["queued"] + ledger["discarded"] + ledger.get("in_flight", 0)
          + ledger["unaccounted"] - ledger.get("by_kernel", 0))


GROUPS = {"fifo": "pipe", "sysv-msg": "sysvmsg", "posix-mq": "mqueue", "unix-stream": "unix",
          "unix-dgram": "unix", "unix-seqpacket": "unix", "tcp": "inet", "udp": "inet"}
QUEUES = ("sysv-msg", "posix-mq", "unix-dgram", "unix-seqpacket", "udp")


def check_variants(doc, forced):
    for row in doc["coverage"]:
        group = GROUPS.get(row["type"], row["type"])
        want = forced.get(group) or os.environ.get("LENS_EXPECT_VARIANT_" + group)
        want = "iter" if doc["schema"].startswith("ipclens.list/") else want
        if want:
            equal("hook variant of " + row["type"], want, row["variant"])


def direction_as_channel(channel, half):
    """One direction of a connection as if it were a channel of its own."""
    ends = {}
    nothing = {key: 0 for key in SIDE}
    for end in channel["endpoints"]:
        one = ends.setdefault(end["process"], {"process": end["process"], "read": nothing,
                                               "write": nothing})
        side = "read" if end["half"] == half["half"] else "write"
        one[side] = end[side]
    return dict(channel, ledger=half["ledger"], endpoints=list(ends.values()),
                queued_bytes=half["queued_bytes"], queued_messages=half["queued_messages"],
                half=half["half"])


def find_direction(doc, truth):
    """The queue of one socket; alone, if its peer is not known."""
    for channel in doc["channels"]:
        for half in channel.get("directions", []):
            if channel["type"] == truth["type"] and half["inode"] == str(truth["ino"]):
                return direction_as_channel(channel, half)
    return None


def find_channel(doc, truth):
    """The one channel of the document that is this channel of the truth."""
    direction = find_direction(doc, truth)
    if direction:
        return direction
    number = truth["id"] if truth["type"] == "sysv-msg" else truth["ino"]
    found = [c for c in counters.candidates(doc, truth)
             if c["type"] == truth["type"] and re.split("[^0-9]", c["id"])[-1] == str(number)]
    if "ipcns" in truth:
        found = [c for c in found if c["ns"]["ipc"] == str(truth["ipcns"])]
    elif truth["type"] == "udp":    # what the socket sends elsewhere is another channel
        found = [c for c in found if c["id"].split(":")[2] == "0"]
    elif truth["type"] == "fifo":
        path = bytes.fromhex(truth["path_hex"])
        found = [c for c in found if same_path(c, path)]
    if len(found) != 1:
        raise Failure("%s %d: %d channels of that identity" % (truth["type"], number, len(found)))
    return counters.as_truth(found[0]) if "counter" in found[0] else found[0]


def same_path(channel, path):
    name = unescape(channel["name"])
    if not channel.get("name_complete", True):
        return path.endswith(name.lstrip(b"./")) or path.startswith(name.rstrip(b"."))
    return name in (path, path + b" (deleted)")


class Comparison:
    """Collects every difference, so that one run shows all of them."""

    def __init__(self, doc):
        self.doc = doc
        self.pid = {p["id"]: p["pid"] for p in doc["processes"]}
        self.wrong = []

    def same(self, what, expected, got):
        if expected != got:
            self.wrong.append("%s: expected %r, got %r" % (what, expected, got))

    def raise_differences(self):
        if self.wrong:
            more = "; and %d more" % (len(self.wrong) - 8) if len(self.wrong) > 8 else ""
            raise Failure("; ".join(self.wrong[:8]) + more)


def side_counts(ends, pid_of):
    """{(pid, direction): sorted counts}; a reused pid has several."""
    counts = {}
    for end in ends:
        pid = pid_of[end["process"]]
        for direction in ("read", "write"):
            side = end[direction]
            if side["operations"]:
                counts.setdefault((pid, direction), []).append(side)
    return counts


def compare_ends(cmp, label, channel, truth):
    got = side_counts(channel["endpoints"], cmp.pid)
    expected = {}
    for end in truth["ends"]:
        if end.get("operations", 1) or end["bytes"]:
            expected.setdefault((end["pid"], end["dir"]), []).append(end)
    for key in sorted(set(got) | set(expected)):
        where = "%s pid %d %s" % (label, key[0], key[1])
        mine, its = expected.get(key, []), got.get(key, [])
        cmp.same(where + ": processes of that pid", len(mine), len(its))
        fields = [f for f in ("operations", "messages", "bytes", "errors")
                  if all(f in end for end in mine)]
        if len(mine) == len(its) == 1:
            for field in fields:
                cmp.same("%s.%s" % (where, field), mine[0][field], its[0][field])
        elif len(mine) == len(its):
            def rows(sides):
                return sorted(tuple(side[f] for f in fields) for side in sides)
            cmp.same(where + ": counts of all", rows(mine), rows(its))


def compare_ledger(cmp, label, channel, truth):
    ledger = channel["ledger"]
    if not ledger:
        cmp.wrong.append(label + ": no ledger")
        return
    def total(direction):
        return sum(end["bytes"] for end in truth["ends"] if end["dir"] == direction)
    for key, expected in (("unaccounted", 0), ("written", total("write")), ("read", total("read")),
                          ("before_start", truth["before_bytes"]),
                          ("discarded", truth["discarded_bytes"]),
                          ("by_kernel", truth.get("by_kernel") or None),
                          ("queued", truth.get("queued_bytes", 0 if truth["gone"] else None))):
        if expected is not None:
            cmp.same("%s ledger.%s" % (label, key), expected, ledger[key])
    cmp.same(label + " ledger.in_flight", -truth["in_flight"], ledger.get("in_flight", 0))
    if "messages" in ledger:
        cmp.same(label + " ledger.messages.unaccounted", 0, ledger["messages"]["unaccounted"])


def flow_sums(cmp, channel):
    """{(from pid, to pid): [messages, bytes]} and why some of them are not exact."""
    sums, why = {}, set()
    for flow in cmp.doc["flows"]:
        if flow["channel"] == channel["id"] and flow.get("half") == channel.get("half"):
            key = (cmp.pid.get(flow["from"]), cmp.pid.get(flow["to"]))
            one = sums.setdefault(key, [0, 0])
            one[0] += flow["messages"]
            one[1] += flow.get("amount", flow["bytes"])
            if not flow["exact"]:
                why.add(flow.get("why", "no reason given"))
    return sums, sorted(why)


def margin(flows, end):
    """{pid: bytes} over all flows, by their sender (end 0) or receiver (end 1)."""
    sums = {}
    for key, counts in flows.items():
        sums[key[end]] = sums.get(key[end], 0) + counts[1]
    return sums


def compare_margins(cmp, label, expected, got):
    """Who talked to whom may be open, but not how much anybody said or heard."""
    cmp.same(label + " bytes by receiver", margin(expected, 1), margin(got, 1))
    said, told = margin(expected, 0), margin(got, 0)
    cmp.same(label + " senders", sorted(said, key=str), sorted(told, key=str))
    for pid in said:
        # such a flow is a proportion, or an order that is only inferred
        if abs(said[pid] - told.get(pid, 0)) > max(len(got), said[pid] // 50):
            cmp.same("%s bytes of sender %s" % (label, pid), said[pid], told.get(pid))


def compare_exact(cmp, label, channel, expected, which):
    """Others may be in doubt, but a flow that says it is exact is."""
    for flow in cmp.doc["flows"]:
        if flow["channel"] == channel["id"] and flow["exact"]:
            key = (cmp.pid.get(flow["from"]), cmp.pid.get(flow["to"]))
            cmp.same("%s exact flow %s -> %s" % ((label,) + key), expected.get(key, [0, 0])[which],
                     [flow["messages"], flow.get("amount", flow["bytes"])][which])


def compare_flows(cmp, label, channel, truth, may_be_inexact):
    if "flows" not in truth:
        return
    got, why_not = flow_sums(cmp, channel)
    # in a byte stream there are no messages to count
    which = slice(0, 2) if truth["type"] in QUEUES else slice(1, 2)
    expected = {}
    for flow in truth["flows"]:
        one = expected.setdefault((flow["from"], flow["to"]), [0, 0])
        one[0] += flow["messages"]
        one[1] += flow["bytes"]
    if may_be_inexact and why_not:
        compare_margins(cmp, label, expected, got)
        compare_exact(cmp, label, channel, expected, which)
        return
    cmp.same(label + " flows that are not exact", [], why_not)
    for key in sorted(set(got) | set(expected), key=str):
        cmp.same("%s flow %s -> %s" % ((label,) + key), expected.get(key, [0, 0])[which],
                 got.get(key, [0, 0])[which])


def compare_depth(cmp, label, channel, truth):
    for key in ("capacity_bytes", "queued_bytes", "queued_messages", "queued_by_msgtype",
                "queued_by_priority"):
        if key in truth and not (key == "queued_messages" and truth["type"] not in QUEUES):
            cmp.same("%s %s" % (label, key), truth[key], channel.get(key))
    if truth["type"] == "pipe":
        cmp.same(label + " name", truth["name"], channel["name"])
    if truth["type"] == "posix-mq" and truth["path_hex"]:
        cmp.same(label + " name", bytes.fromhex(truth["path_hex"]), unescape(channel["name"]))


def compare(doc, truth, may_be_inexact=False):
    """Raises Failure with every difference between a report and a truth."""
    cmp = Comparison(doc)
    for one in truth["channels"]:
        # of datagram sockets only those are shown whose queue was used
        if one["type"] == "unix-dgram" and not one["ends"]:
            continue
        channel = find_channel(doc, one)
        label = "%s %s" % (one["type"], one.get("ino", one.get("id")))
        compare_ends(cmp, label, channel, one)
        compare_ledger(cmp, label, channel, one)
        compare_flows(cmp, label, channel, one, may_be_inexact)
        compare_depth(cmp, label, channel, one)
    cmp.raise_differences()


def compare_counts(doc, truth):
    """Only what each process did: for a run that had no end, and so no ledger."""
    cmp = Comparison(doc)
    for one in truth["channels"]:
        compare_ends(cmp, "%s %s" % (one["type"], one.get("ino", one.get("id"))),
                     find_channel(doc, one), one)
    cmp.raise_differences()
