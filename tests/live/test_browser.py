# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Headless Chromium: sockets between its processes, what goes over them, and their memory."""

import collections
import os
import tempfile

import lens
from browser import ALONE, Browser, command, shared_memory

TEXT = "Does it all add up? " * 75000      # 1.5 MB
SOCKETS = ("unix-stream", "unix-seqpacket")


def write_page(folder):
    with open(folder + "/page.html", "w") as f:
        f.write("<!doctype html><p>%s</p>" % TEXT)
    return "file://%s/page.html" % folder


def ends_of(channel, half):
    """Those at that end of a connection."""
    return [e for e in channel["endpoints"] if e["half"] == half]


def sum_of(ends, direction, what):
    return sum(e[direction].get(what, 0) for e in ends)


def check_direction(channel, direction):
    """What one end wrote is what the other has read, and what was left over."""
    books, name = direction["ledger"], channel["name"]
    lens.equal("unaccounted in " + name, 0, books["unaccounted"])
    lens.equal("written to " + name, books["written"],
               books["read"] + books["queued"] + books["discarded"])
    readers = ends_of(channel, direction["half"])
    writers = ends_of(channel, 1 - direction["half"])
    lens.equal("written by the ends of " + name, books["written"],
               sum_of(writers, "write", "bytes"))
    lens.equal("read by the ends of " + name, books["read"], sum_of(readers, "read", "bytes"))
    sent, received = (sum_of(ends, way, "descriptors")
                      for ends, way in ((writers, "write"), (readers, "read")))
    lens.require(sent == received if books["written"] == books["read"] else sent >= received,
                 "%s: %d descriptors sent, %d received" % (name, sent, received))
    if not channel["gone"]:     # nothing is lost in one that is still open
        lens.equal("discarded in " + name, 0, books["discarded"])


def check_sockets(doc, ids):
    """Those whose ends are all among these processes."""
    used = set()
    for channel in doc["channels"]:
        ends = channel["endpoints"]
        if channel["type"] not in SOCKETS or not {e["process"] for e in ends} <= ids:
            continue
        for direction in channel.get("directions", []):
            check_direction(channel, direction)
        if len({e["process"] for e in ends if e["user"]}) == 2:
            used.add(channel["type"])
    lens.equal("types of sockets between two of them", set(SOCKETS), used)


def check_passed(doc, ids):
    """Whoever received something was sent it by somebody else, over that socket."""
    received = set()
    for channel in doc["channels"]:
        rows = [row for row in channel.get("passed", []) if row["process"] in ids]
        sent = {(row["process"], row["name"]) for row in rows if row["direction"] == "sent"}
        for row in rows:
            if row["direction"] == "received" and row["from"]:
                lens.require((row["from"], row["name"]) in sent and row["from"] != row["process"],
                             "%s of %s was not sent" % (row["name"], channel["name"]))
                received.add(row["type"])
    lens.require({"memfd", "unix-stream"} <= received, "passed: %s" % sorted(received))


def check_origins(doc, ids):
    """What these made was not inherited from the shell that started them."""
    for channel in doc["channels"]:
        for end in channel["endpoints"]:
            origin = end.get("origin") or {}
            if (channel["type"] in SOCKETS and end["process"] in ids
                    and origin.get("how") == "inherited"):
                lens.require(origin["from"] in ids, "%s: inherited from %s"
                             % (channel["name"], origin["from"]))


def check_shared(ways):
    """[how each of those that map one piece of memory came by it, ...]"""
    lens.require(any({"created", "received"} <= set(one) for one in ways),
                 "no memory is mapped by who made it and by who was passed it")


def ways_in_groups(doc, ids):
    return [[e["how"] for e in member["endpoints"] if e["maps"] and e["process"] in ids]
            for group in doc["groups"] for member in group["members"]
            if member["type"] == "memfd"]


def ways_to_memory(doc, ids):
    """Also of those that are gone."""
    return [[e["origin"]["how"] for e in c["endpoints"] if e["origin"] and e["peak_mapped_bytes"]
             and e["process"] in ids] for c in doc["channels"] if c["type"] == "memfd"]


def is_browser(process):
    return os.path.basename(process["exe"] or "").startswith("chromium")


def check_all(doc, ids):
    lens.check_document(doc)
    check_sockets(doc, ids)
    check_passed(doc, ids)
    check_origins(doc, ids)


# the status of what is before a pipe is nobody's; no report ends what hangs
DUMP = ('d=$1; shift; { timeout 300 "$@" 2>"$d/errors"; echo $? >"$d/status"; } |'
        ' cat >"$d/dom"')


def dump_page(folder):
    """(the report, what was dumped)"""
    argv = [*command(folder), "--dump-dom", write_page(folder)]
    out = lens.Lens("report", "--json", *lens.OPTIONS, "--", "env", "HOME=" + folder,
                    "TMPDIR=" + folder, "sh", "-c", DUMP, "sh", folder, *argv,
                    launch=ALONE).finish(limit_s=60)
    lens.equal("status", "0\n", open(folder + "/status").read())
    return lens.parse(out), open(folder + "/dom", "rb").read()


@lens.test(limit_s=60)
def chromium_mojo():
    """Chromium dumps the DOM of a page: its size is known, and where it goes."""
    with tempfile.TemporaryDirectory() as folder:
        doc, dom = dump_page(folder)
    lens.require(b"<p>%s</p>" % TEXT.encode() in dom, "another DOM: %r..." % dom[:100])
    comm = {p["id"]: p["comm"] for p in doc["processes"]}
    ids = {p["id"] for p in doc["processes"] if is_browser(p)}
    check_all(doc, ids)
    check_shared(ways_to_memory(doc, ids))
    pipes = [f["bytes"] for f in doc["flows"] if f["type"] == "pipe" and f["from"] in ids
             and comm.get(f["to"]) == "cat" and f["exact"]]
    lens.equal("bytes of the pipe to cat", [len(dom)], pipes)
    # the DOM goes as text to the renderer of a page that is the browser's own
    mojo = [f["bytes"] for f in doc["flows"] if f["type"] == "unix-stream"
            and {f["from"], f["to"]} <= ids]
    lens.require(max(mojo) >= len(dom), "flows over mojo: %s" % sorted(mojo)[-3:])


def mapped_memory(doc, pids):
    """How many memfds there are of each size and set of those that map it now."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mapped = [(c["size_bytes"], frozenset(pid[e["process"]] for e in c["endpoints"]
                                          if e["mapped_bytes"]))
              for c in doc["channels"] if c["type"] == "memfd"]
    return collections.Counter(one for one in mapped if one[1] & pids)


def check_memory(doc, dumps, pids):
    """The regions that it says are there, before the report and after it."""
    before, after = (collections.Counter((size, frozenset(mappers)) for size, mappers
                                         in dump.values()) for dump in dumps)
    got = mapped_memory(doc, pids)
    lens.require(sum((before & after).values()) > 20, "it tells of %s" % before)
    lens.equal("regions that are not reported", {}, dict((before & after) - got))
    lens.equal("regions that it does not tell of", {}, dict(got - (before | after)))
    lens.equal("processes that have some", pids, set().union(*(one for _, one in before)))


def load_page(browser, url):
    page = browser.open(url)
    length = browser.call("Runtime.evaluate", page, expression="document.body.innerText.length")
    lens.equal("length of the text", len(TEXT.rstrip()), length["result"]["value"])


def observe_browser(folder):
    """(report, {pid: what it is}, bytes (to, from) the browser, two dumps of its memory)"""
    # most memory is mapped by two processes, some is not passed on yet
    watcher = lens.observe("--idle", "-t", "memfd,pipe," + ",".join(SOCKETS))
    with Browser(folder) as browser:
        load_page(browser, write_page(folder))
        browser.start_tracing()
        browser.dump_memory()
        told = browser.call("SystemInfo.getProcessInfo")["processInfo"]
        moved = browser.said, browser.heard
        doc = watcher.document()
        browser.dump_memory()
        events = browser.end_tracing()
    return doc, {p["id"]: p["type"] for p in told}, moved, shared_memory(events)


@lens.test(limit_s=60)
def chromium_memory():
    """What Chromium tells of its processes, of all their shared memory and its DevTools pipe."""
    if not lens.LONG:
        raise lens.Skip("with LENS_LONG only: a socket still in use at the end may not add up")
    with tempfile.TemporaryDirectory() as folder:
        doc, told, moved, dumps = observe_browser(folder)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    browser, = (one for one, kind in told.items() if kind == "browser")
    ids = {p["id"] for p in doc["processes"] if is_browser(p)}
    check_all(doc, ids)
    check_shared(ways_in_groups(doc, ids))
    check_memory(doc, dumps, set(told))
    flows = {(pid.get(f["from"]), pid.get(f["to"])): f["bytes"] for f in doc["flows"]
             if f["type"] == "pipe" and f["exact"]}
    lens.equal("bytes to and from it", moved, tuple(
        flows.get(key) for key in ((os.getpid(), browser), (browser, os.getpid()))))
    talk = [{pid[e["process"]] for e in c["endpoints"] if e["user"]} for c in doc["channels"]
            if c["type"] == "unix-stream"]
    for one in set(told) - {browser}:
        lens.require({one, browser} in talk, "no socket of the %s" % told[one])
