# SPDX-License-Identifier: Apache-2.0
"""A thousand machines in one, and fifty gigabytes in a thimble: 300 real agent processes on links of 1
Mbit/s, and what the simulator says of halls that no machine holds; then thimble.py's small memories and slow
disks."""
from bench import simulator, thimble
from bench.clients import Swarmboot
from bench.links import Room
from bench.machine import MIB, BenchError, Scratch
from bench.measure import Copies, memory_available, proportional_bytes
from bench.report import Section, Table, number, ratio, runs_text
from bench.results import Step, median
from bench.swarm import Swarm
from bench.work import Shape, Work

TITLE = "A thousand machines in one, fifty gigabytes in a thimble"
BUDGET_MINUTES = 20
# Avalanche's 128 machines; SystemImager's hall is a scenario of the simulator.
ROOM = {"link": "1Gbit", "image": "4GB"}


def shape_of(quick):
    return Shape(10, 4, 2, 32 << 10) if quick else Shape(300, 1, 8, 32 << 10)


def waves(quick):
    if quick:
        return {"a small room": ("late_joiner", 10)}
    return {"1200 in 30 racks": ("hall_of_1200", 120), "1 of 128": (dict(ROOM, nodes=1), 5),
            "128 of 128": (dict(ROOM, nodes=128), 20), "128 in a room": ("hall_of_128", 30)}


class CrowdWork(Work):
    def crowd(self, shape):
        """The crowd, and beside it two plain copies against each other on links like theirs."""
        image = self.image(shape)
        client = Swarmboot(self.context.binary, ["--memory", "8MiB"])
        sizes = {}

        def weigh(swarm, _seconds):
            durable = sorted(node.last.get("bytes_durable", 0) for node in swarm.nodes.values())
            if not sizes and durable[len(durable) // 2] >= image.bytes / 2:
                sizes.update((number, proportional_bytes(node.process.pid))
                             for number, node in swarm.nodes.items())

        with Room(1, shape.rate, label="c") as other, Room(shape.nodes, shape.rate) as room:
            with Copies(other, [(0, 1), (1, 0)], image.path, image.bytes) as copies:
                swarm = Swarm(room, client, image, self.scratch.path, 60 + 4 * shape.copy_s(),
                              disturb=weigh)
                row = swarm.run()
                row["both_ways_s"] = round(max(copies.seconds()), 3)
        if not sizes:
            raise BenchError("the crowd was not weighed")
        row["pss_bytes"] = max(sizes.values())
        row["pss_median_bytes"] = sorted(sizes.values())[len(sizes) // 2]
        row["ratio"] = round(row["last_s"] / (row["both_ways_s"] * shape.bound()), 4)
        row["memory_available"] = memory_available()
        return row


def run(context):
    shape = shape_of(context.options.quick)
    with Scratch() as scratch, Scratch(on_disk=True) as disk:
        work = CrowdWork(context, scratch)
        steps = [Step(shape.case, "swarmboot", lambda _repeat: work.crowd(shape), 3,
                      40 + 1.3 * shape.copy_s())]
        steps += thimble.Thimble(context, scratch, disk).steps()
        steps += simulator.steps(context, waves(context.options.quick))
        context.measure(steps)


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("crowd", TITLE)
    rows = context.rows(shape.case, "swarmboot")
    section.goal("9", "%d agents, %g Mbit/s: last / bound" % (shape.nodes, shape.rate),
                 median(rows, "ratio"), 1.25, runs=rows)
    pss = median(rows, "pss_bytes")
    section.goal("9", "the largest agent's PSS, MiB", ratio(pss, MIB), 8, runs=rows, digits=2)
    cases = list(waves(context.options.quick))
    section.goal("9", "%s, simulated: last / bound" % cases[0],
                 simulator.last(context, cases[0], "sim_ratio"), 1.1)
    if len(cases) > 1:
        section.goal("9", "T(128) / T(1), simulated", ratio(
            simulator.last(context, cases[2]), simulator.last(context, cases[1])), 1.02)
    table = Table("agents", "last s", "last / bound", "largest PSS MiB", "middle PSS MiB", "wasted %",
                  "origin copies", "CPU %", "runs (void)")
    if rows:
        table.add(shape.nodes, number(median(rows, "last_s"), 1), number(median(rows, "ratio"), 3),
                  number(ratio(pss, MIB), 2), number(ratio(median(rows, "pss_median_bytes"), MIB), 2),
                  number(median(rows, "wasted_percent")), number(median(rows, "origin_copies")),
                  number(median(rows, "cpu_percent"), 0), runs_text(rows, "last_s"))
    section.table(table)
    if rows:
        section.text("A thousand such agents would take %s GiB and about %s %% of this machine's CPU; a "
                     "bridge of Linux has 1,023 ports." % (
                         number(1000 * pss / (1 << 30), 1),
                         number(1000 / shape.nodes * median(rows, "cpu_percent"), 0)))
    simulated = Table(*simulator.COLUMNS)
    simulator.fill(simulated, context, cases)
    section.table(simulated)
    thimble.report(context, section)
    return section
