# SPDX-License-Identifier: Apache-2.0
"""N costs nothing: 64 nodes at 10 Mbit/s against one node, which fetches the same image at the same time on
links of its own; and the simulator's thousand beside its prediction of these 64."""
from bench.clients import Swarmboot
from bench.links import Room
from bench.machine import Scratch
from bench.measure import Copies
from bench.report import Section, Table, noise_line, number, ratio, runs_text
from bench.results import Step, median
from bench.swarm import Swarm, run_together
from bench.work import Shape, Work
from bench import simulator

TITLE = "N costs nothing"
BUDGET_MINUTES = 15


def shape_of(quick):
    return Shape(6, 10, 4, 256 << 10) if quick else Shape(64, 10, 64, 256 << 10)


class ManyWork(Work):
    def both(self, shape):
        """The room, the single node and plain copies, side by side on links of their own: what drifts
        hits all."""
        client = Swarmboot(self.context.binary)
        image = self.image(shape)
        limit = 30 + 3 * shape.copy_s()
        with Room(1, shape.rate, label="c") as links, Room(shape.nodes, shape.rate) as room, \
                Room(1, shape.rate, label="n") as other, \
                Copies(links, [(0, 1), (1, 0)], image.path, image.bytes) as copies:
            row, alone = run_together([
                Swarm(room, client, image, self.scratch.path, limit),
                Swarm(other, client, image, self.scratch.file("one"), limit)])
            row["both_ways_s"] = round(max(copies.seconds()), 3)
        row["one_node_s"] = alone["last_s"]
        row["ratio"] = round(row["last_s"] / alone["last_s"], 4)
        return row


def waves(shape, quick):
    """The room as it is here; and one node and a thousand on the same links."""
    links = {"link": "%gMbit" % shape.rate, "queue": "100ms"}
    hall = {"image": "1GiB", "piece": "1MiB", "link": "1Gbit"}
    if quick:
        hall = {"image": "64MiB", "piece": "1MiB", "link": "1Gbit"}
    many = 20 if quick else 1000
    return {"predicted room": (dict(links, nodes=shape.nodes, image="%dMiB" % shape.mib,
                                    piece="%dKiB" % (shape.piece_bytes >> 10)), 30),
            "1 of %d" % many: (dict(hall, nodes=1), 5),
            "%d of %d" % (many, many): (dict(hall, nodes=many), 150)}


def run(context):
    shape = shape_of(context.options.quick)
    ours = Swarmboot(context.binary)
    with Scratch() as scratch:
        work = ManyWork(context, scratch)
        steps = [Step(shape.case, ours.name, lambda _repeat: work.both(shape), 3,
                      20 + 1.3 * shape.copy_s())]
        steps += simulator.steps(context, waves(shape, context.options.quick))
        context.measure(steps)


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("many", TITLE)
    rows = context.rows(shape.case, "swarmboot")
    both_s = median(rows, "both_ways_s")
    section.goal("2", "T(%d) / T(1), %s" % (shape.nodes, shape.case), median(rows, "ratio"), 1.10,
                 runs=rows)
    table = Table("nodes", "last s", "one node s", "last / bound", "origin copies", "wasted %", "CPU %",
                  "runs (void)")
    last = median(rows, "last_s")
    table.add(shape.nodes, number(last, 1), number(median(rows, "one_node_s"), 1),
              number(ratio(last, both_s and both_s * shape.bound()), 3),
              number(median(rows, "origin_copies")), number(median(rows, "wasted_percent")),
              number(median(rows, "cpu_percent"), 0), runs_text(rows, "last_s"))
    section.table(table)
    names = list(waves(shape, context.options.quick))
    section.goal("2", "T(1000) / T(1), simulated", ratio(
        simulator.last(context, names[2]), simulator.last(context, names[1])), 1.05)
    predicted = simulator.last(context, names[0])
    section.goal("2", "how far the simulator's prediction is from this room", None if not (
        predicted and last) else abs(predicted / last - 1), 0.10, runs=rows)
    simulated = Table(*simulator.COLUMNS)
    simulator.fill(simulated, context, names)
    section.table(simulated)
    if rows:
        section.text(noise_line(rows, "both_ways_s", "the plain copy beside it"))
    return section
