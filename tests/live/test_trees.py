# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""`report -- CMD`: whole trees of short-lived processes, from their start."""

import os

import lens

LOOPS = 1000 if lens.SCALE <= 2 else 60


def tree(script, *options, limit_s=lens.LIMIT_S):
    out, said = lens.run("report", "--json", *lens.narrow("pipe"), *lens.OPTIONS, *options,
                         "--", "sh", "-c", script, limit_s=limit_s)
    doc = lens.parse(out)
    lens.check_document(doc)
    return doc, said


def pipes_of(doc):
    """[(channel, {comm: bytes written}, {comm: bytes read})] for pipes with traffic."""
    comm = {p["id"]: p["comm"] for p in doc["processes"]}
    found = []
    for channel in doc["channels"]:
        if channel["type"] != "pipe":
            continue
        moved = {}
        for direction in ("write", "read"):
            moved[direction] = {comm[e["process"]]: e[direction]["bytes"]
                                for e in channel["endpoints"] if e[direction]["operations"]}
        if moved["write"] or moved["read"]:
            found.append((channel, moved["write"], moved["read"]))
    return found


@lens.test(limit_s=60)
def command_bulk():
    """100,000,000 bytes through two pipes, not one more or less."""
    doc, _ = tree("head -c 100000000 /dev/zero | tee /dev/null | wc -c >&2", limit_s=60)
    pipes = pipes_of(doc)
    lens.equal("pipes", 2, len(pipes))
    lens.equal("bytes written", [{"head": 100000000}, {"tee": 100000000}],
               sorted((p[1] for p in pipes), key=str))
    lens.equal("bytes read", [{"tee": 100000000}, {"wc": 100000000}],
               sorted((p[2] for p in pipes), key=str))
    lens.equal("unaccounted", [0, 0], [p[0]["ledger"]["unaccounted"] for p in pipes])
    flows = [(f["bytes"], f["exact"]) for f in doc["flows"] if f["type"] == "pipe"]
    lens.equal("flows", [(100000000, True)] * 2, flows)
    lens.equal("exit status shown", 0, doc["command"]["exit_status"])


@lens.test(limit_s=120)
def command_short_lived():
    """Every one of many pipes that live for milliseconds has both its ends."""
    script = ("i=0; while [ $i -lt %d ]; do sh -c 'echo x | cat >/dev/null'; i=$((i+1)); done"
              % LOOPS)
    doc, _ = tree(script, limit_s=120)
    pipes = pipes_of(doc)
    lens.equal("pipes", LOOPS, len(pipes))
    for channel, written, read in pipes:
        lens.equal("writers of " + channel["name"], {"sh": 2}, written)
        lens.equal("readers of " + channel["name"], {"cat": 2}, read)
        lens.equal("unaccounted", 0, channel["ledger"]["unaccounted"])
    lens.equal("flows", LOOPS, len(doc["flows"]))
    lens.require(all(f["bytes"] == 2 and f["from"] and f["to"] for f in doc["flows"]),
                 "a flow is incomplete")


@lens.test()
def command_only_its_tree():
    """Without other filters a report about a command shows its tree only."""
    stranger = lens.Workload("pipe", "selfpipe", 10)
    doc, _ = tree("echo hello | cat >/dev/null")
    stranger.go()
    name = stranger.truth()["channels"][0]["name"]
    lens.require(name not in {c["name"] for c in doc["channels"]}, "a stranger's pipe")
    lens.equal("pipes", 1, len(pipes_of(doc)))


@lens.test()
def command_status():
    """Ours is 0 when the report succeeded; the command's is in the report."""
    doc, _ = tree("exit 7")
    lens.equal("exit_status", 7, doc["command"]["exit_status"])
    doc, _ = tree("kill -9 $$")
    lens.equal("signal", 9, doc["command"]["signal"])
    out, _ = lens.run("report", *lens.OPTIONS, "--", "false")
    lens.require(b"1" in out, "the text report does not show the status")


@lens.test()
def command_not_found():
    _, said = lens.run("report", *lens.OPTIONS, "--", "/no/such/program", status=None)
    lens.require("/no/such/program" in said, "the message does not name it: " + said)


@lens.test()
def command_stdin_and_environment():
    """The command runs as it would alone: environment, directory, descriptors."""
    os.environ["LENS_PROBE"] = "probe value"
    try:
        doc, said = tree('test "$LENS_PROBE" = "probe value" && ls -l /proc/self/fd | wc -l >&2')
    finally:
        del os.environ["LENS_PROBE"]
    lens.equal("exit_status", 0, doc["command"]["exit_status"])
    # 0, 1, 2, the directory itself, and the line "total 0"
    lens.require(any(line.strip() == "5" for line in said.splitlines()),
                 "the command inherited descriptors: " + said)


@lens.test()
def command_names():
    """Names and arguments of processes that were gone before anybody could look."""
    doc, _ = tree("for i in 1 2 3; do echo x | cat - /dev/null >/dev/null; done")
    cats = [p for p in doc["processes"] if p["comm"] == "cat"]
    lens.equal("number of cats", 3, len(cats))
    for one in cats:
        lens.equal("argv", ["cat", "-", "/dev/null"], one["argv"])
        lens.equal("exited", True, one["exited"])
