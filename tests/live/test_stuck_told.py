# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""A thread that waits for a signal handler to tell it something, beside one that waits for
another process: a service that is idle. Beside one that it waits for, it is stuck."""

import lens
from knots import KNOTS, RINGS, knot_test, ring_test

KNOTS["toldhandler"] = ({"service": "external", "reader": "external"},
                        {"service": ["reader"], "reader": ["service"]}, {})
RINGS.update(dict.fromkeys(("toldthread", "toldowner"),
                           {"service": "reader", "reader": "service"}))
lens.register("stuck_toldhandler", knot_test("toldhandler"))
for _mode in ("toldthread", "toldowner"):
    lens.register("stuck_" + _mode, ring_test(_mode))
