# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""JSON documents of ipclens: reading them, and what holds for every one."""

import json
import os
import re

from verdict import Failure, equal, require


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
        if channel.get("gone"):
            left = [channel.get("queued_" + unit) or 0 for unit in ("bytes", "messages", "slots")]
            equal("what is queued in %s, which is gone" % channel["name"], [0, 0, 0], left)
        for wait in channel.get("stuck", []):
            equal("channel of a wait", channel["id"], wait["channel"])
            require({wait["process"]} | {v["process"] for v in wait["waits_for"]} <= processes,
                    "a wait at %s is about no listed process" % channel["name"])
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


MEMORY = ("sysv-shm", "posix-shm", "memfd", "mmap-file", "shared-anon")
GROUPS = {"fifo": "pipe", "sysv-msg": "sysvmsg", "posix-mq": "mqueue", "tcp": "inet", "udp": "inet",
          "process-vm": "procvm", **dict.fromkeys(MEMORY, "mapping")}
QUEUES = ("sysv-msg", "posix-mq", "unix-dgram", "unix-seqpacket", "udp")


def group_of(kind):
    """Whose hooks a type of channel has."""
    return GROUPS.get(kind, kind.partition("-")[0])


def check_variants(doc, forced):
    listed = doc["schema"].startswith("ipclens.list/")
    for row in doc["coverage"]:
        group = group_of(row["type"])
        want = forced.get(group) or os.environ.get("LENS_EXPECT_VARIANT_" + group, row["variant"])
        equal("hook variant of " + row["type"], "iter" if listed else want, row["variant"])
