# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Objects of shared memory in random programs (tests/work/estate.c): a report against who mapped
what of them, and who woke whom there."""

from document import MEMORY

OF_MAPPER = ("mapped_bytes", "peak_mapped_bytes", "maps", "unmaps", "prot_ever", "how")
OF_OBJECT = ("peak_mappers", "overlap_peak_bytes")


def is_read_only_file(truth):
    """Of such, locale archives and the like, a report only says how many there are."""
    return truth["type"] == "mmap-file" and not any("w" in m["prot_ever"]
                                                    for m in truth["mappers"])


class Objects:
    """Found by their numbers, which are used again, and who maps them."""

    def __init__(self, doc, pid):
        self.pid, self.found = pid, {}
        for channel in doc["channels"]:
            if channel["type"] not in MEMORY:
                continue
            number = int(channel["id"].rpartition(":")[2])
            for end in channel["endpoints"]:
                if end["how"]:
                    key = channel["type"], number, pid[end["process"]]
                    self.found.setdefault(key, []).append(channel)

    def find(self, truth):
        found = {id(channel): channel for mapper in truth["mappers"]
                 for channel in self.found.get((truth["type"], truth["number"], mapper["pid"]), [])}
        return list(found.values())

    def differences(self, truth):
        """What is wrong with that object."""
        label = "%s %d" % (truth["type"], truth["number"])
        found = self.find(truth)
        if is_read_only_file(truth):
            return []
        if not truth["mappers"]:
            return [] if not found else ["%s: nobody mapped it" % label]
        if len(found) != 1:
            return ["%s: %d channels of that identity" % (label, len(found))]
        channel = found[0]
        wrong = [(key, truth[key], channel[key]) for key in OF_OBJECT
                 if key in truth and truth[key] != channel[key]]
        wrong += self.wrong_mappers(channel, truth) + self.wrong_handoffs(channel, truth)
        return ["%s %s: expected %r, got %r" % (label, what, expected, got)
                for what, expected, got in wrong]

    def wrong_mappers(self, channel, truth):
        got = {self.pid[end["process"]]: end for end in channel["endpoints"] if end["how"]}
        wrong = []
        for mapper in truth["mappers"]:
            end = got.pop(mapper["pid"], None)
            if not end:
                wrong.append(("mapper", mapper["pid"], None))
                continue
            expected = {key: mapper[key] for key in OF_MAPPER}
            told = {key: end[key] for key in OF_MAPPER}
            if mapper["how"] == "fork":
                expected["from"] = mapper["from"]
                told["from"] = self.pid.get(end["inherited_from"])
            wrong += [("pid %d %s" % (mapper["pid"], key), expected[key], told[key])
                      for key in expected if expected[key] != told[key]]
        return wrong + [("mapper", None, pid) for pid in sorted(got)]

    def wrong_handoffs(self, channel, truth):
        """Of those in doubt the sum at each word is none."""
        def rows(handoffs, of):
            return {(of(h["from"]), of(h["to"]), h["offset"]): h["count"] for h in handoffs}

        def sums(handoffs):
            total = {}
            for h in handoffs:
                total[h["offset"]] = total.get(h["offset"], 0) + h["count"]
            return total
        expected = rows(truth["handoffs"], int)
        told = [h for h in channel["handoffs"] if h["exact"]]
        wrong = [("hand-off %s -> %s at %d" % key, expected.get(key, 0), count)
                 for key, count in rows(told, self.pid.get).items()
                 if expected.get(key, 0) != count]
        if sums(truth["handoffs"]) != sums(channel["handoffs"]):
            wrong.append(("hand-offs by word", sums(truth["handoffs"]), sums(channel["handoffs"])))
        for offset in {h["offset"] for h in truth["handoffs"]}:
            here = [h for h in truth["handoffs"] if h["offset"] == offset]
            doubt = [h for h in channel["handoffs"] if h["offset"] == offset and not h["exact"]]
            if doubt and 1 in (len({h["from"] for h in here}), len({h["to"] for h in here})):
                wrong.append(("hand-offs in doubt at %d" % offset, [], doubt))
        return wrong
