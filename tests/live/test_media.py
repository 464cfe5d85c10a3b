# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Programs that share memory through descriptors: what their own logs say they were passed."""

import os
import re
import shutil
import subprocess
import tempfile
import wave

import lens


def write_silence(path):
    with wave.open(path, "wb") as f:
        f.setnchannels(2)
        f.setsampwidth(2)
        f.setframerate(48000)
        f.writeframes(bytes(400000))


def eventfd_id(pid, fd):
    with open("/proc/%d/fdinfo/%d" % (pid, fd)) as f:
        return int(re.search(r"^eventfd-id:\s*(\d+)$", f.read(), re.M).group(1))


def told_by_client(log, pid):
    """(inode of the memory, ids of the eventfds) that a client of PipeWire says it was given."""
    def find():
        with open(log, errors="replace") as f:
            said = f.read()
        memory = re.findall(r"core_event_add_mem\(\).*add mem \d+ type:2 fd:(\d+)", said)
        node = re.search(r"client_node_transport\(\).*fds:(\d+) (\d+) ", said)
        return (memory, node) if memory and node else None
    memory, node = lens.wait_for(find, 15, "transport in the client's log")
    lens.equal("memories it tells of", 1, len(memory))
    return (os.stat("/proc/%d/fd/%s" % (pid, memory[0])).st_ino,
            sorted(eventfd_id(pid, int(fd)) for fd in node.groups()))


def start_client(where):
    """A client of a server of its own, when it has been given what it shares with that."""
    log = os.path.join(where, "log")
    sound = os.path.join(where, "silence.wav")
    write_silence(sound)
    env = dict(os.environ, XDG_RUNTIME_DIR=where)
    lens.start(["pipewire"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lens.wait_for(lambda: os.path.exists(os.path.join(where, "pipewire-0")), 15, "server")
    observer = lens.observe("-t", "unix-stream,memfd,eventfd")
    with open(log, "wb") as out:
        # no device is there, so that it waits for one and goes on to hold what it has
        client = lens.start(["pw-cat", "-p", sound], env=dict(env, PIPEWIRE_DEBUG="4"),
                            stdout=out, stderr=out)
    return observer, client.pid, log


@lens.test(limit_s=60)
def pipewire():
    """Memory and eventfds that the server passes, joined with their mappings."""
    for program in ("pipewire", "pw-cat"):
        if not shutil.which(program):
            raise lens.Skip("no %s here" % program)
    with tempfile.TemporaryDirectory() as where:
        observer, client, log = start_client(where)
        memory, counters = told_by_client(log, client)
        doc = observer.document()
    pid = {p["id"]: p["pid"] for p in doc["processes"]}
    received = [(m["type"], int(re.split("[^0-9]+", m["channel"])[-1])) for g in doc["groups"]
                for m in g["members"] for e in m["endpoints"]
                if pid.get(e["process"]) == client and e["how"] == "received"]
    lens.equal("received by the client", sorted([("memfd", memory)] +
               [("eventfd", one) for one in counters]), sorted(received))
    shared = [m for g in doc["groups"] for m in g["members"]
              if m["type"] == "memfd" and m["channel"].endswith(":%d" % memory)]
    lens.equal("groups of the memory", 1, len(shared))
    ways = {e["how"]: e for e in shared[0]["endpoints"]}
    lens.require(ways["created"]["maps"] and ways["received"]["maps"], "not mapped by both")
    lens.equal("from", ways["created"]["process"], ways["received"]["from"])
