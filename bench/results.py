# SPDX-License-Identifier: Apache-2.0
"""Results, a JSON object a line, and the order in which runs are made: repeats outside, cases inside, so
that whatever drifts hits all alike. What is there already is not measured again."""
import hashlib
import json
import os
import statistics
import time

from bench.machine import TOP, BenchError, say
from bench.measure import wait_for_quiet, why_void


class Results:
    """The file's rows: every run that was ever made, the void and the failed ones, too."""

    def __init__(self, path):
        self.path = path
        self.rows = []
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            with open(path) as file:
                self.rows = [json.loads(line) for line in file if line.strip()]

    def add(self, row):
        self.rows.append(row)
        with open(self.path, "a") as file:
            file.write(json.dumps(row, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def forget(self, bench):
        self.rows = [row for row in self.rows if row["bench"] != bench]
        with open(self.path + ".new", "w") as file:
            for row in self.rows:
                file.write(json.dumps(row, sort_keys=True) + "\n")
        os.replace(self.path + ".new", self.path)

    def of(self, bench, case=None, client=None):
        """Rows that say something."""
        return [row for row in self.rows if row["bench"] == bench and "failed" not in row and
                (case is None or row["case"] == case) and
                (client is None or row["client"] == client)]

    def newest(self, bench, case=None, client=None):
        """Rows that say something; where our own program or a rival's profile changed, only those of the
        newest."""
        def made_by(row):
            return row["program"] if row["ours"] else row.get("profile", "")

        rows = self.of(bench, case, client)
        last = {(row["case"], row["client"]): made_by(row) for row in rows}
        return [row for row in rows if last[(row["case"], row["client"])] == made_by(row)]


def usable(rows):
    """Rows that are not void; when all of them are, all of them."""
    good = [row for row in rows if not row.get("void")]
    return good or rows


def median(rows, key):
    values = [row[key] for row in usable(rows) if row.get(key) is not None]
    return statistics.median(values) if values else None


def values(rows, key):
    return [row[key] for row in rows if row.get(key) is not None]


def program_digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


class Step:
    """One thing to measure: a case, a client, how often, about how long it takes, and how.

    measure(repeat) returns a row. wanted(rows) may say that another repeat would tell nothing new.
    ours: the result belongs to our program, and is measured again when that has changed.
    cpu_bound: a busy CPU does not void it; virtual: nothing does, its time is not of this world.
    """

    def __init__(self, case, client, measure, repeats, estimate_s, profile="", wanted=None, ours=True,
                 cpu_bound=False, virtual=False):
        self.case, self.client, self.profile = case, client, profile
        self.measure, self.repeats, self.estimate_s = measure, repeats, estimate_s
        self.wanted, self.ours, self.cpu_bound, self.virtual = wanted, ours, cpu_bound, virtual

    def name(self):
        return " ".join(part for part in (self.case, self.client, self.profile) if part)


class Context:
    """What every measurement shares: options, results, the budget of time."""

    def __init__(self, options, results):
        self.options = options
        self.results = results
        self.binary = options.binary
        self.program = program_digest(options.binary)
        self.notes = []
        self.bench = None
        self.deadline = None

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            say("note: " + text)

    def begin(self, bench, budget_s):
        self.bench = bench
        self.notes = []
        self.deadline = time.monotonic() + budget_s
        if self.options.again:
            self.results.forget(bench)

    def rows(self, case=None, client=None):
        return self.results.newest(self.bench, case, client)

    def done(self, step):
        """Rows that count as measured: made by this program, not void (unless void ones are kept)."""
        return [row for row in self.results.of(self.bench, step.case, step.client)
                if (not step.ours or row["program"] == self.program) and
                row.get("profile", "") == step.profile and
                (not row.get("void") or self.options.keep_void)]

    def measure(self, steps):
        """Makes the repeats that are missing, as many as the time allows."""
        repeats_max = max((self.repeats_of(step) for step in steps), default=0)
        failures = {}
        for repeat in range(1, repeats_max + 1):
            for step in steps:
                if repeat > self.repeats_of(step) or len(self.done(step)) >= repeat:
                    continue
                if step.wanted is not None and not step.wanted(self.done(step)):
                    continue
                if failures.get(step.name(), 0) >= 2:
                    continue
                if time.monotonic() + step.estimate_s > self.deadline:
                    self.note("%s, repeat %d: no time left (a second run carries on)" %
                              (step.name(), repeat))
                    continue
                if not self.one(step, repeat):
                    failures[step.name()] = failures.get(step.name(), 0) + 1

    def repeats_of(self, step):
        return min(step.repeats, self.options.repeats or step.repeats)

    def one(self, step, repeat):
        row = {"bench": self.bench, "case": step.case, "client": step.client, "repeat": repeat,
               "profile": step.profile, "program": self.program, "ours": step.ours,
               "others_percent": 0.0 if step.virtual else wait_for_quiet(self.options.patience),
               "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        begin = time.monotonic()
        try:
            row.update(step.measure(repeat))
            why = None if step.virtual else why_void(row, step.cpu_bound)
            if why:
                row["void"] = why
        except BenchError as error:
            row["failed"] = str(error)
        row["took_s"] = round(time.monotonic() - begin, 1)
        step.estimate_s = max(1.0, row["took_s"] * 1.1)
        self.results.add(row)
        say("%s, %s, repeat %d: %s" % (self.bench, step.name(), repeat, summary(row)))
        return "failed" not in row


def summary(row):
    if "failed" in row:
        return "FAILED: " + row["failed"]
    parts = ["%s %s" % (key, row[key]) for key in (
        "last_s", "sim_last_s", "sim_bound_s", "one_way_s", "both_ways_s", "seconds", "cpu_s_per_gib", "cpu_us",
        "bytes_per_peer",
        "origin_copies",
        "uplink_copies", "received_copies", "ratio", "cpu_percent") if row.get(key) is not None]
    return ", ".join(parts) + (" (void: %s)" % row["void"] if row.get("void") else "")


def default_path(quick):
    return os.path.join(TOP, "build", "bench", "quick.jsonl" if quick else "results.jsonl")
