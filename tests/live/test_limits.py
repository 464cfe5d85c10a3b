# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What the command may not have as much of as it needs."""

import os
import subprocess
import sys
import tempfile

import lens


def with_limits(*limits):
    """What starts a command with these options of ulimit."""
    return ("sh", "-c", "; ".join("ulimit %s" % one for one in limits) + '; exec "$0" "$@"')


@lens.test()
def exit_few_files():
    """A limit of open files is named, whatever fails of it first; one that can be raised is."""
    for limit in (8, 16, 20, 24, 63, 100):
        for command in ("report", "list", "stuck") if limit < 64 else ("report",):
            run = lens.Lens(command, launch=with_limits("-n %d" % limit))
            run.finish(1)
            lens.require("no more than %d file descriptors" % limit in run.said(), run.said())
            lens.equal("lines of the message", 1, len(run.stderr))
    for command in ("list", "stuck"):
        lens.run(command, "-p", os.getpid(), launch=with_limits("-n 64"))
    out = lens.run("report", "-t", "pipe", "--", "sh", "-c", "ulimit -n",
                   launch=with_limits("-Sn 20"))[0]
    lens.equal("limit of the command", "20", out.decode().split()[0])


def on_one_cpu():
    """What starts a command that may run on one CPU only."""
    return (sys.executable, "-c", "import os, sys; "
            "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
            "os.execv(sys.argv[1], sys.argv[1:])")


@lens.test()
def start_one_cpu():
    """What several CPUs load at once, one does by itself, and all of it counts."""
    covers = []
    for launch in (), on_one_cpu():
        out = lens.run("report", "--json", "-t", "pipe,unix-stream", "--", "sh", "-c",
                       "echo one two | cat >/dev/null", launch=launch)[0]
        report = lens.parse(out)
        lens.equal("bytes", [8], [c["ledger"]["written"] for c in report["channels"]])
        covers.append(report["coverage"])
    lens.equal("coverage", covers[0], covers[1])


@lens.test()
def exit_little_address_space():
    """What is set aside for what may be said of refused programs is not room for each of them."""
    for command in ("report -d 10ms --stuck", "list", "stuck -p %d" % os.getpid()):
        lens.run(*command.split(), launch=with_limits("-v 262144"))


@lens.test()
def exit_full_output():
    """What cannot be written is a failure, of help as of anything else."""
    for args in ("--help", "--version", "report --help", "list --usage", "list --json", "doctor",
                 "stuck", "report -t pipe -d 10ms"):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([lens.BINARY] + args.split(), stdout=full,
                                  stderr=subprocess.PIPE, timeout=100)
        lens.equal("exit status of " + args, 1, done.returncode)
        lens.equal("times it is said", 1,
                   done.stderr.count(b"cannot write the output: No space left"))


@lens.test()
def exit_no_overwrite():
    """A file that is there already is kept, and the message names the option that replaces it."""
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "there")
        with open(path, "w") as f:
            f.write("mine")
        _, said = lens.run("record", "-o", path, "-d", "10ms", status=1)
        lens.require(path + " exists; --overwrite" in said, said)
        with open(path) as f:
            lens.equal("its content", "mine", f.read())
        lens.run("record", "-o", path, "-d", "10ms", "--overwrite")
