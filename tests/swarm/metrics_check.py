#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads Prometheus's text format (version 0.0.4) from standard input as strictly as its description
asks, and prints `NAME{labels} VALUE` lines sorted; exits with 1 and a reason when it is anything else.

With arguments NAME{label="value",...}=VALUE it also expects these samples, in any order of labels;
NAME{...}>=VALUE expects at least so much.
"""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(r"(%s)(?:\{(.*)\})? (\S+)(?: (-?\d+))?" % NAME)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def fail(number, line, why):
    sys.exit("line %d: %s: %r" % (number, why, line))


def labels_of(text, number, line):
    labels, at = {}, 0
    while text is not None and at < len(text):
        found = LABEL.match(text, at)
        if not found:
            fail(number, line, "labels")
        name, value = found.groups()
        if name in labels or name.startswith("__"):
            fail(number, line, "label %s" % name)
        labels[name] = re.sub(r'\\(["\\n])', lambda m: "\n" if m[1] == "n" else m[1], value)
        at = found.end()
    return tuple(sorted(labels.items()))


def read(text):
    if not text.endswith("\n"):
        sys.exit("the last line has no end")
    samples, types, helped, current, closed = {}, {}, set(), None, set()
    for number, line in enumerate(text[:-1].split("\n"), 1):
        if not line:
            continue
        if line.startswith("#"):
            words = line.split(" ", 3)
            if words[:2] not in (["#", "HELP"], ["#", "TYPE"]):
                continue
            if len(words) != 4 or not re.fullmatch(NAME, words[2]):
                fail(number, line, "comment")
            kind, name = words[1], words[2]
            if name != current:
                if name in closed:
                    fail(number, line, "a family in two places")
                closed.add(current)
                current = name
            if kind == "HELP":
                if name in helped:
                    fail(number, line, "a second HELP")
                helped.add(name)
            else:
                if name in types or any(key[0] == name for key in samples):
                    fail(number, line, "TYPE after samples, or twice")
                if words[3] not in ("counter", "gauge", "histogram", "summary", "untyped"):
                    fail(number, line, "type")
                types[name] = words[3]
            continue
        found = SAMPLE.fullmatch(line)
        if not found:
            fail(number, line, "sample")
        name, labels, value = found.group(1), labels_of(found.group(2), number, line), found.group(3)
        if name != current or name not in types or name not in helped:
            fail(number, line, "a sample outside its family")
        if (types[name] == "counter") != name.endswith("_total"):
            fail(number, line, "counters, and only they, end in _total")
        if (name, labels) in samples:
            fail(number, line, "the same sample twice")
        try:
            samples[name, labels] = float(value)
        except ValueError:
            fail(number, line, "value")
        if types[name] == "counter" and samples[name, labels] < 0:
            fail(number, line, "a counter below zero")
    return samples


def main():
    samples = read(sys.stdin.read())
    for (name, labels), value in sorted(samples.items()):
        print("%s{%s} %g" % (name, ",".join('%s="%s"' % pair for pair in labels), value))
    for wanted in sys.argv[1:]:
        found = re.fullmatch(r"(%s)(?:\{(.*)\})?(>=|=)(\S+)" % NAME, wanted)
        value = samples.get((found.group(1), labels_of(found.group(2), 0, wanted)))
        expected = float(found.group(4))
        if value is None or (value < expected if found.group(3) == ">=" else value != expected):
            sys.exit("%s is %s" % (wanted, value))


if __name__ == "__main__":
    main()
