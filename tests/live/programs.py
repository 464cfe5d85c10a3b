# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Random programs (tests/work/random.c): a report against all that they did."""

import re
import signal

import comparison
import counters
import shared
from document import unescape
from verdict import Failure

COUNTS = ("operations", "messages", "bytes", "errors")
IPC = ("sysv-msg", "posix-mq")
USED_AGAIN = ("eventfd", "pty")     # their numbers: who used it tells which one is meant
DIRECT = ("signal", "process-vm")
CONNECTIONS = ("tcp", "unix-stream", "unix-seqpacket")
NOTHING = {key: 0 for key in COUNTS}


def direct_flows(doc, pid):
    """{(type, from pid, to pid, name): (messages, bytes)}; there are no others than exact ones"""
    names = {c["id"]: c["name"] for c in doc["channels"] if c["type"] in DIRECT}
    return {(flow["type"], pid.get(flow["from"]), pid.get(flow["to"]), names[flow["channel"]]):
            (flow["messages"], flow["bytes"])
            for flow in doc["flows"] if flow["type"] in DIRECT and flow["exact"]}


class Document:
    """A report in which a channel is found without looking at all of them."""

    def __init__(self, doc):
        self.pid = {p["id"]: p["pid"] for p in doc["processes"]}
        self.channels, self.flows, self.wrong = {}, {}, []
        for flow in doc["flows"]:
            key = flow["channel"], flow.get("half")
            self.flows.setdefault(key, []).append(flow)
        self.direct = direct_flows(doc, self.pid)
        for channel in doc["channels"]:
            for number, one in queues(channel):
                for key in self.keys(one, number):
                    self.channels.setdefault((channel["type"],) + key, []).append(one)
        self.objects = shared.Objects(doc, self.pid)

    def keys(self, channel, number):
        """What it is found by, beside its type. Numbers of FIFOs are used again."""
        if channel["type"] == "fifo":
            return [(number, unescape(channel["name"]).partition(b" (deleted)")[0])]
        if channel["type"] in USED_AGAIN:
            return {(number, self.pid[end["process"]]) for end in channel["endpoints"]}
        return [(number, channel["ns"]["ipc"])] if channel["type"] in IPC else [(number,)]

    def find(self, truth):
        number = str(truth["id"] if truth["type"] == "sysv-msg" else truth["ino"])
        keys = [(number,)]
        if truth["type"] == "fifo":
            keys = [(number, bytes.fromhex(truth["path_hex"]))]
        elif truth["type"] in USED_AGAIN:
            number += truth.get("end", "")
            keys = [(number, end["pid"]) for end in truth["ends"]]
        elif truth["type"] in IPC:
            keys = [(number, str(truth["ipcns"]))]
        found = {id(one): one for key in keys
                 for one in self.channels.get((truth["type"],) + key, [])}
        return list(found.values())

    def peer(self, truth):
        return self.channels.get((truth["type"], str(truth.get("peer"))), [])


def is_half(channel):
    """One end of a connection whose other end nobody has seen: it was never used."""
    return channel["type"] in CONNECTIONS and "half" not in channel


def is_used(channel):
    return any(end[d]["operations"] for end in channel["endpoints"] for d in ("read", "write"))


def end_of(channel, half):
    """Which of the two queues: of a socket, or of the pty of a number, at one of its ends."""
    if channel["type"] == "pty":
        return channel["name"].partition("/")[2] + half["end"]
    return half["inode"]


def queues(channel):
    """(number, channel): the two queues of a connection are two."""
    if "directions" in channel:
        for half in channel["directions"]:
            yield end_of(channel, half), comparison.direction_as_channel(channel, half)
    # what a UDP socket sends elsewhere has its number, too
    elif channel["type"] != "udp" or channel["id"].split(":")[2] == "0":
        number = re.split("[^0-9]", channel["id"])[-1]
        yield number, counters.as_truth(channel) if "counter" in channel else channel


def moved(truth):
    return any(end["bytes"] or end.get("messages") for end in truth["ends"])


def sides(index, found, directions):
    return {(index.pid[end["process"]], direction): end[direction]
            for channel in found for end in channel["endpoints"] for direction in directions}


def compare_ends(cmp, label, got, truth):
    expected = {}
    for end in truth["ends"]:
        # how many attempts there were is not defined, then errors are not either
        keys = COUNTS if "operations" in end else ("messages", "bytes")
        expected[end["pid"], end["dir"]] = {key: end[key] for key in keys if key in end}
    for key in sorted(set(got) | set(expected)):
        its = got.get(key, NOTHING)
        for field, count in expected.get(key, NOTHING).items():
            cmp.same("%s pid %d %s.%s" % ((label,) + key + (field,)), count, its[field])


def compare_flows(cmp, label, channel, truth):
    """A flow that says it is exact is, and with it those of everybody, if all of them say so."""
    if "flows" not in truth:
        return
    got, why_not = comparison.flow_sums(cmp, channel)
    which = slice(0, 2) if truth["type"] in comparison.QUEUES else slice(1, 2)
    expected = {(f["from"], f["to"]): [0, 0] for f in truth["flows"]}
    for flow in truth["flows"]:
        expected[flow["from"], flow["to"]][0] += flow["messages"]
        expected[flow["from"], flow["to"]][1] += flow["bytes"]
    # of empty messages among those of others nothing is said
    if why_not or (not got and not any(counts[1] for counts in expected.values())):
        comparison.compare_exact(cmp, label, channel, expected, which)
        return
    for key in sorted(set(got) | set(expected), key=str):
        cmp.same("%s flow %s -> %s" % ((label,) + key), expected.get(key, [0, 0])[which],
                 got.get(key, [0, 0])[which])


def compare_channel(cmp, index, label, truth, has_ledger):
    found = index.find(truth)
    half = [c for c in found if is_half(c)]
    other = [c for c in index.peer(truth) if is_half(c)]
    if half or (other and not found):
        # what one has sent is told by the one that sent it
        got = sides(index, half, ("read",))
        got.update(sides(index, other, ("write",)))
        compare_ends(cmp, label, got, truth)
        # of a descriptor that was only passed on nobody has seen whose peer it is
        cmp.same(label + " two halves that are not joined", 0,
                 min(len([c for c in both if is_used(c)]) for both in (half, other)))
    elif len(found) == 1:
        channel = found[0]
        cmp.doc["flows"] = index.flows.get((channel["id"], channel.get("half")), [])
        compare_ends(cmp, label, sides(index, found, ("read", "write")), truth)
        if has_ledger:
            comparison.compare_ledger(cmp, label, channel, truth)
        compare_flows(cmp, label, channel, truth)
        comparison.compare_depth(cmp, label, channel, truth)
    elif found or moved(truth):
        cmp.wrong.append("%s: %d channels of that identity" % (label, len(found)))


def name_of(truth):
    if truth["type"] == "signal":
        return signal.Signals(truth["number"]).name
    return "memory of %d" % truth["target"]


def compare_target(cmp, index, truth):
    """Signals to a process, or its memory: who did what to whom."""
    name = name_of(truth)
    for flow in truth["flows"]:
        key = truth["type"], flow["from"], flow["to"], name
        cmp.same("%s %d -> %d %s" % key, (flow["messages"], flow["bytes"]),
                 index.direct.get(key, (0, 0)))


def count_direct(doc, truth):
    """How many signals and calls on memory there were by the report, and in truth."""
    told = sum(flow["messages"] for one in truth["channels"] if one["type"] in DIRECT
               for flow in one["flows"])
    seen = sum(flow["messages"] for flow in doc["flows"]
               if flow["type"] in DIRECT and flow["from"] and flow["to"])
    return seen, told


def differences(doc, truth, hidden=(), blurred=(), cut=()):
    """
    {program: [what is wrong]}; hidden: types of which senders are not seen; blurred: of which
    empty messages are not told from the end, or one is counted as several; cut: of which a
    message is longer than what was read of it, and that shows when the channel goes
    """
    index, wrong = Document(doc), {}
    for one in truth["objects"]:
        found = index.objects.differences(one)
        if found:
            wrong.setdefault(one["chapter"], []).extend(found)
    for one in truth["channels"]:
        if one["type"] in hidden:
            continue
        if one["type"] in blurred:
            one = without_messages(one)
        label = "%s %s" % (one["type"], one.get("ino", one.get("id")))
        cmp = comparison.Comparison({"processes": [], "flows": []})
        cmp.pid = index.pid
        if one["type"] in DIRECT:
            compare_target(cmp, index, one)
            if cmp.wrong:
                wrong.setdefault(one["chapter"], []).extend(cmp.wrong)
            continue
        unknown = one["type"] in cut and not one["gone"] and one["discarded_bytes"]
        compare_channel(cmp, index, label, one, not unknown)
        if cmp.wrong:
            wrong.setdefault(one["chapter"], []).extend(cmp.wrong)
    return wrong


def without_messages(truth):
    ends = [{k: end[k] for k in end if k != "messages"} for end in truth["ends"]]
    return {k: truth[k] for k in truth if k not in ("flows", "queued_messages")} | {"ends": ends}


def describe(wrong):
    return "%d of the programs: %s" % (len(wrong), "; ".join(
        "seed %s: %s" % (name.partition("#")[0], "; ".join(wrong[name][:4]))
        for name in sorted(wrong)[:3]))


# ------------------------------------------------------------------ shrinking

def spans(numbers):
    """As tests/work/random.c takes them: 1-3,7."""
    found = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return ",".join("%d-%d" % tuple(span) for span in found)


def shrink(seed, count, failing):
    """
    The fewest operations of a program that still fail, found by leaving out more and more.
    failing([operations, ...]) -> the first of these lists with which it does, or None.
    """
    kept, size = list(range(count)), count // 2
    while size:
        tries = [kept[:at] + kept[at + size:] for at in range(0, len(kept), size)]
        fewer = failing([t for t in tries if t])
        if fewer:
            kept = fewer
        else:
            size //= 2
    return "%s:%s" % (seed, spans(kept))
