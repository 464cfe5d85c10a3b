# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Waits that look like a deadlock and are none: something is hidden or on its way, or is waited
for besides what the call names. `ipclens stuck` must leave room for it."""

import lens
from knots import KNOTS, RINGS, Knot, knot_test, ring_test

TWO = {"waiter": ["reader"], "reader": ["waiter"]}

MOVED = ({"mover": "external", "reader": "external"},
         {"mover": ["reader"], "reader": ["mover"]}, {})

AFTER = ({}, {}, {})

# as in knots.py; a deadlock or dead end would be a false alarm in each of these
DOUBTFUL = {
    "hiddenset": (dict.fromkeys(TWO, "external"), TWO, {}),
    # the mover has the only descriptor of the other end, but somebody can receive one
    "hiddensplice": MOVED, "hiddentee": MOVED,
    # "reader" is one who could receive, but not the only one
    "hiddenreceiver": ({"sender": "peer-slow", "reader": "external"},
                       {"sender": ["reader"], "reader": ["sender"]}, {"reader": ("peer-slow", 1)}),
    "hiddenstopped": ({"reader": "external"}, {"reader": ["process"]}, {}),
    "listenerunix": ({"client": "external"}, {"client": ["keeper"]}, {}),
    "listenertcp": ({"client": "external"}, {"client": ["keeper"]}, {}),
    "nobodyreceives": ({"sender": "external"}, {"sender": []}, {}),
    "leadergone": ({"one": "external", "two": "external"}, {"one": ["two"], "two": ["one"]}, {}),
    "intransit": ({"client": "waiting", "server": "waiting"},
                  {"client": ["server"], "server": ["client"]}, {}),
    "windowtransit": ({"client": "peer-slow", "server": "waiting"},
                      {"client": ["server"], "server": ["client"]},
                      {"server": ("peer-slow", 1)}),
    "acceptedhidden": ({"client": "external", "reader": "external"},
                       {"client": [], "reader": ["client"]}, {}),
    "connectedbefore": ({"sender": "peer-slow", "reader": "external"},
                        {"sender": ["reader"], "reader": ["sender"]},
                        {"reader": ("peer-slow", 1)}),
    "echoed": ({"reader": "external", "master": "external"},
               {"reader": ["master"], "master": ["holder", "reader"]}, {}),
    # who has the master could stop or start what the terminal shows
    "echoednews": ({"reader": "external", "master": "external"},
                   {"reader": ["master"], "master": ["holder", "reader"]}, {}),
    "signalmask": ({"poll": "external", "reader": "external"},
                   {"poll": ["reader"], "reader": ["poll"]}, {}),
    "replaced": ({"process": "external", "reader": "external"}, {"reader": ["process"]}, {}),
    "missingpage": ({"receiver": "external", "reader": "external"},
                    {"receiver": ["reader"], "reader": ["receiver"]}, {}),
    # one of those who could is the great-grandchild
    "adopter": ({"adopter": "external", "child": "external"},
                {"adopter": ["?", "child"], "child": ["adopter"]}, {}),
    "dumping": ({"dumper": None, "reader": "waiting"}, {"reader": ["dumper"]}, {}),
    # a directory is a file as any other
    "lockeddirectory": ({"waiter": "peer-slow"}, {"waiter": ["holder"]},
                        {"holder": ("peer-slow", 1)}),
}

# eight times, as it depends on where the kernel begins its stack
for _pair in ("after%d other%d" % (_i, _i) for _i in range(8)):
    _one, _other = _pair.split()
    for _part, _of in zip(AFTER, ({_one: "external", _other: "external"},
                                  {_one: [_other], _other: [_one]})):
        _part.update(_of)
DOUBTFUL["afterthread"] = AFTER

KNOTS.update(DOUBTFUL)
RINGS["namedpipe"] = {"writer": "reader", "reader": "writer"}
for _mode in DOUBTFUL:
    lens.register("stuck_" + _mode, knot_test(_mode))
RINGS["tracedzombie"] = {"waiter": "tracer", "tracer": "waiter"}
RINGS["tracedstuck"] = {"traced": "tracer", "tracer": "writer", "writer": "traced"}
lens.register("stuck_namedpipe", ring_test("namedpipe"))
for _mode in ("tracedstuck", "tracedzombie"):
    lens.register("stuck_" + _mode, ring_test(_mode))


@lens.test()
def stuck_fifo_is_inferred():
    """Whoever reads a FIFO is expected to go on doing so, but another can come by its name."""
    knot = Knot("namedpipe")
    lens.equal("certain", {"writer": False, "reader": True},
               {role: knot.wait(role)["certain"] for role in ("writer", "reader")})
    knot.work.end()


@lens.test()
def stuck_tracedbusy():
    """Who is stopped again and again, as strace(1) does it, is at work."""
    knot = Knot("tracedbusy")
    for _ in range(3 if lens.NARROW else 10):
        lens.equal("verdicts", {"waiter": "waiting"}, knot.verdicts())
        lens.equal("who could end it", ["busy"], knot.providers("waiter"))
        knot.look()
    knot.work.end()
