# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Which half of a connection is meant: of a socket its inode tells, of a terminal its end."""


def is_half(channel, half, truth):
    if truth["type"] != "pty":
        return half["inode"] == str(truth["ino"])
    return (half["end"] == truth["end"] and channel["name"] == "pts/%d" % truth["ino"]
            and channel["devpts"] == "%d:%d" % (truth["major"], truth["minor"]))
