# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Kernels that can take the processor from a task in the middle of a function hook."""

import lens

WORKLOADS = (("many", "matrix", 1000), ("sysvmsg", "matrix"), ("mqueue", "matrix"),
             ("unix", "matrix"), ("unix", "seqmatrix"), ("eventfd", "matrix"))


# hook groups that only those of another one need, while it hooks functions
COMPLETES = {"multipath": "inet"}


def started_preempting():
    with open("/proc/cmdline") as f:
        modes = [w for w in f.read().split() if w.startswith("preempt=")]
    return bool(modes) and modes[-1] in ("preempt=full", "preempt=lazy")


def function_hooks():
    """({hook group: variant that hooks functions}, the document of doctor)"""
    doc = lens.doctor()
    usable = {}
    for row in doc["variants"]:
        if "fexit" in row["variant"] and row["state"] not in ("absent", "refused"):
            usable.setdefault(row["group"], row["variant"])
    if not usable:
        raise lens.Skip("no function hooks here")
    return usable, doc


@lens.test()
def preemption_is_noticed():
    """Function hooks are a last resort on a kernel that was started with full preemption."""
    usable, doc = function_hooks()
    preempts = started_preempting()
    rows = {(v["group"], v["variant"]): v for v in doc["variants"]}
    for hooks in usable.items():
        others = [row for (group, variant), row in rows.items()
                  if group == hooks[0] and variant != hooks[1]]
        if all(row["state"] in ("absent", "refused") for row in others):
            completed = rows.get((COMPLETES.get(hooks[0]), hooks[1]), {"state": "chosen"})
            lens.equal("the only way, %s of %s" % hooks[::-1],
                       "chosen" if completed["state"] == "chosen" else "not-needed",
                       rows[hooks]["state"])
            continue
        lens.equal("%s of %s" % hooks[::-1], "not-needed" if preempts else "chosen",
                   rows[hooks]["state"])
        lens.equal("why not", preempts, "started with preempt=" in rows[hooks]["why"])
    for row in (r for r in doc["coverage"] if lens.group_of(r["type"]) in usable):
        lens.equal("coverage of %s says so" % row["type"], preempts, "can preempt" in row["detail"])


def compare_missed(doc, truth):
    """How many operations are missing; none may be counted twice, or for somebody else."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    missed = 0
    # of datagram sockets only those are shown whose queue was used
    for one in (c for c in truth["channels"] if c["ends"]):
        label = "%s %s" % (one["type"], one.get("ino", one.get("id")))
        expected = {(end["pid"], end["dir"]): end for end in one["ends"]}
        missed += sum(end["operations"] for end in one["ends"])
        for end in lens.find_channel(doc, one)["endpoints"]:
            for direction in ("read", "write"):
                want = expected.get((pid[end["process"]], direction), {})
                for field in ("operations", "messages", "bytes", "errors"):
                    # what the truth does not say of somebody it knows is open
                    most = want.get(field, None if want else 0)
                    lens.require(most is None or end[direction][field] <= most,
                                 "%s pid %s %s: %d %s of %r" %
                                 (label, pid[end["process"]], direction, end[direction][field],
                                  field, most))
                missed -= end[direction]["operations"]
    return missed


@lens.test(limit_s=40)
def preemption_in_function_hooks():
    """What the kernel skips is counted, and nothing else goes wrong where tasks meet."""
    usable, _ = function_hooks()
    options = [word for hooks in usable.items() for word in ("--variant", "%s=%s" % hooks)]
    works = [lens.Workload(*which) for which in WORKLOADS]
    observer = lens.observe(*options)
    for work in works:
        work.go()
    truths = [work.truth() for work in works]
    doc = observer.document()
    lens.check_document(doc, lost=True, forced=usable)
    missed = sum(compare_missed(doc, truth) for truth in truths)
    skipped = doc["loss"]["recursion"]
    lens.require(missed <= skipped, "%d operations are missing, %d skipped" % (missed, skipped))
    lens.require(started_preempting() or not skipped, "%d skipped without preemption" % skipped)
