# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""How who keeps an end of file from coming got its write end: `ipclens stuck` tells it without
anybody having watched, and what is inferred as inferred."""

import re

import lens
from knots import Knot

# mode: (verdict, how, from whom, inferred, in the evidence), for the holder, if there is one
WAYS = {
    "forked": ("external", "inherited", "maker", True, "which made it, is an ancestor"),
    "grandchild": ("eof-leak", "inherited", None, True, "that it descends from has ended"),
    "gone": ("eof-leak", "inherited", None, True, "that it descends from has ended"),
    # nothing has ever been written, or who holds it was there first: it may be about to
    "silent": ("waiting", "inherited", None, True, "that it descends from has ended"),
    "session": ("waiting", "inherited", None, True, "that it descends from has ended"),
    "pipeline": ("waiting", "inherited", None, True, "that it descends from has ended"),
    # a socket, but as standard output of who has written nothing to it
    "output": ("eof-leak", "inherited", None, True, "that it descends from has ended"),
    "changed": ("eof-leak", None, None, None, None),
    "ownpipe": ("eof-leak", "created", None, False, "credentials"),
    "ownfifo": ("eof-leak", "opened", None, False, "credentials"),
    "elder": ("eof-leak", "received", "reader", True, "younger, so that it was not inherited"),
    "younger": ("external", "received", "reader", True, "which made it, is no ancestor"),
}
WORDS = {"created": "made by itself", "opened": "opened by itself",
         "inherited": "inherited by fork", "received": "received over a socket or by pidfd_getfd"}


def origin_test(mode):
    def one():
        verdict, how, maker, inferred, evidence = WAYS[mode]
        knot = Knot(mode)
        wait = knot.wait("reader")
        lens.equal("verdict", verdict, wait["verdict"])
        holder, = wait["waits_for"]
        lens.equal("holder", "holder" if "holder" in knot.pid else "reader",
                   knot.by_id[holder["process"]])
        origin = holder["origin"]
        if how is None:
            lens.equal("origin", None, origin)
            lens.require("from where is not known" in wait["explanation"], wait["explanation"])
            knot.work.end()
            return
        lens.equal("how, from whom, inferred", (how, maker, inferred),
                   (origin["how"], origin["from"] and knot.by_id[origin["from"]],
                    origin["inferred"]))
        lens.require(evidence in origin["evidence"], origin["evidence"])
        said = wait["explanation"]
        lens.require(WORDS[how] in said, said)
        # certain and inferred are told apart: an elder cannot have inherited it
        marked = re.search(WORDS[how] + r"( from \S+)? \(inferred: ", said) is not None
        lens.equal("told as inferred: " + said, inferred and mode != "elder", marked)
        knot.work.end()
    return one


for _mode in WAYS:
    lens.register("stuck_origin_" + _mode, origin_test(_mode))


@lens.test()
def stuck_origin_sends():
    """A daemon that tells by send(2), which nobody counts, is not said to tell nothing."""
    knot = Knot("sends")
    wait = knot.wait("reader")
    lens.equal("verdict", "waiting", wait["verdict"])
    lens.require("no write(2)" not in wait["explanation"], wait["explanation"])
    knot.work.end()
