# SPDX-License-Identifier: Apache-2.0
"""Asks `swarmboot simulate` for what no room of one machine holds, and to predict what one does hold."""
import functools
import json
import re
import subprocess

from bench.machine import TOP, BenchError
from bench.results import Step


def known(binary):
    return subprocess.run([binary, "simulate", "--help"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=20).returncode == 0


def wave(binary, options, limit_s):
    """One wave in virtual time; --read-back is off, as it is for `fetch`."""
    command = [binary, "simulate", "--json", "--read-back", "no"]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise BenchError("simulate: not done within %d s" % limit_s) from None
    try:
        variant = json.loads(done.stdout)[0]
        found = variant["runs"][0]
        row = {"sim_last_s": found["last_s"], "sim_bound_s": variant["bound_s"],
               "sim_ratio": round(found["last_s"] / variant["bound_s"], 4),
               "sim_copies": found["origin_copies"], "sim_limit": variant["limited_by"],
               "sim_finished": found["finished"], "sim_block_bytes": variant["block_bytes"],
               "sim_pieces": [variant["pieces_simulated"], variant["pieces"]]}
    except (ValueError, KeyError, IndexError) as error:
        raise BenchError("simulate: status %d, %s" % (done.returncode, error)) from None
    if found["finished"] != variant["nodes"]:
        raise BenchError("simulate: %d of %d nodes finished" % (found["finished"], variant["nodes"]))
    return row


RESULT = re.compile(r": (?P<finished>[0-9]+)/(?P<nodes>[0-9]+) finished.*last (?P<last>[0-9.]+) s.*"
                    r"bound (?P<bound>[0-9.]+) s.*origin copies (?P<copies>[0-9.]+)")


def scenario(name, limit_s):
    """One scenario of the simulator of the tests."""
    try:
        done = subprocess.run([TOP + "/build/sim/sim", name], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise BenchError("simulator: %s was not done within %d s" % (name, limit_s)) from None
    found = RESULT.search(done.stdout)
    if found is None or found.group("finished") != found.group("nodes"):
        raise BenchError("simulator: %s: %s" % (name, done.stdout.strip()[:200]))
    last_s, bound_s = float(found.group("last")), float(found.group("bound"))
    return {"sim_last_s": last_s, "sim_bound_s": bound_s, "sim_ratio": round(last_s / bound_s, 4),
            "sim_copies": float(found.group("copies")), "sim_limit": "",
            "sim_finished": int(found.group("finished")), "sim_good": done.returncode == 0}


def steps(context, waves):
    """waves: {case: (options of a wave, or a scenario's name; about so many seconds of this machine)}."""
    made = []
    for case, (what, about_s) in waves.items():
        if isinstance(what, str):
            measure = functools.partial(scenario, what, 4 * about_s)
        elif known(context.binary):
            measure = functools.partial(wave, context.binary, what, 4 * about_s)
        else:
            context.note("this build has no `swarmboot simulate`; not everything is simulated")
            continue
        made.append(Step(case, "simulator", lambda _repeat, measure=measure: measure(), 1, about_s,
                         virtual=True))
    return made


def last(context, case, key="sim_last_s"):
    rows = context.rows(case, "simulator")
    return rows[-1][key] if rows else None


def fill(table, context, cases):
    """Rows: what, last s, bound s, ratio, origin copies, limit, detail."""
    for case in cases:
        for row in context.rows(case, "simulator")[-1:]:
            table.add(case, "%.1f" % row["sim_last_s"], "%.1f" % row["sim_bound_s"],
                      "%.3f" % row["sim_ratio"], "%.2f" % row["sim_copies"], row["sim_limit"],
                      "%d KiB, %d of %d pieces" % (row["sim_block_bytes"] // 1024, *row["sim_pieces"])
                      if "sim_pieces" in row else "as the scenario says")


COLUMNS = ("simulated", "last s", "bound s", "last / bound", "origin copies", "limited by",
           "blocks, pieces simulated")
