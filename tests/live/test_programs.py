# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Programs that nobody here wrote: what is reported of them against what they say themselves."""

import glob
import math
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

import lens

SOCKETS = "unix-stream,tcp"


def program(name, *places):
    """Its path; PostgreSQL keeps its own out of the way."""
    found = shutil.which(name) or next(iter(sorted(sum(map(glob.glob, places), []))), None)
    if not found:
        raise lens.Skip("%s is not installed (tools/deps programs)" % name)
    return found


def can_connect(family, address):
    with socket.socket(family) as s:
        return s.connect_ex(address) == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check_books(doc, pids):
    """Nothing is unaccounted in any channel that one of these processes used."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    mine = [c for c in doc["channels"] if any(e["user"] and pid[e["process"]] in pids
                                              for e in c["endpoints"])]
    for c in mine:
        for books in [d["ledger"] for d in c.get("directions", [])] or [c.get("ledger")]:
            if books:
                lens.equal("unaccounted in %s" % c["name"], 0, books["unaccounted"])
    return mine


def check_sums(doc, prefix):
    """... nor in those that were summed up, as others do that make many on a busy host."""
    mine = [row for row in doc.get("folded", [])
            if any((row[end]["comm"] or "").startswith(prefix) for end in ("from", "to"))]
    for row in mine:
        lens.equal("unaccounted in %s that are summed up" % row["type"], [0, 0],
                   [row["unaccounted_bytes"], row["unaccounted_messages"]])
    return mine


def moved(doc, pid, direction, kinds=SOCKETS, what="bytes"):
    """Of one process, over all channels of these types."""
    ids = {p["id"] for p in doc["processes"] if p["pid"] == pid}
    return sum(e[direction][what] for c in doc["channels"] if c["type"] in kinds.split(",")
               for e in c["endpoints"] if e["process"] in ids)


def flow_bytes(doc, kind, source, target):
    """From one set of processes to another."""
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    return sum(f["bytes"] for f in doc["flows"] if f["type"] == kind
               and pid.get(f["from"]) in source and pid.get(f["to"]) in target)


# ------------------------------------------------------------------- redis

def redis_stats(port):
    """(its own sums of what it received and sent, length of this very answer)"""
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n")
        head, _, text = s.recv(1 << 16).partition(b"\r\n")
        while len(text) < int(head[1:]) + 2:
            text += s.recv(1 << 16)
    stats = dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)
    return (int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"]),
            len(head) + 2 + len(text))


@lens.test(limit_s=60)
def program_redis():
    """redis-benchmark over a unix socket and over loopback: the server's own sums."""
    server, bench = program("redis-server"), program("redis-benchmark")
    with tempfile.TemporaryDirectory() as folder:
        path, port = folder + "/redis", free_port()
        redis = lens.start([server, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket",
                            path, "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
        lens.wait_for(lambda: can_connect(socket.AF_UNIX, path), 10, "redis-server")
        watcher = lens.observe("-t", SOCKETS)
        benches = []
        for where in (["-s", path], ["-p", str(port)]):
            benches.append(lens.start([bench, *where, "-q", "-n", "4000", "-c", "8", "-d", "700",
                                       "-t", "set,get,lrange_100"], stdout=subprocess.DEVNULL))
            lens.equal("status of redis-benchmark", 0, benches[-1].wait())
        received, sent, answer = redis_stats(port)
        doc = watcher.document()
        lens.end_all()
    lens.check_document(doc)
    lens.equal("received", received, moved(doc, redis.pid, "read"))
    lens.equal("sent", sent + answer, moved(doc, redis.pid, "write"))
    for kind, one in zip(("unix-stream", "tcp"), benches):
        for direction, ends in (("write", (one, redis)), ("read", (redis, one))):
            lens.equal("flow over " + kind, moved(doc, one.pid, direction, kind),
                       flow_bytes(doc, kind, {ends[0].pid}, {ends[1].pid}))
        lens.require(moved(doc, one.pid, "read", kind) > 4000 * 700, "no benchmark")
    check_books(doc, {redis.pid} | {one.pid for one in benches})


# -------------------------------------------------------------- PostgreSQL

class Postgres:
    """A cluster of its own, reached by a unix socket only."""

    def __init__(self):
        found = program("initdb", "/usr/lib/postgresql/*/bin/initdb")
        self.bin = os.path.dirname(os.path.realpath(found))
        try:
            self.user = pwd.getpwnam("postgres")
        except KeyError:
            raise lens.Skip("there is no user postgres (tools/deps programs)")
        self.folder = tempfile.mkdtemp(prefix="ipclens-pg-")
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def run(self, name, *args):
        done = subprocess.run([os.path.join(self.bin, name), *args], capture_output=True,
                              text=True, cwd=self.folder, user=self.user.pw_uid,
                              group=self.user.pw_gid, extra_groups=[])
        lens.equal("status of %s (%s)" % (name, done.stderr[-300:]), 0, done.returncode)
        return done.stdout

    def __enter__(self):
        self.run("initdb", "-D", self.folder + "/data", "-A", "trust", "--no-sync")
        self.server = lens.start(
            [os.path.join(self.bin, "postgres"), "-D", self.folder + "/data", "-k", self.folder,
             "-c", "listen_addresses=", "-c", "shared_buffers=16MB"], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[])
        lens.wait_for(lambda: subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h",
                                              self.folder]).returncode == 0, 20, "postgres")
        return self

    def query(self, text):
        return self.run("psql", "-h", self.folder, "-d", "postgres", "-Atc", text).split()

    def __exit__(self, *error):
        self.server.terminate()     # waits for its clients
        self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@lens.test(limit_s=120)
def program_postgresql():
    """pgbench over a unix socket: a query and an answer for each of its transactions."""
    with Postgres() as pg:
        pg.run("pgbench", "-h", pg.folder, "-i", "-q", "postgres")
        watcher = lens.observe("-t", "unix-stream")
        said = pg.run("pgbench", "-h", pg.folder, "-n", "-S", "-c", "5", "-t", "300", "postgres")
        doc = watcher.document()
    lens.check_document(doc)
    done = int(re.search(r"actually processed: (\d+)/1500", said).group(1))
    lens.equal("transactions", 1500, done)
    comm = {p["id"]: p["comm"] for p in doc["processes"]}
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    queries = []
    for c in doc["channels"]:
        ends = [e for e in c["endpoints"] if comm[e["process"]] == "pgbench"
                and e["write"]["operations"]]
        if not ends or c["type"] != "unix-stream":
            continue
        queries.append(sum(e["write"]["operations"] for e in ends))
        lens.equal("processes at a connection", 2, len({e["process"] for e in c["endpoints"]
                                                        if e["user"]}))
    # it begins each with a packet for the start and ends it with one; its first asks for tables
    lens.equal("queries of the clients", [done // 5 + 2] * 5, sorted(queries)[-5:])
    lens.equal("connections", 6, len(queries))
    mine = {p for i, p in pid.items() if comm[i] in ("pgbench", "postgres")}
    check_books(doc, mine)
    lens.require(flow_bytes(doc, "unix-stream", mine, mine) > 1500 * 50, "no flows")


@lens.test(limit_s=120)
def program_postgresql_memory():
    """Its shared memory, as large as it says, and mapped by the processes it says it has."""
    with Postgres() as pg:
        watcher = lens.observe("-t", "shared-anon,sysv-shm")
        size, = pg.query("SELECT setting FROM pg_settings WHERE name = 'shared_memory_size'")
        theirs = set(map(int, pg.query("SELECT pid FROM pg_stat_activity "
                                       "WHERE pid <> pg_backend_pid()")))
        doc = watcher.document()
        server = pg.server.pid
    lens.check_document(doc)
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    for kind in ("shared-anon", "sysv-shm"):
        mine = [c for c in doc["channels"] if c["type"] == kind
                and server in {pid[e["process"]] for e in c["endpoints"]}]
        lens.require(mine, "no %s of the server" % kind)
        largest = max(mine, key=lambda c: c["size_bytes"])
        mappers = {pid[e["process"]] for e in largest["endpoints"]}
        lens.require(theirs <= mappers, "%s: %s say they are there, %s map it" %
                     (kind, theirs, mappers))
        if kind == "shared-anon":
            lens.equal("size in MB", int(size), math.ceil(largest["size_bytes"] / (1 << 20)))


# ------------------------------------------------------------------- nginx

UPSTREAM = """
import http.server, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])) * 3
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "unix"
    def log_message(self, *args):
        pass
socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()
"""

NGINX = """
daemon off; master_process off; user root; worker_processes 1; pid {folder}/pid;
error_log {folder}/error;
events {{ worker_connections 64; }}
http {{
  log_format bytes "$request_length $bytes_sent $upstream_bytes_sent $upstream_bytes_received";
  access_log {folder}/access bytes;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_body_buffer_size 1m; proxy_buffers 64 64k;
  upstream there {{ server unix:{folder}/upstream; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://there; }} }}
}}
"""


def ask_nginx(port, sizes):
    for size in sizes:
        done = subprocess.run(
            ["/usr/bin/env", "python3", "-c", "import sys, urllib.request as u\n"
             "r = u.urlopen(sys.argv[1], data=b'x' * int(sys.argv[2]))\n"
             "sys.exit(len(r.read()) != 3 * int(sys.argv[2]))",
             "http://127.0.0.1:%d/" % port, str(size)], env={"PATH": os.environ["PATH"]})
        lens.equal("status of the client", 0, done.returncode)


@lens.test(limit_s=60)
def program_nginx():
    """nginx before an HTTP server at a unix socket: the bytes of its log."""
    nginx = program("nginx")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with open(folder + "/conf", "w") as f:
            f.write(NGINX.format(folder=folder, port=port))
        upstream = lens.start(["python3", "-c", UPSTREAM, folder + "/upstream"])
        server = lens.start([nginx, "-c", folder + "/conf"], stderr=subprocess.DEVNULL)
        lens.wait_for(lambda: can_connect(socket.AF_UNIX, folder + "/upstream") and
                      can_connect(socket.AF_INET, ("127.0.0.1", port)), 10, "nginx")
        watcher = lens.observe("-t", SOCKETS)
        ask_nginx(port, (1, 100, 5000, 70000, 300000))
        lens.wait_for(lambda: len(open(folder + "/access").readlines()) == 5, 10, "log of nginx")
        doc = watcher.document()
        logged = [list(map(int, line.split())) for line in open(folder + "/access")]
        lens.end_all()
    lens.check_document(doc)
    said = [sum(column) for column in zip(*logged)]
    lens.equal("from and to clients, to and from the upstream server", said,
               [moved(doc, server.pid, "read", "tcp"), moved(doc, server.pid, "write", "tcp"),
                moved(doc, server.pid, "write", "unix-stream"),
                moved(doc, server.pid, "read", "unix-stream")])
    lens.equal("flow to the upstream server", said[2],
               flow_bytes(doc, "unix-stream", {server.pid}, {upstream.pid}))
    lens.equal("flow from the upstream server", said[3],
               flow_bytes(doc, "unix-stream", {upstream.pid}, {server.pid}))
    check_books(doc, {server.pid, upstream.pid})


# -------------------------------------------------------------------- dbus

def dump_of_monitor(folder, address, daemon, count):
    """(bytes that dbus-monitor says it received, and bytes reported) for so many signals"""
    monitor_path, send = program("dbus-monitor"), program("dbus-send")
    dump = "%s/dump%d" % (folder, count)
    watcher = lens.observe("-t", "unix-stream")
    with open(dump, "wb") as out:
        monitor = lens.start([monitor_path, "--binary", "--address", address,
                              "interface='lens.Test'"], stdout=out)

        def send_one(text):
            subprocess.run([send, "--address=" + address, "--type=signal", "/lens",
                            "lens.Test.Signal", "string:" + text], check=True)
        # until the first arrives it may not be listening yet
        def listens():
            send_one("begin")
            return b"begin" in open(dump, "rb").read()
        lens.wait_for(listens, 10, "signal at dbus-monitor")
        for number in range(count):
            send_one("%04d" % number * 50)
        send_one("end")
        lens.wait_for(lambda: b"\0\0\0end\0" in open(dump, "rb").read(), 10, "last signal")
    doc = watcher.document()
    monitor.kill()
    monitor.wait()
    lens.check_document(doc)
    check_books(doc, {daemon.pid, monitor.pid})
    reported = flow_bytes(doc, "unix-stream", {daemon.pid}, {monitor.pid})
    lens.equal("read", moved(doc, monitor.pid, "read"), reported)
    return os.path.getsize(dump), reported


@lens.test(limit_s=60)
def program_dbus():
    """dbus-daemon to dbus-monitor, which stores all it gets but the talk at the beginning."""
    path = program("dbus-daemon")
    with tempfile.TemporaryDirectory() as folder:
        address = "unix:path=%s/bus" % folder
        daemon = lens.start([path, "--session", "--nofork", "--nopidfile", "--address=" + address],
                            stderr=subprocess.DEVNULL)
        lens.wait_for(lambda: can_connect(socket.AF_UNIX, folder + "/bus"), 10, "dbus-daemon")
        few, many = (dump_of_monitor(folder, address, daemon, n) for n in (5, 60))
        lens.end_all()
    lens.equal("what is not stored", few[1] - few[0], many[1] - many[0])
    lens.require(many[0] > 60 * 200 and 0 < many[1] - many[0] < 2000, "sizes: %s" % (many,))


# --------------------------------------------------------------- stress-ng

STRESSORS = ("mq msg sock sockpair sockmany udp shm shm-sysv mmap memfd eventfd futex splice"
             " tee vm-splice io-uring pty pipe fifo").split()


def stress_test(name):
    """Whatever it does, the books of all that its processes used are balanced."""
    seconds = 20 if lens.LONG else 2

    def one():
        path = program("stress-ng")
        # no sum is short, however many ends there are between two readings: of sockpair some
        # 320,000 in two seconds on a fast machine, and 80,000 at a time
        watcher = lens.observe()
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([path, "--" + name, "2", "-t", "%ds" % seconds, "--temp-path",
                                   folder, "--metrics"], capture_output=True, text=True)
        doc = watcher.document()
        out = done.stdout + done.stderr
        if done.returncode == 3 or "not implemented" in out or "skipping" in out:
            raise lens.Skip("stress-ng --%s does not run here" % name)
        lens.require(done.returncode in (0, 2), "stress-ng: " + out[-300:])
        lens.check_document(doc, lost=True)
        for cause in ("map_full", "recursion", "storage"):
            lens.equal("loss." + cause, 0, doc["loss"][cause])
        pids = {p["pid"] for p in doc["processes"] if p["comm"].startswith("stress-ng")}
        lens.require(check_books(doc, pids) + check_sums(doc, "stress-ng") or
                     name in ("shm-sysv", "mmap", "memfd", "shm"), "no channel of stress-ng")
    return one


for stressor in STRESSORS:
    lens.register("stress_" + stressor.replace("-", ""), stress_test(stressor), limit_s=90)
