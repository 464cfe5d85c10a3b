# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Who seems to be stuck and has a way out that the call does not name, and what is said of those
whom ending one of them does not help."""

import lens
from knots import KNOTS, RINGS, Knot, knot_test, ring_test, seen_together

TERMINAL = ({"timed": "waiting", "reader": "waiting"},
            {"timed": ["reader"], "reader": ["timed"]}, {})

STOPPED = ({"writer": "external", "reader": "external"}, {"writer": [], "reader": ["writer"]}, {})

POSTED = ({"one": "external", "two": "external"}, {"one": ["two"], "two": ["one"]}, {})
OWN = (POSTED[0], {"one": ["one", "two"], "two": ["one"]}, {})

KNOTS.update({"ttytimed": TERMINAL, "ttysome": TERMINAL, "ttystopped": STOPPED,
              "readerbeside": POSTED, "postbeside": POSTED, "ownpolled": OWN})
for _mode in ("ttytimed", "ttysome", "ttystopped", "readerbeside", "postbeside", "ownpolled"):
    lens.register("stuck_" + _mode, knot_test(_mode))
BOTH = "samewait sameword streamends datagramends eventscrossed eventsbeside poolbeside".split()
RINGS.update(dict.fromkeys(BOTH, {"one": "two", "two": "one"}))
for _mode in BOTH:
    lens.register("stuck_" + _mode, ring_test(_mode))


@lens.test()
def stuck_setthread():
    """Another thread can add to the set: it is not stuck behind the knot it looks at."""
    knot = Knot("setthread")
    verdicts = {knot.by_id[w["process"]]: w["verdict"] for w in knot.doc["waits"]
                if w["syscall"] == "epoll_wait" or w["tid"] in knot.name}
    lens.equal("verdicts", {"writer": "deadlock", "reader": "deadlock", "set": "external"},
               verdicts)
    lens.equal("cycles", [{"writer", "reader"}], knot.cycles())
    knot.work.end()


@lens.test()
def stuck_semscrossed():
    """The ring is of the two that wait for each other, not of one and the parent of both."""
    knot = Knot("semscrossed")
    lens.equal("verdicts", dict.fromkeys(("parent", "left", "right"), "deadlock"), knot.verdicts())
    lens.equal("cycles", [{"left", "right"}], knot.cycles())
    lens.equal("roots", [("deadlock", 2)], list(knot.roots().values()))
    lens.equal("whom the root is", True, set(knot.roots()) < {"left", "right"})
    lens.require("it waits for a cycle: " in knot.wait("parent")["explanation"],
                 knot.wait("parent")["explanation"])
    text = lens.run("stuck", "-p", knot.pid["parent"], status=5)[0].decode()
    lens.require("<- impasse_futex(%d)  wait4" % knot.pid["parent"] in text, text)
    knot.work.end()


@lens.test()
def stuck_end_in_words():
    """That ending one of them ends a deadlock is said where it does."""
    expected = (("two", True, "ending one of them ends it"),
                ("samewait", True, "wait for the same, so that ending one"),
                ("samewait", False, "ending one of them ends it"),
                ("streamends", True, "ending one of them ends it"),
                ("datagramends", True, "whoever of them ends, the others"),
                ("eventscrossed", True, "whoever of them ends, the others"),
                ("timerends", True, "whoever of them ends, the others"),
                ("sameword", True, "who should have woken them is not known"),
                ("sameword", False, "ending one of them ends it"))
    knots = seen_together(*dict.fromkeys(mode for mode, _, _ in expected))
    for mode, whether, words in expected:
        for said in knots[mode].said("deadlock"):
            lens.equal("\"%s\" in: %s" % (words, said), whether, words in said)


@lens.test()
def stuck_fifoscrossed():
    """What only a stranger could end is no deadlock, and said nevertheless."""
    for mode, verdict, told in (("fifoscrossed", "external", True),
                                ("queuescrossed", "external", True),
                                ("fifosheld", "waiting", False)):
        knot = Knot(mode)
        verdicts = {knot.by_id[w["process"]]: w["verdict"] for w in knot.doc["waits"]
                    if w["syscall"] in ("read", "mq_timedreceive")}
        lens.equal("verdicts of " + mode, dict.fromkeys(("left", "right"), verdict), verdicts)
        pids = ",".join(str(pid) for pid, name in knot.name.items() if name in verdicts)
        text = lens.run("stuck", "-p", pids)[0].decode()
        lens.equal("what is told of " + mode, told, "2 of these wait for processes that wait, too"
                   in text)
        knot.work.end()


@lens.test()
def stuck_way_out_in_words():
    """Of those who wait for each other and have a way out, that is told, not the waits alone."""
    for mode, role, words in (("ownpolled", "one", "could write to it, or a signal handler"),
                              ("postbeside", "two", ", beside threads that may act, could")):
        knot = Knot(mode)
        said = knot.wait(role)["explanation"]
        lens.require(words in said, said)
        knot.work.end()
