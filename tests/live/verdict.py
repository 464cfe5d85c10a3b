# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""How a test says that it failed, or could not be made."""


class Failure(Exception):
    """What ipclens said is not what happened."""


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


class Timeout(Exception):
    """A step of a test took longer than it may."""


class OutOfTime(Exception):
    """A test took longer than it may, and has no time left for whatever it was about to do."""


def require(condition, text):
    if not condition:
        raise Failure(text)


def equal(what, expected, got):
    if expected != got:
        raise Failure("%s: expected %r, got %r" % (what, expected, got))
