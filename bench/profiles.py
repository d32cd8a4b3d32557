# SPDX-License-Identifier: Apache-2.0
"""Each rival's best settings, found once beforehand: every profile in the same room, the fastest last node
wins. Kept in bench/profiles.json with the values that decided."""
import json
import os

from bench.clients import RIVALS
from bench.machine import TOP, Scratch
from bench.report import Section, Table, number, runs_text
from bench.results import Step, median, usable
from bench.work import Shape, Work

TITLE = "Rivals' best profiles"
BUDGET_MINUTES = 45
PATH = os.path.join(TOP, "bench", "profiles.json")


def shape_of(quick):
    return Shape(2, 40, 8) if quick else Shape(8, 100, 128)


def run(context):
    shape = shape_of(context.options.quick)
    with Scratch() as scratch:
        work = Work(context, scratch)
        steps = []
        for name, kind in RIVALS.items():
            for profile in kind.profiles:
                client = kind(profile)
                why = client.missing()
                if why:
                    context.note("%s is not measured: %s" % (name, why))
                    break
                steps.append(Step(
                    "%s %s" % (name, profile), name,
                    lambda _repeat, client=client: work.swarm(shape, client, 30 + 8 * shape.copy_s()), 3,
                    15 + 3 * shape.copy_s(), profile, ours=False))
        context.measure(steps)
    if not context.options.quick:
        save(context, shape)


def best(context):
    """{client: (profile, median of the last node's seconds)}, by runs that are not void."""
    found = {}
    for name, kind in RIVALS.items():
        for profile in kind.profiles:
            rows = context.rows("%s %s" % (name, profile), name)
            last = median(rows, "last_s")
            if last is not None and (name not in found or last < found[name][1]):
                found[name] = (profile, last)
    return found


def save(context, shape):
    chosen = {}
    for name, (profile, last) in best(context).items():
        rows = context.rows("%s %s" % (name, profile), name)
        if any(row.get("void") for row in usable(rows)):
            context.note("%s: every run was void, no profile is chosen" % name)
            continue
        chosen[name] = {"profile": profile, "last_s": last, "runs": len(rows),
                        "why": "the fastest last node in " + shape.case}
    if chosen:
        with open(PATH, "w") as file:
            json.dump({"best": chosen}, file, indent=1, sort_keys=True)
            file.write("\n")


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("profiles", TITLE)
    chosen = best(context)
    table = Table("client", "profile", "what it is", "last s", "origin tx copies", "CPU-s", "runs (void)",
                  "chosen")
    for name, kind in RIVALS.items():
        for profile, about in kind.profiles.items():
            rows = context.rows("%s %s" % (name, profile), name)
            if rows:
                table.add(name, profile, about, number(median(rows, "last_s"), 1),
                          number(median(rows, "origin_tx_copies")),
                          number(median(rows, "cpu_processes_s"), 1), runs_text(rows, "last_s"),
                          "yes" if chosen[name][0] == profile else "")
    section.text("%s, pieces of %d KiB; the fastest last node decides." %
                 (shape.case, shape.piece_bytes // 1024))
    section.table(table)
    return section
