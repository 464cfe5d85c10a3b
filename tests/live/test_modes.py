# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""One test per mode of every workload: the report against its truth."""

import batch
import lens

# (prefix of the test's name, workload, modes)
PLAIN = (
    ("pipe", "pipe", "rw rwv zerolen nonblock short epipe fault packet packetcut resized bigwrite"
                     " straddlewrite straddleread preload interrupted selfpipe pingpong shortlived"
                     " closed killed"),
    ("pipe", "splice", "splice tee vmsplice sendfile"),
    ("pipe", "fds", "dup fork exits scm pidfd threads leaderexit bothends"
                    " closerange"),
    ("pipe", "many", "writers readers matrix packets torn inturn"),
    ("pipe", "ident", "mayflies"),
    ("fifo", "fifo", "plain twice rdwr bind overlay unlinked reopened hostile deep"),
    ("sysvmsg", "sysvmsg", "types negative except copy noerror empty nowait toobig fault rmid"
                           " rmidwait interrupted backlog deep blocked pingpong matrix namespaces"),
    ("mqueue", "mqueue", "priorities noprio status empty nowait timeout toobig wrongway fault"
                         " interrupted unlinked gone shortlived unheld handover blocked pingpong"
                         " matrix namespaces"),
    ("unix", "unix", "pair calls full shutdown closed splice prefork seqpacket lengths peekoff"
                     " seqend seqnothing nothing sendto detour mmsg dgramfull matrix seqmatrix"
                     " meet answered"),
    ("eventfd", "eventfd", "add semaphore before initial errors vector dup straddle matrix pingpong"
                           " kernel"),
    ("tcp", "inet", "pair six eight mapped calls full shutdown halfread closed splice writers"
                    " straddleread again own reuseport fastopen zerocopy itself"),
    ("mptcp", "multipath", "pair six plainserver plainclient calls full plainfull shutdown"
                           " plainshutdown splice writers straddleread again"),
    ("pty", "pty", "raw queued writers errors devtty splice straddle cooked packet instances"),
    ("udp", "udp", "sendto six mapped own nearest connected cork elsewhere"),
    ("netns", "netns", "apart"),
    ("errors", "errors", "stream tcp reset seqpacket dgram udp timeout"),
    ("interrupted", "interrupted", "stream seqpacket dgram tcp udp"),
)

# again, with every channel born under observation instead of before
LATE = (
    ("pipe", "pipe", "rw rwv packet epipe"),
    ("pipe", "splice", "splice tee"),
    ("pipe", "fds", "dup fork"),
    ("pipe", "many", "matrix"),
    ("fifo", "fifo", "plain twice unlinked hostile"),
    ("sysvmsg", "sysvmsg", "types pingpong matrix"),
    ("mqueue", "mqueue", "priorities handover gone matrix"),
    ("unix", "unix", "pair calls splice prefork seqpacket detour matrix"),
    ("eventfd", "eventfd", "add semaphore dup pingpong"),
    ("tcp", "inet", "pair six mapped calls full splice writers"),
    ("mptcp", "multipath", "pair plainserver calls full splice writers"),
    ("pty", "pty", "raw writers cooked devtty"),
)


# calls of several processes overlap, so that nobody can prove their order: flows
# are exact and right, or say that they are not; what each process moved is right
UNORDERED = ({("many", m) for m in ("torn", "matrix", "packets", "inturn")}
             | {("sysvmsg", "matrix"), ("mqueue", "matrix"), ("unix", "matrix"),
                ("unix", "seqmatrix"), ("eventfd", "matrix"), ("eventfd", "kernel"),
                ("pty", "cooked"), ("pty", "packet")})


def compare_unordered(doc, truth):
    lens.compare(doc, truth, may_be_inexact=True)


def register_all(table, late):
    for prefix, program, modes in table:
        for mode in modes.split():
            check = compare_unordered if (program, mode) in UNORDERED else lens.compare
            batch.register("%s_%s%s" % (prefix, mode, "_late" if late else ""), check, program,
                           mode, late=late)


def udp_several_test(mode):
    """Where ksoftirqd has to deliver since the processor is behind, no sender is known."""
    def one():
        for tries_left in (2, 1, 0):
            try:
                lens.compare(*lens.watched("udp", mode, options=lens.narrow("udp")))
                return
            except lens.Failure:
                if not tries_left:
                    raise
    return one


register_all(PLAIN, False)
# which of several sockets of one port gets a datagram is not seen at the end of system calls,
# nor who gets it in another namespace
if "inet=sys" not in lens.OPTIONS:
    register_all((("udp", "udp", "corked pieces segments storm"),
                  ("netns", "netns", "cableudp")), False)
    for udp_mode in ("reuseport", "broadcast", "multicast"):
        lens.register("udp_" + udp_mode, udp_several_test(udp_mode))
register_all(LATE, True)


def register_sys(program, group, modes):
    """What the calls alone tell, by the end of them or by their arguments."""
    for mode in modes.split():
        batch.register("%s_sys_%s" % (program, mode), lens.compare, program, mode, "--variant",
                       group + "=sys")


# who receives is found in the kernel's table of ports when the sender's call ends
register_sys("udp", "inet", "sendto six mapped own nearest connected cork elsewhere")
# lengths of messages that only the arguments of a call tell
register_sys("unix", "unix", "lengths seqnothing nothing")


@batch.test("fds", "exec")
def pipe_exec(doc, truth):
    """The same process before and after exec, under the name it has last."""
    lens.compare(doc, truth)
    found = [p for p in doc["processes"] if p["pid"] == truth["facts"]["reborn"]]
    lens.equal("processes of that pid", 1, len(found))
    lens.equal("argv", ["reborn", "@reborn"], found[0]["argv"][:2])
    lens.require(found[0]["exe"].endswith("/fds"), "exe is %r" % found[0]["exe"])
    lens.equal("exited", True, found[0]["exited"])


@batch.test("ident", "renamed")
def pipe_renamed(doc, truth):
    lens.compare(doc, truth)
    comm = [p["comm"] for p in doc["processes"] if p["pid"] == truth["pid"]]
    lens.equal("comm", [b"new-\x1b[1m-name"], [lens.unescape(c) for c in comm])


@lens.test(limit_s=40)
def pipe_reuse():
    """So many processes of one pid are as many processes."""
    count = 300 if lens.NARROW else 2000
    doc, truth = lens.watched("ident", "reuse", count)
    lens.compare(doc, truth)
    channel = lens.find_channel(doc, truth["channels"][0])
    writers = [e for e in channel["endpoints"] if e["write"]["operations"]]
    lens.equal("writers", count, len(writers))
    lens.equal("operations of the busiest writer", 1,
               max(e["write"]["operations"] for e in writers))


# each alone: what another one had that was not seen would excuse it
def compat_test(mode, *options):
    options += lens.narrow({"rw": "pipe", "rwv": "pipe", "pieces": "pipe", "sockets": "unix",
                            "removed": "sysvmsg", "datagrams": "udp"}.get(mode, mode))
    def one():
        doc, truth = lens.watched("compat", mode, options=options)
        unseen = doc["loss"]["unseen"]
        if unseen:
            lens.require(unseen >= truth["facts"]["calls"],
                         "%d 32-bit calls, only %d counted as unseen"
                         % (truth["facts"]["calls"], unseen))
        else:
            lens.compare(doc, truth)
    return one


for compat_mode in ("rw", "rwv", "sysvmsg", "removed", "mqueue", "eventfd", "sockets",
                    "datagrams"):
    lens.register("compat_" + compat_mode, compat_test(compat_mode))
# where these are hooked in the protocol, their registers are not looked at
lens.register("compat_sys_sockets", compat_test("sockets", "--variant", "unix=sys"))
lens.register("compat_sys_datagrams", compat_test("datagrams", "--variant", "inet=sys"))
# function hooks do not see all of these
lens.register("compat_sys_pieces", compat_test("pieces", "--variant", "pipe=sys"))


@lens.test()
def filter_by_pid():
    """-p keeps the channels of that process, whichever end it has, and no others."""
    work, other = lens.Workload("pipe", "rw"), lens.Workload("pipe", "selfpipe")
    observer = lens.observe("-p", work.pid, *lens.narrow("pipe"))
    work.go()
    other.go()
    truth, unwanted = work.truth(), other.truth()
    doc = observer.document()
    lens.check_document(doc)
    lens.compare(doc, truth)
    names = {c["name"] for c in doc["channels"]}
    lens.require(unwanted["channels"][0]["name"] not in names, "a channel of another process")


@lens.test(limit_s=40)
def every_type_alone():
    """Hooks that several types share are good enough for one of them, too."""
    if lens.NARROW and not lens.OPTIONS:    # doctor tells the same, and other tests ask it, too
        doc = lens.doctor()
    else:
        doc = lens.parse(lens.run("report", "--json", "--duration", "10ms", *lens.OPTIONS)[0])
    together = {row["type"]: row["variant"] for row in doc["coverage"]}
    one_of = {lens.group_of(kind): kind for kind in together}
    for kind, variant in together.items():
        # types of one group have their hooks in common
        if lens.NARROW and kind != one_of[lens.group_of(kind)]:
            continue
        out, _ = lens.run("report", "--json", "--duration", "10ms", "-t", kind, *lens.OPTIONS)
        lens.equal("coverage with -t " + kind, [(kind, variant, "observed")],
                   [(r["type"], r["variant"], r["state"]) for r in lens.parse(out)["coverage"]])


@lens.test()
def filter_by_type():
    work, queue = lens.Workload("pipe", "rw"), lens.Workload("sysvmsg", "types")
    observer = lens.observe("-t", "sysv-msg")
    work.go()
    queue.go()
    work.truth()
    truth = queue.truth()
    doc = observer.document()
    lens.compare(doc, truth)
    lens.equal("types of channels", {"sysv-msg"}, {c["type"] for c in doc["channels"]})
    # what is not asked for is not hooked either
    lens.equal("observed types", ["sysv-msg"], [row["type"] for row in doc["coverage"]])


def register_stuck_reader(name, program, index):
    """A process that only waits is an end of the channel, but has moved nothing."""
    def check(doc, truth):
        channel = lens.find_channel(doc, truth["channels"][index])
        pid = {p["id"]: p["pid"] for p in doc["processes"]}
        ends = [e for e in channel["endpoints"] if pid[e["process"]] == truth["facts"]["stuck"]]
        lens.equal("endpoints of the waiting process", 1, len(ends))
        lens.equal("what it moved", [(0, 0)],
                   [(e["read"]["operations"], e["read"]["bytes"]) for e in ends])
    batch.register(name, check, program, "blocked")


register_stuck_reader("mqueue_stuck_receiver_named", "mqueue", 1)
register_stuck_reader("sysvmsg_stuck_receiver_named", "sysvmsg", 0)
register_stuck_reader("eventfd_stuck_reader_named", "eventfd", 0)


@batch.test("sysvmsg", "rmid")
def sysvmsg_key_of_what_no_look_found(doc, truth):
    """A queue that came and went between two looks is known by the key it had."""
    queue = truth["channels"][0]
    lens.equal("name", "key=0x%08x id=%d" % (truth["facts"]["key"], queue["id"]),
               lens.find_channel(doc, queue)["name"])


def check_early(doc, truth):
    """Both ends of a connection whose client had closed before it was accepted."""
    facts = truth["facts"]
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    flows = [f for f in doc["flows"] if pid.get(f["from"]) == facts["kid"]]
    lens.equal("flows of the client", [(truth["pid"], facts["got"], True)],
               [(pid.get(f["to"]), f["bytes"], f["exact"]) for f in flows])


batch.register("unix_early", check_early, "unix", "early")
batch.register("tcp_early", check_early, "inet", "early")


@lens.test()
def unix_pending():
    """A connection that nobody accepted has no other end, and its listener has a backlog."""
    work = lens.Workload("unix", "pending")
    work.go()
    pid = work.truth() and work.pid
    doc = lens.parse(lens.run("list", "--json", "-p", pid)[0])
    mine = [c for c in doc["channels"] if c["name"].startswith("@lens\\x00test_")]
    lens.equal("listeners", [{"waiting": 3, "capacity": 8}],
               [c["backlog"] for c in mine if c.get("listening")])
    lens.equal("clients that wait", 3, sum(1 for c in mine if c.get("accepted") is False))


@batch.test("eventfd", "reused", late=True)
def eventfd_reused(doc, truth):
    """The kernel gives an id away again at once; each eventfd is a channel all the same."""
    parent = {p["id"]: p["ppid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "eventfd" and
            [parent[e["process"]] for e in c["endpoints"]] == [truth["pid"]]]
    lens.equal("channels", truth["facts"]["reuses"], len(mine))
    lens.require(len({c["name"] for c in mine}) < len(mine), "no id was used again")
    for channel in mine:
        lens.equal("added and taken", [7, 7, 0], [channel["ledger"][k] for k in (
            "written", "read", "unaccounted")])


@lens.test()
def eventfd_large():
    """Numbers that no sum can take are calls, and their values count as unseen."""
    # alone: where values were unseen, no number is said to be the kernel's
    doc, truth = lens.watched("eventfd", "large")
    lens.compare_counts(doc, {"channels": [dict(one, ends=[
        {k: end[k] for k in ("pid", "dir", "operations", "bytes", "errors")}
        for end in one["ends"]]) for one in truth["channels"]]})
    lens.equal("values unseen", truth["facts"]["large"],
               doc["loss"]["by_type"]["eventfd"]["unseen"])


@batch.test("inet", "waiting")
def tcp_waiting(doc, truth):
    """What was sent before the start, and accepted after it, was there before."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "tcp" and "directions" in c
            and truth["pid"] in {pid[e["process"]] for e in c["endpoints"]}]
    lens.equal("connections", 1, len(mine))
    books = [d["ledger"] for d in mine[0]["directions"] if d["ledger"]["read"]]
    lens.equal("books", [(400, 50, truth["facts"]["got"], 25, 0)],
               [tuple(b[k] for k in ("before_start", "written", "read", "queued", "unaccounted"))
                for b in books])
    flows = {pid.get(f["from"]): f["bytes"] for f in doc["flows"]
             if f["channel"] == mine[0]["id"]}
    lens.equal("flows", {None: 400, truth["pid"]: 25}, flows)


@lens.test()
def tcp_pending():
    """A connection that nobody accepted has no other end, and its listener has a backlog."""
    work = lens.Workload("inet", "pending")
    work.go()
    pid = work.truth() and work.pid
    doc = lens.parse(lens.run("list", "--json", "-p", pid)[0])
    mine = [c for c in doc["channels"] if c["type"] == "tcp"]
    lens.equal("listeners", [{"waiting": 3, "capacity": 8}],
               [c["backlog"] for c in mine if c.get("listening")])
    clients = [c for c in mine if "remote" in c]
    lens.equal("clients that wait", 3, len(clients))
    lens.equal("clients of another host", 0, sum(1 for c in clients if c["external"]))


def compare_drops(doc, truth):
    """What a full queue dropped left its sender, and is counted at the receiver as dropped."""
    sent, received = truth["facts"]["sent"], truth["facts"]["received"]
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "udp"
            and truth["pid"] in {pid[e["process"]] for e in c["endpoints"]}]
    queue = [c for c in mine if c["id"].split(":")[2] == "0"]
    lens.equal("queues", 1, len(queue))
    lens.equal("dropped", sent - received, queue[0]["dropped_messages"])
    lens.equal("unaccounted", 0, queue[0]["ledger"]["messages"]["unaccounted"])
    counts = [sum(e["write"]["messages"] for c in mine for e in c["endpoints"])]
    lens.equal("sent", [sent], counts)
    reads = sum(e["read"]["messages"] for e in queue[0]["endpoints"])
    lens.equal("received", received, reads)


batch.register("udp_drops", compare_drops, "udp", "drops")
batch.register("udp_sys_drops", compare_drops, "udp", "drops", "--variant", "inet=sys")


@batch.test("pty", "reused", late=True)
def pty_reused(doc, truth):
    """The kernel gives an index away again at once; each pty is a channel all the same."""
    parent = {p["id"]: p["ppid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if c["type"] == "pty" and
            {parent[e["process"]] for e in c["endpoints"]} == {truth["pid"]}]
    lens.equal("channels", truth["facts"]["reuses"], len(mine))
    lens.require(len({c["name"] for c in mine}) < len(mine), "no index was used again")
    for channel in mine:
        lens.equal("bytes", [9, 9, 0], [channel["ledger"][k] for k in (
            "written", "read", "unaccounted")])
