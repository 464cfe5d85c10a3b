# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` where the memory that a call was given says something else by now: a thread that
has ended, or another process, has written to it."""

import lens
from knots import KNOTS, TOGETHER, knot_test

CALLS = "poll select".split()
TWO = {"process": "external", "reader": "external"}


def in_ring(mode):
    """The process waits for the reader, whatever its memory says."""
    TOGETHER.add(mode)

    def one():
        knot = TOGETHER.knot(mode)
        lens.equal("verdicts", {"process": "deadlock", "reader": "deadlock"},
                   knot.verdicts())
        lens.equal("providers", ["reader"], knot.providers("process"))
        lens.equal("cycles", [{"process", "reader"}], knot.cycles())
        knot.end()
    return one


for _call in CALLS:
    for _mode in ("rewritten" + _call, "rewrittenshared" + _call):
        KNOTS[_mode] = (TWO, {"process": ["holder"], "reader": ["process"]}, {})
        lens.register("stuck_" + _mode, knot_test(_mode))
    for _mode in ("rewrittenfrom" + _call, "rewrittensame" + _call):
        lens.register("stuck_" + _mode, in_ring(_mode))
