# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Memory is bounded, and what is forgotten for that is in the sums."""

import os
import re
import tempfile
import time

import lens
import recorded

# 12 MB of it are the two rings, each mapped twice over
PEAK_KB = 34 * 1024
# of the totals, where looks come in time
USUAL_ENTRIES = 6000
# looks that follow are a second apart, and take several where processors are emulated
NEXT_LOOK_S = (10 if lens.NARROW else 3) / lens.PATIENCE
# of channels that come and go; three do not fit into the tables either
ROUNDS = 3 if lens.NARROW else 5
# long enough for a reading that is due, where processors are emulated
SLOW_READ_S = 2.5


def memory_kb(observer, field):
    """Of ipclens itself; the command it may run is none of its memory."""
    with open("/proc/%d/status" % observer.process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":"))


def pipes(rows):
    """Pipes or connections; not the socket over which the workload is told what to do."""
    return [row for row in rows if row["type"] in ("pipe", "tcp", "unix-seqpacket", "posix-mq")]


def sides(doc, comm):
    """{direction: (operations, bytes)} of processes of that name, kept or summed up."""
    pid = {p["id"]: p["comm"] for p in doc["processes"]}
    moved = {"read": [0, 0], "write": [0, 0]}
    for channel in pipes(doc["channels"]):
        for end in channel["endpoints"]:
            for direction, sums in moved.items():
                if pid[end["process"]] == comm:
                    sums[0] += end[direction]["operations"]
                    sums[1] += end[direction]["bytes"]
    for row in pipes(doc.get("folded", [])):
        for direction, end in (("read", "to"), ("write", "from")):
            if row[end]["comm"] == comm:
                moved[direction][0] += row[direction]["operations"]
                moved[direction][1] += row[direction]["bytes"]
    return moved


def channels_of(doc, comm):
    """(kept one by one, summed up)"""
    pid = {p["id"]: p["comm"] for p in doc["processes"]}
    kept = sum(any(pid[e["process"]] == comm for e in c["endpoints"])
               for c in pipes(doc["channels"]))
    return kept, sum(row["channels"] for row in pipes(doc.get("folded", []))
                     if comm in (row["from"]["comm"], row["to"]["comm"]))


def strangers(doc):
    """How much else there was on this host: channels and processes."""
    channels = len(doc["channels"]) + sum(row["channels"] for row in doc.get("folded", []))
    return channels - sum(channels_of(doc, "churn")) + len(doc["processes"])


def check_sums(doc, truth, nameless=False, comm="churn"):
    """delivered + lost == truth, in operations and in bytes"""
    moved = sides(doc, comm)
    facts = truth["facts"]
    lost, lost_bytes = doc["loss"]["map_full"], doc["loss"]["bytes"]
    if nameless:
        # every record that names them may have been lost
        unnamed = sides(doc, "")
        lost += unnamed["read"][0] + unnamed["write"][0]
        lost_bytes += unnamed["read"][1] + unnamed["write"][1]
    operations = moved["read"][0] + moved["write"][0]
    count = moved["read"][1] + moved["write"][1]
    lens.require(operations <= facts["calls"] and count <= 2 * facts["bytes"],
                 "more than there was: %d of %d calls" % (operations, facts["calls"]))
    # what a full map refused has no owner: others of this host may be in it too
    lens.require(operations + lost >= facts["calls"] and count + lost_bytes >= 2 * facts["bytes"],
                 "calls: %d + %d lost of %d; bytes: %d + %d lost of %d"
                 % (operations, lost, facts["calls"], count, lost_bytes, 2 * facts["bytes"]))
    if not lost:
        lens.equal("calls", facts["calls"], operations)
        lens.equal("bytes", 2 * facts["bytes"], count)
        # two halves that a lost record did not join are two; which had no room nobody knows
        if not doc["loss"]["ring_full"] and not doc["loss"].get("unplaced"):
            lens.equal("channels", facts["pipes"], sum(channels_of(doc, comm)))
    for row in doc.get("folded", []):
        if row["from"]["comm"] == comm and not lost:
            lens.equal("unaccounted of what was summed up", 0, row["unaccounted_bytes"])


def wait_retired(observer, many=1500):
    """Until what belonged to ended channels, by now all of them, is in the sums, however late that
    is on a busy host: when a look has left few, or no more looks come. The most entries that any
    of them left."""
    left = [look for look in map(entries_left, observer.lines.ready()) if look is not None]
    while True:
        try:
            line = observer.lines.next(NEXT_LOOK_S if left else lens.LIMIT_S)
        except lens.Timeout:
            if not left:
                raise
            break
        lens.require(line is not None, "it ended")
        look = entries_left(line)
        if look is not None:
            left.append(look)
            if look <= many:
                break
    lens.require(left[-1] <= many, "%d entries remain" % left[-1])
    return max(left)


def entries_left(line):
    """By a look, where that line tells of one."""
    told = re.search(rb"(\d+) entries remain", line)
    return int(told.group(1)) if told else None


@lens.test(limit_s=90)
def memory_churn():
    """Thousands of pipes: the last ones kept one by one, the others in the sums."""
    with tempfile.TemporaryDirectory(dir="/tmp") as where:
        saved = os.path.join(where, "churn.lens")
        rounds, each = ROUNDS, 2500 if lens.NARROW else 4000
        work = lens.Workload("churn", "pipes", rounds, each)
        # room for all of a round: how fast they come must not matter
        observer = lens.observe("--max-channels", 16384, "--save", saved, "--comm", "churn",
                                "--verbose", *lens.narrow("churn"))
        work.go()
        most = 0
        for _ in range(rounds - 1):
            work.pause()
            most = max(most, wait_retired(observer))
            work.say("on")
        truth = work.truth()
        most = max(most, wait_retired(observer))
        peak = memory_kb(observer, "VmHWM")
        out = observer.interrupt(limit_s=60)
        doc = lens.parse(out)
        lens.check_document(doc, lost=True)
        check_sums(doc, truth)
        kept, folded = channels_of(doc, "churn")
        lens.require(kept <= 2048 and folded >= rounds * each - 3000,
                     "%d kept, %d summed up" % (kept, folded))
        # how many there are at a time is up to how often it gets to look, and to others here
        others = strangers(lens.parse(lens.run("report", "--json", "--idle", "-i", saved)[0]))
        limit = PEAK_KB + 3 * (max(0, most - USUAL_ENTRIES) + others)
        lens.require(peak <= limit, "%d kB resident with %d entries, and %d channels and processes "
                     "that are not ours" % (peak, most, others))
        replayed, _ = lens.run("report", "--json", "-i", saved, "--comm", "churn", limit_s=60)
        lens.require(replayed == out, "the replay differs")


def connections_come_and_go(mode, kind):
    """A server whose clients come and go does not fill the table, however long it lives."""
    rounds = ROUNDS
    work = lens.Workload("churn", mode, rounds, 1200)
    # of each connection two ends are counted: all of them together have no room
    observer = lens.observe("--max-channels", 4096, "--comm", "churn", "--verbose", "-t", kind)
    work.go()
    for _ in range(rounds - 1):
        work.pause()
        wait_retired(observer, many=100)
        work.say("on")
    truth = work.truth()
    doc = observer.document()
    lens.check_document(doc, lost=True)
    lens.equal("map_full", 0, doc["loss"]["map_full"])
    check_sums(doc, truth)


lens.register("memory_connections", lambda: connections_come_and_go("connections", "tcp"), 90)
lens.register("memory_pairs", lambda: connections_come_and_go("pairs", "unix-seqpacket"), 90)
lens.register("memory_queues", lambda: connections_come_and_go("queues", "posix-mq"), 90)


def let_it_read(observer, usual_s):
    """Long enough for a reading that is due; not while others have its processor."""
    begun, stood = time.monotonic(), lens.waited_for_processor_s(observer.process.pid)
    least = room = SLOW_READ_S if lens.NARROW else usual_s
    while time.monotonic() < begun + room:
        time.sleep(0.02)
        waited = lens.waited_for_processor_s(observer.process.pid) - stood
        room = max(room, least + 3 * waited)


@lens.test(limit_s=60)
def memory_no_look():
    """A reading of the totals, of which there is one a second, makes room: no look has to miss
    twice what is gone."""
    rounds = 6 if lens.NARROW else 20
    work = lens.Workload("churn", "pairs", rounds, 1500)
    # two rounds have room, three have not
    observer = lens.observe("--max-channels", 8192, "--comm", "churn", "-t", "unix-seqpacket")
    work.go()
    for _ in range(rounds - 1):
        work.pause()
        let_it_read(observer, 0.2)
        work.say("on")
    truth = work.truth()
    doc = observer.document()
    lens.check_document(doc, lost=True)
    lens.equal("map_full", 0, doc["loss"]["map_full"])
    lens.equal("unplaced", 0, doc["loss"].get("unplaced", 0))
    check_sums(doc, truth)


@lens.test(limit_s=60)
def memory_no_room():
    """What found the table full is in the sums nevertheless, of each process and direction, and
    no channel whose other end had no room is said to have lost anything."""
    work = lens.Workload("churn", "pairs", 1, 20000)
    observer = lens.observe("--max-channels", 1024, "--comm", "churn", "-t", "unix-seqpacket")
    observer.signal(lens.signal.SIGSTOP)
    work.go()
    truth = work.truth()
    observer.signal(lens.signal.SIGCONT)
    doc = observer.document()
    lens.check_document(doc, lost=True)
    lens.equal("lost", [0, 0], [doc["loss"]["map_full"], doc["loss"]["bytes"]])
    lens.require(doc["loss"].get("unplaced", 0) > 30000, "all of it had room")
    check_sums(doc, truth)
    for channel in doc["channels"]:
        for books in (d["ledger"] for d in channel.get("directions", [])):
            lens.equal("unaccounted", 0, books["unaccounted"] if books else 0)


def flood(peak_kb, *options):
    """As many pipes as a processor can make: the peak is bounded, sums hold."""
    work = lens.Workload("churn", "flood")
    observer = lens.observe(*options, "--comm", "churn")
    work.go()
    time.sleep(5)
    warm = memory_kb(observer, "VmRSS")
    for _ in range(10):
        # a slow machine takes longer to fill what there is room for
        time.sleep(3)
        before, warm = warm, memory_kb(observer, "VmRSS")
        if warm <= before * 1.005:
            break
    time.sleep(8)
    later = memory_kb(observer, "VmRSS")
    work.say("stop")
    truth = work.truth()
    peak = memory_kb(observer, "VmHWM")
    doc = observer.document()
    lens.require(peak <= peak_kb, "%d kB at the peak" % peak)
    lens.check_document(doc, lost=True)
    check_sums(doc, truth)
    return warm, later


@lens.test(limit_s=90)
def memory_flood():
    """Memory does not move once the table is full; how much goes between two readings does."""
    warm, later = flood(PEAK_KB + 16 * 1024, "--max-channels", 4096)
    # between looks memory is given back, so that two moments differ
    lens.require(later <= warm * 1.15, "%d kB, then %d kB" % (warm, later))


@lens.test(limit_s=90)
def memory_flood_default():
    """The default table takes a slow machine too long to fill to say that memory stays. What goes
    between two readings is in there, some 32,000 channels on a busy host."""
    flood(88 * 1024)


@lens.test(limit_s=240)
def memory_million():
    """So many channels that come and go, used and not just held, under the default options."""
    count = 1000000 if lens.LONG else 20000 if lens.NARROW else 100000
    work = lens.Workload("churn", "pipes", 1, count)
    observer = lens.observe("--comm", "churn", *lens.narrow("churn"))
    work.go()
    truth = work.truth(limit_s=240)
    peak = memory_kb(observer, "VmHWM")
    doc = observer.document()
    lens.check_document(doc, lost=True)
    check_sums(doc, truth)
    print("%d channels: %.1f MB at the peak, %d operations had no room of their own"
          % (count, peak / 1024, doc["loss"].get("unplaced", 0)))
    lens.equal("map_full", 0, doc["loss"]["map_full"])
    lens.require(peak <= 160 * 1024, "%d kB at the peak of %d channels" % (peak, count))


@lens.test(limit_s=90)
def memory_lost_exits():
    """Processes whose end went unheard leave the maps nevertheless."""
    rounds, each, rows = 5 if lens.NARROW else 12, 60, 50
    work = lens.Workload("churn", "processes", rounds, each)
    observer = lens.observe("--max-channels", 2048, "--max-rows", rows, "--simulate-drops", 2,
                            *lens.narrow("churn"))
    work.go()
    for _ in range(rounds):
        work.pause()
        # entries are looked at once a second, whatever the workload does
        let_it_read(observer, 1.3)
        work.say("on")
    truth = work.truth()
    doc = observer.document()
    lens.require(doc["loss"]["ring_full"] > 100, "drops were simulated, few are reported")
    lens.check_document(doc, lost=True)
    check_sums(doc, truth, nameless=True)
    # what is summed up has left the map, and half of the exits were not heard of
    kept, folded = channels_of(doc, "churn")
    lens.require(kept <= rows and folded >= (rounds - 4) * each,
                 "%d kept, %d summed up" % (kept, folded))
    alive = [p["id"] for p in doc["processes"] if p["comm"] == "churn" and not p["exited"]]
    lens.equal("processes that still run", 1, max(1, len(alive)))


@lens.test(limit_s=40)
def memory_map_full():
    """What had no room of its own is counted by process, said, and fails under --strict."""
    work = lens.Workload("churn", "pipes", 1, 3000)
    observer = lens.observe("--strict", "--max-channels", 64, "--comm", "churn",
                            *lens.narrow("churn"))
    work.go()
    truth = work.truth()
    doc = lens.parse(observer.signal(lens.signal.SIGINT).finish(3))
    lens.require(doc["loss"].get("unplaced", 0) > 0, "it is not said")
    lens.equal("map_full", 0, doc["loss"]["map_full"])
    lens.check_document(doc, lost=True)
    check_sums(doc, truth)


def recording(path, *options):
    """Of pipes, where to hook all else would take seconds; `record` itself knows no types."""
    if lens.NARROW:
        return lens.observe("--save", path, *options, *lens.narrow("churn"))
    return lens.Lens("record", "-o", path, *options, *lens.OPTIONS).wait_observing()


@lens.test(limit_s=40)
def memory_map_full_recorded():
    """What had no room fails a recording under --strict, too."""
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "recording")
        work = lens.Workload("churn", "pipes", 1, 3000)
        observer = lens.Lens("record", "--strict", "-o", path, "--max-channels", 64,
                             *lens.OPTIONS).wait_observing()
        work.go()
        truth = work.truth()
        observer.signal(lens.signal.SIGINT).finish(3)
        doc = lens.parse(lens.run("report", "--json", "-i", path, "--comm", "churn")[0])
    lens.require(doc["loss"].get("unplaced", 0) > 0, "it is not said")
    lens.equal("map_full", 0, doc["loss"]["map_full"])
    check_sums(doc, truth)


@lens.test(limit_s=60)
def memory_no_room_recorded():
    """What had no room is in a recording when there is more of it, not at every reading."""
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "recording")
        work = lens.Workload("churn", "crowd", 300)
        observer = recording(path, "--max-channels", 256)
        work.go()
        work.pause()
        # of what had no room by then readings have told several times over
        for _ in range(3):
            let_it_read(observer, NEXT_LOOK_S * lens.PATIENCE)
        work.say("on")
        truth = work.truth()
        observer.interrupt()
        doc = lens.parse(lens.run("report", "--json", "-i", path, "--comm", "churn")[0])
        told = recorded.unplaced(path)
    check_sums(doc, truth)
    lens.require(doc["loss"].get("unplaced", 0) > 300, "all of it had room")
    lens.require(len({key for key, _ in told}) > 300, "%d were told" % len(told))
    lens.equal("told again", 0, len(told) - len(set(told)))


@lens.test(limit_s=60)
def memory_taken_once_read():
    """The counters of a channel that is gone are taken by the reading after the one that found
    that: what was in a cache then is added to them meanwhile, and lost if they are just taken."""
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "recording")
        work = lens.Workload("churn", "pipes", 1, 200)
        observer = recording(path)
        work.go()
        work.truth()
        for _ in range(3):
            let_it_read(observer, NEXT_LOOK_S * lens.PATIENCE)
        observer.interrupt()
        seen, taken = set(), []
        for key, _, last in recorded.totals(path):
            if key[4] == work.pid and key[5] == recorded.PIPE and last:
                taken.append(key in seen)
            seen.add(key)
        work.end()
    lens.require(len(taken) >= 300, "%d were taken" % len(taken))
    lens.equal("taken by the reading that found them", 0, taken.count(False))


def forget_inodes():
    """What nobody has open leaves the cache, once it is written; some on the second try."""
    os.sync()
    for _ in range(3):
        try:
            with open("/proc/sys/vm/drop_caches", "w") as f:
                f.write("2")
        except OSError as refused:
            raise lens.Skip("inodes cannot be dropped here: %s" % refused)


def check_evicted(mode):
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "recording")
        work = lens.Workload("fifo", mode)
        observer = recording(path)
        work.go()
        work.pause()
        forget_inodes()
        # a reading finds the old one gone, but not yet the next, which would be right to
        time.sleep(1)
        work.say("on")
        work.pause()
        time.sleep(1.5)
        work.say("on")
        truth = work.truth()
        observer.interrupt()
        doc = lens.parse(lens.run("report", "--json", "-i", path)[0])
        lens.compare(doc, truth, may_be_inexact=True)
        fifos = [chan for chan in recorded.gone(path) if chan[0] == recorded.FIFO]
        lens.equal("told to be gone", [],
                   [inode for _, inode in fifos if inode == truth["channels"][0]["ino"]])
        work.end()


@lens.test(limit_s=60)
def memory_evicted_fifo():
    """A fifo that gets another inode in memory, its number kept, is not gone for that."""
    check_evicted("evicted")


@lens.test(limit_s=60)
def memory_evicted_fifo_by_handle():
    """... opened by open_by_handle_at(2)."""
    check_evicted("evictedhandle")


@lens.test(limit_s=60)
def memory_evicted_fifo_by_ring():
    """... opened by io_uring."""
    check_evicted("evictedring")


@lens.test(limit_s=60)
def memory_reopened_fifos():
    """Fifos that are opened again, one after the other, while readings find them gone."""
    count = 400
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "recording")
        fifos = [os.path.join(where, "fifo%d" % i) for i in range(count)]
        for fifo in fifos:
            os.mkfifo(fifo)
        mine = {os.stat(fifo).st_ino for fifo in fifos}
        observer = recording(path)
        for fifo in fifos:
            fd = os.open(fifo, os.O_RDWR)
            os.write(fd, b"0123456789")
            os.read(fd, 10)
            os.close(fd)
        forget_inodes()
        held = []
        for fifo in fifos:
            held.append(os.open(fifo, os.O_RDWR))
            time.sleep(0.01)
        observer.interrupt()
        opened, told, late = {}, set(), set()
        for kind, of, inode in recorded.channels(path, recorded.OPEN, recorded.GONE):
            if of != recorded.FIFO or inode not in mine:
                continue
            if kind == recorded.OPEN:
                opened[inode] = opened.get(inode, 0) + 1
            else:
                told.add(inode)
                if opened.get(inode) == 2:
                    late.add(inode)
        for fd in held:
            os.close(fd)
    if not told:
        raise lens.Skip("no inode was dropped in time")
    lens.equal("told to be gone while open", 0, len(late))


def wait_look(observer):
    line = b""
    while b"a look took" not in line:
        line = observer.lines.next(lens.LIMIT_S)
        lens.require(line is not None, "it ended")


@lens.test(limit_s=90)
def memory_mappings():
    """Objects, and processes that map one that stays: the last ones, and how many there were."""
    rounds, each, rows = 3 if lens.NARROW else 6, 300, 100
    work = lens.Workload("mapping", "churn", rounds, each)
    # a look is due when an eighth of what the table can hold has come or gone
    observer = lens.observe("--max-channels", 4096, "--max-rows", rows, "--comm", "mapping",
                            "--idle", "--verbose",
                            *(("-t", "posix-shm,memfd") if lens.NARROW else ()))
    work.go()
    for _ in range(rounds):
        wait_look(observer)
        work.say("more")
    facts = work.truth()["facts"]
    peak = memory_kb(observer, "VmHWM")
    doc = observer.document()
    lens.check_document(doc)
    lens.require(peak <= PEAK_KB, "%d kB resident" % peak)
    kept = [c for c in doc["channels"] if c["type"] == "memfd" and "churn" in c["name"]]
    folded = sum(row["channels"] for row in doc["folded"]
                 if row["type"] == "memfd" and row["from"]["comm"] == "mapping")
    lens.equal("objects", facts["objects"], len(kept) + folded)
    lens.require(len(kept) <= rows, "%d objects are kept" % len(kept))
    stays = [c for c in doc["channels"] if c["name"] == "/dev/shm/lens-work-%d" % work.pid]
    lens.equal("objects that stay", 1, len(stays))
    ends = [end for end in stays[0]["endpoints"] if not end["mapped_bytes"]]
    lens.require(len(ends) <= rows, "%d processes are kept" % len(ends))
    lens.equal("processes", facts["processes"], len(ends) + stays[0]["folded"]["processes"])
    lens.equal("calls", facts["processes"] - len(ends), stays[0]["folded"]["maps"])
