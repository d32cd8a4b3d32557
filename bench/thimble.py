# SPDX-License-Identifier: Apache-2.0
"""Little memory and slow disks: a fetch in a memory control group of 64 MiB, against the same without one; an
image of 50 GB, mostly holes; a metainfo of 2 TiB; targets that write 150 MB/s."""
import os
import random
import sys
import time

from bench.clients import Swarmboot
from bench.links import Room
from bench.machine import MIB, TOP, BenchError, MemoryGroup, SlowDisks, run as call
from bench.report import Table, number, ratio, runs_text
from bench.results import Step, median
from bench.swarm import Image, Swarm

GROUP_BYTES = 64 * MIB
SLOW_BYTES_PER_S = 150 * 1000 * 1000
UNUSED = 0.65


class Held(Swarmboot):
    """Its fetches run inside a control group."""

    def __init__(self, binary, group, fetch_options=()):
        super().__init__(binary, fetch_options)
        self.group = group


class Thimble:
    def __init__(self, context, scratch, disk):
        self.context, self.scratch, self.disk = context, scratch, disk
        self.quick = context.options.quick
        self.images = {}

    def make(self, name, bytes_count, piece_bytes, data_bytes):
        """An image with so many random bytes, spread evenly in runs of up to 8 MiB, and holes between."""
        if name not in self.images:
            for old in self.images.values():  # one at a time: they are large
                call("rm", "-rf", os.path.dirname(old.path))
            self.images.clear()
            folder = self.scratch.file(name)
            os.makedirs(folder)
            rng = random.Random(1)
            length = min(8 * MIB, data_bytes)
            count = data_bytes // length
            step = bytes_count // count // 4096 * 4096
            with open(folder + "/image.raw", "wb") as file:
                file.truncate(bytes_count)
                for index in range(count):
                    os.pwrite(file.fileno(), rng.randbytes(length), index * step)
            begin = time.monotonic()
            self.images[name] = Image(self.context.binary, folder + "/image.raw", piece_bytes)
            self.images[name].import_s = time.monotonic() - begin
        return self.images[name]

    def loop(self, place, name, bytes_count):
        path = place.file(name)
        call("rm", "-f", path)
        call("fallocate" if place is self.disk else "truncate",
             "-l" if place is self.disk else "-s", str(bytes_count), path)
        return place.loop(path)

    def fetch(self, image, client, nodes, targets, limit_s, compare=True):
        with Room(nodes, None) as room:
            swarm = Swarm(room, client, image, self.scratch.path, limit_s, targets=targets,
                          compare=compare)
            row = swarm.run()
        row["peak_bytes"] = max(node.process.peak_bytes for node in swarm.nodes.values())
        row["seconds"] = row["last_s"]
        return row

    def held(self, limited):
        """64 times its memory, to a loop device on a disk file past the page cache."""
        size = (128 if self.quick else 64 * 64) * MIB
        image = self.make("full", size, 4 * MIB, size)
        device = self.loop(self.disk, "target.raw", size)
        options = ["--memory", "40MiB"]
        try:
            if not limited:
                return self.fetch(image, Swarmboot(self.context.binary, options), 1, {1: device}, 900)
            with MemoryGroup(GROUP_BYTES) as group:
                row = self.fetch(image, Held(self.context.binary, group, options), 1, {1: device}, 900)
                row["group_peak_bytes"] = group.peak_bytes()
            return row
        finally:
            self.disk.unloop(device)

    def fifty_gigabytes(self):
        size, data = (10 ** 9, 32 * MIB) if self.quick else (50 * 10 ** 9, 1024 * MIB)
        image = self.make("holes", size // 4096 * 4096, 4 * MIB, data)
        target = self.disk.file("target-50.raw")  # memory would be the group's
        call("rm", "-f", target)
        try:
            with MemoryGroup(GROUP_BYTES) as group:
                row = self.fetch(image, Held(self.context.binary, group, ["--memory", "40MiB"]), 1,
                                 {1: target}, 900, compare=False)
                row["group_peak_bytes"] = group.peak_bytes()
            compare_data(image.path, target)
        finally:
            call("rm", "-f", target)
        row["import_s"] = round(image.import_s, 1)
        return row

    def two_tebibytes(self):
        """Pieces of 8 MiB, all zero but one, so that the metainfo is what is heavy."""
        pieces = 4096 if self.quick else 262144
        image = vast_image(self.scratch, pieces)
        target = self.disk.file("vast.target")
        call("rm", "-f", target)
        try:
            with MemoryGroup(GROUP_BYTES) as group:
                row = self.fetch(image, Held(self.context.binary, group, ["--memory", "56MiB"]), 1,
                                 {1: target}, 600, compare=False)
                row["group_peak_bytes"] = group.peak_bytes()
        finally:
            call("rm", "-f", target)
        row["pieces"] = pieces
        return row

    def slow_disks(self):
        """Two nodes whose disks take 150 MB/s; the measure is the time to write what is not a hole."""
        size = (256 if self.quick else 4096) * MIB
        data = int(size * (1 - UNUSED)) // (8 * MIB) * 8 * MIB
        image = self.make("unused", size, MIB, data)
        devices = [self.loop(self.scratch, "slow%d.raw" % node, size) for node in (1, 2)]
        try:
            with SlowDisks(devices, SLOW_BYTES_PER_S) as group:
                row = self.fetch(image, Held(self.context.binary, group), 2,
                                 {1: devices[0], 2: devices[1]}, 300)
        finally:
            for device in devices:
                self.scratch.unloop(device)
        row["write_s"] = round(data / SLOW_BYTES_PER_S, 3)
        row["ratio"] = round(row["last_s"] / row["write_s"], 4)
        return row

    def steps(self):
        name = "swarmboot"
        wall = 20 if self.quick else 60

        def step(case, measure, repeats, estimate_s=wall):
            return Step(case, name, lambda _repeat: measure(), repeats, estimate_s, cpu_bound=True)

        return [step("64 MiB group", lambda: self.held(True), 3),
                step("no group", lambda: self.held(False), 3),
                step("50 GB", self.fifty_gigabytes, 1, 2 * wall),
                step("2 TiB", self.two_tebibytes, 1),
                step("150 MB/s disks", self.slow_disks, 3)]


def compare_data(one, other):
    """Data of one is in the other, and the other has no data elsewhere but zeros."""
    for first, second in ((one, other), (other, one)):
        with open(first, "rb") as a, open(second, "rb") as b:
            at, end = 0, os.path.getsize(first)
            while at < end:
                try:
                    at = os.lseek(a.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                until = os.lseek(a.fileno(), at, os.SEEK_HOLE)
                while at < until:
                    count = min(4 * MIB, until - at)
                    if os.pread(a.fileno(), count, at) != os.pread(b.fileno(), count, at):
                        raise BenchError("the target differs near byte %d" % at)
                    at += count


def vast_image(scratch, pieces):
    sys.path.insert(0, TOP + "/tests/swarm")
    import metainfo as writer
    piece_bytes = 8 * MIB
    folder = scratch.file("vast")
    call("rm", "-rf", folder)
    os.makedirs(folder)
    with open(folder + "/image.raw", "wb") as file:
        file.truncate(pieces * piece_bytes)
        full = os.urandom(piece_bytes)
        os.pwrite(file.fileno(), full, (pieces // 2) * piece_bytes)

    def hashes(data):
        leaves = [writer.sha256(data[at:at + writer.LEAF]) for at in range(0, len(data), writer.LEAF)]
        return writer.hashlib.sha1(data).digest(), writer.tree(leaves, len(leaves), bytes(32))

    zero, one = hashes(bytes(piece_bytes)), hashes(full)
    every = [one if index == pieces // 2 else zero for index in range(pieces)]
    root = writer.tree([sha256 for _, sha256 in every], pieces, None)
    info = {"length": pieces * piece_bytes, "name": "image.raw", "piece length": piece_bytes,
            "pieces": b"".join(sha1 for sha1, _ in every),
            "swarmboot": {"created": 0, "generation": 1, "sector size": 512, "sha256 root": root}}
    from bench.swarm import ANNOUNCE
    with open(folder + "/image.torrent", "wb") as file:
        file.write(writer.bencode({"announce": ANNOUNCE, "info": info, "piece layers": {
            root: b"".join(sha256 for _, sha256 in every)}}))
    made = Image.__new__(Image)
    made.path, made.bytes = folder + "/image.raw", pieces * piece_bytes
    made.piece_bytes, made.pieces_count, made.metainfo = piece_bytes, pieces, folder + "/image.torrent"
    return made


def report(context, section):
    held, free = context.rows("64 MiB group"), context.rows("no group")
    slow = context.rows("150 MB/s disks")
    section.goal("10", "speed in a group of 64 MiB / without", ratio(
        median(free, "seconds"), median(held, "seconds")), 0.95, at_least=True, runs=held)
    section.goal("10", "targets at 150 MB/s, 65 % unused: last / time of writing", median(slow, "ratio"), 1.1,
                 runs=slow)
    vast = context.rows("2 TiB")
    section.goal("10", "2 TiB metainfo: peak of the group of 64 MiB, MiB", ratio(
        median(vast, "group_peak_bytes"), MIB), 64, runs=vast, digits=1)
    table = Table("case", "seconds", "peak resident MiB", "peak of the group MiB", "import s", "CPU %",
                  "runs (void)")
    for case in ("64 MiB group", "no group", "50 GB", "2 TiB", "150 MB/s disks"):
        rows = context.rows(case)
        if rows:
            table.add(case, number(median(rows, "seconds"), 1),
                      number(ratio(median(rows, "peak_bytes"), MIB), 0),
                      number(ratio(median(rows, "group_peak_bytes"), MIB), 0),
                      number(median(rows, "import_s"), 0), number(median(rows, "cpu_percent"), 0),
                      runs_text(rows, "seconds"))
    section.table(table)
