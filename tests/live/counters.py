# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Channels through which no bytes go: their truth counts amounts where others have bytes."""


def as_truth(channel):
    ends = []
    for end in channel["endpoints"]:
        sides = {d: end[d] for d in ("read", "write") if d in end}
        # were bytes claimed, the sum would be wrong
        sides = {d: dict(s, bytes=s["amount"] + s["bytes"]) for d, s in sides.items()}
        ends.append(dict(end, **sides))
    return dict(channel, endpoints=ends, queued_bytes=channel["counter"])


def candidates(doc, truth):
    """The channels that may be meant: ids of eventfds are given away again, and others use them."""
    if truth["type"] != "eventfd":
        return doc["channels"]
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    users = {end["pid"] for end in truth["ends"]}
    return [c for c in doc["channels"]
            if not users or users & {pid[e["process"]] for e in c["endpoints"]}]
