# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Several workloads under one run of ipclens, for machines where starting it takes seconds.

Each is told to go when the one before it has ended its work, and is a test with a verdict of
its own: its truth is compared with the one document about all of them.
"""

import json

import lens
import parts


class Batch:
    """Tests of which as many as may be are observed together, of those that were chosen."""

    # many queues at a time would exceed what a user may have
    SIZE = {"mqueue": 8, "sysvmsg": 8}
    OTHERS = 24

    def __init__(self, *options):
        self.options = options
        # name of the test, or NAME/PART of it: (program, mode, is its channel born under it?)
        self.members = {}
        # name of the test: (document, truth), or why there is none, or None where the run failed
        self.seen = {}

    def add(self, name, program, mode, late=False):
        parts.share(name.split("/")[0], (self, len(self.members) // self.size_of(program)))
        self.members[name] = (program, mode, late)

    def size_of(self, program):
        return self.SIZE.get(program, self.OTHERS)

    def watched(self, name):
        """(document, truth of this member), as of lens.watched()"""
        if lens.is_second_try:
            self.observe([name])
        elif name not in self.seen:
            self.observe(self.together_with(name))
        if not self.seen[name]:
            # what ended one run says nothing of the others that it was to observe
            self.observe([name])
        seen = self.seen[name]
        if isinstance(seen, Exception):
            raise seen
        self.check(seen[0])
        return seen

    def together_with(self, name):
        size = self.size_of(self.members[name][0]) if lens.NARROW else 1
        chosen = [n for n in self.members
                  if n.split("/")[0] in lens.CHOSEN and n not in self.seen]
        first = chosen.index(name)
        return chosen[first:first + size]

    def observe(self, names):
        self.seen.update(dict.fromkeys(names))
        works, truths = {}, {}
        for name in names:
            program, mode, late = self.members[name]
            self.attempt(name, lambda n: works.update(
                {n: lens.Workload(program, mode, late=late)}))
        if not works:
            return
        observer = self.observer(works.values())
        for name, work in works.items():
            self.attempt(name, lambda n: truths.update({n: work.go() or work.truth()}))
        doc = self.read(observer)
        for name, truth in truths.items():
            self.seen[name] = (doc, truth)
            works[name].end()

    def attempt(self, name, step):
        try:
            step(name)
        except (lens.Failure, lens.Skip) as reason:
            self.seen[name] = reason

    def observer(self, works):
        return lens.observe(*self.options)

    def read(self, observer):
        return observer.document()

    def check(self, doc):
        lens.check_document(doc, forced=lens.forced(self.options))


POOLS = {}      # (options, late): batch


def pool(*options, late=False):
    """The one batch of all that these options observe."""
    # a number that one gave back, as terminals have, is not for another one of the same batch
    return POOLS.setdefault((options, late), Batch(*options))


def register(name, check, program, mode, *options, late=False):
    """A test that check(document, truth) makes of one workload, seen with others of its pool."""
    batch = pool(*lens.narrow(program), *options, late=late)
    batch.add(name, program, mode, late)
    lens.register(name, lambda: check(*batch.watched(name)))


def test(program, mode, *options, late=False):
    def add(check):
        register(check.__name__, check, program, mode, *options, late=late)
        return check
    return add


class Traces(Batch):
    """The same under `ipclens trace`; the document is a list of lines."""

    def observer(self, works):
        # others on this host may do more than a trace can follow
        pids = ",".join(str(work.pid) for work in works)
        return lens.observe("-p", pids, *self.options, command="trace")

    def read(self, observer):
        return [json.loads(line) for line in observer.interrupt().splitlines()]

    def check(self, doc):
        pass
