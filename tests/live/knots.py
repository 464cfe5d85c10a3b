# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Knots: workloads whose processes wait for each other as their names say, and looks at them."""

import lens
import parts

BAD = {"deadlock", "dead-end", "eof-leak", "owner-dead", "peer-stopped"}
VERDICTS = BAD | {"peer-slow", "no-match", "waiting", "external"}
NEVER_ON_A_HEALTHY_HOST = {"deadlock", "dead-end", "eof-leak", "owner-dead"}


def look(*args, status=None):
    """One look, checked for form: (document, exit status)."""
    one = lens.Lens("stuck", "--json", *args)
    text = one.finish(status)
    lens.require(one.process.returncode in (0, 5),
                 "exit status %d: %s" % (one.process.returncode, one.said()))
    doc = lens.parse(text)
    lens.equal("schema", "ipclens.stuck/1", doc["schema"])
    ids = {p["id"] for p in doc["processes"]}
    channels = {c["id"] for c in doc["channels"]}
    for wait in doc["waits"]:
        lens.require(wait["verdict"] in VERDICTS, "verdict %s" % wait["verdict"])
        lens.require(wait["process"] in ids, "a wait of no listed process")
        lens.require(wait["channel"] is None or wait["channel"] in channels,
                     "a wait for no listed channel")
        lens.require(wait["blocked_ns"] > 0 and not wait["blocked_exact"], "blocked time")
        lens.require(wait["explanation"], "no explanation")
        for provider in wait["waits_for"]:
            lens.require(provider["process"] in ids and provider["why"] and provider["doing"],
                         "a provider without process, reason or occupation")
    for root in doc["roots"]:
        lens.require(root["process"] in ids and root["verdict"] in VERDICTS, "a root")
    return doc, one.process.returncode


SOCKETS = ("unixfull unixstopped dgramfull unixcycle tcpfull tcpcycle backlog accept"
           " unixtraced tcpbacklog").split()
IMPASSES = ("mqfull flock posixlock ofdlock sharedlock lockqueue four sem semcycle eventfd"
             " fifoopen fifonamed fifonamedwrite fifoheld"
            " terminal timed restarted selfpipe splice").split()


RING_CYCLES = ("ringread ringasync ringfixed ringhidden ringpoll ringagain ringmask ringidle"
               " ringwrite ringreceive ringfifo").split()
URINGS = RING_CYCLES + ("ringpolled ringtimeout ringlimit ringempty ringepoll ringeither"
                        " ringbusy ringbeside ringminimum ringregistered ringorphan"
                        " ringforgotten").split()
FUTEXES = ("deadowner owner robust words wordstimed mutexpipe inherit heirpipe heirmutex"
           " heirclaimed wordalone wordhandler wordthread wordleader wordminded"
           " semscrossed").split()
REACHES = ("tcplisten tcpreuse unixrebind selectexcept tcpuser unixquarter dgramsendmsg pollrdband"
           " mqflight flightshared").split()
ORIGINS = ("changed forked gone silent pipeline session ownpipe ownfifo grandchild elder"
           " younger sends output").split()
ROOMS = "dgramrenamed clientrenamed dgramunlinked".split()
LEASTS = ("leastunix leasttcp leastpoll pollapart epollapart waitall peekall peeknew urgentpoll"
          " unsentpoll unsentsend edgeset").split()
THIRDS = ("devtty tracedthread wakeupfd semtogether semlittle semeach deletedfile epollshared"
          " fifoalone sembeside").split()
SIGNALS = ("mqsignal mqblocked asyncsignal asyncignored waitgroup waitidgroup eventfull"
           " waitclone waitstopped").split()
HIDDEN = ("hiddenset hiddensplice hiddentee hiddenreceiver nobodyreceives leadergone"
          " acceptedhidden connectedbefore afterthread hiddenstopped"
          " listenerunix listenertcp").split()
GUISES = ("echoed echoednews signalmask replaced missingpage adopter tracedbusy tracedstuck"
          " tracedzombie lockeddirectory namedpipe dumping").split()
IDLES = ("ttytimed ttysome ttystopped setthread samewait sameword fifoscrossed fifosheld"
         " queuescrossed streamends datagramends eventscrossed eventsbeside"
         " poolbeside readerbeside postbeside ownpolled").split()
LOCKS = "lockdescriptor lockitself lockother".split()
LEASES = "leaseopen leasetruncate leaseread leaseexec leaseexecat leasehandle".split()
RWLOCKS = "rwgone rwheld rwreaders rwpipe rwimpostors".split()
STRAYS = ("straypoll strayselect straygone straypollgone strayprocess straysocket strayset"
          " straychild straygroup straygroupid straylock sharedtable polledtwice"
          " straytimedsocket straytimedset endedthread").split()
RELAYS = ("relayedtcp relayedunix lockedcrossed lockedwriter lockedsplice lockedtee"
          " lockedvmsplice lockedclose lockedioctl").split()
TRANSITS = "intransit windowtransit".split()
LIMITS = "limitlater limitread limittcp limitsend limittty limitconnect".split()
VIEWS = ("memfdholder sysvshm clonevm clonevmleader clonevmended pidnamespaces seccompn seccomplock"
         " vforkother").split()


PROGRAMS = {"impasse_ring": URINGS, "impasse_least": LEASTS, "impasse_room": ROOMS,
            "impasse_rwlock": RWLOCKS, "impasse_lease": LEASES, "impasse_lock": LOCKS,
            "impasse_signal": SIGNALS,
            "impasse_third": THIRDS, "impasse_hidden": HIDDEN, "impasse_idle": IDLES,
            "impasse_guise": GUISES, "impasse_stray": STRAYS, "impasse_origin": ORIGINS,
            "impasse_relay": RELAYS, "impasse_limit": LIMITS, "impasse_transit": TRANSITS,
            "impasse_futex": FUTEXES, "impasse_reach": REACHES, "impasse_view": VIEWS,
            "impasse_sock": SOCKETS, "impasse": IMPASSES}


def program_of(mode):
    if mode.startswith("served"):
        return "impasse_served"
    for family in ("told", "disarmed", "job", "requeue", "rewritten", "hangup"):
        if mode.startswith(family):
            return "impasse_" + family.removeprefix("dis")
    if mode.endswith("32"):
        return "impasse32"
    if mode.startswith(("timer", "alarm", "posix")) and mode != "posixlock":
        return "impasse_timer"
    return next((program for program, modes in PROGRAMS.items() if mode in modes), "stuck")


# mode: ({role: verdict}, {role: those it waits for}, {root: (verdict, blocks)})
KNOTS = {}
HELD = ({"waiter": "peer-slow"}, {"waiter": ["owner"]}, {"owner": ("peer-slow", 1)})
FULL = ({"writer": "peer-slow"}, {"writer": ["reader"]}, {"reader": ("peer-slow", 1)})
# mode: {role: the one it waits for}; each is a ring
RINGS = {}


class Knot:
    """A workload whose processes sleep by now, seen by one look."""

    def __init__(self, mode, *args, numbers=(), seen=True):
        self.work = lens.Workload(program_of(mode), mode, *numbers)
        self.work.go()
        self.pid = self.work.truth(lens.LIMIT_S / 4)["facts"]
        self.name = {pid: name for name, pid in self.pid.items()}
        self.options = args
        if seen:
            self.look()

    def look(self):
        self.see(*look("-p", ",".join(map(str, self.name)), *self.options))

    def see(self, doc, status):
        self.doc, self.status = doc, status
        self.by_id = {p["id"]: self.name.get(p["pid"]) for p in doc["processes"]}

    def end(self):
        if self.work:
            self.work.end()
        self.work = None

    def verdicts(self):
        return {self.by_id[w["process"]]: w["verdict"] for w in self.doc["waits"]
                if self.by_id[w["process"]]}

    def said(self, verdict):
        """Of its waits with that verdict."""
        return [w["explanation"] for w in self.doc["waits"]
                if self.by_id[w["process"]] and w["verdict"] == verdict]

    def wait(self, role):
        found = [w for w in self.doc["waits"] if self.by_id[w["process"]] == role]
        lens.equal("waits of " + role, 1, len(found))
        return found[0]

    def providers(self, role):
        return sorted({self.by_id[p["process"]] or "?" for p in self.wait(role)["waits_for"]})

    def roots(self):
        """{role: (verdict, processes it blocks)} of what concerns the knot."""
        return {self.by_id[r["process"]]: (r["verdict"], r["blocks"])
                for r in self.doc["roots"] if self.by_id[r["process"]]}

    def cycles(self):
        return [{self.by_id[p] for p in c} for c in self.doc["cycles"]
                if all(self.by_id[p] for p in c)]


class Together:
    """Knots of several tests seen by one look, for machines where a look takes seconds."""

    SIZE = 16

    def __init__(self):
        self.modes = []
        self.seen = {}  # mode: its knot, or why there is none, or None where the look failed

    def add(self, mode):
        parts.share("stuck_" + mode, (self, len(self.modes) // self.SIZE))
        self.modes.append(mode)

    def knot(self, mode):
        """The knot of the test stuck_MODE, which has ended where others were looked at with it."""
        if lens.is_second_try or not lens.NARROW:
            return Knot(mode)
        if mode not in self.seen:
            chosen = [m for m in self.modes if "stuck_" + m in lens.CHOSEN and m not in self.seen]
            first = chosen.index(mode)
            self.look_at(chosen[first:first + self.SIZE])
        knot = self.seen[mode]
        if isinstance(knot, Exception):
            raise knot
        # what ended one look says nothing of the others that it was to see
        return knot or Knot(mode)

    def look_at(self, modes):
        self.seen.update(dict.fromkeys(modes))
        found = {mode: self.tie(mode) for mode in modes}
        tied = [knot for knot in found.values() if isinstance(knot, Knot)]
        if tied:
            self.see(tied)
        self.seen.update(found)

    @staticmethod
    def tie(mode):
        """A knot, or why there is none."""
        try:
            return Knot(mode, seen=False)
        except (lens.Failure, lens.Skip, lens.Timeout) as reason:
            return reason

    @staticmethod
    def see(knots):
        doc, status = look("-p", ",".join(str(pid) for knot in knots for pid in knot.name))
        for knot in knots:
            knot.see(doc, status)
            knot.end()


TOGETHER = Together()


def seen_together(*modes):
    """{mode: its knot}, all of them seen by one look; they have ended."""
    knots = {mode: Knot(mode, seen=False) for mode in modes}
    Together.see(list(knots.values()))
    return knots


def check_status(knot):
    bad = any(w["verdict"] in BAD for w in knot.doc["waits"])
    lens.require(not bad or knot.status == 5, "exit status %d" % knot.status)


def knot_test(mode, make=None):
    """make: what makes the knot and looks at it, where that takes more than one look"""
    if not make:
        TOGETHER.add(mode)
        make = TOGETHER.knot

    def one():
        verdicts, providers, roots = KNOTS[mode]
        knot = make(mode)
        got = knot.verdicts()
        lens.equal("verdicts", verdicts, {role: got.get(role) for role in verdicts})
        # those whose turn it was not just wait
        lens.equal("others", set(), set(v for r, v in got.items() if r not in verdicts)
                   - {"waiting", "external"})
        for role, expected in providers.items():
            lens.equal("providers of " + role, expected, knot.providers(role))
        lens.equal("roots", roots, knot.roots())
        lens.equal("cycles", [], knot.cycles())
        check_status(knot)
        knot.end()
    return one


def ring_test(mode):
    TOGETHER.add(mode)

    def one():
        ring = RINGS[mode]
        knot = TOGETHER.knot(mode)
        lens.equal("verdicts", dict.fromkeys(ring, "deadlock"), knot.verdicts())
        for role, expected in ring.items():
            lens.require(expected in knot.providers(role),
                         "%s waits for %s" % (role, knot.providers(role)))
        lens.equal("cycles", [set(ring)], knot.cycles())
        lens.equal("roots", [("deadlock", len(ring) - 1)], list(knot.roots().values()))
        lens.equal("exit status", 5, knot.status)
        knot.end()
    return one
