# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Parts of all tests, for several machines, that end at about the same time: tests that share a
run of ipclens stay together, and what takes long is spread by how long it takes (costs)."""

import os

COSTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "costs")
START_S = 3     # of a run of ipclens where processors are emulated
REST_S = 0.4    # of what shares a run

# name of a test: whose run it shares; the others have one of their own
SHARES = {}


def share(name, run):
    SHARES.setdefault(name, run)


def costs():
    """{name of a test: seconds}"""
    with open(COSTS) as f:
        rows = [line.split() for line in f if not line.startswith("#")]
    return {name: float(seconds) for name, seconds in rows}


def units(names):
    """Lists of those that share a run."""
    found = {}
    for name in names:
        found.setdefault(SHARES.get(name, name), []).append(name)
    return list(found.values())


def part(names, which, parts):
    """Those of names that are in part number `which`, from 1, in their order."""
    known = costs()
    if strange := set(known) - set(names):
        raise ValueError("tests/live/costs names what runs nowhere: %s" % ", ".join(strange))

    def cost(unit):
        return START_S + sum(known.get(name, REST_S) for name in unit)
    load, chosen = [0] * parts, [[] for _ in range(parts)]
    for unit in sorted(units(names), key=cost, reverse=True):
        least = load.index(min(load))
        load[least] += cost(unit)
        chosen[least] += unit
    mine = set(chosen[which - 1])
    return [name for name in names if name in mine]
