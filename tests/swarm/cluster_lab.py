# SPDX-License-Identifier: Apache-2.0
"""Clusters of trackers in a room of namespaces: three machines with a tracker each at the end of the room's
nodes, and a client by hand that announces to one and asks the others. Used by cluster*.py."""
import ctypes
import json
import os
import re
import signal
import socket
import struct
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP)
from bench.links import Room  # noqa: E402
from bench.machine import Process, run, stop  # noqa: E402,F401

BIN = os.environ.get("BIN", TOP + "/build/swarmboot")
MEMBERS = 3
good = True


def check(name, value):
    global good
    print("%sok %s" % ("" if value else "not ", name), flush=True)
    good &= bool(value)
    return value


def until(seconds, condition, pause=0.01):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Inside:
    """Sockets that are made meanwhile are in that namespace."""

    def __init__(self, name):
        self.path = "/run/netns/" + name

    @staticmethod
    def go(descriptor):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        with open(self.path) as file:
            self.go(file.fileno())

    def __exit__(self, *_):
        self.go(self.home)
        os.close(self.home)


class Cluster:
    """The trackers are the room's last three nodes."""

    def __init__(self, room, directory, options=(), ipv6=False, group=None, anywhere=False):
        self.room, self.directory, self.ipv6 = room, directory, ipv6
        self.first = room.nodes_count + 1 - MEMBERS
        self.options = list(options)
        self.group = group
        self.anywhere = anywhere  # listens on all addresses: is found by one of its link
        self.key = os.path.join(directory, "cluster.key")
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("0123456789abcdef" * 4 + "\n")
        self.processes = [None] * MEMBERS
        self.starts = [0] * MEMBERS
        self.logs = []
        for member in range(MEMBERS):
            if ipv6:
                run("ip", "-n", room.name(self.first + member), "addr", "add",
                    "fd00:99::%d/64" % (member + 1), "dev", "eth0", "nodad", check=False)

    def ip(self, member):
        return "fd00:99::%d" % (member + 1) if self.ipv6 else self.room.address(self.first + member)

    def at(self, member, port):
        return ("[%s]:%d" if self.ipv6 else "%s:%d") % (self.ip(member), port)

    def url(self, member):
        return "udp://%s/announce" % self.at(member, 6969)

    def log(self, member):
        return os.path.join(self.directory, "tracker%d.%d" % (member, self.starts[member]))

    def text(self, member):
        with open(self.log(member), errors="replace") as file:
            return file.read()

    def start(self, member):
        self.starts[member] += 1
        # One client is hundreds of peers here.
        command = [BIN, "tracker", "--listen", ":6969", "--share-per-address", "100",
                   "--cluster-key", self.key] + self.options
        if self.group is None:
            for other in range(MEMBERS):
                command += ["--cluster", self.at(other, 6970)]
        else:
            command += ["--cluster-group", self.group, "--cluster-interface", "eth0",
                        "--cluster-listen", "[::]:6970" if self.anywhere else self.at(member, 6970)]
        with open(self.log(member), "w") as log:
            self.processes[member] = self.room.popen(self.first + member, command, stdout=log, log=log)

    def start_all(self):
        for member in range(MEMBERS):
            self.start(member)
        return all(self.met(member, MEMBERS - 1) for member in range(MEMBERS))

    def names(self, member):
        """The others that this one has said to be here."""
        return set(re.findall(r"member-here member=(\S+)", self.text(member)))

    def met(self, member, count, seconds=10):
        return until(seconds, lambda: self.text(member).count("member-here") >= count)

    def caught_up(self, member, seconds=10):
        return until(seconds, lambda: "caught-up" in self.text(member))

    def kill(self, member):
        self.processes[member].signal(signal.SIGKILL)
        self.processes[member].wait(10)

    def end(self):
        """Ends all, and returns what each counted: {name: number}."""
        stop(self.processes)
        return [self.counts(member) for member in range(MEMBERS)]

    def counts(self, member):
        found = re.search(r"records (\d+) in, (\d+) out; batches lost (\d+), repaired (\d+); "
                          r"datagrams forged (\d+), replayed (\d+), of strangers (\d+), "
                          r"malformed (\d+); catch-ups (\d+), failed (\d+)", self.text(member))
        names = ("records_in", "records_out", "lost", "repaired", "forged", "replayed", "strange",
                 "malformed", "catch_ups", "catch_ups_failed")
        return dict(zip(names, map(int, found.groups()))) if found else {}


class Client:
    """BEP 15 by hand to one tracker, from the room's hub."""

    def __init__(self, room, ip, port=6969):
        with Inside(room.name("hub")):
            self.socket = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET,
                                        socket.SOCK_DGRAM)
        self.socket.connect((ip, port))
        self.socket.settimeout(2)
        self.connection = struct.unpack(
            ">IIQ", self.ask(struct.pack(">QII", 0x41727101980, 0, 7)))[2]

    def ask(self, request):
        self.socket.send(request)
        return self.socket.recv(4096)

    def announce(self, infohash, port, left=1, event=0, numwant=0):
        return self.ask(struct.pack(
            ">QII20s20sQQQIIIiH", self.connection, 1, 8, infohash, b"-XX0000-abcdefghijkl", 0, left,
            0, event, 0, 0, numwant, port))

    def counts(self, infohash):
        """(seeders, leechers)"""
        reply = self.ask(struct.pack(">QII20s", self.connection, 2, 9, infohash))
        if reply[3] != 2:
            raise RuntimeError("the tracker refuses: %r" % reply[8:])
        seeders, _, leechers = struct.unpack(">III", reply[8:20])
        return seeders, leechers


def last_progress(path):
    value = {}
    with open(path, errors="replace") as file:
        for line in file:
            if '"event":"progress"' in line:
                value = json.loads(line)
    return value
