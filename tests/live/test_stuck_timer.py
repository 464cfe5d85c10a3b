# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Knots with a way out that opens by itself, or seems to: timers, and data of which there is not
enough. `ipclens stuck` must neither miss the knot nor see one that a timer will end."""

import lens
from knots import KNOTS, RINGS, knot_test, ring_test, seen_together

PAIR = {"waiter": "reader", "reader": "waiter"}
ENDS = ({"waiter": "waiting", "reader": "waiting"},
        {"waiter": ["reader"], "reader": ["waiter"]}, {})
NO_HELP = ("leastunix leasttcp leastpoll waitall timercycle alarmignored alarmblocked posixnotset"
           " pollapart epollapart peekall peeknew posixsilent posixignored alarmchildless"
           " heirpipe heirmutex urgentpoll unsentpoll unsentsend edgeset limitlater").split()

RINGS.update(dict.fromkeys(NO_HELP, PAIR))
KNOTS.update({
    "timeralone": ({"waiter": "dead-end", "reader": "dead-end"},
                   {"waiter": ["waiter"], "reader": ["waiter"]}, {"waiter": ("dead-end", 1)}),
    "timerheld": ({"waiter": "external", "reader": "external"},
                  {"waiter": ["holder", "waiter"], "reader": ["waiter"]}, {}),
    "timerset": ({"waiter": "waiting", "reader": "waiting"}, {"reader": ["waiter"]}, {}),
    "alarmhandled": ENDS,
    "alarmchild": ({"waiter": "external", "reader": "external"},
                   {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    "alarmclone": ({"waiter": "external", "reader": "external"},
                   {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    "alarmfatal": ({"waiter": "external", "reader": "external"},
                   {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    "alarmstops": ({"waiter": "external", "reader": "external"},
                   {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    "posixhandled": ENDS,
    # what it began with counts, whatever the socket or terminal says by now
    "limitread": ENDS,
    "limittcp": ENDS,
    "limitsend": ({"waiter": "peer-slow", "reader": "waiting"}, ENDS[1],
                  {"reader": ("peer-slow", 1)}),
    "limittty": ENDS,
    "limitconnect": ENDS,
})

for _mode in NO_HELP:
    lens.register("stuck_" + _mode, ring_test(_mode))
for _mode in ("timeralone", "timerheld", "timerset", "alarmhandled", "posixhandled",
              "alarmchild", "alarmclone", "alarmfatal", "alarmstops", "limitread", "limittcp",
              "limitsend", "limittty", "limitconnect"):
    lens.register("stuck_" + _mode, knot_test(_mode))


@lens.test()
def stuck_timer_in_words():
    """What ends the wait, and what does not, is said."""
    expected = {"timeralone": "nobody is left who could set the timer",
                "timercycle": "could set the timer",
                "alarmhandled": "waiting, with a timer set",
                "limitread": "waiting with a time limit",
                "intransit": "or what is on its way"}
    for mode, knot in seen_together(*expected).items():
        said = knot.wait("server" if mode == "intransit" else "waiter")["explanation"]
        lens.require(expected[mode] in said, said)
