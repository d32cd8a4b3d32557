#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A crowd of fetches on one machine: each a process in a network namespace of its own, behind a link to a
bridge that is shaped both ways. Prints one JSON line: how many completed, when, the bytes, the memory.

usage: crowd.py BINARY METAINFO IMAGE DIRECTORY [--count N] [--rate MBIT] [--memory SIZE] [--limit SECONDS]

Runs inside network and mount namespaces of its own (unshare --net --mount), so that nothing outlives it.
METAINFO names the tracker http://10.99.0.1:7000/announce.
"""
import argparse
import glob
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time


def run(*command, text=None):
    subprocess.run(command, check=True, input=text, text=True, stdout=subprocess.DEVNULL)


def address(number):
    return "10.99.%d.%d" % (1 + number // 200, 1 + number % 200)


def links(count, rate):
    """Namespaces n0 (the origin) to nCOUNT, each with eth0 at the bridge here."""
    run("mount", "-t", "tmpfs", "none", "/run")
    os.makedirs("/run/netns", exist_ok=True)
    run("ip", "link", "set", "lo", "up")
    # Every node talks to every other sooner or later: room for them in the neighbour tables.
    for name, value in (("gc_thresh1", 8192), ("gc_thresh2", 16384), ("gc_thresh3", 32768)):
        try:
            with open("/proc/sys/net/ipv4/neigh/default/" + name, "w") as file:
                file.write(str(value))
        except OSError:
            pass
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "addr", "add", "10.99.0.1/16", "dev", "br0")
    run("ip", "link", "set", "br0", "up")
    shape = "tbf rate %gmbit burst %d latency 200ms" % (rate, max(3100, rate * 1e6 / 8 * 0.012))
    here, there = [], []
    for number in range(count + 1):
        run("ip", "netns", "add", "n%d" % number)
        here += ["link add p%d type veth peer name eth0 netns n%d" % (number, number),
                 "link set p%d master br0 up" % number]
        there.append(number)
    run("ip", "-batch", "-", text="\n".join(here) + "\n")
    run("tc", "-batch", "-", text="".join("qdisc add dev p%d root %s\n" % (n, shape) for n in there))
    for number in there:
        name = "n%d" % number
        run("ip", "-n", name, "-batch", "-", text="link set lo up\naddr add %s/16 dev eth0\nlink set eth0 up\n" %
            address(number))
        run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", *shape.split())


def memory_kib(pid):
    fields = {}
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            name, _, value = line.partition(":")
            if value.strip().endswith("kB"):
                fields[name] = int(value.split()[0])
    return fields["Pss"], fields["Private_Dirty"]


class Crowd:
    def __init__(self, options):
        self.options = options
        self.processes = []
        self.done_at = {}
        self.last = {}

    def start(self, number, *command):
        log = open("%s/%s.err" % (self.options.directory, number), "w")
        process = subprocess.Popen(["ip", "netns", "exec", "n%s" % number, self.options.binary, *command]
                                   if number != "tracker" else [self.options.binary, *command],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        os.set_blocking(process.stdout.fileno(), False)
        self.processes.append(process)
        return process

    def fetches(self):
        options = self.options
        selector = selectors.DefaultSelector()
        began = time.monotonic()
        for number in range(1, options.count + 1):
            process = self.start(number, "fetch", options.metainfo, "--to",
                                 "%s/%d.img" % (options.directory, number), "--unsigned", "--memory",
                                 options.memory, "--listen", "%s:6881" % address(number), "--stay",
                                 "--progress", "json")
            selector.register(process.stdout, selectors.EVENT_READ, [number, process, b""])
        self.started_s = time.monotonic() - began
        fetches = {key.data[0]: key.data[1] for key in selector.get_map().values()}
        peak = {}
        next_sample = time.monotonic()
        while len(self.done_at) < options.count and time.monotonic() < began + options.limit:
            for key, _ in selector.select(1):
                self.take(key.data, os.read(key.fd, 65536), began, selector, key)
            if time.monotonic() >= next_sample:
                self.sample(fetches, peak)
                next_sample = time.monotonic() + max(2, options.count / 50)
        self.sample(fetches, peak)
        self.peak = peak

    def take(self, state, read, began, selector, key):
        if not read:
            selector.unregister(key.fileobj)
            return
        lines = (state[2] + read).split(b"\n")
        state[2] = lines.pop()
        for line in lines:
            about = json.loads(line)
            self.last[state[0]] = about
            if about["event"] == "complete":
                self.done_at[state[0]] = time.monotonic() - began

    @staticmethod
    def sample(fetches, peak):
        for number, process in fetches.items():
            try:
                now = memory_kib(process.pid)
            except (OSError, KeyError):
                continue
            before = peak.get(number, (0, 0))
            peak[number] = (max(now[0], before[0]), max(now[1], before[1]))

    def end(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def main():
    parser = argparse.ArgumentParser()
    for name in ("binary", "metainfo", "image", "directory"):
        parser.add_argument(name)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--rate", type=float, default=1, help="Mbit/s of every link")
    parser.add_argument("--memory", default="8MiB")
    parser.add_argument("--pieces", type=int, default=256, help="of the image, for the bound")
    parser.add_argument("--limit", type=float, default=600)
    options = parser.parse_args()
    links(options.count, options.rate)
    crowd = Crowd(options)
    try:
        crowd.start("tracker", "tracker", "--listen", "10.99.0.1:7000")
        time.sleep(0.5)
        crowd.start(0, "seed", options.metainfo, "--from", options.image, "--origin", "--listen",
                    address(0) + ":6881")
        time.sleep(0.5)
        before = os.times()
        crowd.fetches()
        crowd_done = crowd.done_at
    finally:
        crowd.end()
    after = os.times()
    size = os.path.getsize(options.image)
    # What tbf counts of a full frame is payload to 1448 of 1514 bytes.
    one = size * 8 / (options.rate * 1e6) * 1514 / 1448
    bound = one * (1 + math.floor(math.log2(options.count)) / options.pieces)
    last = max(crowd_done.values(), default=0)
    same = 0
    with open(options.image, "rb") as file:
        image = file.read()
    for path in glob.glob(options.directory + "/*.img"):
        with open(path, "rb") as file:
            same += file.read() == image
    received = [about.get("bytes_received", 0) for about in crowd.last.values()]
    print(json.dumps({
        "count": options.count, "complete": len(crowd_done), "same": same,
        "start_s": round(crowd.started_s, 1), "last_s": round(last, 1), "bound_s": round(bound, 1),
        "ratio": round(last / bound, 3), "received_bytes": sum(received),
        "wire_most_bytes": max((about.get("bytes_received_wire", 0) for about in crowd.last.values()), default=0),
        "from_origin_bytes": sum(about.get("bytes_from_origin", 0) for about in crowd.last.values()),
        "wasted_bytes": sum(about.get("bytes_wasted", 0) for about in crowd.last.values()),
        "pss_kib": max((pss for pss, _ in crowd.peak.values()), default=0),
        "dirty_kib": max((dirty for _, dirty in crowd.peak.values()), default=0),
        "cpu_s": round(after.children_user + after.children_system -
                       before.children_user - before.children_system, 1)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
