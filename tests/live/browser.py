# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Headless Chromium that reaches nobody, and what it says of itself over its DevTools pipe."""

import json
import os
import shutil
import subprocess

import lens

# a network of its own without a device: what it may still try to reach is not there
ALONE = ("unshare", "-n")
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-breakpad")


def command(folder):
    """How to start it, with all it writes in that folder."""
    for tool in ("chromium-headless-shell", "unshare"):
        if not shutil.which(tool):
            raise lens.Skip("no chromium here" if "chromium" in tool else "no %s here" % tool)
    return ["chromium-headless-shell", *QUIET, "--user-data-dir=%s/profile" % folder]


def environment(folder):
    return dict(os.environ, HOME=folder, TMPDIR=folder)


class Browser:
    """One that is told what to do; it ends when its pipe is closed."""

    def __init__(self, folder):
        self.folder = folder
        self.said = self.heard = self.number = 0
        self.pending = b""
        self.events = []

    def __enter__(self):
        # it talks over descriptors 3 and 4
        self.process = lens.start(
            [*ALONE, "sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1', "sh",
             *command(self.folder), "--remote-debugging-pipe"], env=environment(self.folder),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, ends_by_itself=True)
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        while os.read(self.process.stdout.fileno(), 1 << 16):
            pass
        self.process.stdout.close()
        self.process.wait()

    def next(self):
        while b"\0" not in self.pending:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            lens.require(data, "the browser ended: status %s" % self.process.poll())
            self.heard += len(data)
            self.pending += data
        message, _, self.pending = self.pending.partition(b"\0")
        return json.loads(message)

    def call(self, method, session=None, **params):
        """Its answer; what it says meanwhile is kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        data = json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0"
        self.said += len(data)
        self.process.stdin.write(data)
        self.process.stdin.flush()
        while True:
            answer = self.next()
            if answer.get("id") == self.number:
                lens.require("result" in answer, "%s: %s" % (method, answer.get("error")))
                return answer["result"]
            self.events.append(answer)

    def event(self, method):
        """What it tells of the first such event since the last one that was waited for."""
        while not any(e["method"] == method for e in self.events):
            self.events.append(self.next())
        found = next(e for e in self.events if e["method"] == method)
        self.events.remove(found)
        return found["params"]

    def open(self, url):
        """The session of a page that has been loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable", page)
        self.call("Page.navigate", page, url=url)
        self.event("Page.loadEventFired")
        return page

    def start_tracing(self):
        self.call("Tracing.start", transferMode="ReturnAsStream", traceConfig={
            "includedCategories": ["disabled-by-default-memory-infra"],
            "excludedCategories": ["*"], "memoryDumpConfig": {"triggers": []}})

    def dump_memory(self):
        dump = self.call("Tracing.requestMemoryDump", levelOfDetail="detailed")
        lens.require(dump["success"], "no dump of its memory")

    def end_tracing(self):
        """All events of the trace."""
        self.call("Tracing.end")
        stream, text, last = self.event("Tracing.tracingComplete")["stream"], "", False
        while not last:
            part = self.call("IO.read", handle=stream)
            text, last = text + part["data"], part["eof"]
        return json.loads(text)["traceEvents"]


def shared_memory(events):
    """[{its name of a region: (size, pids of those that map it)}, ...] of all dumps in a trace"""
    dumps = {}
    for event in events:
        if event["ph"] != "v":
            continue
        regions = dumps.setdefault(int(event["id"], 16), {})
        for name, one in event["args"]["dumps"].get("allocators", {}).items():
            if name.startswith("shared_memory/"):
                size = int(one["attrs"]["virtual_size"]["value"], 16)
                regions.setdefault(name, (size, set()))[1].add(event["pid"])
    return [dumps[number] for number in sorted(dumps)]
