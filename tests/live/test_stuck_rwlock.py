# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Locks for one who writes or many who read, which tell their owner in another way than mutexes
do; and words that look a little like such a lock, of which nobody is said to be dead."""

import lens
from knots import KNOTS, RINGS, Knot, knot_test, ring_test

KNOTS["rwheld"] = ({"reader": "peer-slow", "writer": "peer-slow"},
                   {"reader": ["owner"], "writer": ["owner"]}, {"owner": ("peer-slow", 2)})
RINGS["rwpipe"] = {"owner": "waiter", "waiter": "owner"}
lens.register("stuck_rwheld", knot_test("rwheld"))
lens.register("stuck_rwpipe", ring_test("rwpipe"))


@lens.test()
def stuck_rwgone():
    """Who had it to write has ended: by name, and as an inference."""
    knot = Knot("rwgone")
    lens.equal("verdicts", dict.fromkeys(("reader", "writer"), "owner-dead"), knot.verdicts())
    for role in ("reader", "writer"):
        wait = knot.wait(role)
        lens.equal("certain", False, wait["certain"])
        lens.require("thread %d, which locked it, no longer exists" % knot.pid["gone"]
                     in wait["explanation"], wait["explanation"])
    lens.equal("exit status", 5, knot.status)
    knot.work.end()


@lens.test()
def stuck_rwreaders():
    """Who reads leaves no name: that is said, and how many they are."""
    knot = Knot("rwreaders")
    lens.require(knot.verdicts()["writer"] in ("external", "waiting"), knot.verdicts())
    lens.require({"one", "two"} <= set(knot.providers("writer")), knot.providers("writer"))
    lens.require("2 who read have the lock, which does not say who they are"
                 in knot.wait("writer")["explanation"], knot.wait("writer")["explanation"])
    knot.work.end()


@lens.test()
def stuck_rwimpostors():
    knot = Knot("rwimpostors")
    verdicts = knot.verdicts()
    lens.equal("where nothing is wrong", "owner-dead", verdicts.pop("nothing"))
    lens.equal("who else waits", set("readers shared padding kind number small semaphore condition"
                                     " barrier".split()), set(verdicts))
    lens.require(set(verdicts.values()) <= {"external", "waiting"}, verdicts)
    knot.work.end()
