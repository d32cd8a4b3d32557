# SPDX-License-Identifier: Apache-2.0
"""A reimage: a disk that has drifted from the image is brought back to it, against a full fetch and against
aria2 with --check-integrity; and a blank node fetches from one whose disk holds the image, from that one's
start on, with the origin off."""
from bench import disk_image
from bench.clients import Aria2, Swarmboot
from bench.image import ImageWork
from bench.links import Room
from bench.machine import Scratch, run as call
from bench.report import Section, Table, noise_line, number, ratio, runs_text
from bench.results import Step, median
from bench.swarm import Swarm
from bench.work import Shape

TITLE = "A reimage"
BUDGET_MINUTES = 15


class DeltaWork(ImageWork):
    def __init__(self, context, scratch, shape):
        super().__init__(context, scratch, shape)
        self.drifted = scratch.file("drifted.raw")
        self.about.update(disk_image.drift(self.disk, self.drifted, scratch))
        for name, unit in (("leaves", disk_image.LEAF_BYTES), ("pieces", shape.piece_bytes)):
            self.about["changed_%s_share" % name] = round(disk_image.changed_bytes(
                self.disk.path, self.drifted, unit) / self.disk.bytes, 5)

    def copy(self, source, name):
        path = self.scratch.file(name)
        call("cp", "--sparse=always", source, path)
        return path

    def reimage(self, client, blank=False):
        shape = self.shape
        folder = self.scratch.file("target")
        call("rm", "-rf", folder)
        call("mkdir", folder)
        if not blank:
            self.copy(self.drifted, "target/image.raw")
        target = folder if client.name == "aria2" else folder + "/image.raw"
        with Room(1, shape.rate) as room:
            swarm = Swarm(room, client, self.made, self.scratch.path, 60 + 4 * shape.copy_s(),
                          targets={1: target})
            row = swarm.run()
        for key in ("bytes_reused", "bytes_leaves", "bytes_present"):
            if key in swarm.nodes[1].last:
                row[key.replace("bytes", "copies")] = round(
                    swarm.nodes[1].last[key] / self.made.bytes, 5)
        row.update(self.about)
        return row

    def serve(self, client):
        """Node 1 holds the image and begins to look at its disk; node 2 is blank. No origin."""
        shape = self.shape
        held = self.copy(self.disk.path, "held.raw")
        blank = self.scratch.file("blank.raw")
        call("rm", "-f", blank)
        base = {}

        def watch(swarm, seconds):
            received = swarm.room.counters()["p2"][1]
            base.setdefault("bytes", received)
            if received - base["bytes"] > 256 * 1024 and "first_bytes_s" not in swarm.memory:
                swarm.memory["first_bytes_s"] = round(seconds, 2)

        with Room(2, shape.rate) as room:
            swarm = Swarm(room, client, self.made, self.scratch.path, 60 + 4 * shape.copy_s(),
                          targets={1: held, 2: blank}, origin=False, disturb=watch)
            row = swarm.run()
        row["blank_s"] = round(swarm.nodes[2].finish_s, 2)
        row["assessed_s"] = round(swarm.nodes[1].finish_s, 2)
        row.update(swarm.memory)
        return row


def shape_of(quick):
    return Shape(1, 40, 48) if quick else Shape(1, 100, 2048)


def run(context):
    shape = shape_of(context.options.quick)
    ours = Swarmboot(context.binary)
    with Scratch() as scratch:
        work = DeltaWork(context, scratch, shape)
        steps = [Step("links", "plain copy", lambda _repeat: work.calibrate(shape), 3, 20, ours=False),
                 Step("reimage", ours.name, lambda _repeat: work.reimage(ours), 3, 30),
                 Step("full fetch", ours.name, lambda _repeat: work.reimage(ours, True), 3, 60),
                 Step("serves at once", ours.name, lambda _repeat: work.serve(ours), 3, 60)]
        if Aria2().missing():
            context.note("aria2 is not measured: " + Aria2().missing())
        else:
            steps.append(Step("reimage", "aria2", lambda _repeat: work.reimage(CheckingAria2()), 3, 60,
                              "check-integrity", ours=False))
        context.measure(steps)


class CheckingAria2(Aria2):
    profile = "check-integrity"

    def __init__(self):
        super().__init__()
        self.profile = "check-integrity"

    def fetch(self, room, number, directory, metainfo, target=None):
        return self.command(room, number, directory, metainfo, ["--check-integrity=true"])


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("delta", TITLE)
    links = context.rows("links")
    again = context.rows("reimage", "swarmboot")
    full = context.rows("full fetch", "swarmboot")
    rival = context.rows("reimage", "aria2")
    serving = context.rows("serves at once", "swarmboot")
    last = median(again, "last_s")
    leaves = median(again, "changed_leaves_share")
    blocks = median(again, "received_copies")
    fetched = None if blocks is None else blocks + (median(again, "copies_leaves") or 0.0)
    section.goal("7", "bytes fetched (uncompressed, with leaf layers) / bytes of the changed leaves",
                 ratio(fetched, leaves), 1.2, runs=again)
    section.goal("7", "seconds / full fetch", ratio(last, median(full, "last_s")), 0.2, runs=again)
    section.goal("7", "seconds / aria2 --check-integrity", ratio(last, median(rival, "last_s")), 0.6,
                 runs=again)
    section.goal("7", "seconds until a blank node gets bytes from a node that looks at its disk",
                 median(serving, "first_bytes_s"), 2.0, runs=serving, digits=2)
    if again:
        row = again[-1]
        section.text("The disk of %d MiB after its drift (%d of %d files replaced, %d deleted, 200 logs): "
                     "%s %% of its leaves of 16 KiB and %s %% of its pieces of %d KiB differ." % (
                         shape.mib, row["updated"], row["files"], row["deleted"],
                         number(100 * row["changed_leaves_share"]),
                         number(100 * row["changed_pieces_share"]), shape.piece_bytes // 1024))
    table = Table("case", "client", "seconds", "received / disk, payload", "as blocks", "link",
                  "leaf layers", "blank node done s", "CPU %", "runs (void)")
    for case, name, rows in (("reimage", "swarmboot", again), ("reimage", "aria2", rival),
                             ("full fetch", "swarmboot", full), ("serves at once", "swarmboot", serving)):
        if rows:
            table.add(case, name, number(median(rows, "last_s"), 1),
                      number(median(rows, "received_wire_copies"), 4),
                      number(median(rows, "received_copies"), 4), number(median(rows, "node_rx_copies"), 4),
                      number(median(rows, "copies_leaves"), 5), number(median(rows, "blank_s"), 1),
                      number(median(rows, "cpu_percent"), 0), runs_text(rows, "last_s"))
    section.table(table)
    if links:
        section.text(noise_line(links, "both_ways_s", "the plain copy"))
    return section
