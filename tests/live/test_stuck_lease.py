# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Leases: who opens, executes or cuts a file waits for those who have one, or until the kernel
takes it."""

import lens
from knots import KNOTS, Knot, knot_test

KNOTS.update({
    "leaseopen": ({"opener": "peer-slow", "second": "peer-slow"},
                  {"opener": ["owner"], "second": ["owner"]}, {"owner": ("peer-slow", 2)}),
    "leasetruncate": ({"cutter": "peer-slow"}, {"cutter": ["owner"]},
                      {"owner": ("peer-slow", 1)}),
    "leaseexec": ({"runner": "peer-slow"}, {"runner": ["owner"]}, {"owner": ("peer-slow", 1)}),
    "leaseexecat": ({"runner": "peer-slow"}, {"runner": ["owner"]}, {"owner": ("peer-slow", 1)}),
    "leasehandle": ({"opener": "peer-slow"}, {"opener": ["owner"]}, {"owner": ("peer-slow", 1)}),
    "leaseread": ({"opener": "peer-slow"}, {"opener": ["one", "two"]},
                  {"one": ("peer-slow", 1)}),
})
LOOKS = 50


class Napping(Knot):
    """Who opens to read wakes up with each tick: a look that finds it awake does not tell of it."""

    def look(self):
        for _ in range(LOOKS):
            super().look()
            if set(self.pid) - {"owner", "one", "two"} <= set(self.verdicts()):
                break


for _mode in [mode for mode in KNOTS if mode.startswith("lease")]:
    lens.register("stuck_" + _mode, knot_test(_mode, Napping))


@lens.test()
def stuck_lease_in_words():
    for mode, role in (("leaseopen", "opener"), ("leasetruncate", "cutter"),
                       ("leaseexec", "runner")):
        knot = Napping(mode)
        wait = knot.wait(role)
        lens.equal("why and type", (["has the lease"], "lease"),
                   ([p["why"] for p in wait["waits_for"]], wait["type"]))
        with open("/proc/locks") as f:
            inodes = [line.split()[-3].split(":")[-1] for line in f
                      if line.split()[1] == "LEASE" and line.split()[4] == str(knot.pid["owner"])]
        lens.equal("inodes of files with a lease", 1, len(set(inodes)))
        for words in (" on lease:", ":%s: only" % inodes[0], "could release it",
                      "waiting for no longer than fs.lease-break-time"):
            lens.require(words in wait["explanation"], wait["explanation"])
        knot.work.end()
