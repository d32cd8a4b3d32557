#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Waves of sixteen machines with a cluster of three trackers, undisturbed and with members killed, stopped, cut
off and started again in the middle: every wave completes, and nobody is without a peer for long. Times are
printed; on a busy machine they are noise. TAP; namespaces need root.

usage: cluster_waves.py [--rate MBIT] [--mib N] [--repeat N] [--only KIND]"""
import argparse
import hashlib
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster_lab import BIN, MEMBERS, TOP, Cluster, Room, check, last_progress, run, stop  # noqa: E402
import cluster_lab  # noqa: E402
from bench.machine import Scratch  # noqa: E402

NODES = 16
LATE_S = 4.0     # from the first machine's start to the last one's: faults meet machines that begin
ALONE_S = 2.0    # nobody is to be without a peer for longer; on a busy machine twice that is looked over
LIMIT_S = 60


class Wave:
    def __init__(self, room, cluster, scratch, metainfo, digest, name):
        self.room, self.cluster, self.name = room, cluster, name
        self.scratch, self.metainfo, self.digest = scratch, metainfo, digest
        self.nodes = {}
        self.alone = {}   # node: the longest it was without a peer
        self.since = {}   # node: since when it has none
        self.done = {}
        self.began = time.monotonic()

    def trackers(self, node):
        order = [(node + i) % MEMBERS for i in range(MEMBERS)]
        return [option for member in order for option in ("--tracker", self.cluster.url(member))]

    def listen(self, node):
        return ["--listen", "%s:7000" % self.room.address(node)]

    def start(self, node):
        with open(self.scratch.file("%s.%d" % (self.name, node)), "w") as log:
            if node == 0:
                command = [BIN, "seed", self.metainfo, "--from", self.scratch.file("image"), "--origin"]
            else:
                command = [BIN, "fetch", self.metainfo, "--to", self.target(node), "--unsigned",
                           "--stay"]
            self.nodes[node] = self.room.popen(
                node, command + self.listen(node) + ["--progress", "json"] + self.trackers(node),
                stdout=log, log=log)
        if node != 0:
            self.since[node] = time.monotonic()
            self.alone[node] = 0.0

    def target(self, node):
        return self.scratch.file("%s.%d.img" % (self.name, node))

    def peers(self, node):
        """Connections that are up in the node's namespace, where nothing but peers uses TCP."""
        count = 0
        for table in ("tcp", "tcp6"):
            try:
                with open("/proc/%d/net/%s" % (self.nodes[node].pid, table)) as file:
                    count += sum(line.split()[3] == "01" for line in file.readlines()[1:])
            except OSError:
                return 0
        return count

    def look(self):
        now = time.monotonic()
        for node in list(self.since):
            if self.peers(node) > 0:
                self.alone[node] = max(self.alone[node], now - self.since[node])
                self.since[node] = now
            else:
                self.alone[node] = max(self.alone[node], now - self.since[node])
            with open(self.scratch.file("%s.%d" % (self.name, node)), errors="replace") as log:
                if '"event":"complete"' in log.read():
                    self.done[node] = now - self.began
                    del self.since[node]

    def run(self, disturb):
        self.start(0)
        time.sleep(1)  # the origin is announced
        self.began = time.monotonic()
        over = threading.Event()
        # What a thread has started ends with it (see bench/machine.py): it stays.
        thread = threading.Thread(target=lambda: (disturb(self), over.wait()))
        thread.start()
        waiting = list(range(1, NODES + 1))
        while len(self.done) < NODES and time.monotonic() < self.began + LIMIT_S:
            while waiting and time.monotonic() >= self.began + LATE_S * (NODES - len(waiting)) / NODES:
                self.start(waiting.pop(0))
            self.look()
            time.sleep(0.1)
        stop(list(self.nodes.values()))
        whole = all(self.same(node) for node in self.done)
        for node in range(1, NODES + 1):
            if os.path.exists(self.target(node)):
                os.unlink(self.target(node))
        self.cluster.end()
        over.set()
        thread.join()
        last = max(self.done.values(), default=0)
        print("# %s: %d of %d complete, the last after %.1f s; longest without a peer %.1f s" %
              (self.name, len(self.done), NODES, last, max(self.alone.values())), flush=True)
        for node in self.since:
            print("# node %d ended with %s" % (node, last_progress(
                self.scratch.file("%s.%d" % (self.name, node)))))
        check(self.name + "_completes", len(self.done) == NODES and whole)
        check(self.name + "_nobody_is_alone_for_long", max(self.alone.values()) <= 2 * ALONE_S)
        return last

    def same(self, node):
        with open(self.target(node), "rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == self.digest \
                if hasattr(hashlib, "file_digest") else \
                hashlib.sha256(file.read()).digest() == self.digest


def at(wave, seconds):
    time.sleep(max(0.0, wave.began + seconds - time.monotonic()))


def nothing(_wave):
    pass


def killed(wave):
    """One after the other dies, and starts again."""
    for member in range(MEMBERS):
        at(wave, 0.8 + 1.2 * member)
        wave.cluster.kill(member)
        at(wave, 1.4 + 1.2 * member)
        wave.cluster.start(member)


def stopped(wave):
    for member in range(MEMBERS):
        at(wave, 0.6 + 1.6 * member)
        wave.cluster.processes[member].signal(signal.SIGSTOP)
        at(wave, 2.0 + 1.6 * member)
        wave.cluster.processes[member].signal(signal.SIGCONT)


def cut_off(wave):
    hub = wave.room.name("hub")
    for member in range(MEMBERS):
        link = "p%d" % (wave.cluster.first + member)
        at(wave, 0.6 + 1.6 * member)
        run("ip", "-n", hub, "link", "set", link, "down")
        at(wave, 2.0 + 1.6 * member)
        run("ip", "-n", hub, "link", "set", link, "up")


def two_die_for_good(wave):
    at(wave, 0.8)
    wave.cluster.kill(0)
    at(wave, 2.4)
    wave.cluster.kill(1)


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("rate", 40), ("mib", 24), ("repeat", 1)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--only", help="one kind of disturbance, and no undisturbed wave before it")
    options = parser.parse_args()
    if os.getuid() != 0:
        print("skip cluster_waves - namespaces need root")
        return 77
    rates = {NODES + 1 + member: None for member in range(MEMBERS)}
    with Scratch() as scratch, Room(NODES + MEMBERS, options.rate, rates=rates) as room:
        image = os.urandom(options.mib << 20)
        with open(scratch.file("image"), "wb") as file:
            file.write(image)
        metainfo = scratch.file("image.torrent")
        run(TOP + "/tests/swarm/metainfo.py", scratch.file("image"), metainfo)
        took = {}
        kinds = [kind for kind in (nothing, killed, stopped, cut_off, two_die_for_good)
                 if options.only in (None, kind.__name__)]
        for disturb in kinds * options.repeat:
            cluster = Cluster(room, scratch.path)
            check("members_meet", cluster.start_all())
            wave = Wave(room, cluster, scratch, metainfo, hashlib.sha256(image).digest(),
                        disturb.__name__ if disturb is not nothing else "undisturbed")
            took.setdefault(wave.name, []).append(wave.run(disturb))
        middle = {name: sorted(seconds)[len(seconds) // 2] for name, seconds in took.items()}
        for name, seconds in middle.items():
            print("# %s: %.1f s" % (name, seconds), end="")
            if "undisturbed" in middle:
                print(", %+.1f %% of undisturbed" % ((seconds / middle["undisturbed"] - 1) * 100), end="")
            print()
    return not cluster_lab.good


if __name__ == "__main__":
    sys.exit(main())
