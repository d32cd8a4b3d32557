# SPDX-License-Identifier: Apache-2.0
"""What measurements of shaped rooms share: shapes, images that are made once, a run with its sizes, the
links filled over time."""
import math
import os

from bench.links import Room
from bench.machine import MIB
from bench.measure import Cpu, calibrate
from bench.swarm import Image, Swarm, random_file


class Shape:
    """A room: equal links, an image of random bytes."""

    def __init__(self, nodes, rate, mib, piece_bytes=MIB):
        self.nodes, self.rate, self.mib, self.piece_bytes = nodes, rate, mib, piece_bytes
        self.case = "%d node%s, %g Mbit/s, %g MiB" % (nodes, "" if nodes == 1 else "s", rate, mib)

    def copy_s(self):
        return self.mib * MIB * 8 / (self.rate * 1e6)

    def bound(self):
        """What N equal links need for M pieces, over one copy."""
        pieces = self.mib * MIB // self.piece_bytes
        return 1 + math.floor(math.log2(self.nodes)) / pieces


class Work:
    def __init__(self, context, scratch):
        self.context = context
        self.scratch = scratch
        self.images = {}

    def image(self, shape):
        key = (shape.mib, shape.piece_bytes)
        if key not in self.images:
            folder = self.scratch.file("image-%g-%d" % key)
            os.makedirs(folder)
            random_file(folder + "/image.raw", int(shape.mib * MIB))
            self.images[key] = Image(self.context.binary, folder + "/image.raw", shape.piece_bytes)
        return self.images[key]

    def calibrate(self, shape):
        before = Cpu()
        with Room(3, shape.rate, label="c") as room:
            row = calibrate(room, self.image(shape).path, self.image(shape).bytes)
        row.update(Cpu().since(before))
        return row

    def swarm(self, shape, client, limit_s, room=None, **settings):
        """One run in a room of that shape, or in the room given."""
        image = settings.pop("image", None) or self.image(shape)
        with Room(shape.nodes, shape.rate, **(room or {})) as made:
            swarm = Swarm(made, client, image, self.scratch.path, limit_s, **settings)
            row = swarm.run()
        if client.name == "swarmboot":
            row["timeline"] = fill_of_links(swarm, shape)
        row.update(swarm.memory)
        row.update(nodes=shape.nodes, rate_mbit=shape.rate, mib=shape.mib,
                   piece_bytes=image.piece_bytes)
        return row


def fill_of_links(swarm, shape):
    """Share of all downlinks that carried payload, second by second."""
    most = max(node.finish_s for node in swarm.awaited())
    filled = []
    previous = 0.0
    for second in range(1, int(most) + 2):
        total = sum(received_at(node.timeline, second) for node in swarm.nodes.values())
        filled.append(round((total - previous) * 8 / (shape.rate * 1e6 * shape.nodes), 3))
        previous = total
    return filled


def received_at(timeline, second):
    """Bytes received by then, between the two lines around it."""
    before = (0.0, 0, 0, 0)
    for entry in timeline:
        if entry[0] >= second:
            share = (second - before[0]) / max(entry[0] - before[0], 1e-6)
            return before[2] + (entry[2] - before[2]) * share
        before = entry
    return before[2]
