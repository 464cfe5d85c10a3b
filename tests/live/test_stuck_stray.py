# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` where a descriptor stands for something else than the call is about that was
given it: another thread has put that in its place, or another process of the same table."""

import lens
from knots import KNOTS, STRAYS, knot_test

for _mode in STRAYS:
    KNOTS[_mode] = ({"process": "external", "reader": "external"}, {"reader": ["process"]}, {})
    lens.register("stuck_" + _mode, knot_test(_mode))
