# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""--strict: a descriptor that another thread replaces during a call."""

import json
import os
import shutil
import signal
import tempfile

import lens

COUNT = 200000 if lens.LONG else 10000 if lens.NARROW else 20000


def shown(observer):
    fd = observer.stdout.fileno()
    return os.pread(fd, os.fstat(fd).st_size, 0)


def flip(*options):
    """(letters of the true pipes, [(letter counted for, said to be ambiguous, bytes)], status)"""
    directory = tempfile.mkdtemp(prefix="lens-flip-")
    try:
        path = os.path.join(directory, "truth")
        work = lens.Workload("fds", "flip", COUNT, path)
        observer = lens.observe(*options, *lens.narrow("fds"), "-p", work.pid, command="trace")
        work.go()
        truth = work.truth()
        try:
            lens.wait_for(lambda: shown(observer).count(b'"op":"write"') >= COUNT, 5,
                          "line of the last write")
        except lens.Timeout:
            pass
        out = observer.signal(signal.SIGINT).finish(status=None)
        with open(path) as f:
            letters = f.read()
    finally:
        shutil.rmtree(directory)
    name = {"pipe:[%d]" % c["ino"]: letter for c, letter in zip(truth["channels"], "ab")}
    # those of one thread: in order of time, whichever processor they come from
    lines = sorted((json.loads(line) for line in out.decode().splitlines()),
                   key=lambda line: int(line.get("ts_ns", 0)))
    writes = [(name.get(line["name"]), line.get("ambiguous", False), line["bytes"])
              for line in lines
              if line.get("op") == "write" and line.get("name") in name]
    return letters, writes, observer.process.wait()


@lens.test(limit_s=120)
def strict_flipped_descriptor():
    """Every write is counted for the pipe it went to, or said to be ambiguous."""
    letters, writes, status = flip("--strict", "--ring-size", "16M")
    # the first ones may be shown before the channel they are on is known
    lens.require(COUNT * 0.9 <= len(writes) <= COUNT, "%d writes" % len(writes))
    wrong, i = [], 0
    for letter, ambiguous, size in writes:
        # a line that is missing shows in the lengths, see tests/work/fds.c
        i += (size - 8 - i) % 61
        if letter != letters[i] and not ambiguous:
            wrong.append(i)
        i += 1
    lens.equal("writes counted for the wrong pipe in silence", [], wrong[:5])
    if any(ambiguous for _, ambiguous, _ in writes):
        lens.equal("exit status", 3, status)
