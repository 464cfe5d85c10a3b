# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What is in a recording, record by record, as the file has it; see bpf/wire.h."""

import lens

HEAD = "<IHHQ"       # struct lens_rec
GONE = 8             # LENS_REC_GONE
TOTAL = 9            # LENS_REC_TOTAL
OPEN = 15            # LENS_REC_OPEN
CHAN = "<QIIII"      # struct lens_chan
TOTAL_KEY = "<QIIQIHH"
UNPLACED = 0xffffffff
LAST = 8             # LENS_END_LAST
PIPE, FIFO = 1, 2    # LENS_KIND_*


def records(path):
    """(type, all of it) of each."""
    try:
        import ctypes
        import sqlite3
        import struct
        zstd = ctypes.CDLL("libzstd.so.1")
    except (ImportError, OSError) as missing:
        raise lens.Skip("recordings cannot be read here: %s" % missing)
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    for size, data in sqlite3.connect(path).execute("SELECT raw_bytes, data FROM block "
                                                    "ORDER BY seq"):
        raw = ctypes.create_string_buffer(size)
        zstd.ZSTD_decompress(raw, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
        at = 0
        while at < size:
            length, kind, _, _ = struct.unpack_from(HEAD, raw, at)
            yield kind, raw[at:at + length]
            at += length


def totals(path):
    """(inode, device, generation, start, pid, kind, direction), operations, is it the last"""
    import struct
    head, key = struct.calcsize(HEAD), struct.calcsize(TOTAL_KEY)
    for kind, rec in records(path):
        if kind == TOTAL:
            yield (struct.unpack_from(TOTAL_KEY, rec, head),
                   struct.unpack_from("<Q", rec, head + key)[0],
                   bool(struct.unpack_from("<I", rec, head + key + 44)[0] & LAST))


def unplaced(path):
    """(key, operations) as often as it was told, but for farewells."""
    return [(key, operations) for key, operations, last in totals(path)
            if key[1] == UNPLACED and not last]


def channels(path, *kinds):
    """(type, kind of channel, inode) of the records of these types, which begin with one."""
    import struct
    for kind, rec in records(path):
        if kind in kinds:
            inode, _, _, of, _ = struct.unpack_from(CHAN, rec, struct.calcsize(HEAD))
            yield kind, of, inode


def gone(path):
    """(kind, inode) of each channel that was told to be gone."""
    for _, of, inode in channels(path, GONE):
        yield of, inode
