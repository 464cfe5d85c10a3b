# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Who could end a wait, where it is not whoever one thinks of first: `ipclens stuck` must name
them all or say that some may be hidden, and must not take for one who could who cannot."""

import lens
from knots import KNOTS, RINGS, Knot, knot_test, ring_test

# as in knots.py; a deadlock would be a false alarm in each of these
REACHED = {
    # the connection is in the backlog of the one that has any
    "tcplisten": ({"client": "external", "other": "external"},
                  {"client": ["listener"], "other": ["client"]}, {}),
    "tcpreuse": ({"client": "external", "other": "external"},
                 {"client": ["listener"], "other": ["client"]}, {}),
    # the list in the kernel that the client is in is that of one of the two
    "unixrebind": ({"client": "peer-slow", "other": "external"},
                   {"client": ["listener"], "other": ["client"]}, {"listener": ("peer-slow", 1)}),
    "selectexcept": ({"selector": "external", "reader": "external"},
                     {"selector": ["reader", "sender"], "reader": ["selector"]}, {}),
    "pollrdband": ({"poll": "external", "reader": "external"},
                   {"poll": ["holder", "reader"], "reader": ["poll"]}, {}),
    # "reader" is one who could, but not the only hope: there is a time limit
    "tcpuser": ({"writer": "peer-slow", "reader": "waiting"},
                {"writer": ["reader"], "reader": ["writer"]}, {"reader": ("peer-slow", 1)}),
    "mqflight": ({"sender": "external"}, {"sender": []}, {}),
    "flightshared": ({"one": "external", "two": "external", "reader": "external"},
                     {"one": ["reader"], "two": ["reader"], "reader": ["one", "two"]}, {}),
    "memfdholder": ({"waiter": "external", "reader": "external"},
                    {"waiter": ["holder", "reader", "waiter"], "reader": ["waiter"]}, {}),
    "sysvshm": ({"waiter": "external"}, {"waiter": ["waiter"]}, {}),
    "clonevm": ({"waiter": "external", "reader": "external"}, {"reader": ["waiter"]}, {}),
    "clonevmleader": ({"waiter": "external", "reader": "external"}, {"reader": ["waiter"]}, {}),
    "clonevmended": ({"waiter": "external", "reader": "external"}, {"reader": ["waiter"]}, {}),
    "pidnamespaces": ({"waiter": "peer-slow", "stranger": "external"},
                      {"waiter": ["owner"], "stranger": ["waiter"]},
                      {"owner": ("peer-slow", 1)}),
    "seccompn": ({"supervised": "external", "reader": "external"},
                 {"supervised": ["reader"], "reader": ["supervised"]}, {}),
    # it has not begun to wait for the lock that the other has
    "seccomplock": ({"supervised": "external", "waiter": "external"},
                    {"supervised": ["waiter"], "waiter": ["supervised"]}, {}),
    # the terminal that the holder has by another name
    "devtty": ({"master": "external", "reader": "external"},
               {"master": ["holder"], "reader": ["master"]}, {}),
    "tracedthread": ({"tracer": "external", "reader": "external"},
                     {"tracer": ["reader", "stranger"], "reader": ["tracer"]}, {}),
    "wakeupfd": ({"reader": "external"}, {"reader": ["reader"]}, {}),
    "semtogether": ({"taker": "external", "reader": "external"},
                    {"reader": ["taker"]}, {}),
    "semlittle": ({"taker": "peer-slow", "reader": "external"},
                  {"taker": ["reader", "spender"], "reader": ["taker"]},
                  {"reader": ("peer-slow", 1)}),
    "sembeside": ({"taker": "peer-slow", "reader": "external"},
                  {"taker": ["reader", "spender"], "reader": ["taker"]},
                  {"reader": ("peer-slow", 1)}),
    "deletedfile": ({"waiter": "external", "reader": "external"},
                    {"waiter": ["holder", "reader", "waiter"], "reader": ["waiter"]}, {}),
    # the handler of a signal that the sender could cause
    "mqsignal": ({"waiter": "external", "reader": "external"},
                 {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    "asyncsignal": ({"waiter": "external", "reader": "external"},
                    {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    # somebody from outside would have to stop the child
    "waitstopped": ({"waiter": "external", "reader": "external"},
                    {"waiter": ["reader"], "reader": ["waiter"]}, {}),
    "epollshared": ({"waiter": "external", "reader": "external"},
                    {"reader": ["waiter"]}, {}),
    "fifoalone": ({"writer": "external"}, {"writer": ["writer"]}, {}),
}
# the path leads to the socket of the holder, and the name to that of the reader
RENAMED = ({"sender": "peer-slow", "reader": "external"},
           {"sender": ["holder"], "reader": ["sender"]}, {"holder": ("peer-slow", 1)})
REACHED.update(dgramrenamed=RENAMED, clientrenamed=RENAMED)
# ... and these are deadlocks, although somebody lives who seems to be able to end them
OUT_OF_REACH = {
    "unixquarter": {"poll": "reader", "reader": "poll"},
    "vforkother": {"parent": "child", "child": "parent"},
    # a signal that is set, but would do nothing
    "mqblocked": {"waiter": "reader", "reader": "waiter"},
    "asyncignored": {"waiter": "reader", "reader": "waiter"},
    # the other child is not of the process group that is waited for
    "waitgroup": {"waiter": "reader", "reader": "waiter"},
    "waitidgroup": {"waiter": "reader", "reader": "waiter"},
    # nor is it one that is asked about
    "waitclone": {"waiter": "reader", "reader": "waiter"},
    # somebody else owes a part of what is missing
    "semeach": {"taker": "reader", "reader": "taker"},
    # it has room, but not for what is written
    "eventfull": {"waiter": "reader", "reader": "waiter"},
    # whom a sendmsg(2) names is in memory that is not read
    "dgramsendmsg": {"sender": "reader", "reader": "sender"},
}

KNOTS.update(REACHED)
RINGS.update(OUT_OF_REACH)
for _mode in REACHED:
    lens.register("stuck_" + _mode, knot_test(_mode))
for _mode in OUT_OF_REACH:
    lens.register("stuck_" + _mode, ring_test(_mode))


@lens.test()
def stuck_room_unlinked():
    """Whose queue is full is certain, although no path leads to that socket any more."""
    knot = Knot("dgramunlinked")
    lens.equal("verdicts", dict.fromkeys(("sender", "reader"), "deadlock"), knot.verdicts())
    lens.equal("certain", [True, True], [w["certain"] for w in knot.doc["waits"]
                                         if knot.by_id[w["process"]]])
    lens.equal("who could end it", ["reader"], knot.providers("sender"))
    knot.work.end()


@lens.test()
def stuck_lookalike():
    """That a word belongs to a mutex is known by what the memory around it looks like only."""
    knot = Knot("deadowner")
    wait = next(w for w in knot.doc["waits"] if knot.by_id[w["process"]] == "waiter")
    lens.equal("verdict and certain", ("owner-dead", False), (wait["verdict"], wait["certain"]))
    lens.require("(inferred from what the lock looks like)" in wait["explanation"],
                 wait["explanation"])
    knot.work.end()
