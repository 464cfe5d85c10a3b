# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` where the memory that a call was given says something else by now: a thread that
has ended, or another process, has written to it."""

import lens
from knots import KNOTS, TOGETHER, knot_test

ASLEEP = ({"process": "external", "reader": "external"}, {})
HELD = ({"process": "peer-slow", "reader": "external"}, {"holder": ("peer-slow", 1)})
CALLS = {"poll": ASLEEP, "select": ASLEEP, "semop": HELD, "lock": HELD, "end": HELD,
         "words": ASLEEP}


def in_ring(mode):
    """The process waits for the reader, whatever its memory says."""
    TOGETHER.add(mode)

    def one():
        knot = TOGETHER.knot(mode)
        lens.equal("verdicts", {"process": "deadlock", "reader": "deadlock"}, knot.verdicts())
        lens.equal("holder waited for", False, "holder" in knot.providers("process"))
        lens.equal("cycles", [{"process", "reader"}], knot.cycles())
        knot.end()
    return one


for _call, (_verdicts, _roots) in CALLS.items():
    for _mode in ("rewritten" + _call, "rewrittenshared" + _call):
        KNOTS[_mode] = (_verdicts, {"reader": ["process"]}, _roots)
        lens.register("stuck_" + _mode, knot_test(_mode))
    for _mode in ("rewrittenfrom" + _call, "rewrittensame" + _call):
        lens.register("stuck_" + _mode, in_ring(_mode))
