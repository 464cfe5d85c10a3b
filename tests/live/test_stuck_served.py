# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Memory that another process has to bring in, as the server of a file system in user space
does: who waits for it is not stuck, and a look must not wait for it, too."""

import lens
from knots import KNOTS, Knot, knot_test

RECEIVED = ({"receiver": "external", "reader": "external"},
            {"receiver": ["reader"], "reader": ["receiver"]}, {})

LOCKED = ({"locker": "external", "reader": "external"},
          {"locker": [], "reader": ["locker"]}, {})

KNOTS.update({
    # it has taken the message, and waits for where to put it
    "servedmessage": RECEIVED, "servedvector": RECEIVED,
    # what the server has locked, and for whom, it alone knows
    "servedlock": LOCKED, "servedrecord": LOCKED,
    "servedset": ({"poll": "external", "reader": "external"}, {"reader": ["poll"]}, {}),
})
for _mode in KNOTS:
    if _mode.startswith("served"):
        lens.register("stuck_" + _mode, knot_test(_mode))


@lens.test()
def stuck_servedname():
    """What it is called would have to be brought, and is not asked for; its knot is told."""
    knot = Knot("servedname")
    ring = {"named": "deadlock", "reader": "deadlock"}
    lens.equal("verdicts", ring, {role: knot.verdicts().get(role) for role in ring})
    lens.equal("cycles", [set(ring)], knot.cycles())
    knot.work.end()
