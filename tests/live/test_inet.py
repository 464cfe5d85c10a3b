# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Connections between network namespaces, and agreement with ss."""

import os
import re
import shutil
import subprocess
import sys

import lens

SERVER = """
import socket
s = socket.create_server(("10.213.7.2", 0))
print(s.getsockname()[1], flush=True)
c = s.accept()[0]
while c.recv(1 << 16):
    pass
print("end", flush=True)
input()
"""
CLIENT = """
import socket, sys
input()
c = socket.create_connection(("10.213.7.2", int(sys.argv[1])))
c.sendall(b"x" * 54321)
c.shutdown(socket.SHUT_WR)
input()
"""


def ip(*args):
    subprocess.run(("ip",) + args, check=True, capture_output=True)


def in_namespace(name, script, *args):
    return lens.start(["ip", "netns", "exec", name, sys.executable, "-c", script] + list(args),
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def two_namespaces(names):
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "lens0", "netns", names[0], "type", "veth", "peer", "name", "lens0",
           "netns", names[1])
        for number, name in enumerate(names):
            ip("-n", name, "address", "add", "10.213.7.%d/24" % (number + 1), "dev", "lens0")
            ip("-n", name, "link", "set", "lens0", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        raise lens.Skip("network namespaces cannot be made here: %s" % error)


@lens.test()
def tcp_between_namespaces():
    """Two containers of one host that are connected by veth are the ends of one connection."""
    if not shutil.which("ip"):
        raise lens.Skip("ip is not installed")
    names = ["lens-%d-%s" % (os.getpid(), end) for end in "ab"]
    try:
        two_namespaces(names)
        server = in_namespace(names[1], SERVER)
        client = in_namespace(names[0], CLIENT, server.stdout.readline().strip())
        observer = lens.observe("-t", "tcp")
        client.stdin.write("\n")
        client.stdin.flush()
        lens.equal("server says", "end", server.stdout.readline().strip())
        doc = observer.document()
    finally:
        for name in names:
            subprocess.run(("ip", "netns", "del", name), capture_output=True)
    lens.check_document(doc)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    flows = [(pid.get(f["from"]), pid.get(f["to"]), f["bytes"], f["exact"])
             for f in doc["flows"] if pid.get(f["to"]) == server.pid]
    lens.equal("flows", [(client.pid, server.pid, 54321, True)], flows)
    joined = [c["joined"] for c in doc["channels"]
              if server.pid in {pid[e["process"]] for e in c["endpoints"]} and "joined" in c]
    lens.equal("joined", ["other-netns"], joined)


@lens.test()
def udp_at_system_calls():
    """Who receives is not seen there: what was sent left, what was read came from nobody."""
    doc, truth = lens.watched("udp", "connected", options=("--variant", "inet=sys"))
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
        lens.equal("senders", {None}, {pid.get(f["from"]) for f in doc["flows"]
                                       if f["channel"] == queue["id"]})
    limits = [c["detail"] for c in doc["coverage"] if c["type"] == "udp"]
    lens.require("who receives a datagram is not seen" in limits[0], "limits: %r" % limits)


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
