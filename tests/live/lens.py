# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What live tests stand on: workloads and runs of ipclens; by this one name also the rest.

A test is a function with @lens.test. It starts a workload (tests/work), runs
ipclens around it, and compares the document with what the workload says it
did. Needs the standard library only, and no shell: it also runs in virtual
machines that have little else.

IPCLENS           the binary           (default: build/ipclens)
IPCLENS_WORK      where workloads are  (default: build/tests/work)
LENS_TIME_SCALE   how many times slower than a host of its own this machine is
LENS_LONG=1       long versions of some tests
LENS_OPTIONS      options for every run that observes, e.g. "--variant pipe=sys"
LENS_EXPECT_VARIANT_<group>   variant that must have been chosen
LENS_LEAVE_OUT    tests that run only when named, not by a pattern; vm/natively says why
LENS_PART=K/N     run only this part of all tests
LENS_AGAIN=N      so many tests that fail are tried once more (default 0)
LENS_NARROW=1     observe only the types of the workload, and several workloads in one run
"""

import contextlib
import fnmatch
import functools
import glob
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import parts
# for the tests, which know all of it as lens.NAME
from comparison import compare, compare_counts, compare_traffic, find_channel  # noqa: F401
from document import (GROUPS, LOSSES, QUEUES, check_document, check_variants,  # noqa: F401
                      group_of, parse, unescape)  # noqa: F401
from verdict import Failure, OutOfTime, Skip, Timeout, equal, require  # noqa: F401

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("IPCLENS", os.path.join(ROOT, "build/ipclens")))
WORK = os.path.abspath(os.environ.get("IPCLENS_WORK", os.path.join(ROOT, "build/tests/work")))
SCALE = float(os.environ.get("LENS_TIME_SCALE", "1"))
LONG = os.environ.get("LENS_LONG") == "1"
SECOND_TRIES = int(os.environ.get("LENS_AGAIN", "0"))
second_tries, is_second_try = 0, False
NARROW = os.environ.get("LENS_NARROW") == "1"
OPTIONS = os.environ.get("LENS_OPTIONS", "").split()

OBSERVING = "ipclens: observing"
LIMIT_S = 20
START_S = 10  # until it observes

# Limits end what hangs, and say nothing of how fast anything has to be: a host that is busy with
# something else as well may take several times as long.
PATIENCE = max(SCALE, 8)


# ------------------------------------------------------------------- tests

TESTS = {}
CHOSEN = []     # names of those that this run is about


def register(name, function, limit_s=LIMIT_S):
    if name in TESTS:
        raise ValueError("two tests are called " + name)
    TESTS[name] = (function, limit_s * PATIENCE)


def test(limit_s=LIMIT_S):
    def add(function):
        register(function.__name__, function, limit_s)
        return function
    return add


def like(patterns):
    """Names of tests equal to, below or like one of the patterns."""
    return [name for name in TESTS if any(
        name == p or name.startswith(p + "_") or fnmatch.fnmatch(name, p) for p in patterns)]


def left_out():
    found = set()
    for pattern in os.environ.get("LENS_LEAVE_OUT", "").split():
        names = like([pattern])
        if not names:
            raise ValueError("no test is called %s, which is to be left out" % pattern)
        found.update(names)
    return found


def selected(patterns):
    """Names of tests: those like one of the patterns, or all of this part."""
    without = left_out()
    if patterns:
        named = like([p for p in patterns if p == glob.escape(p)])
        return [name for name in like(patterns) if name in named or name not in without]
    rest = [name for name in TESTS if name not in without]
    which, of = (int(n) for n in os.environ.get("LENS_PART", "1/1").split("/"))
    return parts.part(rest, which, of) if of > 1 else rest


# --------------------------------------------------------------- processes

_started = []
_sockets = []


def start(argv, ends_by_itself=False, **keywords):
    process = subprocess.Popen(argv, **keywords)
    _started.append((process, ends_by_itself))
    return process


def end_all():
    """Ends what the test left running, and nothing else."""
    deadline = time.monotonic() + 2 * PATIENCE
    while _sockets:
        _sockets.pop().close()
    while _started:
        process, ends_by_itself = _started.pop()
        # a workload that finds its input closed removes its files and queues
        while ends_by_itself and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(condition, limit_s, what):
    """Until condition() is true, or Timeout."""
    deadline = time.monotonic() + limit_s * PATIENCE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Timeout("no %s within %g s" % (what, limit_s * PATIENCE))
        time.sleep(0.01)


def descendants(pid):
    """pid and all processes below it."""
    parent = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, "rb") as f:
                    parent[int(entry)] = int(f.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, its in parent.items() if its == one]
    return found


class Lines:
    """Lines from a socket, none of them waited for without limit."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def next(self, limit_s):
        """The next line without its end; None when there will be none."""
        deadline = time.monotonic() + limit_s * PATIENCE
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise Timeout("no line within %g s" % (limit_s * PATIENCE))
            data = self.sock.recv(1 << 16)
            if not data:
                return None
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def ready(self):
        """Those that have come already."""
        lines = []
        while b"\n" in self.pending or select.select([self.sock], [], [], 0)[0]:
            line = self.next(LIMIT_S)
            if line is None:
                break
            lines.append(line)
        return lines

    def rest(self, limit_s):
        lines = []
        while True:
            line = self.next(limit_s)
            if line is None:
                return lines
            lines.append(line)


class Workload:
    """A program that prints its own truth; see tests/work/work.h."""

    def __init__(self, program, mode, *args, late=False):
        path = os.path.join(WORK, program)
        if not os.path.exists(path):
            raise Failure("workload %s is not built" % path)
        ours, its = socket.socketpair()
        self.sock = ours
        _sockets.append(ours)
        self.lines = Lines(ours)
        self.stderr = tempfile.TemporaryFile()
        env = dict(os.environ, WORK_LATE="1") if late else None
        self.process = start([path, mode] + [str(a) for a in args], stdin=its, stdout=its,
                             stderr=self.stderr, env=env, ends_by_itself=True)
        its.close()
        self.pid = self.hear("ready") and self.process.pid

    def hear(self, key, limit_s=LIMIT_S * 10):
        line = self.lines.next(limit_s)
        if line is None:
            self.process.wait()
            self.stderr.seek(0)
            raise Failure("workload failed: " + self.stderr.read().decode(errors="replace").strip())
        message = json.loads(line)
        if "skip" in message:
            raise Skip(message["skip"])
        return message[key]

    def say(self, line):
        self.sock.sendall(line.encode() + b"\n")

    def go(self):
        self.say("go")

    def pause(self):
        """Until it waits to be told to go on."""
        return self.hear("paused")

    def truth(self, limit_s=LIMIT_S * 10):
        return self.hear("truth", limit_s)

    def end(self):
        self.say("end")
        self.process.wait(10 * PATIENCE)


class Lens:
    """One run of ipclens. Neither stdout nor stderr is a pipe."""

    def __init__(self, *args, launch=(), binary=None):
        ours, its = socket.socketpair()
        self.stdout = tempfile.TemporaryFile()
        self.lines = Lines(ours)
        self.stderr = []
        self.argv = list(launch) + [binary or BINARY] + [str(a) for a in args]
        if not os.path.exists(binary or BINARY):
            raise Failure("%s is not built" % BINARY)
        self.process = start(self.argv, stdin=subprocess.DEVNULL, stdout=self.stdout, stderr=its)
        its.close()

    def said(self):
        return " | ".join(line.decode(errors="replace") for line in self.stderr[-5:])

    def wait_observing(self):
        return self.wait_saying(OBSERVING)

    def wait_saying(self, text):
        """Until it says that line on stderr."""
        while True:
            try:
                line = self.lines.next(START_S)
            except Timeout as slow:
                raise Timeout("%s; said: %s" % (slow, self.said()))
            if line is None:
                raise Failure("ipclens ended (%s) before it said '%s': %s"
                              % (self.process.wait(), text, self.said()))
            self.stderr.append(line)
            if line.decode(errors="replace") == text:
                return self

    def signal(self, number):
        self.process.send_signal(number)
        return self

    def finish(self, status=0, limit_s=LIMIT_S):
        """Waits for the end, checks the exit status, returns what is on stdout."""
        self.stderr += self.lines.rest(limit_s)
        got = self.process.wait(limit_s * PATIENCE)
        if status is not None and got != status:
            raise Failure("exit status of %s: expected %d, got %d (%s)"
                          % (" ".join(self.argv[1:4]), status, got, self.said()))
        self.stdout.seek(0)
        return self.stdout.read()

    def interrupt(self, limit_s=LIMIT_S):
        return self.signal(signal.SIGINT).finish(limit_s=limit_s)

    def document(self):
        """The JSON document after a SIGINT."""
        return parse(self.interrupt())


@contextlib.contextmanager
def public_binary():
    """The path of a copy: the binary may lie where a plain user cannot reach it."""
    where = tempfile.mkdtemp(prefix="lens-live-")
    try:
        os.chmod(where, 0o755)
        yield shutil.copy(BINARY, where)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def run(*args, status=0, limit_s=LIMIT_S, launch=()):
    """A run that ends by itself: (stdout, stderr as text)."""
    lens = Lens(*args, launch=launch)
    out = lens.finish(status, limit_s)
    return out, "\n".join(line.decode(errors="replace") for line in lens.stderr)


@functools.lru_cache(maxsize=None)
def doctor():
    """What works here; finding out takes as long as hooking all of it."""
    return parse(run("doctor", "--json")[0])


for asks in ("crowd_hooks", "doctor_json", "every_type_alone", "mptcp_by_every_variant",
             "pidns_ends", "preemption_in_function_hooks", "preemption_is_noticed",
             "sockmap_bypass", "sockmap_relay", "sockmap_unix", "tcp_anew_closed", "tcp_refused",
             "udp_lite"):
    parts.share(asks, doctor)


def observe(*args, command="report", launch=()):
    """ipclens COMMAND --json, observing by now."""
    return Lens(command, "--json", *OPTIONS, *args, launch=launch).wait_observing()


# what a workload uses. Where starting takes seconds (LENS_NARROW) only this is observed;
# that all of it can be observed at once is what other tests show
USES = dict.fromkeys(("pipe", "splice", "fds", "many", "ident", "fifo", "aio",
                      "churn"), "pipe,fifo")
USES.update(crowd="sysv-msg,posix-mq", desk="sysv-msg", sysvmsg="sysv-msg",
            mqueue="posix-mq", eventfd="eventfd",
            inet="pipe,tcp", multipath="pipe,tcp", tls="pipe,tcp",
            udp="udp", unix="pipe,unix-stream,unix-dgram,unix-seqpacket",
            pty="pipe,pty", mapping="sysv-shm,posix-shm,memfd,mmap-file,shared-anon",
            procvm="process-vm,signal", signal="process-vm,signal",
            netns="tcp,udp,unix-stream,unix-dgram",
            errors="tcp,udp,unix-stream,unix-dgram,unix-seqpacket",
            interrupted="tcp,udp,unix-stream,unix-dgram,unix-seqpacket")


def narrow(program):
    return ("-t", USES[program]) if NARROW and program in USES else ()


def waited_for_processor_s(pid):
    """How long that process, running or a zombie, was ready to run and others did instead."""
    with open("/proc/%d/schedstat" % pid) as f:
        return int(f.read().split()[1]) / 1e9


def forced(options):
    """{hook group: variant} of --variant GROUP=VARIANT"""
    return dict(option.split("=") for option in options if "=" in option)


def watched(program, mode, *args, late=False, options=()):
    """A workload under `report --json`: (document, truth)."""
    work = Workload(program, mode, *args, late=late)
    lens = observe(*narrow(program), *options)
    work.go()
    truth = work.truth()
    doc = lens.document()
    work.end()
    check_document(doc, forced=forced(options))
    return doc, truth
