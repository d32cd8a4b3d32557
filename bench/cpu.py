# SPDX-License-Identifier: Apache-2.0
"""CPU: seconds of all processes for one GiB delivered, verified and written, from one to one without a
shaper; the same for a bare program that only receives, hashes and writes; an origin alone that feeds four
sinks; and how fast one to one goes."""
import hashlib
import subprocess
import time

from bench.clients import PORT, Swarmboot, rivals
from bench.links import Room
from bench.machine import MIB, TOP, BenchError, Scratch, run as call, stop
from bench.measure import COPY, Cpu, process_cpu_seconds
from bench.report import Section, Table, number, ratio, runs_text
from bench.results import Step, median, usable, values
from bench.swarm import Swarm
from bench.work import Shape, Work
from bench import svg

TITLE = "CPU"
BUDGET_MINUTES = 15
SINK = TOP + "/build/tests/helpers/sink"
SINKS = 4


def shape_of(quick):
    """The rate is only for limits of time: nothing shapes these links."""
    return Shape(1, 100, 64 if quick else 2048, MIB)


def bencode_end(data, at):
    """Where the value that begins there ends."""
    kind = data[at:at + 1]
    if kind == b"i":
        return data.index(b"e", at) + 1
    if kind in b"ld":
        at += 1
        while data[at:at + 1] != b"e":
            at = bencode_end(data, at)
        return at + 1
    colon = data.index(b":", at)
    return colon + 1 + int(data[at:colon])


def infohash(path):
    """SHA-1 of the metainfo's info dictionary."""
    with open(path, "rb") as file:
        data = file.read()
    at = 1
    while data[at:at + 1] != b"e":
        key_end = bencode_end(data, at)
        end = bencode_end(data, key_end)
        if data[at:key_end] == b"4:info":
            return hashlib.sha1(data[key_end:end]).hexdigest()
        at = end
    raise BenchError("%s: no info dictionary" % path)


class CpuWork(Work):
    def __init__(self, context, scratch, disk):
        super().__init__(context, scratch)
        self.disk = disk

    def loop(self, shape):
        """A loop device on an empty file of the disk, past the page cache."""
        path = self.disk.file("target.raw")
        call("rm", "-f", path)
        call("fallocate", "-l", str(shape.mib * MIB), path)
        return self.disk.loop(path)

    def one_to_one(self, shape, client):
        """Ours writes to a loop device past the page cache, rivals to memory: the easier job is theirs."""
        device = self.loop(shape) if client.name == "swarmboot" else None
        try:
            with Room(1, None) as room:
                swarm = Swarm(room, client, self.image(shape), self.scratch.path, 300,
                              targets={1: device} if device else None)
                row = swarm.run()
        finally:
            if device:
                self.disk.unloop(device)
        return self.per_gib(row, shape)

    def per_gib(self, row, shape):
        gib = shape.mib / 1024
        row["seconds"] = row.get("last_s", row.get("seconds"))
        row["cpu_s_per_gib"] = round(row["cpu_busy_s"] / gib, 3)
        row["processes_s_per_gib"] = round(row["cpu_processes_s"] / gib, 3)
        row["mib_per_s"] = round(shape.mib / row["seconds"], 1)
        return row

    def bare(self, shape):
        device = self.loop(shape)
        image = self.image(shape)
        processes = []
        try:
            with Room(1, None) as room:
                before = Cpu()
                start = time.monotonic()
                receiver = room.popen(1, [COPY, "store", room.address(1), "9900", device],
                                      stdout=subprocess.PIPE)
                processes.append(receiver)
                if receiver.stdout.readline() != b"ready\n":
                    raise BenchError("the bare program did not start")
                sender = room.popen(0, [COPY, "send", room.address(1), "9900", image.path,
                                        str(image.bytes)], stdout=subprocess.PIPE)
                processes.append(sender)
                if sender.wait(300) != 0 or receiver.wait(20) != 0:
                    raise BenchError("the bare program failed")
                row = Cpu().since(before)
                row["seconds"] = round(time.monotonic() - start, 3)
                row["cpu_processes_s"] = round(sender.cpu_seconds + receiver.cpu_seconds, 3)
                if call("cmp", image.path, device, check=False):
                    raise BenchError("the bare program's copy differs")
        finally:
            stop(processes)
            self.disk.unloop(device)
        return self.per_gib(row, shape)

    def feed_sinks(self, shape, client):
        """CPU time of a seed's process, from the start of the sinks until the last is full."""
        image = self.image(shape)
        digest = infohash(image.metainfo)
        processes = []
        log = open(self.scratch.file("sinks.log"), "ab")
        with log, Room(SINKS, None) as room:
            try:
                command = client.seed(room, image.path, image.metainfo, self.scratch.path)
                command = [part for part in command if part != "--origin"]
                seed = room.popen(0, command, stdout=subprocess.DEVNULL, log=log)
                processes.append(seed)
                wait_until_it_serves(room, seed, shape)
                before, seconds = process_cpu_seconds(seed.pid), time.monotonic()
                whole = Cpu()
                sinks = [room.popen(node, [SINK, room.address(0), str(PORT), digest,
                                           str(image.piece_bytes), str(image.bytes)], log=log)
                         for node in range(1, SINKS + 1)]
                processes += sinks
                for sink in sinks:
                    if sink.wait(300) != 0:
                        raise BenchError("%s: a sink ended with status %s" % (client.name, sink.status))
                gib = shape.mib * SINKS / 1024
                row = Cpu().since(whole)
                row["cpu_s_per_gib"] = round((process_cpu_seconds(seed.pid) - before) / gib, 3)
                row["seconds"] = round(time.monotonic() - seconds, 3)
                row["mib_per_s"] = round(shape.mib * SINKS / row["seconds"], 1)
            finally:
                stop(processes)
        return row


def wait_until_it_serves(room, seed, shape):
    """It listens, and has come to rest after looking at its file."""
    deadline = time.monotonic() + 60
    quiet_since, spent = time.monotonic(), 0.0
    while time.monotonic() < deadline:
        if seed.poll() is not None:
            raise BenchError("the seed ended with status %d" % seed.status)
        now = process_cpu_seconds(seed.pid)
        if now - spent > 0.02:
            quiet_since, spent = time.monotonic(), now
        with open("/proc/%d/net/tcp" % seed.pid) as file:
            listens = any(line.split()[1].endswith(":%04X" % PORT) and line.split()[3] == "0A"
                          for line in file.readlines()[1:])
        if listens and time.monotonic() - quiet_since > 1.0:
            return
        time.sleep(0.1)
    raise BenchError("the seed does not listen")


def run(context):
    shape = shape_of(context.options.quick)
    ours = Swarmboot(context.binary)
    with Scratch() as scratch, Scratch(on_disk=True) as disk:
        work = CpuWork(context, scratch, disk)

        def step(case, client, measure, mine=True, repeats=5):
            return Step(case, client.name, lambda _repeat: measure(shape, client), repeats, 30,
                        client.profile, ours=mine, cpu_bound=True)

        others = rivals(context)
        steps = [step("one to one", ours, work.one_to_one),
                 Step("one to one", "bare program", lambda _repeat: work.bare(shape), 5, 20, ours=False,
                      cpu_bound=True)]
        steps += [step("one to one", client, work.one_to_one, False, 3) for client in others]
        steps.append(step("four sinks", ours, work.feed_sinks))
        steps += [step("four sinks", client, work.feed_sinks, False, 3) for client in others]
        context.measure(steps)


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("cpu", TITLE)
    ours = context.rows("one to one", "swarmboot")
    mine = median(ours, "cpu_s_per_gib")
    for name, limit in (("libtorrent", 0.40), ("aria2", 0.60), ("bare program", 1.35)):
        section.goal("5", "CPU seconds per GiB, one to one, over " + name,
                     ratio(mine, median(context.rows("one to one", name), "cpu_s_per_gib")), limit,
                     runs=ours)
    fed = context.rows("four sinks", "swarmboot")
    section.goal("5", "CPU seconds per GiB of a seed with %d sinks, over libtorrent" % SINKS, ratio(
        median(fed, "cpu_s_per_gib"), median(context.rows("four sinks", "libtorrent"), "cpu_s_per_gib")),
        0.25, runs=fed)
    rows = context.rows("one to one")
    fastest = max((median(context.rows("one to one", name), "mib_per_s") for name in
                   {row["client"] for row in rows} - {"swarmboot", "bare program"}), default=None)
    section.goal("5", "throughput one to one, over the best rival",
                 ratio(median(ours, "mib_per_s"), fastest), 1.5, at_least=True, runs=ours)
    section.text("%d MiB of random bytes, no shaper. One to one: CPU seconds of the whole machine, kernel "
                 "threads among them; ours and the bare program verify SHA-256 and write to a loop device on "
                 "a disk file past the page cache, rivals verify SHA-1 and write to memory. Four sinks: CPU "
                 "time of the seed's process; each sink asks for blocks of 16 KiB and throws them away." %
                 shape.mib)
    bars = []
    for case in ("one to one", "four sinks"):
        table = Table(case, "CPU-s per GiB", "of processes", "MiB/s", "seconds", "CPU %",
                      "runs, CPU-s per GiB (void)")
        rows = context.rows(case)
        for name in dict.fromkeys(row["client"] for row in rows):
            found = [row for row in rows if row["client"] == name]
            table.add(" ".join(part for part in (name, found[-1]["profile"]) if part),
                      number(median(found, "cpu_s_per_gib")), number(median(found, "processes_s_per_gib")),
                      number(median(found, "mib_per_s"), 0), number(median(found, "seconds"), 1),
                      number(median(found, "cpu_percent"), 0), runs_text(found, "cpu_s_per_gib", 2))
            bars.append(("%s, %s" % (name, case), median(found, "cpu_s_per_gib"),
                         values(usable(found), "cpu_s_per_gib")))
        section.table(table)
    if bars:
        section.plot("cpu", svg.bars("CPU seconds per GiB", bars), "CPU seconds per GiB")
    return section
