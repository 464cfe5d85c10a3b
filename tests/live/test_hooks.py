# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Function hooks, where the kernel does not bear them, and how they end."""

import os
import signal
import subprocess

import kobjects
import lens

NARROW = lens.narrow("pipe")


def closer_is_there():
    """Whether hooks of any earlier run have yet to come off."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/comm" % pid) as f:
                if f.read() == "ipclens-closer\n":
                    return True
        except OSError:
            continue
    return False


def await_closers():
    lens.wait_for(lambda: not closer_is_there(), 10, "end of what earlier runs hooked")


@lens.test()
def hooks_outlast_it():
    """The kernel takes function hooks off slowly; who waits for the collector does not wait."""
    await_closers()
    observer = lens.observe()
    objects = kobjects.objects_of(observer)
    closers = lens.descendants(observer.process.pid)[1:]
    doc = observer.document()
    lens.equal("another process", any("fexit" in row["variant"] for row in doc["coverage"]),
               bool(closers))
    lens.require(not closers or closer_is_there(), "its end had to wait for %r" % closers)
    await_closers()
    lens.require(not any(os.path.exists("/proc/%d" % pid) for pid in closers), "they have no name")
    lens.wait_for(lambda: not kobjects.still_there(objects), 5, "end of all programs and maps")


def function_hooks(*launch):
    """What doctor says of them, of pipes: (state, reason)"""
    doc = lens.parse(lens.run("doctor", "--json", launch=launch)[0]) if launch else lens.doctor()
    return next((row["state"], row.get("why")) for row in doc["variants"]
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
    script = " ".join((lens.BINARY, "report", *NARROW, "; :"))
    started = lens.start(launch + ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=its,
                         stderr=its)
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
    # what comes off now would leave behind just what this test looks for
    await_closers()
    switch_ftrace("0")
    try:
        doc = lens.parse(lens.run("doctor", "--json")[0])
        state = {(v["group"], v["variant"]): v for v in doc["variants"]}
        for group in ("pipe", "sysvmsg", "mapping"):
            lens.equal("fexit of " + group, "refused", state[group, "fexit"]["state"])
            lens.require("ftrace_enabled is 0" in state[group, "fexit"]["why"],
                         "reason: %r" % state[group, "fexit"]["why"])
            lens.equal("sys of " + group, "chosen", state[group, "sys"]["state"])
        observer = lens.observe(*NARROW)
        work.go()
        truth = work.truth()
        lens.compare(lens.parse(observer.interrupt()), truth)
    finally:
        switch_ftrace("1")
    # the first one's end is when the kernel would notice what was left behind
    for _ in range(2):
        doc = lens.observe("-t", "posix-mq").document()
        lens.equal("variants", {"fexit"}, {row["variant"] for row in doc["coverage"]})
