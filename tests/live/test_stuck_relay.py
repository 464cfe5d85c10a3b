# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Where the kernel takes a hand: BPF programs give one socket what another was sent, and splice(2)
keeps its pipe to itself while it waits for a socket."""

import lens
from knots import KNOTS, RINGS, Knot, knot_test, ring_test

for _mode in ("relayedtcp", "relayedunix"):
    KNOTS[_mode] = ({"waiter": "external", "reader": "external"},
                    {"waiter": ["reader"], "reader": ["waiter"]}, {})
KNOTS["lockedwriter"] = ({"writer": "peer-slow", "waiter": "external"},
                         {"writer": ["waiter"], "waiter": ["holder"]}, {"waiter": ("peer-slow", 1)})
CROSSED = ("lockedcrossed", "lockedsplice", "lockedtee", "lockedvmsplice", "lockedclose",
           "lockedioctl")
RINGS.update(dict.fromkeys(CROSSED, {"waiter": "reader", "reader": "waiter"}))

for _mode in ("relayedtcp", "relayedunix", "lockedwriter"):
    lens.register("stuck_" + _mode, knot_test(_mode))
for _mode in CROSSED:
    lens.register("stuck_" + _mode, ring_test(_mode))


@lens.test()
def stuck_relay_in_words():
    """What the hand of the kernel is is said."""
    for mode, role, words in (("relayedtcp", "waiter", "whoever BPF programs take it from"),
                              ("lockedwriter", "writer", "could release its lock")):
        knot = Knot(mode)
        said = knot.wait(role)["explanation"]
        lens.require(words in said, said)
        knot.work.end()


@lens.test()
def stuck_relay_calls():
    """The call that waits for a pipe's lock has its name, whichever it is, and the descriptor that
    is its first argument; what is being closed has none any more."""
    for mode, call in (("lockedioctl", "ioctl"), ("lockedclose", "close"),
                       ("lockedsplice", "splice")):
        knot = Knot(mode)
        wait = knot.wait("reader")
        lens.equal("call of " + mode, call, wait["syscall"])
        with open("/proc/%d/syscall" % knot.pid["reader"]) as f:
            first = int(f.read().split()[1], 0)
        lens.equal("descriptor of " + mode, None if call == "close" else first,
                   wait["any_of"][0]["fd"])
        knot.end()
