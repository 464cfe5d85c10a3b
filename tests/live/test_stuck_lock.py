# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A process and a descriptor of its own are two owners of locks on a file."""

import lens
from knots import KNOTS, LOCKS, RINGS, knot_test, ring_test

for _mode in LOCKS[:2]:
    RINGS[_mode] = {"locker": "locker"}
    lens.register("stuck_" + _mode, ring_test(_mode))

KNOTS["lockother"] = ({"locker": "peer-slow"}, {"locker": ["owner"]}, {"owner": ("peer-slow", 1)})
lens.register("stuck_lockother", knot_test("lockother"))
