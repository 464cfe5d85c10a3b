# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Connections between network namespaces, and agreement with ss."""

import functools
import os
import re
import shutil
import socket
import struct
import subprocess

import batch
import lens


# with what each of these uses of them
SYS = ("--variant", "inet=sys", "--variant", "unix=sys")


@batch.test("netns", "cable")
def netns_cable(doc, truth):
    """Two containers of one host that are connected by veth are the ends of one connection."""
    lens.compare(doc, truth)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    joined = [c["joined"] for c in doc["channels"]
              if truth["pid"] in {pid[e["process"]] for e in c["endpoints"]} and "joined" in c]
    lens.equal("joined", ["other-netns"], joined)


# the table of ports is searched for the sender's namespace
batch.register("netns_apart_sys", lens.compare, "netns", "apart", *SYS)


def check_from_nobody(doc, queue):
    """Who sent it is not known, and that is told."""
    flows = [f for f in doc["flows"] if f["channel"] == queue["id"]]
    lens.equal("senders and what is said of them",
               {(None, False, "who sent it was not seen: another host, or whom no hook tells of")},
               {(f["from"], f["exact"], f.get("why")) for f in flows})


def udp_from_raw_test(*options):
    def one():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with raw, receiver:
            receiver.bind(("127.0.0.1", 0))
            port = receiver.getsockname()[1]
            observer = lens.observe("-t", "udp", *options)
            for _ in range(10):
                raw.sendto(struct.pack("!4H", 9, port, 8 + 30, 0) + b"x" * 30, ("127.0.0.1", 0))
                lens.equal("received", 30, len(receiver.recv(100)))
            doc = lens.parse(observer.interrupt())
            queue = [c for c in doc["channels"] if is_queue(c)
                     and c["name"] == "127.0.0.1:%d" % port]
        lens.equal("queues", 1, len(queue))
        lens.equal("written, read, unaccounted", [300, 300, 0],
                   [queue[0]["ledger"][k] for k in ("written", "read", "unaccounted")])
        check_from_nobody(doc, queue[0])
    return one


lens.register("udp_from_raw", udp_from_raw_test())
lens.register("udp_sys_from_raw", udp_from_raw_test("--variant", "inet=sys"))


@batch.test("udp", "reuseport", "--variant", "inet=sys")
def udp_sys_reuseport(doc, truth):
    """Of sockets that share a port none is named: what was sent left, what was read came in."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "udp"
            and truth["pid"] in {pid[e["process"]] for e in c["endpoints"]}]
    written = [e for c in truth["channels"] for e in c["ends"] if e["dir"] == "write"]
    sent = [e["write"] for c in mine for e in c["endpoints"] if not is_queue(c)]
    lens.equal("sent", {k: sum(w[k] for w in written) for k in ("bytes", "messages")},
               {k: sum(w[k] for w in sent) for k in ("bytes", "messages")})
    for channel in truth["channels"]:
        queue = lens.find_channel(doc, channel)
        reader = [e for e in channel["ends"] if e["dir"] == "read"]
        lens.equal("written to a queue", 0, sum(e["write"]["bytes"] for e in queue["endpoints"]))
        lens.equal("read", sum(r["bytes"] for r in reader), queue["ledger"]["read"])
        check_from_nobody(doc, queue)
    limits = [c["detail"] for c in doc["coverage"] if c["type"] == "udp"]
    lens.require("share a port" in limits[0], "limits: %r" % limits)


@batch.test("inet", "anew")
def tcp_anew(doc, truth):
    """A socket that was connected twice has flows, and none of them claims to be exact."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "tcp" and not c.get("listening")
            and truth["pid"] in {pid[e["process"]] for e in c["endpoints"]}]
    flows = [f for f in doc["flows"] if f["channel"] in {c["id"] for c in mine}]
    lens.equal("bytes received", 170, sum(e["read"]["bytes"] for c in mine
                                          for e in c["endpoints"]))
    lens.equal("what is said of flows",
               {"a socket was connected anew: its connections are counted as the first one",
                "the other end, which is of this host, was not found"},
               {f.get("why") for f in flows})
    lens.equal("exact", {False}, {f["exact"] for f in flows})
    books = [d["ledger"] for c in mine for d in c.get("directions", [c])]
    lens.equal("books that claim to balance", [], [b for b in books if b])


@functools.lru_cache(maxsize=None)
def variants(group="inet"):
    """Those of the hooks of these protocols that work here."""
    rows = lens.doctor()["variants"]
    work = [row["variant"] for row in rows
            if row["group"] == group and row["state"] in ("chosen", "not-needed")]
    lens.require(work, "no variant works here")
    return work


MULTIPATH = ["mptcp_by_every_variant/" + mode for mode in ("calls", "splice", "plainserver")]
# what every variant has to tell alike
EVERY = {"tcp_anew_closed": ("inet", "anewclosed"), "tcp_refused": ("inet", "refused"),
         **{name: ("multipath", name.split("/")[1]) for name in MULTIPATH}}


@functools.lru_cache(maxsize=None)
def batch_under(variant):
    every = batch.Batch("-t", "tcp", "--variant", "inet=" + variant)
    for name, (program, mode) in EVERY.items():
        every.add(name, program, mode)
    return every


def by_every_variant(name):
    """(variant, document, truth) of one of these, one after the other."""
    for variant in variants():
        yield (variant, *batch_under(variant).watched(name))


@lens.test()
def tcp_anew_closed():
    """One that is closed before the next look, which only its connect(2) tells."""
    for variant, doc, truth in by_every_variant("tcp_anew_closed"):
        pid = {p["id"]: p["pid"] for p in doc["processes"]}
        mine = {c["id"] for c in doc["channels"] if c["type"] == "tcp"
                and truth["pid"] in {pid[e["process"]] for e in c["endpoints"]}}
        flows = [f for f in doc["flows"] if f["channel"] in mine]
        lens.equal("%s: bytes received" % variant, 170, sum(f["bytes"] for f in flows))
        lens.equal("%s: exact" % variant, [False], sorted({f["exact"] for f in flows}))
        lens.require("a socket was connected anew: its connections are counted as the first one"
                     in {f["why"] for f in flows}, "%s: nobody says it" % variant)


@lens.test()
def tcp_refused():
    """A connection that was refused is none: what its socket moves later is exact."""
    for _, doc, truth in by_every_variant("tcp_refused"):
        lens.compare(doc, truth)


# connected before the start and accepted after it: what comes back was not there before
batch.register("tcp_answered", lens.compare, "inet", "answered")


def check_redirected(mode, *options):
    """What a BPF program moves elsewhere is said to be so, and never taken for what it is not."""
    doc, truth = lens.watched("sockmap", mode, options=("--idle", *options))
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "tcp" and "directions" in c and
            truth["pid"] in {pid[e["process"]] for e in c["endpoints"]}]
    lens.equal("connections", {"bypass": 1, "relay": 2}[mode], len(mine))
    lens.equal("told of", [True] * len(mine), [c.get("redirected") for c in mine])
    lens.equal("books", {None}, {d["ledger"] for c in mine for d in c["directions"]})
    ours = {c["id"] for c in mine}
    flows = [f for f in doc["flows"] if f["channel"] in ours]
    lens.equal("exact flows", [], [f for f in flows if f["exact"]])
    lens.equal("unread", 200, sum(d["queued_bytes"] for c in mine for d in c["directions"]))
    moved = {(pid[e["process"]], side): e[side]["bytes"] for c in mine for e in c["endpoints"]
             for side in ("read", "write") if e[side]["bytes"]}
    lens.equal("moved", {(truth["pid"], "write"): 1000, (truth["facts"]["reader"], "read"): 800},
               {end: n for end, n in moved.items()
                if end[0] in (truth["pid"], truth["facts"]["reader"])})


@lens.test()
def sockmap_bypass():
    """Sent to the other end, past the stream."""
    for variant in variants():
        check_redirected("bypass", "-t", "tcp", "--variant", "inet=" + variant)


@lens.test()
def sockmap_relay():
    """Sent on over another connection, which the kernel writes to."""
    for variant in variants():
        check_redirected("relay", "-t", "tcp", "--variant", "inet=" + variant)


@lens.test()
def udp_lite():
    """Of a protocol that is not observed nothing is made up, and the coverage says so."""
    try:
        ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136) for _ in range(2)]
    except OSError:
        raise lens.Skip("no UDP-Lite here")
    ends[0].bind(("127.0.0.1", 0))
    # at the same port, where it could be taken for the receiver
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.bind(ends[0].getsockname())
    for variant in variants():
        observer = lens.observe("-t", "udp", "--variant", "inet=" + variant)
        for _ in range(10):
            ends[1].sendto(b"lite", ends[0].getsockname())
            lens.equal("received", b"lite", ends[0].recv(10))
        doc = observer.document()
        pid = {p["id"]: p["pid"] for p in doc["processes"]}
        lens.equal("channels", [], [c["name"] for c in doc["channels"] for e in c["endpoints"]
                                    if pid[e["process"]] == os.getpid()])
        lens.require("UDP-Lite" in doc["coverage"][0]["detail"], "the coverage does not say so")


@lens.test()
def sockmap_unix():
    """Unix sockets, too: it is told of both, and neither books nor flows are claimed."""
    for variant in variants("unix"):
        doc, truth = lens.watched("sockmap", "unix", options=(
            "--idle", "-t", "unix-stream", "--variant", "unix=" + variant))
        pid = {p["id"]: p["pid"] for p in doc["processes"]}
        mine = [c for c in doc["channels"] if "directions" in c and
                {pid[e["process"]] for e in c["endpoints"]} >= {truth["pid"]} and
                any(e["write"]["bytes"] == 1000 or e["read"]["bytes"] == 800
                    for e in c["endpoints"])]
        lens.equal("connections", 2, len(mine))
        lens.equal("told of", [True] * 2, [c.get("redirected") for c in mine])
        lens.equal("books", {None}, {d["ledger"] for c in mine for d in c["directions"]})
        ours = {c["id"] for c in mine}
        lens.equal("exact flows", [], [f for f in doc["flows"]
                                       if f["channel"] in ours and f["exact"]])


@lens.test()
def mptcp_by_every_variant():
    """A connection over several of TCP's is one, and is told by every variant, once."""
    for name in MULTIPATH:
        for _, doc, truth in by_every_variant(name):
            lens.compare(doc, truth)
            mine = [c for c in doc["channels"] if c["type"] == "tcp" and
                    any(e["process"].startswith("%d@" % truth["pid"]) for e in c["endpoints"])]
            lens.equal("what it is", [True], [c.get("multipath") for c in mine])


@lens.test()
def mptcp_list():
    """Both ends, and what lies in each direction, of one that was there before."""
    work = lens.Workload("multipath", "held")
    doc = lens.parse(lens.run("list", "--json", "-p", work.pid, "-t", "tcp")[0])
    lens.equal("unread", [[77, 700]],
               [sorted(d["queued_bytes"] for d in c["directions"]) for c in doc["channels"]])
    lens.equal("what it is", [True], [c.get("multipath") for c in doc["channels"]])
    work.go()
    work.truth()


@lens.test()
def mptcp_pending():
    """One that nobody accepted has no other end; its listener has the backlog."""
    work = lens.Workload("multipath", "pending")
    work.go()
    pid = work.truth() and work.pid
    doc = lens.parse(lens.run("list", "--json", "-p", pid, "-t", "tcp")[0])
    lens.equal("listeners", [{"waiting": 3, "capacity": 8}],
               [c["backlog"] for c in doc["channels"] if c.get("listening")])
    clients = [c for c in doc["channels"] if "remote" in c]
    lens.equal("clients that wait, and where", [False] * 3, [c["external"] for c in clients])


@lens.test()
def udp_segments_traced():
    """A send that the kernel cuts into segments is one line, which tells how many there were."""
    if "inet=sys" in lens.OPTIONS:
        raise lens.Skip("the end of system calls does not tell")
    work = lens.Workload("udp", "segments")
    tracer = lens.observe("-t", "udp", "-p", work.pid, command="trace")
    work.go()
    truth = work.truth()
    lines = [line for line in map(lens.parse, tracer.interrupt().splitlines()) if "op" in line]
    for op, direction in (("send", "write"), ("recv", "read")):
        want = [e for c in truth["channels"] for e in c["ends"] if e["dir"] == direction][0]
        lens.equal("messages and bytes of " + op, (want["messages"], want["bytes"]),
                   tuple(sum(line[key] for line in lines if line["op"] == op)
                         for key in ("messages", "bytes")))
    lens.equal("sends", 5, sum(1 for line in lines if line["op"] == "send"))


def check_refused(doc, truth):
    """What was never sent is an error of its sender, and of nobody's queue."""
    lens.compare(doc, truth)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    sent = [e["write"] for c in doc["channels"] if c["type"] == "udp" and not is_queue(c)
            for e in c["endpoints"] if pid[e["process"]] == truth["pid"]]
    lens.equal("errors, messages and bytes", (truth["facts"]["errors"], 0, 0),
               tuple(sum(w[key] for w in sent) for key in ("errors", "messages", "bytes")))


batch.register("errors_buffers", check_refused, "errors", "buffers")
batch.register("errors_buffers_sys", check_refused, "errors", "buffers", *SYS)


def check_unconnected(doc, truth):
    """What fails for want of a connection is an error of who tried."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    got = dict.fromkeys(truth["facts"], 0)
    for channel in doc["channels"]:
        for end in channel["endpoints"]:
            if pid[end["process"]] == truth["pid"] and channel["type"] in got:
                got[channel["type"]] += end["read"]["errors"] + end["write"]["errors"]
    lens.equal("errors by type", truth["facts"], got)


batch.register("errors_unconnected", check_unconnected, "errors", "unconnected")
batch.register("errors_unconnected_sys", check_unconnected, "errors", "unconnected", *SYS)
batch.register("errors_udp_sys", lens.compare, "errors", "udp", *SYS)
TOLD_APART = 8     # sockets that one datagram goes to


def check_crowd(told, doc, truth):
    """Each queue is told what came in, its sender for so many of them, and nobody for the rest."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    senders = {}
    for channel in truth["channels"]:
        queue = lens.find_channel(doc, channel)
        size = sum(e["bytes"] for e in channel["ends"] if e["dir"] == "read")
        ledger = queue["ledger"]
        lens.equal("written, read and unaccounted", (size, size, 0),
                   (ledger["written"], ledger["read"], ledger["unaccounted"]))
        for flow in doc["flows"]:
            if flow["channel"] == queue["id"]:
                who = pid.get(flow["from"])
                senders[who] = senders.get(who, 0) + flow["bytes"]
    want = {truth["pid"]: size * told, None: size * (len(truth["channels"]) - told)}
    lens.equal("bytes by sender", {who: n for who, n in want.items() if n}, senders)


# where another variant is asked for, udp_sys_crowd is about that
if "inet=sys" not in lens.OPTIONS:
    batch.register("udp_crowd", functools.partial(check_crowd, TOLD_APART), "udp", "crowd")
batch.register("udp_sys_crowd", functools.partial(check_crowd, 0), "udp", "crowd", "--variant",
               "inet=sys")


def is_queue(channel):
    """... and not what a socket sends elsewhere."""
    return channel["id"].split(":")[2] == "0"


def of_ss():
    """{(protocol, pid, fd)} of every socket that ss finds a holder of."""
    out = subprocess.run(["ss", "-tunapH"], capture_output=True, text=True, check=True).stdout
    return {(line.split()[0], int(pid), int(fd)) for line in out.splitlines()
            for pid, fd in re.findall(r"pid=(\d+),fd=(\d+)", line)}


@lens.test()
def inet_list_agrees_with_ss():
    """Every holder of a socket that ss finds is found."""
    if not shutil.which("ss"):
        raise lens.Skip("ss is not installed")
    works = [lens.Workload(*which) for which in (("inet", "pending"), ("inet", "pair"),
                                                 ("inet", "six"), ("udp", "connected"))]
    for work in works:
        work.go()
        work.truth()
    mine = {pid for work in works for pid in lens.descendants(work.pid)}
    doc = lens.parse(lens.run("list", "--json", "-t", "tcp,udp")[0])
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    ours = {(c["type"], pid[e["process"]], fd) for c in doc["channels"]
            for e in c["endpoints"] for fd in e["fds"]}
    theirs = {row for row in of_ss() if row[1] in mine}
    lens.require(len(theirs) >= 10, "ss finds only %d" % len(theirs))
    lens.equal("found by ss only", set(), theirs - ours)
    lens.equal("found by us only", set(), {row for row in ours if row[1] in mine} - theirs)
