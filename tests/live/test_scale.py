# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
A host with 100,000 channels and 2,000 processes: all of them are found with both their ends,
what some of them carry is counted exactly, and what they cost in memory is bounded.
"""

import collections
import json

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
