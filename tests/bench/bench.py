#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# seconds: 90
"""The benchmarks themselves: what they read and print, and one tiny room on real links."""
import argparse
import importlib
import json
import os
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, TOP)

from bench import __main__ as command, machine, report, results, simulator, svg  # noqa: E402
from bench.clients import Aria2, Libtorrent, Swarmboot, Transmission  # noqa: E402
from bench.links import Room, shaper  # noqa: E402
from bench.measure import calibrate, why_void  # noqa: E402
from bench.swarm import Image, Swarm, random_file  # noqa: E402
from bench.work import Shape  # noqa: E402

failed = []


def case(name):
    def decorate(function):
        try:
            function()
            print("ok " + name, flush=True)
        except Exception as error:  # every failure is this case's
            failed.append(name)
            print("not ok %s\n# %s: %s" % (name, type(error).__name__, error), flush=True)
    return decorate


def same(found, wanted):
    if found != wanted:
        raise AssertionError("%r, not %r" % (found, wanted))


def options(**more):
    return argparse.Namespace(**dict(dict(binary=__file__, quick=False, again=False, repeats=0, patience=0,
                                          keep_void=True, rival=[], budget=0), **more))


def row(bench, case_name, client, repeat, ours=True, **values):
    return dict({"bench": bench, "case": case_name, "client": client, "repeat": repeat, "ours": ours,
                 "program": "p", "profile": ""}, **values)


@case("lines_of_clients_are_understood")
def _():
    ours = Swarmboot("swarmboot")
    same(ours.parse('{"event":"complete","bytes_sent":7}')["complete"], True)
    same(ours.parse('{"event":"progress"}')["complete"], False)
    same(ours.parse("listening"), None)
    try:
        ours.parse('{"event":"error","text":"no disk"}')
    except machine.BenchError as error:
        same(str(error), "swarmboot: no disk")
    else:
        raise AssertionError("an error was taken for progress")
    same(Aria2().parse("[#1 SEED(0.0) CN:3]"), {"complete": True})
    same(Aria2().parse("[#1 1MiB/2MiB(50%) CN:3]"), None)
    same(Libtorrent().parse("complete 3.2"), {"complete": True})
    same(Transmission().parse("Seeding, uploading to 1 of 3 peer(s)"), {"complete": True})
    same(Transmission().parse("Progress: 40.0%, dl from 1 of 3 peers"), None)


@case("the_bound_is_the_formula")
def _():
    same(Shape(16, 50, 256).bound(), 1 + 4 / 256)
    same(Shape(1, 50, 256).bound(), 1.0)
    same("rate 100000kbit" in shaper(100), True)


@case("a_simulated_wave_is_understood")
def _():
    with tempfile.TemporaryDirectory() as folder:
        said = [{"nodes": 2, "bound_s": 2.0, "limited_by": "links", "block_bytes": 16384, "pieces": 4,
                 "pieces_simulated": 4, "runs": [{"last_s": 2.5, "origin_copies": 1.0, "finished": 2}]}]
        with open(folder + "/fake", "w") as file:
            file.write("#!/bin/sh\necho '%s'\n" % json.dumps(said))
        os.chmod(folder + "/fake", 0o755)
        found = simulator.RESULT.search(
            "room_of_64 seed=1 good: 64/64 finished, first 30.47 s last 31.17 s bound 22.48 s ratio 1.38 "
            "origin copies 1.09 wasted 34640 KiB bans 0").groupdict()
        same(found, {"finished": "64", "nodes": "64", "last": "31.17", "bound": "22.48",
                     "copies": "1.09"})
        same(simulator.wave(folder + "/fake", {"nodes": 2}, 10)["sim_ratio"], 1.25)


@case("loaded_machines_void_their_runs")
def _():
    same(why_void({"others_percent": 3, "cpu_percent": 50}), None)
    same("others" in why_void({"others_percent": 30}), True)
    same("CPU" in why_void({"cpu_percent": 90}), True)
    same(why_void({"cpu_percent": 90}, cpu_bound=True), None)
    same(results.median([{"x": 1, "void": "no"}, {"x": 5}, {"x": 7}], "x"), 6)


@case("what_is_measured_is_not_measured_again")
def _():
    with tempfile.TemporaryDirectory() as folder:
        made = []

        def measure(_repeat):
            made.append(1)
            if len(made) == 2:
                raise machine.BenchError("on purpose")
            return {"last_s": 1.0, "cpu_percent": 99 if len(made) == 3 else 1}

        def again(**more):
            kept = results.Results(folder + "/results.jsonl")
            context = results.Context(options(keep_void=False, **more), kept)
            context.begin("x", 100)
            context.measure([results.Step("case", "ours", measure, 2, 1)])
            return kept

        wait = results.wait_for_quiet
        results.wait_for_quiet = lambda _patience: 0.0
        try:
            kept = again()      # one good, one failed
            same([len(made), len(kept.rows)], [2, 2])
            again()             # the missing one is void
            same(len(made), 3)
            again()             # and made once more
            same(len(made), 4)
            kept = again()      # nothing is missing
            same([len(made), len(kept.rows), len(kept.of("x"))], [4, 4, 3])
            again(again=True)
            same(len(made), 6)
        finally:
            results.wait_for_quiet = wait
        with open(folder + "/results.jsonl") as file:
            same(len([json.loads(line) for line in file]), 2)


@case("goals_are_judged_in_words")
def _():
    section = report.Section("x", "X")
    good = [{"last_s": 1}] * 3
    section.goal("1", "met", 1.1, 1.10, runs=good)
    section.goal("1", "missed", 1.1001, 1.10, runs=good)
    section.goal("1", "few", 1.0, 1.10, runs=good[:1])
    section.goal("1", "void", 1.0, 1.10, runs=[{"void": "noise"}])
    section.goal("1", "more", 2.0, 1.5, at_least=True, runs=good)
    section.goal("1", "nothing", None, 1.10)
    same([line[-1] for line in section.goals.rows],
         ["met", "MISSED", "met (1 run)", "met (void: noise)", "met", "not measured"])


@case("plots_are_well_formed")
def _():
    from xml.dom.minidom import parseString
    parseString(svg.bars("a < b", [("one", 1.2, [1.1, 1.3]), ("none", None, [])], goal=1.1))
    parseString(svg.lines("over time", [("x", [(1, 2.0), (2, 3.0)]), ("empty", [])], "s", "MB/s"))


@case("every_section_prints_without_results_and_with_some")
def _():
    with tempfile.TemporaryDirectory() as folder:
        kept = results.Results(folder + "/results.jsonl")
        context = results.Context(options(), kept)
        sections = command.render(context, command.NAMES)
        same(len(sections), len(command.NAMES))
        for section in sections:
            same(any(cells[-1] != "not measured" for cells in section.goals.rows), False)
        for repeat in (1, 2, 3):
            kept.add(row("room", "links of 100 and 50 Mbit/s", "plain copy", repeat, one_way_s=22.0,
                         both_ways_s=23.0, slow_one_way_s=45.0, slow_both_ways_s=46.0, one_node_s=22.4))
            kept.add(row("room", "8 nodes, 100 Mbit/s, 256 MiB", "swarmboot", repeat, last_s=24.0 + repeat,
                         origin_copies=1.01, origin_tx_copies=1.06, cpu_percent=20.0))
            kept.add(row("room", "8 nodes, 100 Mbit/s, 256 MiB", "aria2", repeat, ours=False, last_s=39.0,
                         origin_tx_copies=1.7))
        context.bench = "room"
        section = importlib.import_module("bench.room").report(context)
        verdicts = {cells[1]: (cells[2], cells[4]) for cells in section.goals.rows}
        same(verdicts["last / best rival, 8 nodes, 100 Mbit/s, 256 MiB"], ("0.667", "met"))
        same(verdicts["last / bound, 8 nodes, 100 Mbit/s, 256 MiB"][1], "MISSED")


def tiny_room():
    machine.guard()
    machine.sweep()
    binary = os.environ.get("BIN", TOP + "/build/swarmboot")
    with machine.Scratch() as scratch, Room(3, 40) as room:
        image = Image(binary, random_file(scratch.file("image.raw"), 2 << 20), 256 << 10)
        copies = calibrate(room, image.path, image.bytes)
        found = Swarm(room, Swarmboot(binary), image, scratch.path, 60, nodes=[1, 2]).run()
        names = list(room.names)
    same(copies["one_way_s"] > 0.3, True)  # 2 MiB at 40 Mbit/s, less what tbf lets through at once
    same(found["last_s"] >= found["first_s"] > 0.3, True)
    same(found["origin_copies"] >= 1.0, True)
    same(found["cpu_processes_s"] > 0, True)
    same([name for name in names if os.path.exists("/run/netns/" + name)], [])
    same(os.path.exists(scratch.path), False)


if os.geteuid() == 0:
    case("a_tiny_room_is_measured_and_leaves_nothing_behind")(tiny_room)
else:
    print("skip a_tiny_room_is_measured_and_leaves_nothing_behind - namespaces need root")
sys.exit(1 if failed else 0)
