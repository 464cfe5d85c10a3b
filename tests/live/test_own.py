# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What ipclens itself does is not what it tells of."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time

import lens

# operations come in batches, five a second
BATCH_S = 1.5 if lens.NARROW else 0.4


@lens.test()
def trace_own_connection():
    """Who reads what trace writes at the other end of a connection, and has something to say there
    too, makes no lines by that: each line would make another one."""
    shows, its = socket.socketpair()
    says, err = socket.socketpair()
    observer = subprocess.Popen([lens.BINARY, "trace", *lens.OPTIONS, "-t", "unix-stream"],
                                stdin=subprocess.DEVNULL, stdout=its, stderr=err)
    its.close()
    err.close()
    lines = lens.Lines(says)
    while lines.next(lens.START_S) != lens.OBSERVING.encode():
        pass
    shown = b""
    for _ in range(5):
        shows.send(b"x")
        # what it says is read as it comes
        end = time.monotonic() + BATCH_S
        while time.monotonic() < end:
            if select.select([shows], [], [], 0.05)[0]:
                shown += shows.recv(1 << 16)
    observer.send_signal(signal.SIGINT)
    observer.wait(lens.LIMIT_S * lens.PATIENCE)
    # behind the rest comes a reset: nobody has read what was said
    with contextlib.suppress(ConnectionResetError):
        while more := shows.recv(1 << 16):
            shown += more
    mine = [line for line in shown.decode().splitlines() if "(%d/" % os.getpid() in line]
    mine = [line for line in mine if "[%d]" % os.fstat(shows.fileno()).st_ino in line]
    lens.require(any(" send 1 " in line for line in mine), "what was said is not shown")
    lens.equal("other lines", [], [line for line in mine if " send 1 " not in line][:3])
