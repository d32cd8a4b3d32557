# SPDX-License-Identifier: Apache-2.0
"""One run of a swarm: a tracker, an origin and the nodes of a room, from the start of the nodes' processes
until the last is complete; watched line by line, disturbed on request, compared byte for byte."""
import os
import re
import selectors
import shutil
import statistics
import subprocess
import time

from bench.links import HUB_ADDRESS, bytes_between
from bench.machine import MIB, TOP, BenchError, run, stop
from bench.measure import Cpu, process_cpu_seconds

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
ANNOUNCE = "http://%s:6969/announce" % HUB_ADDRESS


# Asks the tracker until it lists a seed.
LISTED = """
import re, socket, sys, time
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    try:
        with socket.create_connection((sys.argv[1], 6969), 2) as s:
            s.sendall(b"GET /scrape HTTP/1.0\\r\\n\\r\\n")
            said = b""
            while more := s.recv(4096):
                said += more
        if re.search(rb"8:completei[1-9]", said):
            sys.exit(0)
    except OSError:
        pass
    time.sleep(0.1)
sys.exit(1)
"""


class Image:
    """An image file, its metainfo and its size."""

    def __init__(self, binary, path, piece_bytes, trackers=(ANNOUNCE,), name="image"):
        self.path = path
        self.bytes = os.path.getsize(path)
        self.piece_bytes = piece_bytes
        self.pieces_count = -(-self.bytes // piece_bytes)
        self.metainfo = os.path.join(os.path.dirname(path), name + ".torrent")
        options = [part for tracker in trackers for part in ("--tracker", tracker)]
        run(binary, "image", "import", path, "--piece-size", str(piece_bytes), "--out", self.metainfo,
            *options)


def random_file(path, bytes_count):
    with open(path, "wb") as out:
        left = bytes_count
        while left > 0:
            out.write(os.urandom(min(left, MIB)))
            left -= min(left, MIB)
    return path


class Node:
    def __init__(self, number, target):
        self.number = number
        self.target = target
        self.process = None
        self.pending = b""
        self.finish_s = None
        self.last = {}        # what it said last
        self.first = None     # what it said first in this life
        self.line_s = None    # when it said it
        self.timeline = []    # (seconds, durable, received, sent)
        self.lives = 0
        self.carried_bytes = 0  # received in earlier lives
        self.awaited = True   # a run ends when all that are awaited are complete


class Swarm:
    """Runs one client. disturb(swarm, seconds) is called ten times a second; what it needs it keeps in
    swarm.memory. Nodes in `foreign` ({number: client}) run another client."""

    def __init__(self, room, client, image, work, limit_s, nodes=None, targets=None, foreign=None,
                 disturb=None, compare=True, tracker=True, origin=True, fetch_options=None):
        self.room, self.client, self.image, self.work = room, client, image, work
        self.limit_s, self.disturb, self.compare = limit_s, disturb, compare
        self.with_tracker, self.with_origin = tracker, origin
        self.foreign = foreign or {}
        self.targets = targets or {}
        self.fetch_options = fetch_options or {}
        self.memory = {}
        self.nodes = {number: Node(number, None) for number in
                      (nodes if nodes is not None else range(1, room.nodes_count + 1))}
        self.origin = Node(0, None)
        self.tracker = None
        self.others = []
        self.selector = selectors.DefaultSelector()
        self.start = None
        self.disturbed_s = 0.0
        self.disturbed = set()  # numbers of nodes that something was done to
        self.directories = []
        self.log = None

    def seconds(self):
        return time.monotonic() - self.start

    def client_of(self, node):
        return self.foreign.get(node.number, self.client)

    def launch(self, node, command):
        group = None if node is self.origin else getattr(self.client_of(node), "group", None)
        node.process = self.room.popen(node.number, command, stdout=subprocess.PIPE, log=self.log,
                                       group=group)
        node.pending = b""
        node.first = None
        node.lives += 1
        os.set_blocking(node.process.stdout.fileno(), False)
        self.selector.register(node.process.stdout, selectors.EVENT_READ, node)

    def launch_node(self, node):
        """Starts a node, or starts it again on the same target."""
        if node.target is None:
            directory = os.path.join(self.work, "node%d" % node.number)
            if node.number not in self.targets:
                os.makedirs(directory)
                self.directories.append(directory)
            node.target = self.targets.get(node.number, directory)
        client = self.client_of(node)
        fetch = client.fetch(self.room, node.number, node.target, self.image.metainfo,
                             self.targets.get(node.number))
        self.launch(node, fetch + self.fetch_options.get(node.number, []))

    def kill(self, node):
        """As a power cut of the process: SIGKILL, and its CPU time is kept."""
        node.process.signal(9)
        node.process.wait(10)
        self.drop(node)
        node.carried_bytes += node.last.get("bytes_received", 0)
        self.others.append(node.process)

    def lose(self, node):
        """Kills a node for good."""
        self.kill(node)
        node.awaited = False

    def awaited(self):
        return [node for node in self.nodes.values() if node.awaited]

    def healthy(self):
        """Nodes of ours that are there to the end and were never disturbed."""
        return [node for node in self.awaited() if node.lives == 1 and
                node.number not in self.foreign and node.number not in self.disturbed]

    def drop(self, node):
        if node.process.stdout is not None and not node.process.stdout.closed:
            self.selector.unregister(node.process.stdout)
            node.process.close()

    def run(self):
        return run_together([self])[0]

    def prepare(self):
        os.makedirs(self.work, exist_ok=True)
        self.log = open(os.path.join(self.work, self.client.name + ".log"), "ab")
        if self.with_tracker:
            binary = getattr(self.client, "binary", None) or TOP + "/build/swarmboot"
            self.tracker = self.room.popen(
                None, [binary, "tracker", "--listen", HUB_ADDRESS + ":6969"], log=self.log)
        if self.with_origin:
            self.launch(self.origin, self.client.seed(
                self.room, self.image.path, self.image.metainfo, self.work))
        self.settle()

    def begin(self):
        # What the origin did before, as looking at its file, is no part of the transfer.
        self.origin_before_s = (process_cpu_seconds(self.origin.process.pid)
                                if self.with_origin else 0.0)
        self.links_before, self.cpu_before = self.room.counters(), Cpu()
        self.start = time.monotonic()
        for node in self.nodes.values():
            self.launch_node(node)

    def conclude(self):
        """All are complete: what it cost, before anything ends."""
        self.cpu = Cpu().since(self.cpu_before)
        self.links_after = self.room.counters()

    def result(self):
        row = self.row(self.cpu, self.links_before, self.links_after)
        if self.compare:
            self.compare_targets()
        return row

    def clean(self):
        for directory in self.directories:
            shutil.rmtree(directory, ignore_errors=True)

    def settle(self):
        """The nodes start when the origin serves: it has looked at its file, and the tracker lists it."""
        self.start = time.monotonic()
        listed = self.room.popen(None, ["/usr/bin/python3", "-I", "-S", "-c", LISTED, HUB_ADDRESS],
                                 log=self.log) if self.with_tracker and self.with_origin else None
        while self.seconds() < self.client.startup_s or (listed is not None and listed.poll() is None):
            self.read(0.05)
            if self.with_origin and self.origin.process.poll() is not None:
                raise BenchError("%s: the origin ended with status %d" %
                                 (self.client.name, self.origin.process.status))
        if listed is not None and listed.status != 0:
            raise BenchError("%s: the origin did not announce itself" % self.client.name)
        self.origin.timeline = []

    def complete(self):
        return all(node.finish_s is not None for node in self.awaited())

    def how_far(self):
        """For a run that did not end: what the late nodes have, and what was done to the swarm."""
        late = [node for node in self.awaited() if node.finish_s is None]
        text = "%d of %d nodes late" % (len(late), len(self.awaited()))
        durable = [100 * node.last["bytes_durable"] / self.image.bytes for node in late if node.last]
        if durable:
            text += ", they have %.1f to %.1f %%" % (min(durable), max(durable))
        if self.origin.last:
            text += "; the origin sent %.3f copies" % (self.origin.last["bytes_sent"] / self.image.bytes)
        return text + "".join("; %s %s" % (name.replace("_", " "), value)
                              for name, value in sorted(self.memory.items()))

    def turn(self, patience_s):
        """Reads what there is, and disturbs when it is time to. Returns false when all are complete."""
        if self.complete():
            return False
        if self.seconds() > self.limit_s:
            raise BenchError("%s: not complete within %d s: %s" %
                             (self.client.name, self.limit_s, self.how_far()))
        self.read(patience_s)
        if self.disturb is not None and self.seconds() - self.disturbed_s >= 0.1:
            self.disturbed_s = self.seconds()
            self.disturb(self, self.disturbed_s)
        return True

    def read(self, patience_s):
        for key, _ in self.selector.select(patience_s):
            self.read_node(key.data)

    def read_node(self, node):
        try:
            more = os.read(node.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        if more == b"":
            self.drop(node)
            node.process.wait(5)
            if node is not self.origin and node.awaited and node.finish_s is None:
                raise BenchError("%s: node %d ended with status %s" %
                                 (self.client_of(node).name, node.number, node.process.status))
            return
        *lines, node.pending = re.split(rb"[\r\n]", node.pending + more)
        node.pending = node.pending[-4096:]
        for line in lines:
            text = COLOURS.sub("", line.decode("utf-8", "replace"))
            said = self.client_of(node).parse(text)
            if said is not None:
                self.take(node, said)

    def take(self, node, said):
        seconds = self.seconds()
        if "bytes_durable" in said:
            if node.first is None:
                node.first = said
            node.last, node.line_s = said, seconds
            node.timeline.append((round(seconds, 2), said["bytes_durable"],
                                  node.carried_bytes + said["bytes_received"], said["bytes_sent"]))
        if said["complete"] and node.finish_s is None and node is not self.origin:
            node.finish_s = seconds

    def end(self):
        """Ends every process, and reads what they say last: totals."""
        if self.log is None or self.log.closed:
            return
        processes = [node.process for node in self.nodes.values()]
        for process in processes + [self.origin.process]:
            if process is not None:
                process.signal(18)  # SIGCONT: who was stopped must hear that it shall end
                process.signal(15)
        deadline = time.monotonic() + 5
        while self.selector.get_map() and time.monotonic() < deadline:
            for key, _ in self.selector.select(0.1):
                try:
                    self.read_node(key.data)
                except BenchError:
                    pass  # it was told to end
        stop(processes + [self.origin.process, self.tracker], 5)
        self.selector.close()
        self.log.close()

    def target_file(self, node):
        if os.path.isdir(node.target):
            names = [entry for entry in os.listdir(node.target) if not entry.endswith(".aria2")]
            return os.path.join(node.target, names[0])
        return node.target

    def compare_targets(self):
        for node in self.awaited():
            if run("cmp", "--bytes", str(self.image.bytes), self.image.path, self.target_file(node),
                   check=False) != "":
                raise BenchError("%s: node %d's image DIFFERS" % (self.client.name, node.number))

    def row(self, cpu, before, after):
        finish = [node.finish_s for node in self.awaited() if node.number not in self.foreign]
        ours = [node for node in self.nodes.values() if node.last]
        own = [node.number for node in self.nodes.values() if node.number not in self.foreign]
        row = {"first_s": round(min(finish), 3), "median_s": round(statistics.median(finish), 3),
               "last_s": round(max(finish), 3),
               "finish_s": [round(seconds, 2) for seconds in sorted(finish)],
               "origin_tx_copies": round(bytes_between(before, after, "p0", 0) / self.image.bytes, 4),
               "node_rx_copies": round(sum(bytes_between(before, after, "p%d" % number, 1)
                                           for number in own) / len(own) / self.image.bytes, 4),
               "cpu_processes_s": round(sum(process.cpu_seconds or 0.0 for process in self.all()) -
                                        self.origin_before_s, 3)}
        row.update(cpu)
        if self.origin.last:
            row["origin_copies"] = round(self.origin.last["bytes_sent"] / self.image.bytes, 4)
        if ours:
            row["received_copies"] = round(statistics.mean(
                node.last["bytes_received"] for node in ours) / self.image.bytes, 4)
            row["received_wire_copies"] = round(statistics.mean(node.last.get(
                "bytes_received_wire", node.last["bytes_received"]) for node in ours) / self.image.bytes, 4)
            row["from_origin_copies"] = round(sum(
                node.last["bytes_from_origin"] for node in ours) / self.image.bytes, 4)
            row["wasted_percent"] = round(100 * sum(node.last["bytes_wasted"] for node in ours) / max(
                1, sum(node.last["bytes_received"] for node in ours)), 2)
        return row

    def all(self):
        processes = [node.process for node in self.nodes.values()] + [self.origin.process]
        return [process for process in processes if process is not None] + self.others


def run_together(swarms):
    """Runs swarms side by side, each until its last node is complete; their rows."""
    try:
        for swarm in swarms:
            swarm.prepare()
        for swarm in swarms:
            swarm.begin()
        left = list(swarms)
        while left:
            for swarm in list(left):
                if not swarm.turn(0.05 / len(left)):
                    swarm.conclude()
                    left.remove(swarm)
        for swarm in swarms:
            swarm.end()
        return [swarm.result() for swarm in swarms]
    finally:
        for swarm in swarms:
            swarm.end()
            swarm.clean()
