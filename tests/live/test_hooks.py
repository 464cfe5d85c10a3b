# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Function hooks, where the kernel does not bear them, and how they end."""

import os
import signal
import subprocess

import lens


def function_hooks(*launch):
    """What doctor says of them, of pipes: (state, reason)"""
    rows = lens.parse(lens.run("doctor", "--json", launch=launch)[0])["variants"]
    return next((row["state"], row.get("why")) for row in rows
                if row["group"] == "pipe" and row["variant"] == "fexit")


@lens.test()
def pidns_ends():
    """Its first process is killed, and the kernel ends all others while that one waits."""
    launch = [os.path.join(lens.WORK, "launch"), "--pidns"]
    inside, outside = function_hooks(*launch), function_hooks()
    release = tuple(int(n) for n in os.uname().release.split(".")[:2])
    if outside[0] == "chosen" and release < (6, 9):
        lens.equal("state inside", "refused", inside[0])
        lens.require("pid namespace" in inside[1], inside[1])
    else:
        lens.equal("inside, as outside", outside, inside)
    ours, its = os.pipe()
    started = lens.start(launch + ["sh", "-c", lens.BINARY + " report; :"], stdout=its, stderr=its,
                         stdin=subprocess.DEVNULL)
    os.close(its)
    with open(ours) as said:
        lens.require(any(line == lens.OBSERVING + "\n" for line in said), "it did not observe")
        os.kill(lens.descendants(started.pid)[1], signal.SIGKILL)
    started.wait(lens.LIMIT_S * lens.PATIENCE)
    # what takes function hooks off, and what puts them on, still works
    lens.observe("-t", "pipe").document()


FTRACE = "/proc/sys/kernel/ftrace_enabled"


def switch_ftrace(value):
    with open(FTRACE, "w") as f:
        f.write(value)


@lens.test(limit_s=40)
def hooks_without_ftrace():
    """Function hooks would stay silent, and break it: another variant takes over."""
    if os.environ.get("LENS_EXPECT_VARIANT_pipe") != "fexit":
        raise lens.Skip("only where function hooks are expected, in a machine of its own")
    work = lens.Workload("pipe", "rw")
    switch_ftrace("0")
    try:
        doc = lens.parse(lens.run("doctor", "--json")[0])
        state = {(v["group"], v["variant"]): v for v in doc["variants"]}
        for group in ("pipe", "sysvmsg", "mapping"):
            lens.equal("fexit of " + group, "refused", state[group, "fexit"]["state"])
            lens.require("ftrace_enabled is 0" in state[group, "fexit"]["why"],
                         "reason: %r" % state[group, "fexit"]["why"])
            lens.equal("sys of " + group, "chosen", state[group, "sys"]["state"])
        observer = lens.observe()
        work.go()
        truth = work.truth()
        lens.compare(lens.parse(observer.interrupt()), truth)
    finally:
        switch_ftrace("1")
    # the first one's end is when the kernel would notice what was left behind
    for _ in range(2):
        doc = lens.observe("-t", "posix-mq").document()
        lens.equal("variants", {"fexit"}, {row["variant"] for row in doc["coverage"]})
