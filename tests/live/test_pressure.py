# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Which end of which channel a process is found waiting at."""

import contextlib
import os
import signal
import socket

import lens

SPLICE, SENDFILE = 275, 40  # numbers of the calls


def fill(fd):
    os.set_blocking(fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(fd, bytes(4096))
    os.set_blocking(fd, True)


@contextlib.contextmanager
def process_in(number, call):
    """A child that sleeps in that system call."""
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            call()
        os._exit(0)
    try:
        with open("/proc/%d/syscall" % pid) as f:
            lens.wait_for(lambda: f.seek(0) or f.read().startswith("%d " % number),
                          lens.LIMIT_S / 2, "the call")
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def waits_of(pid):
    """{inode: directions that it was found waiting in}"""
    doc = lens.parse(lens.run("report", "--json", "-d", "1s", "--sample", "20ms",
                              "--idle",
                              "-t", "pipe,unix-stream", "-p", pid)[0])
    ours = {p["id"] for p in doc["processes"] if p["pid"] == pid}
    waits = {}
    for channel in doc["channels"]:
        for end in channel["endpoints"]:
            if end["process"] in ours and channel["type"] == "pipe":
                inode = int(channel["id"].split(":")[-1])
                waits[inode] = {side for side in ("read", "write") if end[side]["blocked_ns"]}
    return waits


@lens.test()
def pressure_of_moves():
    """Who moves data from one channel to another waits at a full pipe for room, though there is
    data, and else where the data should come from."""
    source, source_end = os.pipe()
    os.write(source_end, b"data")
    ours, its = socket.socketpair()
    ours.send(b"data")
    target_end, target = os.pipe()
    inode = os.fstat(target).st_ino
    moves = ((SPLICE, lambda: os.splice(source, target, 4)),
             (SENDFILE, lambda: os.sendfile(target, its.fileno(), None, 4)))
    fill(target)
    for number, move in moves:
        with process_in(number, move) as pid:
            lens.equal("waits of call %d" % number, {"write"}, waits_of(pid).get(inode))
    os.read(source, 4)
    os.read(target_end, 1 << 20)
    with process_in(SPLICE, moves[0][1]) as pid:
        waits = waits_of(pid)
        lens.equal("waits for data", {"read"}, waits[os.fstat(source).st_ino])
        lens.equal("waits for room", set(), waits.get(inode, set()))
    for fd in (source, source_end, target_end, target):
        os.close(fd)
    ours.close()
    its.close()
