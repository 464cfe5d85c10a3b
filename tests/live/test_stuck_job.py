# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Who waits for a job that is stopped hears by what, and, where the terminal did it for what a job
in the background did there, what lets it go on."""

import lens
from knots import KNOTS, knot_test, seen_together

JOBS = {
    "jobreads": "which is stopped by SIGTTIN, as its job reads from the terminal in the background"
                " (fg lets it go on), could read from it",
    "jobsets": "which is stopped by SIGTTOU, as its job writes to the terminal, or sets it, in the"
               " background (fg lets it go on), could read from it",
    # the same signal, but not from the terminal
    "jobtold": "which is stopped by SIGTTIN, could read from it",
}

KNOTS.update(dict.fromkeys(JOBS, ({"writer": "peer-stopped"}, {"writer": ["job"]},
                                  {"job": ("peer-stopped", 1)})))
for _mode in JOBS:
    lens.register("stuck_" + _mode, knot_test(_mode))


@lens.test()
def stuck_job_in_words():
    for mode, knot in seen_together(*JOBS).items():
        said = knot.wait("writer")["explanation"]
        lens.require(JOBS[mode] in said, said)
