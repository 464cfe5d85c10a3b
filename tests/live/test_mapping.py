# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Shared memory: what is mapped, against /proc/PID/maps and the kernel's own counts."""

import os
import shutil
import subprocess

import document
import lens

PAGE = 4096


def pages_of(ranges):
    """{address of a page: (offset of it, protection)}"""
    pages = {}
    for start, length, offset, prot in ranges:
        for at in range(0, length, PAGE):
            lens.require(start + at not in pages, "two ranges overlap")
            pages[start + at] = (offset + at, prot)
    return pages


def mapped_by_kernel(pid):
    """{(type, number): pages} of what a process shares, by its maps file"""
    found = {}
    with open("/proc/%d/maps" % pid, "rb") as f:
        for line in f:
            area, flags, offset, _, inode, path = (line.split(None, 5) + [b""])[:6]
            path = path.strip()
            if flags[3:4] != b"s" or path.startswith(b"anon_inode:"):
                continue
            kind = ("memfd" if path.startswith(b"/memfd:") else
                    "sysv-shm" if path.startswith(b"/SYSV") else
                    "shared-anon" if path.startswith(b"/dev/zero") else
                    "posix-shm" if path.startswith(b"/dev/shm/") else "mmap-file")
            start, end = (int(n, 16) for n in area.split(b"-"))
            prot = flags[:3].decode().replace("-", "") or "-"
            found.setdefault((kind, int(inode)), []).append(
                (start, end - start, int(offset, 16), prot))
    return {key: pages_of(ranges) for key, ranges in found.items()}


def number(channel):
    return int(channel["id"].rpartition(":")[2])


def mapped_by_lens(doc, pid):
    ids = {p["id"] for p in doc["processes"] if p["pid"] == pid}
    found = {}
    for channel in doc["channels"]:
        if channel["type"] not in document.MEMORY:
            continue
        for end in channel["endpoints"]:
            if end["process"] in ids and end["ranges"]:
                lens.equal("role", "mapper", end["role"])
                pages = pages_of((int(r["start"]), r["length"], r["offset"], r["prot"])
                                 for r in end["ranges"])
                lens.equal("mapped bytes", len(pages) * PAGE, end["mapped_bytes"])
                key = (channel["type"], number(channel))
                lens.require(key not in found, "two channels of one identity: %r" % (key,))
                found[key] = pages
    return found


def compare_maps(doc, pid):
    theirs, ours = mapped_by_kernel(pid), mapped_by_lens(doc, pid)
    lens.equal("objects mapped by %d" % pid, sorted(theirs), sorted(ours))
    for key, pages in theirs.items():
        if pages != ours[key]:
            differ = sorted(set(pages.items()) ^ set(ours[key].items()))
            raise lens.Failure("%d maps %s %d: %d pages differ, first 0x%x %r"
                               % (pid, key[0], key[1], len(differ), differ[0][0], differ[0][1]))
    lens.require(theirs, "process %d shares nothing: the workload is broken" % pid)


def channel_of(doc, kind, inode):
    found = [c for c in doc["channels"] if c["type"] == kind and number(c) == inode]
    lens.equal("%s of number %d" % (kind, inode), 1, len(found))
    return found[0]


def ends_by_pid(doc, channel):
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    return {pid[end["process"]]: end for end in channel["endpoints"]}


def overlap(channel):
    """Bytes of the object that two processes or more map, page by page."""
    mappers = {}
    for end in channel["endpoints"]:
        for r in end["ranges"]:
            for at in range(r["offset"], r["offset"] + r["length"], PAGE):
                mappers.setdefault(at, set()).add(end["process"])
    return PAGE * sum(len(who) > 1 for who in mappers.values())


NARROW = lens.narrow("mapping")


def list_now(*args):
    return lens.parse(lens.run("list", "--json", *(args or NARROW))[0])


def after(mode, *args, late=False):
    """(live document taken by the events alone, truth, workload)"""
    work = lens.Workload("mapping", mode, *args, late=late)
    watcher = lens.observe(*NARROW)
    work.go()
    truth = work.truth()
    doc = watcher.document()
    lens.check_document(doc)
    return doc, truth["facts"], work


def check_kinds(doc, facts, work):
    for pid in lens.descendants(work.pid):
        compare_maps(doc, pid)
    segment = channel_of(doc, "sysv-shm", facts["shmid"])
    for key, fact in (("size_bytes", "segsz"), ("creator_pid", "cpid"), ("attachments", "nattch")):
        lens.equal(key, facts[fact], segment[key])
    lens.equal("mode", "%04o" % facts["mode"], segment["mode"])
    lens.equal("resident bytes of the segment", 2 * PAGE, segment["resident_bytes"])
    mem = channel_of(doc, "memfd", facts["memfd"])
    lens.equal("name", b"memfd:lens \033[1m kind[%d]" % facts["memfd"],
               lens.unescape(mem["name"]))
    lens.equal("seals", ["shrink", "grow"], mem["seals"])
    lens.equal("resident bytes of the memfd", 3 * PAGE, mem["resident_bytes"])
    lens.equal("bytes moved", None, mem["bytes_moved"])
    posix = channel_of(doc, "posix-shm", facts["posix"])
    lens.require(posix["name"].startswith("/dev/shm/lens-work-"), "name " + posix["name"])
    for channel in doc["channels"]:
        if channel["type"] in document.MEMORY:
            lens.equal("overlap of " + channel["name"], overlap(channel), channel["overlap_bytes"])


@lens.test()
def mapping_kinds():
    doc, facts, work = after("kinds")
    check_kinds(doc, facts, work)
    check_kinds(list_now(), facts, work)


@lens.test()
def mapping_kinds_from_the_start():
    doc, facts, work = after("kinds", late=True)
    check_kinds(doc, facts, work)
    ends = ends_by_pid(doc, channel_of(doc, "posix-shm", facts["posix"]))
    child = [pid for pid in lens.descendants(work.pid) if pid != work.pid][0]
    lens.equal("how it got there", {work.pid: "mmap", child: "fork"},
               {pid: end["how"] for pid, end in ends.items()})


def check_changes(doc, facts, work):
    for pid in lens.descendants(work.pid):
        compare_maps(doc, pid)
    segment = channel_of(doc, "sysv-shm", facts["shmid"])
    lens.equal("attachments", facts["nattch"], segment["attachments"])


@lens.test()
def mapping_changes():
    doc, facts, work = after("changes")
    check_changes(doc, facts, work)
    check_changes(list_now(), facts, work)


@lens.test()
def mapping_changes_from_the_start():
    doc, facts, work = after("changes", late=True)
    check_changes(doc, facts, work)


@lens.test()
def mapping_storm():
    doc, facts, work = after("storm")
    compare_maps(doc, work.pid)
    compare_maps(list_now(), work.pid)


@lens.test()
def mapping_many():
    work = lens.Workload("mapping", "many")
    work.go()
    work.truth()
    doc = list_now()
    compare_maps(doc, work.pid)


@lens.test()
def mapping_mayflies():
    doc, facts, work = after("mayflies")
    channel = [c for c in doc["channels"] if c["type"] == "posix-shm"
               and c["name"] == "/dev/shm/lens-work-%d" % work.pid]
    lens.equal("channels", 1, len(channel))
    short = [end for end in channel[0]["endpoints"] if end["how"] == "mmap"]
    lens.equal("processes", facts["times"], len(short))
    for end in short:
        lens.equal("at most mapped", 3 * PAGE, end["peak_mapped_bytes"])
        lens.equal("mapped", 0, end["mapped_bytes"])
        lens.equal("calls", 1, end["maps"])
    lens.equal("unmaps", facts["times"] // 2, sum(end["unmaps"] for end in short))


@lens.test()
def mapping_removed():
    doc, facts, work = after("removed")
    segment = channel_of(doc, "sysv-shm", facts["shmid"])
    lens.require(segment["removed"] and segment["gone"], "the segment still stands there")
    end = ends_by_pid(doc, segment)[work.pid]
    lens.equal("calls", (1, 1), (end["maps"], end["unmaps"]))
    lens.equal("at most mapped", 2 * PAGE, end["peak_mapped_bytes"])


@lens.test()
def mapping_exec():
    doc, facts, work = after("exec")
    ends = ends_by_pid(doc, channel_of(doc, "memfd", facts["memfd"]))
    lens.equal("mapped", {work.pid: 4 * PAGE, facts["child"]: 0},
               {pid: end["mapped_bytes"] for pid, end in ends.items()})
    lens.equal("how it got there", "fork", ends[facts["child"]]["how"])


@lens.test()
def mapping_namespaces():
    doc, facts, work = after("namespaces")
    for one in (doc, list_now()):
        found = [c for c in one["channels"] if c["type"] == "sysv-shm"
                 and number(c) == facts["shmid"]
                 and {work.pid, facts["child"]} & set(ends_by_pid(one, c))]
        sizes = {frozenset(ends_by_pid(one, c)): c["size_bytes"] for c in found}
        lens.equal("segments", 2, len({c["ns"]["ipc"] for c in found}))
        # the child inherited an attachment of the first one
        lens.equal("sizes", {frozenset((work.pid, facts["child"])): 2 * PAGE,
                             frozenset((facts["child"],)): PAGE}, sizes)


@lens.test()
def mapping_handoffs():
    doc, facts, work = after("handoffs", 300)
    channel = channel_of(doc, "memfd", facts["memfd"])
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    got = {(pid[h["from"]], pid[h["to"]], h["offset"]): h["count"] for h in channel["handoffs"]}
    lens.require(all(h["exact"] for h in channel["handoffs"]), "a hand-off is not exact")
    lens.equal("what woke is what was woken", (facts["woke"], facts["child_woke"]),
               (facts["child_woken"], facts["woken"]))
    want = {(work.pid, facts["child"], 0): facts["woke"],
            (facts["child"], work.pid, 4): facts["child_woke"]}
    lens.equal("hand-offs", {key: n for key, n in want.items() if n}, got)


@lens.test()
def mapping_ipcs():
    """What ipcs(1) lists, list lists."""
    if not shutil.which("ipcs"):
        raise lens.Skip("ipcs is not installed")
    work = lens.Workload("mapping", "kinds")
    work.go()
    facts = work.truth()["facts"]
    doc = list_now("-t", "sysv-shm")
    env = dict(os.environ, LC_ALL="C")
    rows = subprocess.run(["ipcs", "-m"], env=env, capture_output=True, text=True, check=True)
    mine = [r.split() for r in rows.stdout.splitlines() if r.split()[1:2] == [str(facts["shmid"])]]
    lens.equal("rows of ipcs", 1, len(mine))
    segment = channel_of(doc, "sysv-shm", facts["shmid"])
    key, _, _, perms, size, nattch = mine[0][:6]
    lens.equal("key, permissions, bytes, nattch", (key, int(perms, 8), int(size), int(nattch)),
               (segment["key"], int(segment["mode"], 8), segment["size_bytes"],
                segment["attachments"]))


@lens.test()
def mapping_compat():
    """32-bit calls: followed by `sys`, found by the next look by `fexit`."""
    work = lens.Workload("compat", "mapping")
    watcher = lens.observe("--idle", *NARROW)
    work.go()
    facts = work.truth()["facts"]
    doc = watcher.document()
    lens.check_document(doc)
    for one in (doc, list_now()):
        compare_maps(one, work.pid)
    calls = {}
    for kind, inode in (("memfd", facts["memfd"]), ("sysv-shm", facts["shmid"])):
        end = ends_by_pid(doc, channel_of(doc, kind, inode))[work.pid]
        calls[kind] = (end["how"], end["maps"], end["unmaps"])
    variant = next(row["variant"] for row in doc["coverage"] if row["type"] == "memfd")
    lens.equal("calls", {"memfd": ("mmap", 2, 1), "sysv-shm": ("shmat", 2, 1)}
               if variant == "sys" else {"memfd": ("before-start", 0, 0),
                                         "sysv-shm": ("before-start", 0, 0)}, calls)


@lens.test()
def mapping_trace():
    """A line for each call, with who else maps it."""
    work = lens.Workload("mapping", "removed")
    tracer = lens.observe("--json", "-t", "sysv-shm", "-p", work.pid, command="trace")
    work.go()
    shmid = work.truth()["facts"]["shmid"]
    lines = [line for line in map(lens.parse, tracer.interrupt().splitlines()) if "op" in line]
    lens.equal("calls", ["shmat", "shmctl(IPC_RMID)", "shmdt"], [line["op"] for line in lines])
    for line in lines:
        lens.require(line["channel"].endswith(":%d" % shmid), "channel " + line["channel"])
        lens.equal("peers", [], line["peers"])
    lens.equal("bytes", [(2 * PAGE, 0), (0, 2 * PAGE)],
               [(line["mapped_bytes"], line["unmapped_bytes"])
                for line in (lines[0], lines[2])])
