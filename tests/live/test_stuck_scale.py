# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
A look at a host with 2,000 threads that wait, and 20,000 descriptors: all of it is told, and what
it takes is bounded. Of its time nothing is asserted: lines tell what of it goes into reading,
judging and printing, and how long it takes to read the same out of /proc, one after the other on
the same machine. It is processor time, the least of some looks: what others do there adds to it.
"""

import os
import re
import resource
import subprocess
import sys

import lens
from test_memory import memory_kb

# a process takes an emulated machine some 10 ms to start
PROCESSES = 100 if lens.SCALE > 2 else 2000
PAIRS = 4
DESCRIPTORS = PROCESSES * 10
PEAK_KB = 64 * 1024
LOOKS = 2 if lens.NARROW else 5
MS = {"s": 1000, "ms": 1, "us": 1e-3, "ns": 1e-6}


def descriptors(pids):
    """What each of these has open, as /proc tells it; and what each waits in."""
    count = 0
    for pid in pids:
        count += len([os.readlink("/proc/%d/fd/%s" % (pid, fd))
                      for fd in os.listdir("/proc/%d/fd" % pid)])
        with open("/proc/%d/syscall" % pid) as f:
            f.read()
    return count


def processor_s(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def check_row(doc, row, first):
    """Each waits for the one before it, and nothing is wrong with that."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    waits = {pid[w["process"]]: w for w in doc["waits"] if pid[w["process"]] in row}
    lens.equal("waits", set(row) - {first}, set(waits))
    lens.equal("verdicts", {"external"}, {w["verdict"] for w in waits.values()})
    others = [[pid[p["process"]] for p in w["waits_for"]] for w in waits.values()]
    lens.equal("of whom each waits for one", {1}, {len(o) for o in others})
    lens.equal("who is waited for, each by one", PROCESSES - 1, len({o[0] for o in others}))


def costs_ms(said):
    """What a look says that its steps took."""
    return {step: float(number) * MS[unit] for step, number, unit in
            re.findall(r"(\w+) took ([\d.]+) (\w+) of processor time", said)}


def least_costs_ms():
    looks = []
    for _ in range(LOOKS):
        looks.append(costs_ms(lens.run("stuck", "--json", "--verbose", "--comm", "row",
                                       limit_s=60)[1]))
    lens.equal("steps", [{"reading", "judging", "printing"}] * LOOKS, [set(x) for x in looks])
    return {step: min(look[step] for look in looks) for step in looks[0]}


@lens.test(limit_s=180)
def stuck_scale():
    work = lens.Workload("row", "waiting", PROCESSES, PAIRS)
    work.go()
    first = work.truth()["facts"]["first"]
    row = lens.descendants(work.process.pid)[1:]
    lens.equal("processes", PROCESSES, len(row))
    before = processor_s(resource.RUSAGE_SELF)
    opened = descriptors(row)
    reading_s = processor_s(resource.RUSAGE_SELF) - before
    lens.require(opened >= DESCRIPTORS, "%d descriptors" % opened)
    before = processor_s(resource.RUSAGE_CHILDREN)
    out = lens.Lens("stuck", "--json", "--comm", "row").finish(0, limit_s=60)
    look_s = processor_s(resource.RUSAGE_CHILDREN) - before
    check_row(lens.parse(out), row, first)
    # the second look is far off, so that this is the peak of one
    watch = lens.Lens("stuck", "--json", "--watch=600s", "--comm", "row")
    lens.wait_for(lambda: os.fstat(watch.stdout.fileno()).st_size >= len(out) // 2, lens.LIMIT_S,
                  "document")
    peak = memory_kb(watch, "VmHWM")
    watch.signal(2).finish(None)
    costs = least_costs_ms()
    work.end()
    lens.require(peak <= PEAK_KB, "%d kB resident at the peak" % peak)
    print("# of a look reading takes %.1f ms, judging %.1f ms, printing %.1f ms of processor time,"
          " the least of %d" % (costs["reading"], costs["judging"], costs["printing"], LOOKS))
    print("# %d threads, %d descriptors: %.0f ms of processor time to load, look and print, peak %d"
          " kB; %.0f ms to read them out of /proc"
          % (PROCESSES, opened, look_s * 1000, peak, reading_s * 1000))


POLLER = """
import os, resource, select
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
poll, (end, other) = select.poll(), os.pipe()
for _ in range(2100):
    poll.register(os.dup(end), select.POLLIN)
print("ready", flush=True)
poll.poll()
"""


@lens.test()
def stuck_many_polled():
    """Of who polls more than is told of one thread just that is said, and of others all."""
    poller = lens.start([sys.executable, "-c", POLLER], stdout=subprocess.PIPE)
    lens.equal("said", b"ready\n", poller.stdout.readline())
    waits = lens.wait_for(lambda: lens.parse(lens.run(
        "stuck", "--json", "-p", str(poller.pid))[0])["waits"], lens.LIMIT_S, "wait")
    mine = [w for w in waits if w["process"].split("@")[0] == str(poller.pid)]
    lens.equal("verdicts", ["external"], [w["verdict"] for w in mine])
    lens.require("could not be read" in mine[0]["explanation"], mine[0]["explanation"])
