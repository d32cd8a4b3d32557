# SPDX-License-Identifier: Apache-2.0
"""The command line: which measurements, how large, how often; then the tables."""
import argparse
import importlib
import os
import sys
import time

from bench import machine, report
from bench.machine import TOP, BenchError, say
from bench.results import Context, Results, default_path

NAMES = ("room", "many", "cpu", "rack", "image", "delta", "faults", "crowd", "tracker")
EXTRA = ("profiles",)
ALL_MINUTES = 90  # nothing is begun that would end later; the next run carries on


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures swarms on real links and disks, beside other "
        "clients. Carries on where an earlier run stopped; results are JSON lines in build/bench/.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="%s (default: these), report" % ", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, proves nothing")
    parser.add_argument("--again", action="store_true", help="measure anew what has results already")
    parser.add_argument("--repeats", type=int, default=0, metavar="N", help="at most N repeats of everything")
    parser.add_argument("--budget", type=float, default=0, metavar="MINUTES",
                        help="begin nothing that would end later (default: each measurement's own)")
    parser.add_argument("--patience", type=int, default=60, metavar="SECONDS",
                        help="wait so long before a run for others to leave the machine alone (default 60)")
    parser.add_argument("--keep-void", action="store_true",
                        help="do not repeat runs that are void, as on a machine that others use")
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=COMMAND",
                        help="another client; {metainfo}, {directory}, {address}, {port} are filled in, and "
                        "it is complete when it prints a line with \"complete\" or \"seeding\"")
    parser.add_argument("--write", action="store_true",
                        help="put the tables and plots into docs/performance.md")
    parser.add_argument("--results", metavar="FILE", help="JSON lines (default build/bench/results.jsonl)")
    parser.add_argument("--binary", default=TOP + "/build/swarmboot", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES + EXTRA + ("report",):
            parser.error("unknown measurement %s" % name)
    if options.quick:
        options.repeats = options.repeats or 1
        options.patience = min(options.patience, 2)
    return options


def check(options):
    if os.geteuid() != 0:
        raise SystemExit("bench: network namespaces need root: sudo make bench")
    for path in (options.binary, TOP + "/build/tests/helpers/plain_copy", TOP + "/build/tests/helpers/sink"):
        if not os.path.exists(path):
            raise SystemExit("bench: %s is missing: make all tools" % path)


def render(context, names):
    sections = []
    for name in names:
        context.bench = name
        section = importlib.import_module("bench." + name).report(context)
        section.failures([row for row in context.results.rows if row["bench"] == name])
        sections.append(section)
    return sections


def main():
    options = parse()
    only_report = options.names == ["report"]
    names = [name for name in options.names if name != "report"] or list(NAMES)
    results = Results(options.results or default_path(options.quick))
    if not only_report:
        check(options)
        machine.guard()
        machine.sweep()
    context = Context(options, results)
    notes = {}
    everything_ends = time.monotonic() + 60 * ALL_MINUTES
    if not only_report:
        for name in names:
            module = importlib.import_module("bench." + name)
            left = (everything_ends - time.monotonic()) / 60
            minutes = round(min(options.budget or module.BUDGET_MINUTES, max(left, 0)), 1)
            context.begin(name, 60 * minutes)
            begin = time.monotonic()
            say("%s: %s (at most %g minutes)" % (name, module.TITLE, minutes))
            try:
                module.run(context)
            except BenchError as error:
                context.note("%s stopped: %s" % (name, error))
            notes[name] = context.notes
            say("%s: took %.1f minutes" % (name, (time.monotonic() - begin) / 60))
    sections = render(context, names)
    for section in sections:
        section.notes(notes.get(section.name, []))
        print("\n" + "\n".join(section.output()))
    report.write_plots(sections, os.path.join(TOP, "build", "bench"))
    if options.write:
        report.write_page(sections)
        say("docs/performance.md is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
