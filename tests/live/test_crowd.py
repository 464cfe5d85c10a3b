# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Queues with several senders and several receivers: whose message each of them got."""

import lens

STARTS = "ipclens: numbering the messages of queues"
ENDS = "ipclens: not numbering messages any more"


# the workload cuts no message: how many bytes each sender's were cut is told by their order alone
WHOLE = 1


def narrow():
    return lens.narrow("crowd")


def check_numbered(doc, truth):
    """Every flow is exact and right, and how long its messages were inside is known."""
    lens.check_document(doc)
    lens.compare(doc, truth)
    mine = lens.find_channel(doc, truth["channels"][0])["id"]
    flows = [f for f in doc["flows"] if f["channel"] == mine]
    lens.require(len(flows) >= 8, "only %d flows of 4 senders and 4 receivers" % len(flows))


def from_the_start(mode):
    def one():
        work = lens.Workload("crowd", mode)
        observer = lens.observe("--ops", *narrow())
        work.go()
        truth = work.truth()
        doc = observer.document()
        check_numbered(doc, truth)
        mine = lens.find_channel(doc, truth["channels"][0])["id"]
        lens.require(all(f["residency_ns"] for f in doc["flows"] if f["channel"] == mine),
                     "a flow without residency")
        said = [line.decode(errors="replace") for line in observer.stderr]
        lens.equal("was said", 1, said.count(STARTS))
    return one


def on_demand(mode):
    """Hooks come when the queue is crowded, without any privilege."""
    def one():
        work = lens.Workload("crowd", mode, 300, 1)
        observer = lens.observe(*narrow())
        work.go()
        work.pause()
        observer.wait_saying(STARTS)
        work.say("on")
        truth = work.truth()
        check_numbered(observer.document(), truth)
    return one


@lens.test()
def crowd_released():
    """Hooks are not kept for a queue that is gone."""
    work = lens.Workload("crowd", "sysv", 10, 1)
    observer = lens.observe(*narrow())
    work.go()
    work.pause()
    observer.wait_saying(STARTS)
    work.say("on")
    work.truth()
    work.end()
    observer.wait_saying(ENDS)
    observer.document()


def at_once(mode):
    """Without a moment for the hooks to come, what went before them is in doubt, and said to be."""
    def one():
        doc, truth = lens.watched("crowd", mode, 300, 0, WHOLE, options=narrow())
        lens.compare(doc, truth, may_be_inexact=True)
    return one


for queue in ("sysv", "posix"):
    lens.register("crowd_%s_ops" % queue, from_the_start(queue))
    lens.register("crowd_%s_demand" % queue, on_demand(queue), limit_s=40)
    lens.register("crowd_%s_at_once" % queue, at_once(queue))


@lens.test()
def crowd_hooks():
    """Functions are hooked where queues have theirs: the tracepoints of the allocator cost more."""
    if lens.OPTIONS:
        raise lens.Skip("other hooks are asked for")
    doc = lens.doctor()
    chosen = {row["group"]: row["variant"] for row in doc["variants"] if row["state"] == "chosen"}
    lens.equal("hooks", "fexit" if chosen["sysvmsg"] == "fexit" else "tp", chosen["message"])


@lens.test()
def crowd_lost():
    """A flow whose operations were lost in part does not claim to be exact."""
    work = lens.Workload("crowd", "sysv", 2000, 0, WHOLE)
    observer = lens.observe("--ops", "--simulate-drops", 7, *narrow())
    work.go()
    truth = work.truth()
    doc = observer.document()
    lens.compare(doc, truth, may_be_inexact=True)
    lens.require(doc["loss"]["ring_full"] > 0, "drops were simulated, none is reported")
    mine = lens.find_channel(doc, truth["channels"][0])["id"]
    why = {f.get("why") for f in doc["flows"] if f["channel"] == mine}
    lens.equal("why", {"apportioned: records of single operations were lost"}, why)


@lens.test()
def crowd_replayed():
    """A recording knows the numbers, too."""
    path = "/tmp/lens-crowd-%d" % lens.os.getpid()
    work = lens.Workload("crowd", "posix")
    observer = lens.observe("--ops", "--save", path, *narrow())
    work.go()
    truth = work.truth()
    doc = observer.document()
    try:
        again = lens.parse(lens.run("report", "-i", path, "--json")[0])
    finally:
        lens.os.unlink(path)
    lens.equal("flows of the replay", doc["flows"], again["flows"])
    check_numbered(again, truth)


@lens.test()
def crowd_typed():
    """
    A server and clients on one queue: types tell whose a message is, without numbers. Only
    what the first client sent alone, before its operations were followed, may be of any type.
    """
    work = lens.Workload("desk", "sysv", 500)
    observer = lens.observe(*narrow())
    work.go()
    truth = work.truth()
    said = [line.decode(errors="replace") for line in observer.stderr]
    if STARTS in said:      # a client came and was slow to show what it is after
        observer.wait_saying(ENDS)
    doc = observer.document()
    lens.check_document(doc)
    lens.compare(doc, truth, may_be_inexact=True)
    mine = lens.find_channel(doc, truth["channels"][0])["id"]
    why = {f.get("why", "") for f in doc["flows"] if f["channel"] == mine}
    lens.require(all(w.startswith("the order of 1 of its ") for w in why), "why: %s" % why)
