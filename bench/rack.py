# SPDX-License-Identifier: Apache-2.0
"""A thin core: four racks of eight nodes at 25 Mbit/s, each rack's uplink as thin as one node's link; against
the same run with an unshaped core; and with an importer killed at a third and another at two thirds."""
import subprocess

from bench.clients import RIVALS, Swarmboot, best_profiles
from bench.links import Room, origin_first_racks
from bench.machine import Scratch
from bench.report import Section, Table, noise_line, number, ratio, runs_text
from bench.results import Step, median
from bench.swarm import Swarm
from bench.work import Shape, Work

TITLE = "A thin core"
BUDGET_MINUTES = 15


class RackShape(Shape):
    def __init__(self, racks, nodes_per_rack, rate, mib, piece_bytes):
        super().__init__(racks * nodes_per_rack, rate, mib, piece_bytes)
        self.racks_count, self.nodes_per_rack = racks, nodes_per_rack
        self.racks = origin_first_racks(racks, nodes_per_rack)
        self.case = "%d racks of %d, %g Mbit/s, %g MiB" % (racks, nodes_per_rack, rate, mib)


def shape_of(quick):
    return RackShape(2, 2, 20, 4, 256 << 10) if quick else RackShape(4, 8, 25, 64, 256 << 10)


def knows_racks(binary):
    return "--rack" in subprocess.run([binary, "fetch", "--help"], stdout=subprocess.PIPE, text=True,
                                      timeout=20).stdout


def across(before, after, shape, nodes):
    """Copies that crossed uplinks, as bytes that went into racks; and the payload among them, by the
    share that payload has of all bytes that went to these nodes."""
    into = sum(after["down%d" % rack][1] - before["down%d" % rack][1]
               for rack in range(shape.racks_count))
    to_nodes = sum(after["p%d" % node.number][1] - before["p%d" % node.number][1] for node in nodes)
    total_payload = sum(node.last.get("bytes_received_wire", 0) for node in nodes)
    image_bytes = shape.mib * (1 << 20)
    share = min(1.0, total_payload / max(to_nodes, 1)) if total_payload else None
    return {"uplink_tx_copies": round(into / image_bytes, 3),
            "uplink_copies": None if share is None else round(into * share / image_bytes, 3)}


def kill_importers(swarm, seconds):
    """SIGKILL for one node of the second rack when the room has a third, and for one of another rack at two
    thirds. Every node imports a share of its rack's pieces, so any is an importer."""
    durable = sorted(node.last.get("bytes_durable", 0) for node in swarm.awaited())
    middle = durable[len(durable) // 2] / swarm.image.bytes
    per_rack = swarm.room.racks.count(1)
    first_of = {rack: swarm.room.racks.index(rack, 1) for rack in set(swarm.room.racks)}
    killed = swarm.memory.setdefault("killed", [])
    if middle >= (len(killed) + 1) / 3 and len(killed) < 2:
        victim = first_of[1] if not killed else first_of[max(first_of)] + (per_rack - 1)
        swarm.lose(swarm.nodes[victim])
        killed.append([victim, round(seconds, 1)])


class RackWork(Work):
    def racks(self, shape, client, thin, disturb=None):
        image = self.image(shape)
        room = Room(shape.nodes, shape.rate, shape.racks, shape.rate if thin else None)
        options = {}
        if client.name == "swarmboot" and knows_racks(client.binary):
            client = Swarmboot(client.binary, seed_options=["--rack", "rack0", "--site", "bench"])
            options = {node: ["--rack", "rack%d" % shape.racks[node], "--site", "bench"]
                       for node in range(1, shape.nodes + 1)}
        with room:
            swarm = Swarm(room, client, image, self.scratch.path, 40 + 8 * shape.copy_s(),
                          disturb=disturb, fetch_options=options)
            row = swarm.run()
        row.update(across(swarm.links_before, swarm.links_after, shape, swarm.awaited()))
        counted = [node.last["bytes_from_other_racks"] for node in swarm.nodes.values()
                   if "bytes_from_other_racks" in node.last]
        if counted:
            row["uplink_copies"] = round(sum(counted) / image.bytes, 3)
        row.update(swarm.memory)
        return row


def run(context):
    shape = shape_of(context.options.quick)
    ours = Swarmboot(context.binary)
    if not knows_racks(ours.binary):
        context.note("this build of ours knows no racks (--rack); it is measured without")
    with Scratch() as scratch:
        work = RackWork(context, scratch)
        estimate = 12 + 1.4 * shape.copy_s()

        def step(case, thin, disturb=None):
            return Step(case, ours.name,
                        lambda _repeat: work.racks(shape, ours, thin, disturb), 3, estimate)

        steps = [Step("links", "plain copy", lambda _repeat: work.calibrate(shape), 3,
                      5 + 1.2 * shape.copy_s(), ours=False),
                 step("thin core", True), step("unshaped core", False),
                 step("thin core, importers killed", True, kill_importers)]
        best = best_profiles()
        rival = RIVALS["libtorrent"](best.get("libtorrent", "shallow"))
        if rival.missing():
            context.note("libtorrent is not measured: " + rival.missing())
        else:
            steps.append(Step("thin core", rival.name, lambda _repeat: work.racks(shape, rival, True), 1,
                              20 + 5 * shape.copy_s(), rival.profile, ours=False))
        context.measure(steps)


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("rack", TITLE)
    links = context.rows("links")
    both_s = median(links, "both_ways_s")
    thin = context.rows("thin core", "swarmboot")
    flat = context.rows("unshaped core", "swarmboot")
    killed = context.rows("thin core, importers killed", "swarmboot")
    least = shape.racks_count - 1
    section.goal("4", "copies across uplinks, payload (%d are enough)" % least,
                 median(thin, "uplink_copies"), round(1.10 * least, 2), runs=thin)
    section.goal("4", "last, thin core / unshaped core",
                 ratio(median(thin, "last_s"), median(flat, "last_s")), 1.15, runs=thin)
    section.goal("4", "copies across uplinks, two importers killed", median(killed, "uplink_copies"),
                 least + 1, runs=killed)
    table = Table("case", "client", "last s", "last / bound", "across (payload)", "across (bytes)",
                  "origin copies", "CPU %", "runs (void)")
    for case in ("thin core", "unshaped core", "thin core, importers killed"):
        for name in ("swarmboot", "libtorrent"):
            rows = context.rows(case, name)
            if rows:
                last = median(rows, "last_s")
                table.add(case, name, number(last, 1),
                          number(ratio(last, both_s and both_s * shape.bound()), 3),
                          number(median(rows, "uplink_copies")), number(median(rows, "uplink_tx_copies")),
                          number(median(rows, "origin_copies")), number(median(rows, "cpu_percent"), 0),
                          runs_text(rows, "last_s"))
    section.text("%s, pieces of %d KiB; each rack's uplink is as fast as one node's link. Copies across "
                 "uplinks are bytes that went into racks; payload is what our agents counted, or where they "
                 "do not, that share of the bytes which payload has of all bytes to nodes." %
                 (shape.case, shape.piece_bytes // 1024))
    section.table(table)
    if links:
        section.text(noise_line(links, "both_ways_s", "the plain copy"))
    return section
