# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Who was moved from the futex of its call to another one waits for whoever has, or could wake,
that one."""

import lens
from knots import HELD, KNOTS, RINGS, knot_test, ring_test, seen_together

KNOTS.update({
    "requeuemutex": HELD,
    "requeueheir": HELD,
    # at the first one nobody else could wake it, and nobody has to
    "requeuememory": ({"waiter": "external"}, {"waiter": ["holder"]}, {}),
    "requeuewords": ({"waiter": "external"}, {"waiter": ["holder"]}, {}),
    "requeuestranger": ({"waiter": "external"}, {"waiter": []}, {}),
})
RINGS["requeuering"] = {"waiter": "owner", "owner": "waiter"}
for _mode in [mode for mode in KNOTS if mode.startswith("requeue")]:
    lens.register("stuck_" + _mode, knot_test(_mode))
lens.register("stuck_requeuering", ring_test("requeuering"))


@lens.test()
def stuck_requeue_in_words():
    expected = {"requeuemutex": ("lock", "+0x40", False), "requeueheir": ("lock", "+0x40", True),
                "requeuememory": ("wake", "+0x0", False)}
    for mode, knot in seen_together(*expected).items():
        want, offset, certain = expected[mode]
        wait = knot.wait("waiter")
        lens.equal("direction and certain", (want, certain), (wait["direction"], wait["certain"]))
        lens.require(wait["any_of"][0]["object"].endswith(offset), wait["any_of"][0]["object"])
        lens.require("; it was moved there from the futex of its call (FUTEX_REQUEUE)"
                     in wait["explanation"], wait["explanation"])
