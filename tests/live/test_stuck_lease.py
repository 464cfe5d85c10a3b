# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Leases: who opens or cuts a file waits for those who have one, or until the kernel takes it."""

import lens
from knots import KNOTS, Knot, knot_test

KNOTS.update({
    "leaseopen": ({"opener": "peer-slow", "second": "peer-slow"},
                  {"opener": ["owner"], "second": ["owner"]}, {"owner": ("peer-slow", 2)}),
    "leasetruncate": ({"cutter": "peer-slow"}, {"cutter": ["owner"]},
                      {"owner": ("peer-slow", 1)}),
    "leaseread": ({"opener": "peer-slow"}, {"opener": ["one", "two"]},
                  {"one": ("peer-slow", 1)}),
})
for _mode in ("leaseopen", "leasetruncate", "leaseread"):
    lens.register("stuck_" + _mode, knot_test(_mode))


@lens.test()
def stuck_lease_in_words():
    for mode, role in (("leaseopen", "opener"), ("leasetruncate", "cutter")):
        knot = Knot(mode)
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
