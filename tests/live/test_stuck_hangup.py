# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The end of who leads the session of a terminal sends a SIGHUP to the job in its foreground, which
frees whoever waits at the terminal, though the leader may have no descriptor of it."""

import os
import signal

import lens
from knots import KNOTS, RINGS, TOGETHER, Knot, knot_test, ring_test

FREED = {"job": "external", "terminal": "external"}
PAIR = {"job": "terminal", "terminal": "job"}

BOTH = {"job": ["terminal"], "terminal": ["job"]}

KNOTS.update(hangupreader=(FREED, BOTH, {}), hangupmaster=(FREED, BOTH, {}),
             hangupwriter=({"job": "peer-slow", "terminal": "external"}, BOTH,
                           {"terminal": ("peer-slow", 1)}))
for _mode in "hangupthread hangupleaderstopped".split():
    KNOTS[_mode] = KNOTS["hangupreader"]
for _mode in "hangupreader hangupwriter hangupmaster hangupthread hangupleaderstopped".split():
    lens.register("stuck_" + _mode, knot_test(_mode))

# the signal does nothing, or goes to others
for _mode in "hangupignored hangupblocked hangupbehind".split():
    RINGS[_mode] = PAIR
    lens.register("stuck_" + _mode, ring_test(_mode))

# that somebody may end is no reason to call off what is stopped
KNOTS["hangupstopped"] = ({"job": "peer-stopped"}, {"job": ["terminal"]},
                          {"terminal": ("peer-stopped", 1)})
lens.register("stuck_hangupstopped", knot_test("hangupstopped"))

TOGETHER.add("hangupwaits")


@lens.test()
def stuck_hangupwaits():
    """The leader waits for the job to end: it will not end itself."""
    knot = TOGETHER.knot("hangupwaits")
    lens.equal("verdicts", dict.fromkeys(("job", "terminal", "leader"), "deadlock"),
               knot.verdicts())
    lens.equal("cycles", [{"job", "terminal"}], knot.cycles())
    knot.end()


def _is_gone(pid):
    try:
        with open("/proc/%d/stat" % pid, "rb") as f:
            return f.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


@lens.test()
def stuck_hangup_in_words():
    """What is told does happen."""
    knot = Knot("hangupreader")
    said = knot.wait("job")["explanation"]
    words = "or the end of who leads the session of the terminal (SIGHUP)"
    lens.require(words in said, said)
    os.kill(knot.pid["leader"], signal.SIGKILL)
    lens.wait_for(lambda: _is_gone(knot.pid["job"]), 5, "end of the job")
