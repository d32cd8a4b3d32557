# SPDX-License-Identifier: Apache-2.0
"""The tracker alone: CPU time of its process for an announce over UDP and HTTP and its memory for a peer,
beside opentracker and beside a bare echo that reads and sends datagrams of the same sizes. Everything on a
loopback of its own; the servers take turns, each with a processor to itself as far as there are two."""
import glob
import json
import os
import shutil
import subprocess
import time

from bench.machine import TOP, BenchError, Scratch, namespace_add, namespaces_delete, run as call, stop, Process
from bench.report import Section, Table, number, ratio, runs_text
from bench.results import Step, median

TITLE = "The tracker"
BUDGET_MINUTES = 18
UDP_LOAD = TOP + "/build/tests/helpers/udp_load"
HTTP_LOAD = TOP + "/build/tests/helpers/http_load"
HOST, PORT = "127.0.0.1", 6969
NUMWANT = 50
REPLY_BYTES = 20 + 6 * NUMWANT
CONNECTIONS = 64
MANY_SWARMS = 1000


class Sizes:
    def __init__(self, quick):
        self.peers = 2048 if quick else 50000
        self.announces = 20000 if quick else 400000
        self.http_announces = 4096 if quick else 60000
        self.memory_peers = 20000 if quick else 1000000


def listens(pid):
    """UDP at the port, in the namespace of that process."""
    with open("/proc/%d/net/udp" % pid) as file:
        return any(line.split()[1].endswith(":%04X" % PORT) for line in file.readlines()[1:])


def cpu_seconds(pid):
    """All threads, to the nanosecond."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with open(path) as file:
            total += int(file.read().split()[0])
    return total / 1e9


def resident_bytes(pid):
    with open("/proc/%d/status" % pid) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) * 1024


class Servers:
    """Starts one of them at a time."""

    def __init__(self, context, scratch):
        self.binary, self.scratch = context.binary, scratch
        self.log = open(scratch.file("log"), "ab")
        os.chmod(scratch.path, 0o755)  # opentracker reads its list as nobody
        with open(scratch.file("whitelist"), "w") as file:
            file.write(call(UDP_LOAD, "hashes", str(MANY_SWARMS)))
        self.first_hash = call(UDP_LOAD, "hashes", "1").strip()
        self.namespace = namespace_add("tracker")
        call("ip", "-n", self.namespace, "link", "set", "lo", "up")
        self.pinned = [["taskset", "-c", str(core)] for core in (0, 1)] if (
            os.cpu_count() or 1) > 1 and shutil.which("taskset") else [[], []]

    def command(self, name, peers):
        if name == "swarmboot":
            return [self.binary, "tracker", "--listen", "%s:%d" % (HOST, PORT), "--interval", "30m",
                    "--peers-max", str(peers + 1000), "--share-per-address", "100"]
        if name == "opentracker":
            return ["opentracker", "-i", HOST, "-p", str(PORT), "-P", str(PORT), "-u", "nobody",
                    "-d", self.scratch.path, "-w", "whitelist"]
        return [UDP_LOAD, "echo", HOST, str(PORT), str(REPLY_BYTES)]

    def start(self, name, peers):
        server = Process(self.pinned[0] + self.command(name, peers), self.namespace,
                         stdout=subprocess.DEVNULL, log=self.log)
        deadline = time.monotonic() + 10
        while not listens(server.pid):
            if server.poll() is not None or time.monotonic() > deadline:
                stop([server])
                raise BenchError("%s did not start" % name)
            time.sleep(0.05)
        return server

    def load(self, command):
        """A load that has told the server of its peers, and stopped."""
        process = Process(self.pinned[1] + [str(part) for part in command], self.namespace,
                          stdout=subprocess.PIPE, log=self.log)
        if process.stdout.readline() != b"ready\n":
            stop([process])
            raise BenchError("the load ended before it was ready: see %s" % self.scratch.file("log"))
        deadline = time.monotonic() + 10
        while True:
            with open("/proc/%d/stat" % process.pid) as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "T":
                    return process
            if time.monotonic() > deadline:
                stop([process])
                raise BenchError("the load did not stop")
            time.sleep(0.01)

    def announces(self, name, peers, command):
        processes = [self.start(name, peers)]
        try:
            processes.append(self.load(command))
            before = cpu_seconds(processes[0].pid)
            processes[1].signal(18)  # SIGCONT
            line = processes[1].stdout.readline()
            spent = cpu_seconds(processes[0].pid) - before
        finally:
            stop(processes[::-1])
        if not line:
            raise BenchError("the load broke off")
        row = json.loads(line)
        if row["answered"] == 0 or row["refused"] > 0 or row["lost"] > row["answered"] // 50:
            raise BenchError("%s: %s" % (name, line.decode().strip()))
        row["cpu_us"] = round(1e6 * spent / row["answered"], 4)
        row["per_cpu_s"] = round(row["answered"] / spent)
        row["per_s"] = round(row["answered"] / row["seconds"])
        return row

    def udp(self, name, sizes):
        return self.announces(name, sizes.peers, [
            UDP_LOAD, "bare" if name == "bare echo" else "tracker", HOST, PORT, 1, sizes.peers, 1,
            sizes.announces, NUMWANT])

    def http(self, name, how, sizes):
        return self.announces(name, 2 * sizes.peers, [
            HTTP_LOAD, how, HOST, PORT, self.first_hash, sizes.peers, CONNECTIONS, sizes.http_announces,
            NUMWANT])

    def memory(self, name, swarms, peers):
        """What a peer adds to the process: with a million of them, less what it has with few."""
        processes = [self.start(name, 1)]
        try:
            empty = resident_bytes(processes[0].pid)
            stop(processes)
            processes = [self.start(name, peers)]
            begin = time.monotonic()
            # Eight ports an address: addresses are cheap for nobody.
            processes.append(self.load([UDP_LOAD, "tracker", HOST, PORT, swarms, peers, 8, 1, 0]))
            full = resident_bytes(processes[0].pid)
        finally:
            stop(processes[::-1])
        return {"bytes_per_peer": round((full - empty) / peers, 2), "resident_mib": round(full / (1 << 20), 1),
                "seconds": round(time.monotonic() - begin, 1)}

    def close(self):
        self.log.close()
        namespaces_delete([self.namespace])


def run(context):
    sizes = Sizes(context.options.quick)
    for path in (UDP_LOAD, HTTP_LOAD):
        if not os.path.exists(path):
            raise BenchError("%s is missing: make tools" % path)
    names = ["swarmboot"]
    if shutil.which("opentracker"):
        names.append("opentracker")
    else:
        context.note("opentracker is not installed")
    with Scratch() as scratch:
        servers = Servers(context, scratch)

        def step(case, name, measure, repeats=5, about_s=20):
            return Step(case, name, measure, repeats, about_s, ours=name == "swarmboot", cpu_bound=True)

        try:
            steps = [step("UDP", name, lambda _repeat, name=name: servers.udp(name, sizes))
                     for name in names + ["bare echo"]]
            steps.append(step("HTTP kept", "swarmboot",
                              lambda _repeat: servers.http("swarmboot", "keep", sizes)))
            steps += [step("HTTP new", name, lambda _repeat, name=name: servers.http(name, "new", sizes))
                      for name in names]
            for swarms, case in ((1, "memory, one swarm"), (MANY_SWARMS, "memory, 1,000 swarms")):
                steps += [step(case, name, lambda _repeat, name=name, swarms=swarms: servers.memory(
                    name, swarms, sizes.memory_peers), 1, 60) for name in names]
            context.measure(steps)
        finally:
            servers.close()


def report(context):
    sizes = Sizes(context.options.quick)
    section = Section("tracker", TITLE)

    def value(case, name, key):
        return median(context.rows(case, name), key)

    ours = context.rows("UDP", "swarmboot")
    section.goal("1", "CPU of a UDP announce / the bare echo", ratio(
        value("UDP", "swarmboot", "cpu_us"), value("UDP", "bare echo", "cpu_us")), 1.35, runs=ours)
    section.goal("1", "CPU of a UDP announce / opentracker", ratio(
        value("UDP", "swarmboot", "cpu_us"), value("UDP", "opentracker", "cpu_us")), 0.67, runs=ours)
    theirs = value("HTTP new", "opentracker", "per_cpu_s")
    section.goal("1", "announces per CPU second, HTTP kept alive / opentracker's new connections",
                 ratio(value("HTTP kept", "swarmboot", "per_cpu_s"), theirs), 2.0, at_least=True,
                 runs=context.rows("HTTP kept", "swarmboot"))
    section.goal("1", "announces per CPU second, new connections / opentracker's", ratio(
        value("HTTP new", "swarmboot", "per_cpu_s"), theirs), 0.7, at_least=True,
        runs=context.rows("HTTP new", "swarmboot"))
    for case in ("memory, one swarm", "memory, 1,000 swarms"):
        section.goal("1", "bytes a peer, " + case[8:], value(case, "swarmboot", "bytes_per_peer"), 64,
                     runs=context.rows(case, "swarmboot"), digits=1)
    section.text("%s peers of one swarm announce in any order, numwant %d; over UDP each from an address of "
                 "its own, over HTTP over %d connections at a time. CPU: user and system time of the "
                 "server's process. The echo is recvmmsg and sendmmsg of as many bytes. opentracker closes "
                 "every connection. Memory: resident, %s peers, less what the server has without." % (
                     format(sizes.peers, ","), NUMWANT, CONNECTIONS, format(sizes.memory_peers, ",")))
    table = Table("case", "server", "CPU µs", "announces per CPU-s", "per s", "bytes a reply", "lost",
                  "runs, CPU µs (void)")
    for case in ("UDP", "HTTP kept", "HTTP new"):
        for name in ("swarmboot", "opentracker", "bare echo"):
            rows = context.rows(case, name)
            if rows:
                table.add(case, name, number(median(rows, "cpu_us")), number(median(rows, "per_cpu_s"), 0),
                          number(median(rows, "per_s"), 0), number(median(rows, "reply_bytes"), 0),
                          number(median(rows, "lost"), 0), runs_text(rows, "cpu_us", 2))
    section.table(table)
    table = Table("case", "server", "bytes a peer", "resident MiB")
    for case in ("memory, one swarm", "memory, 1,000 swarms"):
        for name in ("swarmboot", "opentracker"):
            rows = context.rows(case, name)
            if rows:
                table.add(case, name, number(median(rows, "bytes_per_peer"), 1),
                          number(median(rows, "resident_mib"), 1))
    section.table(table)
    return section
