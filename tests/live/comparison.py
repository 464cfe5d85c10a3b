# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A document against what a workload says it did."""

import re

import counters
import terminals
from document import QUEUES, SIDE, unescape
from verdict import Failure, require


def direction_as_channel(channel, half):
    """One direction of a connection as if it were a channel of its own."""
    ends = {}
    nothing = {key: 0 for key in SIDE}
    for end in channel["endpoints"]:
        one = ends.setdefault(end["process"], {"process": end["process"], "read": nothing,
                                               "write": nothing})
        side = "read" if end["half"] == half["half"] else "write"
        one[side] = end.get(side, nothing)
    return dict(channel, ledger=half.get("ledger"), endpoints=list(ends.values()),
                queued_bytes=half["queued_bytes"], queued_messages=half["queued_messages"],
                half=half["half"])


def find_direction(doc, truth):
    """The queue of one socket; alone, if its peer is not known."""
    for channel in doc["channels"]:
        for half in channel.get("directions", []):
            if channel["type"] == truth["type"] and terminals.is_half(channel, half, truth):
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


def compare_traffic(doc, truth):
    """What each process did and who got whose bytes, where no books can be known."""
    cmp = Comparison(doc)
    for one in truth["channels"]:
        channel = find_channel(doc, one)
        label = "%s %s" % (one["type"], one.get("ino", one.get("id")))
        compare_ends(cmp, label, channel, one)
        compare_flows(cmp, label, channel, one, may_be_inexact=False)
    cmp.raise_differences()


def compare_counts(doc, truth):
    """Only what each process did: for a run that had no end, and so no ledger."""
    cmp = Comparison(doc)
    for one in truth["channels"]:
        compare_ends(cmp, "%s %s" % (one["type"], one.get("ino", one.get("id"))),
                     find_channel(doc, one), one)
    cmp.raise_differences()
