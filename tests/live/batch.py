# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Several workloads under one run of ipclens, for machines where starting it takes seconds.

Each is told to go when the one before it has ended its work, and is a test with a verdict of
its own: its truth is compared with the one document about all of them.
"""

import json

import lens

# how many run under one observer: many queues at a time would exceed what a user may have
TOGETHER = 8 if lens.NARROW else 1


class Batch:
    def __init__(self, program, options):
        self.program = program
        self.options = options
        self.members = {}   # name of the test: (mode, is its channel born under observation?)
        self.truths = {}    # ... or why there is none
        self.doc = None

    def add(self, name, mode, late=False):
        self.members[name] = (mode, late)

    def watched(self, name):
        """(document, truth of this member), as of lens.watched(); the first one does the work."""
        if lens.is_second_try:
            return self.alone(name).result(name)
        return self.result(name)

    def alone(self, name):
        batch = type(self)(self.program, self.options)
        batch.add(name, *self.members[name])
        return batch

    def result(self, name):
        if name not in self.truths:
            chosen = [n for n in self.members if n in lens.CHOSEN]
            failed = dict.fromkeys(chosen, lens.Failure("failed together with the first of them"))
            self.truths = dict(failed)
            try:
                self.observe(chosen)
            except Exception:
                self.truths = failed
                raise
        truth = self.truths[name]
        if isinstance(truth, Exception):
            raise truth
        self.check()
        return self.doc, truth

    def check(self):
        lens.check_document(self.doc, forced=lens.forced(self.options))

    def observe(self, chosen):
        works = {}
        for name in chosen:
            mode, late = self.members[name]
            self.attempt(name, lambda n: works.update(
                {n: lens.Workload(self.program, mode, late=late)}))
        if not works:
            return
        observer = self.observer(works.values())
        for name, work in works.items():
            self.attempt(name, lambda n: self.truths.update({n: work.go() or work.truth()}))
        self.doc = self.read(observer)
        for name, work in works.items():
            if not isinstance(self.truths[name], Exception):
                work.end()

    def observer(self, works):
        return lens.observe(*self.options)

    def read(self, observer):
        return observer.document()

    def attempt(self, name, step):
        try:
            step(name)
        except (lens.Failure, lens.Skip) as reason:
            self.truths[name] = reason


class Traces(Batch):
    """The same under `ipclens trace`; the document is a list of lines."""

    def observer(self, works):
        # others on this host may do more than a trace can follow
        pids = ",".join(str(work.pid) for work in works)
        return lens.observe("-p", pids, *self.options, command="trace")

    def read(self, observer):
        return [json.loads(line) for line in observer.interrupt().splitlines()]

    def check(self):
        pass


def spread(kind, program, options, modes):
    """[(mode, batch that it is to be added to)]"""
    found = []
    for number, mode in enumerate(modes):
        if number % TOGETHER == 0:
            batch = kind(program, options)
        found.append((mode, batch))
    return found
