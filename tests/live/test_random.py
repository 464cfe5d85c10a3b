# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""
Random programs over channels of all kinds: every count of every process, and the books, are
what the programs say; so they are in a replay, and by every variant that there is here.

LENS_PROGRAMS   programs to run instead: SEED, FIRST-LAST, or SEED:N,N-N for some operations
"""

import functools
import os
import tempfile

import lens
import parts
import programs

EMULATED = lens.SCALE > 2
AT_ONCE = 100 if EMULATED else 2000
MANY = 20000 if lens.LONG else AT_ONCE
SOME = "1-60" if EMULATED else "1-2000" if lens.LONG else "1-400"
STAY = 8            # of the last programs: they live on while the report is made
TRIES = 3           # a host too busy to read the ring loses records, and counts them
OPERATIONS = 60     # of a program
# the names of two workloads
SHOWN = ("--idle", "--max-rows", "1000000", "--comm", "random", "--comm", "matrix")


def rings(forced):
    """What io_uring is used on; of sockets system calls do not tell it."""
    sockets = "sys" not in (forced.get("unix"), forced.get("inet"))
    return 3 if sockets else 1


def run(which, *options, stay=STAY, forced={}):
    """(report, what is on standard output, truth)"""
    work = lens.Workload("random", "run", which, stay, rings(forced))
    observer = lens.observe(*SHOWN, *options)
    work.go()
    truth = work.truth()
    out = observer.interrupt(limit_s=60)
    work.end()
    return lens.parse(out), out, truth


def sends_pages():
    """Before v6.5 splice(2) into a stream calls the function that is hooked for each page."""
    return tuple(int(n) for n in os.uname().release.split(".")[:2]) < (6, 5)


def limits(forced):
    """What the documentation says a variant does not see."""
    blurred = ["unix-seqpacket"] if forced.get("unix") == "sys" else []
    for group, kind in (("unix", "unix-stream"), ("inet", "tcp")):
        if sends_pages() and forced.get(group, "fexit") == "fexit":
            blurred.append(kind)
    return {"hidden": ("udp",) if forced.get("inet") == "sys" else (), "blurred": blurred,
            "cut": ("unix-seqpacket", "unix-dgram") if forced.get("unix") == "sys" else ()}


def smallest(name, options, forced):
    """The fewest operations of a program that failed with which it fails again."""
    seed = name.partition("#")[0]

    def failing(tries):
        which = " ".join("%s:%s" % (seed, programs.spans(t)) for t in tries)
        doc, _, truth = run(which, *options, stay=0, forced=forced)
        wrong = programs.differences(doc, truth, **limits(forced))
        return min((tries[int(one.partition("#")[2])] for one in wrong), key=len, default=None)
    return programs.shrink(seed, OPERATIONS, failing)


def compare(doc, truth, options=(), forced={}):
    lens.check_document(doc, forced=forced)
    wrong = programs.differences(doc, truth, **limits(forced))
    if not wrong:
        seen, told = programs.count_direct(doc, truth)
        lens.equal("signals and calls on memory", told, seen)
        return
    text = programs.describe(wrong)
    # each try would take seconds of an emulated machine
    if not EMULATED:
        text = "LENS_PROGRAMS=%s; %s" % (smallest(sorted(wrong)[0], options, forced), text)
    raise lens.Failure(text)


def run_and_replay(which):
    with tempfile.TemporaryDirectory(prefix="lens-random-") as where:
        saved = os.path.join(where, "run.lens")
        for _ in range(TRIES):
            doc, live, truth = run(which, "--save", saved, "--overwrite")
            if not doc["loss"]["ring_full"]:
                break
        compare(doc, truth)
        replayed, _ = lens.run("report", "-i", saved, "--json", *SHOWN, limit_s=60)
        lens.require(live == replayed, "the replay differs")


@lens.test(limit_s=1500 if lens.LONG else 240)
def random_programs():
    """Thousands of them in one run, and its recording gives the same report."""
    if "LENS_PROGRAMS" in os.environ:
        return run_and_replay(os.environ["LENS_PROGRAMS"])
    for first in range(1, MANY + 1, AT_ONCE):
        run_and_replay("%d-%d" % (first, first + AT_ONCE - 1))


@functools.lru_cache(maxsize=None)
def variants():
    """{hook group: variants that work here}"""
    found = {}
    for row in lens.doctor()["variants"]:
        if row["state"] in ("chosen", "not-needed"):
            found.setdefault(row["group"], []).append(row["variant"])
    return found


def variant_sets():
    """Each variant of every group once, in as few runs as that takes."""
    found = dict(variants())
    for completing in ("uring", "multipath"):
        found.pop(completing, None)
    depth = max(len(names) for names in found.values())
    return [{group: names[min(n, len(names) - 1)] for group, names in found.items()}
            for n in range(depth)]


def forced_options(forced):
    return [word for one in forced.items() for word in ("--variant", "%s=%s" % one)]


# by each of them something is moved on a kind of channel, in the words of tests/work/matrix.c
ON_ANY = {"write", "writev", "pwritev2", "read", "readv", "preadv2"}
ON_SOCKETS = ON_ANY | {"send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg",
                       "recvmmsg", "recv+trunc"}
OF_PAGES = {"splice in", "splice out", "sendfile"}
OF_PIPES = ON_ANY | OF_PAGES | {"tee", "vmsplice in", "vmsplice out", "splice of a file",
                                "splice to a file"}
OF_STREAMS = ON_SOCKETS | OF_PAGES | {"sendfile out"}
CALLS = {"pipe": OF_PIPES, "fifo": OF_PIPES, "unix-stream": OF_STREAMS,
         "unix-seqpacket": ON_SOCKETS, "unix-dgram": ON_SOCKETS, "tcp": OF_STREAMS,
         "udp": ON_SOCKETS, "pty": ON_ANY}


def called(truth):
    """{type: {call}} by which something was moved."""
    found = {}
    for one in truth["channels"]:
        name, _, call = one["chapter"].partition(" ")
        if name == one["type"] and any(end["bytes"] for end in one["ends"]):
            found.setdefault(name, set()).add(call)
    return found


class Variants:
    """What the workloads of two tests are seen to do by one set of variants: under one run of
    ipclens where starting it takes seconds, and both are asked for."""

    def __init__(self):
        self.seen = {}      # (test, the options): (document, truth)

    def watched(self, test, forced):
        options = tuple(forced_options(forced))
        if (test, options) not in self.seen or lens.is_second_try:
            both = lens.NARROW and not lens.is_second_try
            self.observe([name for name in OF_VARIANTS if name == test or
                          both and name in lens.CHOSEN], options, forced)
        return self.seen.pop((test, options))

    def observe(self, tests, options, forced):
        works = [lens.Workload(*OF_VARIANTS[test], rings(forced)) for test in tests]
        observer = lens.observe(*SHOWN, *options)
        truths = [work.go() or work.truth() for work in works]
        doc = lens.parse(observer.interrupt(limit_s=60))
        for test, work, truth in zip(tests, works, truths):
            work.end()
            self.seen[test, options] = doc, truth


# test: its workload
OF_VARIANTS = {"call_matrix": ("matrix", "calls"),
               "random_variants": ("random", "run", os.environ.get("LENS_PROGRAMS", SOME), STAY)}
VARIANTS = Variants()
for of_variants in OF_VARIANTS:
    parts.share(of_variants, "variants")


@lens.test(limit_s=240)
def call_matrix():
    """Every call on every kind of channel, by every variant: what differs is told by its name."""
    for forced in variant_sets():
        doc, truth = VARIANTS.watched("call_matrix", forced)
        lens.check_document(doc, forced=forced)
        missing = {name: calls - called(truth).get(name, set()) for name, calls in CALLS.items()}
        lens.equal("calls that moved nothing", {}, {k: v for k, v in missing.items() if v})
        wrong = programs.differences(doc, truth, **limits(forced))
        lens.equal(" ".join(forced_options(forced)[1::2]), {}, wrong)


@lens.test(limit_s=900 if lens.LONG else 240)
def random_variants():
    """The same programs under every variant."""
    for forced in variant_sets():
        options = forced_options(forced)
        doc, truth = VARIANTS.watched("random_variants", forced)
        try:
            compare(doc, truth, options, forced)
        except lens.Failure as failure:
            raise lens.Failure("%s: %s" % (" ".join(options[1::2]), failure))
