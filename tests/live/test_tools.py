# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens list` against lsof, ss, lsfd and lsipc: every end that any of them finds is found."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import lens

SOCKETS = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "dgram",
           socket.SOCK_SEQPACKET: "seqpacket"}


class Kept:
    """What the tests hold open, here and in a child that inherited all of it."""

    def __init__(self):
        self.files, self.child, self.queue, self.mq = [], None, None, None
        self.inet, self.others = [], []
        self.dir = tempfile.mkdtemp(prefix="ipclens-tools-")

    def __enter__(self):
        self.open_pipes()
        for kind in SOCKETS:
            self.open_sockets(kind)
        self.open_queues()
        self.open_internet(socket.AF_INET, "127.0.0.1")
        if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
            self.open_internet(socket.AF_INET6, "::1")
        self.others += [os.eventfd(3), os.memfd_create("ipclens-tools"), *os.openpty()]
        ready, tell = os.pipe()
        self.child = os.fork()
        if not self.child:
            os.write(tell, b".")
            while True:
                signal.pause()
        os.read(ready, 1)
        self.files += [ready, tell]
        return self

    def open_pipes(self):
        path = os.path.join(self.dir, "fifo")
        os.mkfifo(path)
        self.files += os.pipe()
        self.files.append(os.open(path, os.O_RDWR))
        # more than one descriptor of one end
        self.files.append(os.dup(self.files[0]))

    def open_sockets(self, kind):
        name = os.path.join(self.dir, SOCKETS[kind])
        bound, unused = socket.socket(socket.AF_UNIX, kind), socket.socket(socket.AF_UNIX, kind)
        bound.bind(name)
        abstract = socket.socket(socket.AF_UNIX, kind)
        abstract.bind("\0" + name + "\0x")
        self.files += [bound, unused, abstract, *socket.socketpair(socket.AF_UNIX, kind)]
        client = socket.socket(socket.AF_UNIX, kind)
        if kind != socket.SOCK_DGRAM:
            bound.listen(4)
            abstract.listen(4)
            waiting = socket.socket(socket.AF_UNIX, kind)
            waiting.connect("\0" + name + "\0x")
            self.files.append(waiting)
        client.connect(name)
        self.files.append(client)
        if kind != socket.SOCK_DGRAM:
            self.files.append(bound.accept()[0])
        os.unlink(name)

    def open_queues(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self.queue = libc.msgget(0, 0o600)      # IPC_PRIVATE
        lens.require(self.queue >= 0, "msgget: " + os.strerror(ctypes.get_errno()))
        self.mq = b"/ipclens-tools-%d" % os.getpid()
        fd = libc.mq_open(self.mq, os.O_CREAT | os.O_RDWR, 0o600, None)
        lens.require(fd >= 0, "mq_open: " + os.strerror(ctypes.get_errno()))
        libc.mq_unlink(self.mq)
        self.files.append(fd)

    def open_internet(self, family, host):
        listener, bound = socket.socket(family), socket.socket(family, socket.SOCK_DGRAM)
        listener.bind((host, 0))
        listener.listen(4)
        bound.bind((host, 0))
        client, sender = socket.socket(family), socket.socket(family, socket.SOCK_DGRAM)
        client.connect(listener.getsockname())
        sender.connect(bound.getsockname())
        self.inet += [listener, bound, client, listener.accept()[0], sender]

    def __exit__(self, *error):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        for f in self.files + self.inet + self.others:
            os.close(f) if isinstance(f, int) else f.close()
        if self.queue is not None:
            ctypes.CDLL(None).msgctl(self.queue, 0, None)   # IPC_RMID
        shutil.rmtree(self.dir)

    @property
    def pids(self):
        return {os.getpid(), self.child}


def output(*argv):
    if not shutil.which(argv[0]):
        raise lens.Skip("no %s here" % argv[0])
    # through files: pipes to the tool would be ends that are gone when we look
    with tempfile.TemporaryFile() as out:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        out.seek(0)
        text = out.read().decode(errors="replace")
    lens.require(text, argv[0] + " says nothing")
    return text


def listed(kept):
    """({(inode, pid, descriptor)}, document) of what `list` finds."""
    doc = lens.parse(lens.run("list", "--json", "--idle", "-p", ",".join(map(str, kept.pids)))[0])
    pid_of = {p["id"]: p["pid"] for p in doc["processes"]}
    ends = set()
    for c in doc["channels"]:
        own = c["id"].split(":")[-1]
        halves = {d["half"]: d["inode"] for d in c.get("directions", []) if "inode" in d}
        for e in c["endpoints"]:
            inode = halves.get(e.get("half"), own)
            ends |= {(int(inode), pid_of[e["process"]], fd) for fd in e["fds"]}
    return ends, doc


def check_found(kept, tool, theirs, at_least):
    theirs = {end for end in theirs if end[1] in kept.pids}
    lens.require(len(theirs) >= at_least, "%s found %d ends only" % (tool, len(theirs)))
    ours, _ = listed(kept)
    missing = sorted(theirs - ours)
    lens.require(not missing, "%s found what we did not (inode, pid, descriptor): %s" %
                 (tool, missing[:5]))


def descriptors_of(kept):
    """A lower bound of the pairs of process and descriptor: what both hold."""
    return 2 * (len(kept.files) - 3)


def of_lsof(kept, kinds, number):
    """{(number, pid, descriptor)}; number: the field that is the inode of these kinds"""
    theirs, pid, fd, kind = set(), 0, "", ""
    for line in output("lsof", "-nPw", "-p", ",".join(map(str, kept.pids)), "-F",
                       "pftdi").splitlines():
        field, value = line[0], line[1:]
        if field == "p":
            pid = int(value)
        elif field == "f":
            fd = value
        elif field == "t":
            kind = value
        elif field == number and fd.isdigit() and kind in kinds:
            theirs.add((int(value), pid, int(fd)))
    return theirs


@lens.test()
def list_finds_what_lsof_finds():
    with Kept() as kept:
        check_found(kept, "lsof", of_lsof(kept, ("FIFO", "unix"), "i"), descriptors_of(kept))
        check_found(kept, "lsof", of_lsof(kept, ("IPv4", "IPv6"), "d"), 2 * len(kept.inet))


@lens.test()
def list_finds_what_lsfd_finds():
    with Kept() as kept:
        pids = ",".join(map(str, kept.pids))
        theirs, inet = set(), set()
        table = json.loads(output("lsfd", "--json", "-p", pids, "-o", "PID,FD,TYPE,INODE,NAME"))
        for row in table["lsfd"]:
            end = (row["inode"], row["pid"], row["fd"])
            if row["type"] == "FIFO" or "UNIX" in row["name"]:
                theirs.add(end)
            elif re.match("(TCP|UDP)", row["name"]) or row["type"][:3] in ("TCP", "UDP"):
                inet.add(end)
        check_found(kept, "lsfd", theirs, descriptors_of(kept))
        check_found(kept, "lsfd", inet, 2 * len(kept.inet))


@lens.test()
def list_finds_what_ss_finds():
    """Its sockets, who holds them, and who is connected to whom."""
    with Kept() as kept:
        theirs, pairs = set(), set()
        for line in output("ss", "-xapH").splitlines():
            columns = line.split()
            own, peer = columns[5], columns[7]
            holders = re.findall(r"pid=(\d+),fd=(\d+)", line)
            theirs |= {(int(own), int(pid), int(fd)) for pid, fd in holders}
            # datagrams have an address and no connection back
            held = any(int(pid) in kept.pids for pid, _ in holders)
            if columns[0] != "u_dgr" and peer != "0" and held:
                pairs.add(frozenset((own, peer)))
        check_found(kept, "ss", theirs, descriptors_of(kept) - 10)
        _, doc = listed(kept)
        ours = {frozenset(d["inode"] for d in c["directions"])
                for c in doc["channels"] if len(c.get("directions", [])) == 2
                and c["type"].startswith("unix")}
        lens.require(len(pairs) >= 4, "ss found %d connections only" % len(pairs))
        lens.require(pairs <= ours, "ss found connections we did not: %s" %
                     [sorted(p) for p in pairs - ours])


@lens.test()
def list_finds_what_ss_finds_of_the_internet():
    """Its sockets, who holds them, and which of them are the two ends of one connection."""
    with Kept() as kept:
        theirs, inode_of, peers = set(), {}, set()
        for line in output("ss", "-tuanpHe").splitlines():
            columns, inode = line.split(), re.search(r"ino:(\d+)", line).group(1)
            holders = re.findall(r"pid=(\d+),fd=(\d+)", line)
            theirs |= {(int(inode), int(pid), int(fd)) for pid, fd in holders}
            if columns[1] == "ESTAB" and any(int(pid) in kept.pids for pid, _ in holders):
                inode_of[columns[0], columns[4], columns[5]] = inode
        check_found(kept, "ss", theirs, 2 * len(kept.inet))
        for protocol, local, remote in inode_of:
            if protocol == "tcp":
                peers.add(frozenset((inode_of[protocol, local, remote],
                                     inode_of[protocol, remote, local])))
        _, doc = listed(kept)
        ours = {frozenset(d["inode"] for d in c["directions"])
                for c in doc["channels"] if len(c.get("directions", [])) == 2
                and c["type"] == "tcp"}
        lens.equal("connections", peers, ours)
        lens.require(peers, "ss found no connection")


def mptcp_ends(pid):
    """What ss tells of those of a process: {(descriptor, is it a listener)}, {both addresses}"""
    ends, connections = set(), set()
    for line in output("ss", "-MnpaH").splitlines():
        columns = line.split()
        fds = re.findall(r"pid=%d,fd=(\d+)" % pid, line)
        ends |= {(int(fd), columns[0] == "LISTEN") for fd in fds}
        if fds and columns[0] == "ESTAB":
            connections.add(frozenset(columns[3:5]))
    return ends, connections


@lens.test()
def list_finds_what_ss_finds_of_mptcp():
    """Sockets whose connections nobody but the kernel has."""
    work = lens.Workload("multipath", "held")
    theirs, connections = mptcp_ends(work.pid)
    lens.require(theirs and connections, "ss finds none: it may not know of them")
    doc = lens.parse(lens.run("list", "--json", "-p", work.pid, "-t", "tcp")[0])
    mine = [c for c in doc["channels"] if c.get("multipath")]
    lens.equal("ends", theirs, {(fd, bool(c.get("listening"))) for c in mine
                                for e in c["endpoints"] for fd in e["fds"]})
    lens.equal("connections", connections,
               {frozenset((c["local"], c["remote"])) for c in mine if "remote" in c})
    text = lens.run("list", "-p", work.pid, "-t", "tcp")[0].decode()
    lens.equal("types in the text", len(mine), text.count(" mptcp "))
    work.go()
    work.truth()


@lens.test()
def list_finds_what_lsipc_finds():
    with Kept() as kept:
        table = json.loads(output("lsipc", "--queues", "--json"))
        theirs = {int(row["id"]) for rows in table.values() for row in rows}
        lens.require(kept.queue in theirs, "lsipc does not find the queue of the test")
        doc = lens.parse(lens.run("list", "--json", "--idle", "-t", "sysv-msg")[0])
        ours = {int(c["id"].split(":")[-1]) for c in doc["channels"]}
        lens.require(kept.queue in ours, "a queue that lsipc finds is missing: %s" % ours)


@lens.test()
def list_finds_what_proc_finds_of_mqueues():
    """No tool knows POSIX queues; the descriptors of /proc do."""
    with Kept() as kept:
        theirs = set()
        for pid in kept.pids:
            for fd in os.listdir("/proc/%d/fd" % pid):
                try:
                    target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                    inode = os.stat("/proc/%d/fd/%s" % (pid, fd)).st_ino
                except FileNotFoundError:
                    continue
                if target.startswith(kept.mq.decode()):
                    theirs.add((inode, pid, int(fd)))
        check_found(kept, "/proc", theirs, 2)


def of_fdinfo(kept):
    """{(type, name, pid, descriptor)} as the links and texts of /proc tell."""
    theirs = set()
    for pid in kept.pids:
        for fd in map(int, os.listdir("/proc/%d/fd" % pid)):
            try:
                target = os.readlink("/proc/%d/fd/%d" % (pid, fd))
                with open("/proc/%d/fdinfo/%d" % (pid, fd)) as f:
                    info = dict(line.split(":", 1) for line in f if ":" in line)
            except FileNotFoundError:
                continue
            if "eventfd-id" in info:    # told since v6.3
                theirs.add(("eventfd", "eventfd:[%d]" % int(info["eventfd-id"]), pid, fd))
            elif "tty-index" in info:
                theirs.add(("pty", "pts/%d" % int(info["tty-index"]), pid, fd))
            elif target.startswith("/dev/pts/"):
                theirs.add(("pty", target[len("/dev/"):], pid, fd))
            elif target.startswith("/memfd:"):
                theirs.add(("memfd", target[1:].partition(" ")[0], pid, fd))
    return theirs


@lens.test()
def list_finds_what_proc_finds_of_the_rest():
    with Kept() as kept:
        theirs = {end for end in of_fdinfo(kept)}
        _, doc = listed(kept)
        pid_of = {p["id"]: p["pid"] for p in doc["processes"]}
        ours = {(c["type"], c["name"].partition("[")[0] if c["type"] == "memfd" else c["name"],
                 pid_of[e["process"]], fd)
                for c in doc["channels"] for e in c["endpoints"] for fd in e["fds"]}
        kinds = {end[0] for end in theirs}
        lens.require({"pty", "memfd"} <= kinds, "/proc tells of no more than %s" % kinds)
        lens.require(len(theirs) >= 2 * 3, "/proc finds %d ends only" % len(theirs))
        lens.require(theirs <= ours, "missing: %s" % sorted(theirs - ours)[:5])
