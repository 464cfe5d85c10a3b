# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Pipes through io_submit(2), whose results no system call returns."""

import batch
import lens


@lens.test()
def aio_sys():
    """Every request is counted as unseen, and none as an operation."""
    doc, truth = lens.watched("aio", "pipe", options=("--variant", "pipe=sys"))
    lens.require(doc["loss"]["unseen"] >= truth["facts"]["requests"],
                 "%d requests, %d unseen" % (truth["facts"]["requests"], doc["loss"]["unseen"]))


@batch.test("aio", "pipe")
def aio_pipe(doc, truth):
    """Function hooks see them like any operation."""
    if {c["type"]: c["variant"] for c in doc["coverage"]}["pipe"] == "sys":
        raise lens.Skip("no function hooks here")
    lens.compare(doc, truth)
