# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Connections whose records the kernel encrypts (kTLS)."""

import lens
from test_inet import variants


def check_traffic(mode):
    """What the calls moved is exact; what is inside is known by its size on the wire only."""
    for variant in variants():
        doc, truth = lens.watched("tls", mode, options=("-t", "tcp", "--variant",
                                                        "inet=" + variant))
        lens.compare_traffic(doc, truth)
        for one in truth["channels"]:
            channel = lens.find_channel(doc, one)
            lens.equal("%s: told of" % variant, True, channel.get("encrypted"))
            lens.equal("%s: books" % variant, None, channel["ledger"])


@lens.test(limit_s=60)
def tls_calls():
    check_traffic("calls")


@lens.test(limit_s=60)
def tls_splice():
    check_traffic("splice")


@lens.test(limit_s=60)
def tls_talk():
    check_traffic("talk")


@lens.test(limit_s=60)
def tls_later():
    """A handshake in the clear comes first."""
    check_traffic("later")


@lens.test(limit_s=60)
def tls_queued():
    """Half of a record that was read leaves nothing in the stream, and is not taken for lost."""
    check_traffic("queued")


@lens.test(limit_s=60)
def tls_held():
    """What was inside at the start, and in no stream, is no flow that is known exactly."""
    for variant in variants():
        doc, truth = lens.watched("tls", "held", options=("-t", "tcp", "--variant",
                                                          "inet=" + variant))
        pid = {p["id"]: p["pid"] for p in doc["processes"]}
        mine = [c for c in doc["channels"] if truth["pid"] in
                {pid[e["process"]] for e in c["endpoints"]} and c["type"] == "tcp"]
        lens.equal("read and written", [600, 30],
                   [sum(e[side]["bytes"] for c in mine for e in c["endpoints"])
                    for side in ("read", "write")])
        flows = [f for f in doc["flows"] if f["channel"] in {c["id"] for c in mine}]
        lens.equal("what is said of flows",
                   [(False, "encrypted by the kernel: how much was inside at the start is not "
                            "known")] * 2, [(f["exact"], f.get("why")) for f in flows])


@lens.test(limit_s=60)
def tls_closed():
    """Of one that came and went under the observer all books are known."""
    for variant in variants():
        lens.compare(*lens.watched("tls", "closed", options=("-t", "tcp", "--variant",
                                                             "inet=" + variant)))
