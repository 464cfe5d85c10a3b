# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Epoll sets with members that EPOLLONESHOT has disarmed: they wake nobody, whoever could arm them
again decides, and that somebody could is no part of a deadlock."""

import lens
from knots import KNOTS, RINGS, knot_test, ring_test, seen_together

KNOTS.update({
    "disarmedalone": ({"waiter": "dead-end"}, {"waiter": []}, {"waiter": ("dead-end", 0)}),
    "disarmedheld": ({"waiter": "external"}, {"waiter": ["holder"]}, {}),
    "disarmedtogether": ({"waiter": "dead-end", "second": "dead-end"},
                         {"waiter": ["second"], "second": ["waiter"]},
                         {"waiter": ("dead-end", 0), "second": ("dead-end", 0)}),
    "disarmedcrossed": ({"waiter": "dead-end", "reader": "dead-end"},
                        {"waiter": ["reader"], "reader": ["waiter"]},
                        {"waiter": ("dead-end", 1)}),
})
RINGS["disarmedamong"] = {"waiter": "reader", "reader": "waiter"}
for _mode in [mode for mode in KNOTS if mode.startswith("disarmed")]:
    lens.register("stuck_" + _mode, knot_test(_mode))
lens.register("stuck_disarmedamong", ring_test("disarmedamong"))


@lens.test()
def stuck_disarmed_in_words():
    expected = {"disarmedalone": (": EPOLLONESHOT has disarmed 1 member of its set, which wakes"
                                  " nobody: nobody is left who could arm it again"
                                  " (EPOLL_CTL_MOD)",),
                "disarmedheld": ("EPOLLONESHOT has disarmed 1 member",
                                 "could arm it again (EPOLL_CTL_MOD)"),
                "disarmedamong": ("each waits for the next",
                                  "; EPOLLONESHOT has disarmed 1 member of its set")}
    for mode, knot in seen_together(*expected).items():
        wait = knot.wait("waiter")
        for part in expected[mode]:
            lens.require(part in wait["explanation"], wait["explanation"])
        if mode == "disarmedheld":
            lens.equal("why", ["has the set as descriptor %d" % p["fd"] for p in wait["waits_for"]],
                       [p["why"] for p in wait["waits_for"]])
