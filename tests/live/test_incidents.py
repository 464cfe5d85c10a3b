# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` on real programs that got into the knots people report."""

import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import lens
from knots import BAD, look

PYTHON = "/usr/bin/python3"


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise lens.Skip("no %s here" % program)


def comm_of(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return ""


class Incident:
    """One look, with the processes below a parent called by their names."""

    def __init__(self, root, status):
        self.names = {}
        for pid in lens.descendants(root):
            name, n = comm_of(pid), 2
            while name in self.names.values():
                name, n = "%s %d" % (comm_of(pid), n), n + 1
            self.names[pid] = name
        self.doc, self.status = look("-p", ",".join(str(pid) for pid in self.names))
        self.expected_status = status
        self.by_id = {p["id"]: self.names.get(p["pid"]) for p in self.doc["processes"]}
        self.waits = {self.by_id[w["process"]]: w for w in self.doc["waits"]
                      if self.by_id[w["process"]]}

    def verdicts(self):
        return {name: wait["verdict"] for name, wait in self.waits.items()}

    def providers(self, name):
        """{who could end the wait: why}"""
        return {self.by_id[p["process"]]: p["why"] for p in self.waits[name]["waits_for"]}

    def roots(self):
        return {self.by_id[r["process"]]: (r["verdict"], r["blocks"]) for r in self.doc["roots"]
                if self.by_id[r["process"]]}

    def cycles(self):
        return [{self.by_id[p] for p in c} for c in self.doc["cycles"] if self.by_id[c[0]]]

    def pid(self, name):
        return next(pid for pid, one in self.names.items() if one == name)


def found(root, verdicts, status):
    """The look that finds these verdicts below root; the programs take a while to get there."""
    last = {}

    def settled():
        incident = Incident(root, status)
        last.update(got=incident.verdicts(), status=incident.status)
        wanted = {name: incident.verdicts().get(name) for name in verdicts}
        return wanted == verdicts and status in (None, incident.status) and incident
    try:
        return lens.wait_for(settled, lens.LIMIT_S / 2, "such verdicts")
    except lens.Timeout as slow:
        raise lens.Timeout("%s: expected %r, got %r" % (slow, verdicts, last))


def python_that(code, **keywords):
    need(PYTHON)
    return lens.start([PYTHON, "-c", code], **keywords)


# ----------------------------------------------------------- parent and child

def check_pair(incident, parent, child, calls):
    """Parent and child wait for each other, each the only one who could end the other's wait."""
    lens.equal("calls", calls, (incident.waits[parent]["syscall"],
                                incident.waits[child]["syscall"]))
    lens.equal("providers of parent and child", ({child}, {parent}),
               (set(incident.providers(parent)), set(incident.providers(child))))
    lens.equal("cycles", [{parent, child}], incident.cycles())
    lens.equal("roots", [("deadlock", 1)], list(incident.roots().values()))
    lens.require(incident.waits[parent]["certain"], "this is certain")


@lens.test()
def incident_undrained_stderr():
    """A parent reads stdout to its end while the child fills stderr."""
    parent = python_that("import subprocess as s\n"
                         "p = s.Popen(['/usr/bin/python3', '-c', "
                         "'import sys; sys.stderr.write(\"x\" * 200000)'], "
                         "stdout=s.PIPE, stderr=s.PIPE)\n"
                         "p.stdout.read()\n")
    incident = found(parent.pid, {"python3": "deadlock", "python3 2": "deadlock"}, 5)
    check_pair(incident, "python3", "python3 2", ("read", "write"))


@lens.test()
def incident_wrong_order_python():
    """A parent writes all its input before it reads, the child echoes as it reads."""
    need("cat")
    parent = python_that("import subprocess as s\n"
                         "p = s.Popen(['cat'], stdin=s.PIPE, stdout=s.PIPE)\n"
                         "p.stdin.write(b'x' * 1000000)\n")
    incident = found(parent.pid, {"python3": "deadlock", "cat": "deadlock"}, 5)
    check_pair(incident, "python3", "cat", ("write", "write"))


@lens.test()
def incident_wrong_order_perl():
    need("perl", "cat")
    parent = lens.start(["perl", "-e", "pipe(R, W); pipe(r, w); if (!fork) {"
                         "open(STDIN, '<&R'); open(STDOUT, '>&w'); close W; close r; close R;"
                         "close w; exec 'cat' } close R; close w;"
                         "print W 'x' x 1000000; close W; my @lines = <r>;"])
    incident = found(parent.pid, {"perl": "deadlock", "cat": "deadlock"}, 5)
    check_pair(incident, "perl", "cat", ("write", "write"))


LOCKS = """import multiprocessing
def both(first, second, barrier):
    first.acquire(); barrier.wait(); second.acquire()
context = multiprocessing.get_context("fork")
one, two, barrier = context.Lock(), context.Lock(), context.Barrier(2)
children = [context.Process(target=both, args=locks + (barrier,))
            for locks in ((one, two), (two, one))]
for child in children: child.start()
for child in children: child.join()
"""


@lens.test()
def incident_multiprocessing_locks():
    """Two children take two locks in opposite order; the parent, which made them, waits."""
    need(PYTHON)
    if subprocess.run([PYTHON, "-c", "import multiprocessing.synchronize"], check=False,
                      capture_output=True).returncode:
        raise lens.Skip("this Python has no locks for processes")
    parent = python_that(LOCKS)
    names = ("python3", "python3 2", "python3 3")
    try:
        incident = found(parent.pid, dict.fromkeys(names, "deadlock"), 5)
        lens.equal("cycles", [set(names[1:])], incident.cycles())
        lens.equal("blocked", [("deadlock", 2)], list(incident.roots().values()))
    finally:
        for pid in reversed(lens.descendants(parent.pid)):
            os.kill(pid, signal.SIGKILL)


# ------------------------------------------------------------------ pipelines

@lens.test()
def incident_tee_stopped():
    """A pipeline stands still because the program in its middle was stopped."""
    need("yes", "tee", "cat")
    shell = lens.start(["sh", "-c", "yes | tee /dev/null | cat >/dev/null; :"])
    def all_run():
        names = {comm_of(pid): pid for pid in lens.descendants(shell.pid)}
        return {"yes", "tee", "cat"} <= set(names) and names
    tee = lens.wait_for(all_run, lens.LIMIT_S / 2, "pipeline")["tee"]
    os.kill(tee, signal.SIGSTOP)
    incident = found(shell.pid, dict.fromkeys(("yes", "cat", "sh"), "peer-stopped"), 5)
    lens.equal("providers of yes", {"tee": "holds the read end as descriptor 0"},
               incident.providers("yes"))
    lens.equal("providers of cat", {"tee": "holds the write end as descriptor 1"},
               incident.providers("cat"))
    lens.equal("roots", {"tee": ("peer-stopped", 3)}, incident.roots())
    lens.equal("cycles", [], incident.cycles())
    os.kill(tee, signal.SIGCONT)
    os.kill(incident.pid("yes"), signal.SIGKILL)
    lens.equal("exit status of the shell", 0, shell.wait(lens.LIMIT_S * lens.PATIENCE))


MAKEFILE = """all: second
first:
	+@{python} -c 'import os; os.read({fd}, 1)'
second: first
	+@{python} -c 'import select, signal; signal.signal(2, signal.SIG_DFL); \\
		p = select.poll(); p.register({fd}, 1); p.poll()'
"""


@lens.test()
def incident_lost_jobserver_token():
    """One job took the only token and did not give it back; the next waits for it."""
    need("make")
    with tempfile.TemporaryDirectory() as work:
        flags = subprocess.run(["make", "-s", "-j2", "-f", "-"], cwd=work, input="a:\n\t+@echo $"
                               "$MAKEFLAGS\n", capture_output=True, text=True, check=True).stdout
        auth = [word.partition("=")[2] for word in flags.split()
                if word.startswith("--jobserver-auth=")]
        if not auth or not auth[0].partition(",")[0].isdigit():
            raise lens.Skip("the jobserver of this make is no pipe: %s" % flags.strip())
        with open(os.path.join(work, "Makefile"), "w") as f:
            f.write(MAKEFILE.format(python=PYTHON, fd=auth[0].partition(",")[0]))
        make = lens.start(["make", "-s", "-j2"], cwd=work)
        try:
            incident = found(make.pid, {"make": "deadlock", "python3": "deadlock"}, 5)
            lens.equal("providers", ({"python3"}, {"make", "python3"}),
                       (set(incident.providers("make")), set(incident.providers("python3"))))
            lens.equal("cycles", [{"make", "python3"}], incident.cycles())
            lens.equal("calls", ("wait4", "poll"), (incident.waits["make"]["syscall"],
                                                    incident.waits["python3"]["syscall"]))
        finally:
            for pid in reversed(lens.descendants(make.pid)):
                os.kill(pid, signal.SIGKILL)


# ------------------------------------------------------------------- leftovers

@lens.test()
def incident_leftover_daemon():
    """A CI job has ended, but what it left in the background keeps its stdout open."""
    need("setsid", "sleep")
    runner = python_that("import subprocess as s\n"
                         "s.run(['sh', '-c', 'setsid sleep 300 & exit 0'], capture_output=True)\n")
    try:
        incident = found(runner.pid, {"python3": "eof-leak"}, 5)
        wait = incident.waits["python3"]
        lens.require(not wait["certain"], "an inference is told as a certainty")
        lens.require("sleep(" in wait["explanation"], wait["explanation"])
        daemons = [p for p in incident.doc["processes"]
                   if p["id"] in {v["process"] for v in wait["waits_for"]}]
        lens.equal("holder", [["sleep", "300"]], [p["argv"] for p in daemons])
        lens.equal("roots", [(daemons[0]["id"], "eof-leak", 1)],
                   [(r["process"], r["verdict"], r["blocks"]) for r in incident.doc["roots"]
                    if r["process"] == daemons[0]["id"]])
    finally:
        for entry in os.listdir("/proc"):
            if entry.isdigit() and leftover(entry):
                os.kill(int(entry), signal.SIGKILL)


def leftover(pid):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as f:
            return f.read() == b"sleep\x00300\x00"
    except OSError:
        return False


# ------------------------------------------------------------------ PostgreSQL

class Postgres:
    """A server of its own in a directory of its own, on a unix socket, by nobody."""

    def __init__(self, directory):
        self.directory = directory
        servers = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        if not servers:
            raise lens.Skip("no PostgreSQL here")
        self.bin = os.path.dirname(servers[-1])
        self.nobody = dict(user="nobody", group="nogroup", extra_groups=[],
                           env={"HOME": directory, "PATH": "/usr/bin:/bin", "LC_ALL": "C"})
        os.chown(directory, 65534, 65534)
        self.run("initdb", "-D", self.path("data"), "-A", "trust", "-U", "lens", "--no-sync")
        self.server = lens.start([self.tool("postgres"), "-D", self.path("data"), "-k", directory,
                                  "-c", "listen_addresses=", "-c", "fsync=off"],
                                 stderr=subprocess.DEVNULL, **self.nobody)

    def path(self, name):
        return os.path.join(self.directory, name)

    def tool(self, name):
        return os.path.join(self.bin, name)

    def run(self, tool, *args):
        return subprocess.run([self.tool(tool)] + list(args), capture_output=True, text=True,
                              check=False, **self.nobody)

    def query(self, text):
        done = self.run("psql", "-h", self.directory, "-U", "lens", "-d", "postgres", "-Atqc", text)
        return done.returncode == 0 and (done.stdout.strip() or "nothing")

    def client(self):
        """(psql that takes statements, our end of its input)"""
        ours, its = socket.socketpair()
        psql = lens.start([self.tool("psql"), "-h", self.directory, "-U", "lens", "-d", "postgres",
                           "-Atq"], stdin=its, stdout=subprocess.DEVNULL, **self.nobody)
        its.close()
        return psql, ours


@lens.test(limit_s=60)
def incident_postgres_idle_in_transaction():
    """
    A client idle in a transaction holds a lock that another client waits for. The lock is in the
    server's memory; the sockets between clients and server are what can be seen.
    """
    with tempfile.TemporaryDirectory() as directory:
        server = Postgres(directory)
        lens.wait_for(lambda: server.query("create table t(i int)"), lens.LIMIT_S, "server")
        idle, its_input = server.client()
        its_input.sendall(b"begin; lock table t;\n")
        backends = "select pid from pg_stat_activity where state = 'idle in transaction'"
        lens.wait_for(lambda: server.query(backends) not in (False, "nothing"), lens.LIMIT_S / 2,
                      "transaction")
        blocked, other_input = server.client()
        other_input.sendall(b"select * from t;\n")
        waits = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
        lens.wait_for(lambda: server.query(waits) not in (False, "nothing"), lens.LIMIT_S / 2,
                      "wait for the lock")
        try:
            check_postgres(server, idle, blocked, int(server.query(backends)),
                           int(server.query(waits)))
        finally:
            its_input.close()
            other_input.close()
            server.server.send_signal(signal.SIGQUIT)
            server.server.wait(lens.LIMIT_S * lens.PATIENCE)


def look_where_all_wait(pids):
    """
    A look in which none of these ran: a backend that has waited a second for a lock wakes up to
    look for deadlocks, and a busy machine makes looks, and what others do beside, long.
    """
    def asleep():
        doc, _ = look("-p", ",".join(str(pid) for pid in pids))
        by_id = {p["id"]: p["pid"] for p in doc["processes"]}
        waits = {by_id[w["process"]]: w for w in doc["waits"]}
        return set(pids) <= set(waits) and (by_id, waits)
    return lens.wait_for(asleep, lens.LIMIT_S / 2, "a look that finds all of them waiting")


def check_postgres(server, idle, blocked, its_backend, other_backend):
    pids = [idle.pid, blocked.pid, its_backend, other_backend, server.server.pid]
    by_id, waits = look_where_all_wait(pids)
    lens.equal("bad verdicts", [], [w["explanation"] for pid, w in waits.items()
                                    if pid in pids and w["verdict"] in BAD])
    def holders(pid):
        return {by_id[p["process"]] for p in waits[pid]["waits_for"]}
    # each client waits for its backend, and the idle one's backend for the client
    lens.equal("who could answer the blocked client", {other_backend}, holders(blocked.pid))
    lens.equal("type of the connection", "unix-stream", waits[blocked.pid]["type"])
    lens.require(idle.pid in holders(its_backend), "the backend waits for its client: %r"
                 % waits[its_backend]["explanation"])
    # the other backend waits for a signal from whoever lets go of the lock
    objects = {need["type"] for need in waits[other_backend]["any_of"]}
    lens.require("signalfd" in objects, "the backend waits for a signal: %r" % objects)
    lens.require(idle.pid in waits, "the idle client waits for its input")


@lens.test()
def exit_empty_name():
    """A variable that was never set is no name of a file, and that is what is said."""
    for args in (("record", "-o"), ("report", "-i"), ("report", "--save"), ("stuck", "-i")):
        _, said = lens.run(*args, "", status=2)
        lens.require(said.startswith("ipclens %s: %s was given an empty name" % args) and
                     "name a file" in said, "said: %s" % said)
