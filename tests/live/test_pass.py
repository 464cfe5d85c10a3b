# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Descriptors that are passed over unix sockets: who passed what, and what is on its way."""

import functools

import batch
import lens

TYPES = ",".join(("pipe", "unix-stream", "unix-dgram", "unix-seqpacket"))
# ... and what goes through them; where starting takes seconds nothing else is observed
NARROW = ("-t", TYPES + ",memfd,eventfd") if lens.NARROW else ()


def passes_of(truth):
    """[(direction, pid, fd, index, count, inode)], as the workload says."""
    rows = []
    for name, inode in truth["facts"].items():
        words = name.split()
        if words[0] in ("sent", "received"):
            rows.append((words[0],) + tuple(int(w) for w in words[1:5]) + (inode,))
    return sorted(rows)


def passes_seen(lines, pids):
    rows = []
    for line in lines:
        if line.get("op") not in ("pass", "receive"):
            continue
        pid = int(line["process"].partition("@")[0])
        what = line["descriptor"]
        if pid in pids:
            rows.append(("sent" if line["op"] == "pass" else "received", pid, what["fd"],
                         what["index"], what["count"], int(what["inode"])))
    return sorted(rows)


def check_traced(lines, truth):
    """Every descriptor is a line at each of its ends, with the number it has there."""
    expected = passes_of(truth)
    lens.require(expected, "nothing was passed")
    lens.equal("descriptors", expected, passes_seen(lines, {row[1] for row in expected}))
    for line in lines:
        if line.get("op") in ("pass", "receive"):
            lens.equal("moved by such a line", [0, 0], [line["bytes"], line["messages"]])


def check_reported(doc, truth):
    """The same summed up, next to the messages that carried them."""
    lens.compare(doc, truth)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    expected, seen, ends = {}, {}, {}
    for direction, who, _fd, _index, _count, inode in passes_of(truth):
        key = (direction, who, inode)
        expected[key] = expected.get(key, 0) + 1
    pids = {key[1] for key in expected}
    for channel in doc["channels"]:
        for row in channel.get("passed", []):
            if pid[row["process"]] in pids:
                key = (row["direction"], pid[row["process"]], int(row["inode"]))
                seen[key] = seen.get(key, 0) + row["count"]
        for end in channel["endpoints"]:
            for side, direction in (("write", "sent"), ("read", "received")):
                if pid[end["process"]] in pids and "descriptors" in end[side]:
                    key = (direction, pid[end["process"]])
                    ends[key] = ends.get(key, 0) + end[side]["descriptors"]
    lens.equal("descriptors", expected, seen)
    lens.equal("counted at their ends", {
        one: sum(n for key, n in expected.items() if key[:2] == one)
        for one in {key[:2] for key in expected}}, ends)
    return doc, truth


def check_from(doc, truth):
    """A row of what was received names who sent it."""
    senders = {row[1] for row in passes_of(truth) if row[0] == "sent"}
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    rows = [row for c in doc["channels"] for row in c.get("passed", [])
            if row["direction"] == "received" and pid[row["from"]] in senders]
    lens.equal("from", 4, len(rows))


def check_uring(lines, truth):
    """Function hooks see them whoever asked; else coverage says that nobody does."""
    expected = passes_of(truth)
    unix = [row for row in lines[0]["coverage"] if row["type"] == "unix-stream"][0]
    if "fexit" not in unix["variant"]:
        expected = []
        lens.require("not seen of io_uring" in unix["detail"], "coverage is silent")
    lens.equal("descriptors", expected, passes_seen(lines, {truth["pid"]}))


def register(together, name, program, mode, check):
    together.add(name, program, mode)
    lens.register(name, lambda: check(*together.watched(name)))


def register_all(prefix, modes, *options):
    traces = batch.Traces("-t", TYPES, *options)
    reports = batch.pool("-t", TYPES, *options)
    for mode in modes.split():
        register(traces, "%s_trace_%s" % (prefix, mode), "pass", mode, check_traced)
        register(reports, "%s_report_%s" % (prefix, mode), "pass", mode, check_reported)
    register(traces, prefix + "_compat", "compat", "passing", check_traced)
    return traces, reports


PLAIN = register_all("pass", "stream seqpacket dgram mmsg sendto waiting")
# where the calls alone are seen
register_all("pass_sys", "stream seqpacket dgram mmsg waiting", "--variant", "unix=sys")
register(PLAIN[0], "pass_uring", "uring", "passing", check_uring)
register(PLAIN[1], "pass_from", "pass", "stream", check_from)


@lens.test()
def pass_in_flight():
    """What no process holds any more, because all of it is inside a socket."""
    work = lens.Workload("pass", "flight")
    work.go()
    truth = work.truth()
    doc = lens.parse(lens.run("list", "--json")[0])
    text = lens.run("list")[0].decode()
    work.end()
    pipe = [c for c in doc["channels"] if c["type"] == "pipe"
            and c["id"].rpartition(":")[2] == str(truth["facts"]["pipe"])]
    lens.equal("pipes of that inode", 1, len(pipe))
    lens.equal("processes that hold it", [], pipe[0]["endpoints"])
    lens.equal("descriptors on their way", 3, pipe[0]["carried"]["descriptors"])
    carrier = [c for c in doc["channels"] if c["id"] == pipe[0]["carried"]["channel"]]
    lens.equal("sockets that carry it", 1, len(carrier))
    rows = sorted((row["type"], row["mode"], row["count"]) for row in carrier[0]["in_flight"])
    lens.equal("in its queue", [("device", "r", 1), ("memfd", "rw", 1), ("pipe", "r", 1),
                                ("pipe", "w", 2)], rows)
    names = {row["type"]: row["name"] for row in carrier[0]["in_flight"]}
    lens.equal("name of a file", "/dev/null", names["device"])
    lens.require(names["memfd"].startswith("memfd:parcel"), "it is called " + names["memfd"])
    lens.require("descriptors of %s are in flight over %s" % (pipe[0]["name"], carrier[0]["name"])
                 in text, "the text does not say so")


def origins(doc, channel):
    """{(pid, half): how it came to hold it}, of connections by their halves."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    return {(pid[e["process"]], e.get("half", 0)): e["origin"] and
            (e["origin"]["how"], pid.get(e["origin"]["from"]), e["origin"]["inferred"])
            for e in channel["endpoints"]}


def check_origin(doc, truth):
    lens.compare(doc, truth)
    me, kid = truth["pid"], truth["facts"]["kid"]
    pipe = lens.find_channel(doc, [c for c in truth["channels"] if c["type"] == "pipe"][0])
    socket = [c for c in doc["channels"] if c.get("passed") and
              {e["process"] for e in pipe["endpoints"]} == {e["process"] for e in c["endpoints"]}]
    lens.equal("of the pipe", {(me, 0): ("created", None, False),
                               (kid, 0): ("received", me, False)}, origins(doc, pipe))
    lens.equal("sockets of both", 1, len(socket))
    lens.equal("over", [socket[0]["id"]],
               [e["origin"]["over"] for e in pipe["endpoints"] if "over" in e["origin"]])
    ways = origins(doc, socket[0])
    lens.require({key: how for key, how in ways.items() if key[0] == me and
                  how != ("created", None, False)} == {}, "not created: %s" % ways)
    lens.require({key: how for key, how in ways.items() if key[0] == kid and
                  how != ("inherited", me, True)} == {}, "not inherited: %s" % ways)
    lens.equal("processes of the socket", {me, kid}, {key[0] for key in ways})


batch.register("origin", check_origin, "pass", "use", *NARROW)
batch.register("origin_sys", check_origin, "pass", "use", *NARROW, "--variant", "unix=sys",
               "--variant", "pipe=sys")


@batch.test("pass", "away", *NARROW)
def origin_given_away(doc, truth):
    """Of a pipe and a pair of sockets whose maker kept neither end, each end was received."""
    lens.compare(doc, truth)
    facts = truth["facts"]
    by_maker = ("received", truth["pid"], False)
    pipe = lens.find_channel(doc, [c for c in truth["channels"] if c["type"] == "pipe"][0])
    ways = origins(doc, pipe)
    # whether it is found before it has given them away is a matter of luck
    lens.equal("maker of the pipe", "created", ways.pop((truth["pid"], 0), ["created"])[0])
    lens.equal("of the pipe", {(facts["writer"], 0): by_maker, (facts["reader"], 0): by_maker},
               ways)
    halves = {str(facts["half"]), str(facts["other half"])}
    pair = [c for c in doc["channels"] if {d["inode"] for d in c.get("directions", [])} == halves]
    lens.equal("channels of the pair", 1, len(pair))
    ways = origins(doc, pair[0])
    lens.equal("of the pair", {(facts["writer"], by_maker), (facts["reader"], by_maker)},
               {(key[0], how) for key, how in ways.items() if key[0] != truth["pid"]})


@batch.test("fds", "taken")
def origin_taken(doc, truth):
    """What siblings of its maker took by pidfd_getfd(2), before anybody looked, they did not
    inherit from a parent that never had it: how it came to them is not known."""
    lens.compare(doc, truth)
    maker = truth["facts"]["maker"]
    users = [e["pid"] for e in truth["channels"][0]["ends"]]
    pipe = lens.find_channel(doc, truth["channels"][0])
    lens.equal("origins", {(maker, 0): ("created", None, False), (users[0], 0): None,
                           (users[1], 0): None}, origins(doc, pipe))


@lens.test()
def origin_before():
    """Of what was there before anybody looked, the kernel knows who made it."""
    work = lens.Workload("pipe", "rw")
    doc = lens.parse(lens.run("list", "--json", "-t", "pipe", "-p", work.pid)[0])
    ways = [how for c in doc["channels"] for (pid, _), how in origins(doc, c).items()
            if pid == work.pid]
    lens.require(ways, "it holds no pipe")
    lens.equal("ways", {("created", None, False)}, set(ways))


def group_of(doc, truth):
    """(group, pids of giver and taker, document): memory and a counter that one gave the other."""
    facts = truth["facts"]
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    memory = [c["id"] for c in doc["channels"] if c["type"] == "memfd"
              and c["id"].rpartition(":")[2] == str(facts["memory"])
              and facts["taker"] in [pid[e["process"]] for e in c["endpoints"]]]
    lens.equal("memory of that inode", 1, len(memory))
    groups = [g for g in doc["groups"] if memory[0] in [m["channel"] for m in g["members"]]]
    lens.equal("groups it is in", 1, len(groups))
    lens.equal("members", ["eventfd", "memfd"], sorted(m["type"] for m in groups[0]["members"]))
    lens.require(any(half in groups[0]["name"] for half in
                     (str(c["ino"]) for c in truth["channels"])), "it is another socket")
    return groups[0], facts, pid


def check_group(inferred, doc, truth):
    group, facts, pid = group_of(doc, truth)
    for member in group["members"]:
        ways = {pid[e["process"]]: (e["how"], pid.get(e["from"]), e["over"], e["inferred"])
                for e in member["endpoints"]}
        lens.equal("ways of " + member["type"], {
            facts["giver"]: ("created", None, None, False),
            facts["taker"]: ("received", facts["giver"], group["socket"], inferred)}, ways)
        lens.equal("mapped at its ends", member["type"] == "memfd",
                   all(e["maps"] for e in member["endpoints"]))
        lens.equal("inferred", inferred, member["inferred"])
        lens.equal("passed", [0, 0] if inferred else [1, 1], [member["sent"], member["received"]])
        lens.equal("in flight", 0, member["in_flight"])


batch.register("group_share", functools.partial(check_group, False), "pass", "share", *NARROW)
batch.register("group_share_sys", functools.partial(check_group, False), "pass", "share", *NARROW,
               "--variant", "unix=sys", "--variant", "mapping=sys")
# over before anybody looked: the kernel knows who made them, and one socket joins the two
batch.register("group_shared", functools.partial(check_group, True), "pass", "shared", *NARROW)


@lens.test()
def group_text():
    """The same for people."""
    work = lens.Workload("pass", "share")
    report = lens.Lens("report", *lens.OPTIONS, *NARROW).wait_observing()
    work.go()
    facts = work.truth()["facts"]
    text = report.interrupt().decode()
    work.end()
    row = [line for line in text.splitlines() if "memfd:shared[%d]" % facts["memory"] in line
           and "pass(%d)" % facts["taker"] in line and "received from" in line]
    lens.equal("rows", 1, len(row))
    lens.require("maps rw" in row[0] and row[0].rstrip().endswith(
        "received from pass(%d)" % facts["giver"]), "it says " + row[0])


def origin_fetched(*options):
    """Of a copy that pidfd_getfd(2) made, it is known of whose descriptor, and in the trace."""
    if lens.NARROW and "-t" not in options:
        options += ("-t", "pipe,process-vm")
    doc, truth = lens.watched("fds", "pidfd", options=options)
    lens.compare(doc, truth)
    pipe = lens.find_channel(doc, truth["channels"][0])
    reader = [e["pid"] for e in truth["channels"][0]["ends"] if e["dir"] == "read"]
    lens.equal("readers", 1, len(reader))
    lens.equal("origin", {(truth["pid"], 0): ("created", None, False),
                          (reader[0], 0): ("pidfd_getfd", truth["pid"], False)},
               origins(doc, pipe))
    if "pipe" in options:
        return
    memory = [c for c in doc["channels"] if c["type"] == "process-vm" and c.get("passed")]
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    lens.equal("passed", [(reader[0], "received", truth["pid"], "pipe", "r", 1)],
               [(pid[row["process"]], row["direction"], pid[row["from"]], row["type"],
                 row["mode"], row["count"]) for c in memory for row in c["passed"]])


lens.register("origin_fetched", origin_fetched)
lens.register("origin_fetched_sys", lambda: origin_fetched("--variant", "fetch=sys"))
# whatever else is observed
lens.register("origin_fetched_alone", lambda: origin_fetched("-t", "pipe"))
lens.register("origin_fetched_alone_sys", lambda: origin_fetched("-t", "pipe", "--variant",
                                                                 "fetch=sys"))


@lens.test()
def origin_unobserved():
    """Where nobody sees descriptors passed, who received one is not said to have made it."""
    doc, truth = lens.watched("fds", "scm", options=("-t", "pipe"))
    pipe = lens.find_channel(doc, truth["channels"][0])
    reader = [e["pid"] for e in truth["channels"][0]["ends"] if e["dir"] == "read"]
    lens.equal("origin", {(truth["pid"], 0): ("created", None, False), (reader[0], 0): None},
               origins(doc, pipe))
