# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Who is stuck, as told by report, list and recordings: the same as `ipclens stuck` says."""

import os
import shutil
import tempfile
import time

import lens
from knots import Knot, program_of


def stuck_waits(doc):
    """{pid: wait} of all channels of a report or list."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    return {pid[w["process"]]: w for c in doc["channels"] for w in c["stuck"]}


def narrow(types):
    return ("-t", types) if lens.NARROW else ()


def essence(doc, pids):
    """What a look at the end and the live one must agree on."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    verdicts = {(pid[w["process"]], w["verdict"], w["channel"], w["syscall"],
                 tuple(sorted((pid[v["process"]], v["why"]) for v in w["waits_for"])))
                for w in doc["waits"] if pid[w["process"]] in pids}
    cycles = {tuple(sorted(pid[p] for p in c)) for c in doc["cycles"]
              if {pid[p] for p in c} <= pids}
    roots = {(pid[r["process"]], r["verdict"], r["blocks"]) for r in doc["roots"]
             if pid[r["process"]] in pids}
    return verdicts, cycles, roots


def kept(mode, check, types):
    """A knot that comes to be while a report runs; check(its pids, report). Types: of its channels,
    where starting takes seconds."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "kept")
        work = lens.Workload(program_of(mode), mode)
        report = lens.observe("--stuck", "--save", path, "--idle", *narrow(types))
        before = time.monotonic()
        work.go()
        pids = set(work.truth()["facts"].values())
        after = time.monotonic()
        ends = time.monotonic()
        doc = report.document()
        lens.check_document(doc)
        check(pids, doc, (ends - after, time.monotonic() - before))
        again, _ = lens.run("report", "--json", "--idle", "-i", path)
        lens.equal("replayed report", stuck_waits(doc), stuck_waits(lens.parse(again)))
        text, _ = lens.run("stuck", "--json", "-i", path, status=None)
        live, _ = lens.run("stuck", "--json", status=None)
        lens.equal("kept and live look", essence(lens.parse(live), pids),
                   essence(lens.parse(text), pids))
        work.end()


def check_deadlock(pids, doc, seconds):
    waits = stuck_waits(doc)
    exact = 0
    for pid in pids:
        lens.require(pid in waits, "no channel is marked for process %d" % pid)
        wait = waits[pid]
        lens.equal("verdict", "deadlock", wait["verdict"])
        # the knot's first process begins before the workload is ready
        younger = int(wait["process"].partition("@")[2]) > int(doc["interval"]["start_ns"])
        lens.equal("time of a call that began after the report", younger, wait["blocked_exact"])
        exact += younger
        lens.require(not younger or seconds[0] <= wait["blocked_ns"] / 1e9 <= seconds[1],
                     "blocked for %d ns, not within %r s" % (wait["blocked_ns"], seconds))
    lens.equal("exact times", 1, exact)


# of before the records of looks had a version
OLD_LOOK = os.path.join(lens.ROOT, "tests/golden/stuck-0.lens")


@lens.test()
def stuck_kept_by_another_version():
    """A recording whose look has other records: a line says so, and the rest can be read."""
    with tempfile.TemporaryDirectory() as directory:
        path = shutil.copy(OLD_LOOK, directory)
        text, said = lens.run("stuck", "-i", path, status=1)
        lens.equal("text", b"", text)
        lens.equal("lines", 1, said.count("\n") + 1)
        lens.require("stuck-0.lens" in said and "of another version" in said, said)
        text, said = lens.run("report", "--json", "-i", path)
        lens.require("of another version" in said, said)
        doc = lens.parse(text)
        lens.equal("records that could not be read", 0, doc["loss"].get("bad_records", 0))
        lens.equal("who is stuck", {}, stuck_waits(doc))


def check_passed(pids, doc, seconds):
    """The report has seen the passing that a look alone can only infer."""
    wait, = [w for pid, w in stuck_waits(doc).items()
             if pid in pids and w["verdict"] == "eof-leak"]
    holder, = wait["waits_for"]
    origin = holder["origin"]
    lens.equal("how, from whom, inferred", ("received", wait["process"], False),
               (origin["how"], origin["from"], origin["inferred"]))
    over = [c["type"] for c in doc["channels"] if c["id"] == origin["over"]]
    lens.equal("over", ["unix-stream"], over)
    lens.require("received over a socket from " in wait["explanation"] and
                 "(it was seen to come)" in wait["explanation"], wait["explanation"])


@lens.test()
def stuck_kept_passed_descriptor():
    kept("elder", check_passed, "pipe,unix-stream")


@lens.test()
def stuck_kept_deadlock():
    kept("two", check_deadlock, "pipe")


@lens.test()
def stuck_kept_deadlock_of_sockets():
    """A report knows a connection by one of its ends, a look by both."""
    kept("unixcycle", check_deadlock, "unix-seqpacket")
    kept("tcpcycle", check_deadlock, "tcp")


@lens.test()
def stuck_kept_queue():
    """A queue is known by the kernel, not by who holds it."""
    def check(pids, doc, seconds):
        waits = stuck_waits(doc)
        lens.equal("verdicts", {"no-match"}, {waits[pid]["verdict"] for pid in pids})
        lens.equal("types", {"sysv-msg"}, {waits[pid]["type"] for pid in pids})
    kept("nomatch", check, "sysv-msg")


@lens.test()
def stuck_kept_older():
    """Of a call that is older than the report only a lower bound is known."""
    knot = Knot("full")
    doc = lens.observe("--stuck", *narrow("pipe")).document()
    wait = stuck_waits(doc)[knot.pid["writer"]]
    lens.equal("verdict", "peer-slow", wait["verdict"])
    lens.require(not wait["blocked_exact"] and wait["blocked_ns"] >= 20000000, "lower bound")
    out, _ = lens.run("list", "--json", "--stuck")
    listed = stuck_waits(lens.parse(out))[knot.pid["writer"]]
    lens.equal("list and report", (wait["channel"], wait["verdict"], wait["explanation"]),
               (listed["channel"], listed["verdict"], listed["explanation"]))
    knot.work.end()


@lens.test()
def stuck_kept_age():
    """How long the oldest unread byte has waited, where operations are followed one by one."""
    work = lens.Workload(program_of("full"), "full")
    report = lens.observe("--stuck", "--ops", "-t", "pipe")
    begin = time.monotonic()
    work.go()
    writer = work.truth()["facts"]["writer"]
    written = time.monotonic()
    ends = time.monotonic()
    wait = stuck_waits(report.document())[writer]
    lens.require(wait["oldest_unread_ns"] is not None, "no age")
    least, most = ends - written, time.monotonic() - begin
    lens.require(least <= wait["oldest_unread_ns"] / 1e9 <= most,
                 "age %d ns, not within %g to %g s" % (wait["oldest_unread_ns"], least, most))
    # the write that fills it came first
    lens.require(not wait["blocked_exact"] or wait["oldest_unread_ns"] >= wait["blocked_ns"],
                 "younger than the wait")
    work.end()
    # without a trace nobody knows
    lens.equal("age without a trace", None, Knot("full").wait("writer")["oldest_unread_ns"])


@lens.test()
def stuck_kept_not():
    """A recording without a look says so, and its report says nothing of anybody stuck."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "kept")
        lens.run("record", "-o", path, "-d", "10ms")
        _, said = lens.run("stuck", "-i", path, status=1)
        lens.require("--stuck" in said, said)
        out, _ = lens.run("report", "--json", "--idle", "-i", path)
        lens.require(all("stuck" not in c for c in lens.parse(out)["channels"]), "marks")


@lens.test()
def stuck_kept_usage():
    """What has no end, or ended long ago, cannot be asked to look at its end."""
    lens.run("trace", "--stuck", status=2)
    lens.run("record", "-o", "-", "--stuck", status=2)
    lens.run("report", "-i", "none", "--stuck", status=2)
    lens.run("stuck", "-i", "none", "--for", "1s", status=2)
    lens.run("stuck", "-i", "none", "--watch", status=2)
