# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The BPF programs, maps and links of a process, and of everybody."""

import os

import lens


def kernel_objects(pid):
    """{(kind, id)} of the BPF objects whose descriptors the process holds."""
    found = set()
    base = "/proc/%d/fdinfo" % pid
    for fd in os.listdir(base):
        try:
            with open(os.path.join(base, fd)) as f:
                fields = dict(line.split(":", 1) for line in f if ":" in line)
        except OSError:
            continue
        for key in ("prog_id", "map_id", "link_id"):
            if key in fields:
                found.add((key[:-3], int(fields[key])))
    return found


SYS_BPF = 321  # x86-64
BY_ID = {"prog": 13, "map": 14, "link": 30}  # enum bpf_cmd: BPF_*_GET_FD_BY_ID


def known_to_kernel(kind, number):
    """Asks the kernel for a descriptor of that object."""
    import ctypes  # not everywhere where the rest runs
    libc = ctypes.CDLL(None, use_errno=True)
    attr = (ctypes.c_uint32 * 4)(number)
    fd = libc.syscall(SYS_BPF, BY_ID[kind], ctypes.byref(attr), ctypes.sizeof(attr))
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def still_there(objects):
    try:
        return {one for one in objects if known_to_kernel(*one)}
    except ImportError:
        pass
    # the next best: whether any process holds them
    return objects & held_by_anybody()


def held_by_anybody():
    held = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                held |= kernel_objects(int(entry))
            except OSError:
                continue
    return held


def objects_of(observer):
    """Those that stay: what counts the calls older than the hooks ends with the last one."""
    def objects_now():
        objects = set()
        for pid in lens.descendants(observer.process.pid):
            objects |= kernel_objects(pid)
        return objects if still_there(objects) == objects else None

    objects = lens.wait_for(objects_now, 5, "moment at which all objects that it has stay")
    lens.require({kind for kind, _ in objects} >= {"map"} and len(objects) > 3,
                 "only these objects found: %r" % sorted(objects))
    return objects


def all_objects():
    """{(kind, id)} of everything that the kernel has; what another one has meanwhile is in it."""
    import ctypes  # not everywhere where the rest runs
    libc = ctypes.CDLL(None, use_errno=True)
    found = set()
    for kind, command in (("prog", 11), ("map", 12), ("link", 31)):    # BPF_*_GET_NEXT_ID
        attr = (ctypes.c_uint32 * 2)(0)
        while libc.syscall(SYS_BPF, command, ctypes.byref(attr), ctypes.sizeof(attr)) == 0:
            found.add((kind, attr[1]))
            attr[0] = attr[1]
    return found
