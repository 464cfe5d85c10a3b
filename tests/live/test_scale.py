# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
A host with 100,000 channels and 2,000 processes: all of them are found with both their ends,
what some of them carry is counted exactly, and what they cost in memory is bounded.
"""

import collections
import json
import subprocess
import tempfile

import comparison
import lens
from test_memory import memory_kb

# a process takes an emulated machine some 10 ms to start
PROCESSES = 100 if lens.SCALE > 2 else 2000
CHANNELS = 50           # of each process: one pipe to the next, then pipes and connections in turns
PIPES, CONNECTIONS = 25, 24
CHANNEL_BYTES = 1100    # that a channel may cost the collector: a connection is two of them
FLOOR_KB = 30 * 1024    # ... with no channels at all


def shapes(doc):
    """
    How many channels of the workload have these ends, each (role, descriptors); and in how many
    channels a process is, with the number of processes of which that is true.
    """
    members = {p["id"] for p in doc["processes"] if p["comm"] == "scale"}
    found, of = collections.Counter(), collections.Counter()
    for channel in doc["channels"]:
        ends = [e for e in channel["endpoints"] if e["process"] in members]
        # all have the socket over which the first one is told what to do
        if not ends or len(ends) > PROCESSES or channel["type"] not in ("pipe", "unix-stream"):
            continue
        found[channel["type"], tuple(sorted((e["role"], len(e["fds"])) for e in ends))] += 1
        of.update({e["process"] for e in ends})
    return found, collections.Counter(of.values())


def check_all_found(doc, looked_at):
    """looked_at: pipes that the first process holds a reading end of, to look at them"""
    found, of = shapes(doc)
    both = ("both", 1)
    lens.equal("idle pipes", PROCESSES * PIPES, found["pipe", (("both", 2),)])
    lens.equal("connections", PROCESSES * CONNECTIONS, found["unix-stream", (both, both)])
    # the last pipe leads to the first process
    lens.equal("pipes from one process to the next", PROCESSES - looked_at,
               found["pipe", (("reader", 1), ("writer", 1))])
    lens.equal("pipes that are looked at, too", looked_at,
               found["pipe", (("reader", 1), ("reader", 1), ("writer", 1))])
    lens.equal("processes with one pipe less", 1, of[CHANNELS])
    lens.equal("processes with a pipe from the one before", PROCESSES - 1, of[CHANNELS + 1])


@lens.test(limit_s=240)
def scale_idle():
    work = lens.Workload("scale", "idle", PROCESSES, CHANNELS)
    observer = lens.observe("--comm", "scale", "-t", "pipe,unix-stream")
    work.go()
    truth = work.truth()
    out, _ = lens.run("list", "--json", "--comm", "scale", "-t", "pipe,unix-stream", limit_s=120)
    peak = memory_kb(observer, "VmHWM")
    doc = lens.parse(observer.interrupt(limit_s=60))
    work.end()
    check_all_found(json.loads(out), len(truth["channels"]))
    lens.check_document(doc)
    comparison.compare(doc, truth)
    # of two halves each is a channel
    halves = PROCESSES * (PIPES + 1 + 2 * CONNECTIONS)
    lens.require(peak <= FLOOR_KB + halves * CHANNEL_BYTES // 1024,
                 "%d kB resident for %d channels" % (peak, PROCESSES * CHANNELS))


# a million is more pipes than one process may hold here, or a few thousand in an emulated machine
HELD = (102, 9900) if lens.LONG else (25, 1000) if lens.SCALE > 2 else (10, 9900)
# measured: 140 for each of a million, and a floor of 10 MB
HELD_BYTES = 150
LIST_FLOOR_KB = 14 * 1024


def list_peak_kb(out, *args):
    """Runs `ipclens list` into a file; what it had resident at the most, by its last output."""
    # not ru_maxrss: that begins with what the caller has
    peak = 0
    with subprocess.Popen([lens.BINARY, "list", *args], stdout=subprocess.PIPE) as process:
        for chunk in iter(lambda: process.stdout.read1(1 << 20), b""):
            out.write(chunk)
            with open("/proc/%d/status" % process.pid) as f:
                peak = next((int(line.split()[1]) for line in f if line.startswith("VmHWM:")), peak)
    lens.equal("exit status", 0, process.returncode)
    return peak


@lens.test(limit_s=600 if lens.LONG else 120)
def scale_held():
    """Pipes that are held, and nothing else: each costs a list no more than what tells it apart,
    whatever its form."""
    processes, each = HELD
    work = lens.Workload("scale", "pipes", processes, each)
    work.go()
    work.truth(limit_s=240)
    for form in ((), ("--json",)):
        with tempfile.TemporaryFile(dir="/tmp") as out:
            peak = list_peak_kb(out, *form, "--comm", "scale", "-t", "pipe")
            out.seek(0)
            mark = b'      "id":"pipe:' if form else b"pipe:["
            found = sum(line.startswith(mark) for line in out)
        lens.require(found >= processes * each, "%d pipes of %d" % (found, processes * each))
        print("%d pipes: %.1f MB at the peak" % (found, peak / 1024))
        lens.require(peak <= LIST_FLOOR_KB + found * HELD_BYTES // 1024,
                     "%d kB at the peak of %d pipes" % (peak, found))
    work.end()
