# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`ipclens stuck` on a host where well-known programs run, idle and under load: no false alarm."""

import os
import shutil
import subprocess
import tempfile

import browser
import lens
from knots import NEVER_ON_A_HEALTHY_HOST, look
from test_incidents import Postgres
from test_media import write_silence
from test_stuck import LOOKS

QUIET = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
FOR_EVER = "while :; do %s || sleep 0.1; done"


def have(*programs):
    return all(shutil.which(program) for program in programs)


def redis(directory):
    if not have("redis-server", "redis-benchmark"):
        return False
    sock = os.path.join(directory, "redis.sock")
    lens.start(["redis-server", "--port", "0", "--unixsocket", sock, "--save", "",
                "--dir", directory], **QUIET)
    lens.wait_for(lambda: os.path.exists(sock), lens.LIMIT_S, "redis")
    lens.start(["sh", "-c", FOR_EVER % ("redis-benchmark -q -s %s -n 20000 -c 8" % sock)], **QUIET)
    return True


def postgres(directory):
    data = os.path.join(directory, "postgres")
    os.mkdir(data)
    try:
        server = Postgres(data)
    except lens.Skip:
        return False
    lens.wait_for(lambda: server.query("select 1"), lens.LIMIT_S, "postgres")
    pgbench = ["-h", data, "-U", "lens", "postgres"]
    if server.run("pgbench", "-i", "-q", *pgbench).returncode:
        return False
    lens.start([server.tool("pgbench"), "-c", "4", "-T", "10000"] + pgbench, **QUIET,
               **server.nobody)
    return True


NGINX = """
error_log stderr; pid %(d)s/nginx.pid; daemon off; worker_processes 2;
events {} http { access_log off; client_body_temp_path %(d)s/b; proxy_temp_path %(d)s/p;
fastcgi_temp_path %(d)s/f; uwsgi_temp_path %(d)s/u; scgi_temp_path %(d)s/s;
server { listen unix:%(d)s/nginx.sock; return 200 "hello"; } }
"""


def nginx(directory):
    if not have("nginx", "curl"):
        return False
    with open(os.path.join(directory, "nginx.conf"), "w") as f:
        f.write(NGINX % {"d": directory})
    lens.start(["nginx", "-p", directory, "-c", f.name], **QUIET)
    sock = os.path.join(directory, "nginx.sock")
    lens.wait_for(lambda: os.path.exists(sock), lens.LIMIT_S, "nginx")
    lens.start(["sh", "-c", FOR_EVER % ("curl -s --unix-socket %s http://x/" % sock)], **QUIET)
    return True


def dbus(directory):
    if not have("dbus-daemon", "dbus-send", "dbus-monitor"):
        return False
    sock = os.path.join(directory, "dbus.sock")
    lens.start(["dbus-daemon", "--session", "--nofork", "--address=unix:path=" + sock], **QUIET)
    lens.wait_for(lambda: os.path.exists(sock), lens.LIMIT_S, "dbus")
    bus = dict(QUIET, env=dict(os.environ, DBUS_SESSION_BUS_ADDRESS="unix:path=" + sock))
    lens.start(["dbus-monitor", "--session"], **bus)
    lens.start(["sh", "-c", FOR_EVER % "dbus-send --session --print-reply --dest="
                "org.freedesktop.DBus / org.freedesktop.DBus.ListNames"], **bus)
    return True


def pipewire(directory):
    """A server without devices, and a client that waits for one."""
    if not have("pipewire", "pw-cat"):
        return False
    where = os.path.join(directory, "pipewire")
    os.mkdir(where)
    sound = os.path.join(where, "silence.wav")
    write_silence(sound)
    env = dict(QUIET, env=dict(os.environ, XDG_RUNTIME_DIR=where))
    lens.start(["pipewire"], **env)
    lens.wait_for(lambda: os.path.exists(os.path.join(where, "pipewire-0")), lens.LIMIT_S,
                  "pipewire")
    lens.start(["pw-cat", "-p", sound], **env)
    return True


def chromium(directory):
    """One that renders a page and ends, again and again, and one that stays."""
    home = os.path.join(directory, "chromium")
    os.mkdir(home)
    try:
        start = [*browser.ALONE, *browser.command(home)]
    except lens.Skip:
        return False
    quiet = dict(QUIET, env=browser.environment(home))
    stays = [arg.replace("/profile", "/other") for arg in start]
    lens.start([*stays, "--remote-debugging-port=0", "data:text/html,hello"], **quiet)
    lens.start(["sh", "-c", FOR_EVER % " ".join([*start, "--dump-dom", "data:text/html,hello"])],
               **quiet)
    return True


def end_loops(pids):
    for pid in pids:
        # parents first: some make another child for one that ends
        for one in lens.descendants(pid):
            try:
                os.kill(one, 9)
            except OSError:
                pass


@lens.test(limit_s=120 + 3 * LOOKS)
def stuck_beside_programs():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        os.chmod(directory, 0o755)
        before = {process.pid for process, _ in lens._started}
        try:
            running = [start.__name__ for start in (redis, postgres, nginx, dbus, pipewire,
                                                    chromium) if start(directory)]
            if not running:
                raise lens.Skip("none of the programs is here")
            for _ in range(LOOKS):
                doc, _ = look()
                lens.equal("false alarms beside " + ", ".join(running), [],
                           [w["explanation"] for w in doc["waits"]
                            if w["verdict"] in NEVER_ON_A_HEALTHY_HOST])
        finally:
            end_loops({process.pid for process, _ in lens._started} - before)
