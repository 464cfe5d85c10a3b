# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` where a descriptor stands for something else than the call is about that was
given it: another thread has put that in its place, or another process of the same table."""

import lens
from knots import KNOTS, RINGS, STRAYS, TOGETHER, knot_test, ring_test

TWO = {"process": "external", "reader": "external"}

for _mode in STRAYS[:-5] + ["stray32"]:
    KNOTS[_mode] = (TWO, {"reader": ["process"]}, {})
    lens.register("stuck_" + _mode, knot_test(_mode))

# what it waits by names the file
KNOTS["straylock"] = ({"process": "peer-slow", "reader": "external"},
                      {"process": ["holder"], "reader": ["process"]},
                      {"holder": ("peer-slow", 1)})

# whatever it is about, it has a time limit
for _mode in ("straytimedsocket", "straytimedset"):
    KNOTS[_mode] = ({"process": "waiting", "reader": "waiting"}, {"reader": ["process"]}, {})
    lens.register("stuck_" + _mode, knot_test(_mode))

RINGS["polledtwice"] = {"poll": "reader", "reader": "poll"}
lens.register("stuck_polledtwice", ring_test("polledtwice"))

# its call has a reference that it would need no more, and which might be somebody else's
KNOTS["endedthread"] = (TWO, {"process": ["reader"], "reader": ["process"]}, {})
lens.register("stuck_endedthread", knot_test("endedthread"))

TOGETHER.add("sharedtable")


@lens.test()
def stuck_sharedtable():
    """Two processes of one table hold one reference with it, and each call another."""
    knot = TOGETHER.knot("sharedtable")
    lens.equal("verdicts", {"sharer": "deadlock", "reader": "deadlock"}, knot.verdicts())
    lens.equal("providers", ["reader"], knot.providers("sharer"))
    knot.end()
