# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Through io_uring, which under `sys` no system call tells of."""

import batch
import lens

DECODED = "rw workers fixed sqpoll splice waiting"


def variant_of_pipe(doc):
    return {c["type"]: c["variant"] for c in doc["coverage"]}["pipe"]


def without_attempts(truth):
    """A function hook also sees the attempts that io_uring makes before it waits."""
    for channel in truth["channels"]:
        for end in channel["ends"]:
            for field in ("operations", "errors"):
                end.pop(field, None)
    return truth


def compare_decoded(doc, truth):
    if variant_of_pipe(doc) != "sys":
        truth = without_attempts(truth)
    lens.compare(doc, truth)


def register_all(prefix, *options):
    for mode in DECODED.split():
        batch.register(prefix + mode, compare_decoded, "uring", mode, *lens.narrow("pipe"),
                       *options)


register_all("uring_")
# where function hooks are the first choice, the system calls' variant must see it too
register_all("uring_sys_", "--variant", "pipe=sys")


@lens.test()
def uring_sys_silent():
    """Operations without a completion are counted as unseen, and their bytes are missing."""
    doc, truth = lens.watched("uring", "silent",
                              options=lens.narrow("pipe") + ("--variant", "pipe=sys"))
    lens.require(doc["loss"]["unseen"] >= truth["facts"]["silent"],
                 "%d operations, %d unseen" % (truth["facts"]["silent"], doc["loss"]["unseen"]))
    channel = lens.find_channel(doc, truth["channels"][0])
    lens.equal("bytes without a writer", -70 * truth["facts"]["silent"],
               channel["ledger"]["unaccounted"])


@batch.test("uring", "silent", *lens.narrow("pipe"))
def uring_silent(doc, truth):
    """... unless the hooks are at function level."""
    if variant_of_pipe(doc) == "sys":
        raise lens.Skip("no function hooks here")
    lens.compare(doc, without_attempts(truth))


def uring_eventfd_as(*options):
    doc, truth = lens.watched("uring", "eventfd", options=lens.narrow("eventfd") + options)
    variant = {c["type"]: c["variant"] for c in doc["coverage"]}["eventfd"]
    truth = without_attempts(truth)
    if variant == "sys":
        channel = lens.find_channel(doc, truth["channels"][0])
        lens.equal("values unseen", truth["facts"]["vectors"],
                   doc["loss"]["by_type"]["eventfd"]["unseen"])
        lens.equal("what is missing", -1000, channel["ledger"]["unaccounted"])
        for end in truth["channels"][0]["ends"]:
            if end["dir"] == "write":
                end["bytes"] -= 1000
                end["messages"] -= 1
        lens.compare_counts(doc, truth)
    else:
        lens.compare(doc, truth)


lens.register("uring_eventfd", uring_eventfd_as)
lens.register("uring_sys_eventfd", lambda: uring_eventfd_as("--variant", "eventfd=sys"))


SOCKETS = lens.narrow("errors")
SOCKETS_SYS = (*SOCKETS, "--variant", "unix=sys", "--variant", "inet=sys")


@lens.test()
def uring_sockets():
    """Hooks of sockets see them whoever asked."""
    doc, truth = lens.watched("uring", "sockets", options=SOCKETS)
    lens.compare(doc, without_attempts(truth))


@lens.test()
def uring_sys_sockets():
    """The end of system calls sees none of them, and the report says how many there were."""
    doc, truth = lens.watched("uring", "sockets", options=SOCKETS_SYS)
    for kind in ("unix-stream", "tcp"):
        lens.equal("unseen of " + kind, truth["facts"]["each"],
                   doc["loss"]["by_type"][kind]["unseen"])
        limits = [row["detail"] for row in doc["coverage"] if row["type"] == kind]
        lens.require("io_uring" in limits[0], "limits: %r" % limits)


@lens.test()
def uring_sys_multishot():
    """Of several completions of one operation it is known that there was something."""
    doc, truth = lens.watched("uring", "multishot", options=SOCKETS_SYS)
    lens.require(doc["loss"]["unseen"] >= truth["facts"]["operations"],
                 "loss: %r" % doc["loss"])


@lens.test()
def uring_multishot():
    doc, truth = lens.watched("uring", "multishot", options=SOCKETS)
    lens.compare(doc, without_attempts(truth))


def uring_cut_as(*options):
    """What of a message there was room for is what was moved."""
    doc, truth = lens.watched("uring", "cut", options=lens.narrow("udp") + options)
    variant = {c["type"]: c["variant"] for c in doc["coverage"]}["udp"]
    if variant == "fexit":
        lens.compare(doc, without_attempts(truth))
    else:
        lens.equal("unseen", truth["facts"]["cut"], doc["loss"]["by_type"]["udp"]["unseen"])


lens.register("uring_cut", uring_cut_as)
lens.register("uring_sys_cut", lambda: uring_cut_as("--variant", "inet=sys"))


def uring_pty_as(*options):
    doc, truth = lens.watched("uring", "pty", options=lens.narrow("pty") + options)
    variant = {c["type"]: c["variant"] for c in doc["coverage"]}["pty"]
    lens.compare(doc, truth if variant == "sys" else without_attempts(truth))


lens.register("uring_pty", uring_pty_as)
lens.register("uring_sys_pty", lambda: uring_pty_as("--variant", "pty=sys"))
