# SPDX-License-Identifier: Apache-2.0
"""A real disk: eight nodes fetch a Debian disk of 2 GiB at 100 Mbit/s, with known zeros left out and the rest
compressed between our own nodes; libtorrent fetches the same raw; and once more with an unmodified aria2 in
our swarm."""
from bench import disk_image
from bench.clients import Aria2, RIVALS, Swarmboot, best_profiles
from bench.links import Room
from bench.machine import GIB, MIB, Scratch
from bench.measure import memory_available
from bench.report import Section, Table, noise_line, number, ratio, runs_text
from bench.results import Step, median
from bench.swarm import Image, Swarm
from bench.work import Shape, Work

TITLE = "A real disk"
BUDGET_MINUTES = 20


class ImageWork(Work):
    """Work whose image is a disk."""

    def __init__(self, context, scratch, shape):
        super().__init__(context, scratch)
        self.shape = shape
        self.disk = (disk_image.small if context.options.quick else disk_image.debian)(scratch)
        self.about = self.disk.about(scratch)
        self.folder = scratch.file("seeded")
        disk_image.run("mkdir", self.folder)
        disk_image.run("cp", "--sparse=always", self.disk.path, self.folder + "/image.raw")
        self.made = Image(context.binary, self.folder + "/image.raw", shape.piece_bytes)

    def image(self, shape):
        return self.made

    def fetch(self, client, foreign=None):
        shape = self.shape
        nodes = shape.nodes + (1 if foreign else 0)
        with Room(nodes, shape.rate) as room:
            swarm = Swarm(room, client, self.made, self.scratch.path, 60 + 4 * shape.copy_s(),
                          foreign={nodes: foreign} if foreign else None)
            row = swarm.run()
        if foreign:
            row["foreign_s"] = round(swarm.nodes[nodes].finish_s, 2)
        row.update(self.about)
        return row


def shape_of(quick):
    return Shape(2, 40, 48) if quick else Shape(8, 100, 2048)


def run(context):
    shape = shape_of(context.options.quick)
    ours = Swarmboot(context.binary)
    best = best_profiles()
    rival = RIVALS["libtorrent"](best.get("libtorrent", "shallow"))
    needed = (shape.nodes + 1.5) * shape.mib * MIB
    with Scratch() as scratch:
        work = ImageWork(context, scratch, shape)
        steps = [Step("links", "plain copy", lambda _repeat: work.calibrate(shape), 3, 20, ours=False),
                 Step("alone", ours.name, lambda _repeat: work.fetch(ours), 3, 60)]
        if rival.missing():
            context.note("libtorrent is not measured: " + rival.missing())
        elif memory_available() < needed:
            context.note("libtorrent is not measured: it needs %.0f GiB of memory" % (needed / GIB))
        else:
            steps.append(Step("alone", rival.name, lambda _repeat: work.fetch(rival), 1,
                              30 + 1.6 * shape.copy_s(), rival.profile, ours=False))
        if Aria2().missing():
            context.note("no foreign client joins: " + Aria2().missing())
        else:
            steps.append(Step("with aria2 joined", ours.name, lambda _repeat: work.fetch(ours, Aria2()), 2,
                              30 + 1.3 * shape.copy_s()))
        context.measure(steps)


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("image", TITLE)
    links = context.rows("links")
    alone = context.rows("alone", "swarmboot")
    joined = context.rows("with aria2 joined", "swarmboot")
    raw = context.rows("alone", "libtorrent")
    mine = median(alone, "received_wire_copies")
    used = median(alone, "used_share")
    section.goal("6", "bytes received per node / raw", mine, 0.11, runs=alone)
    section.goal("6", "bytes received per node / used blocks", ratio(mine, used), 0.33, runs=alone)
    section.goal("6", "last / libtorrent's of the raw image",
                 ratio(median(alone, "last_s"), median(raw, "last_s")), 0.15, runs=alone)
    section.goal("6", "bytes received per node / raw, with aria2 joined",
                 median(joined, "received_wire_copies"), 0.13, runs=joined)
    if alone:
        section.text("A Debian disk of %d MiB, pieces of %d KiB: %s %% of the pieces are zero, %s %% of the "
                     "disk is used by its file systems. Bytes per node are payload as our agents count it on "
                     "the wire, with those of the link (headers and acknowledgements among them) beside." % (
                         shape.mib, shape.piece_bytes // 1024,
                         number(100 * alone[-1]["zero_share"], 1), number(100 * used, 1)))
    table = Table("case", "client", "last s", "received / raw, payload", "received / raw, link",
                  "origin tx copies", "aria2 done s", "CPU %", "runs (void)")
    for case, name, rows in (("alone", "swarmboot", alone), ("alone", "libtorrent", raw),
                             ("with aria2 joined", "swarmboot", joined)):
        if rows:
            table.add(case, name, number(median(rows, "last_s"), 1),
                      number(median(rows, "received_wire_copies"), 3),
                      number(median(rows, "node_rx_copies"), 3), number(median(rows, "origin_tx_copies")),
                      number(median(rows, "foreign_s"), 1), number(median(rows, "cpu_percent"), 0),
                      runs_text(rows, "last_s"))
    section.table(table)
    if links:
        section.text(noise_line(links, "both_ways_s", "the plain copy"))
    return section
