# SPDX-License-Identifier: Apache-2.0
"""Clocks of the machine: CPU time, what others take of it, memory of a process, plain copies."""
import os
import re
import subprocess
import time

from bench.machine import TOP, BenchError, say

TICK = os.sysconf("SC_CLK_TCK")
COPY = TOP + "/build/tests/helpers/plain_copy"
NOISE_MAX_PERCENT = 10.0
CPU_MAX_PERCENT = 70.0


class Cpu:
    """The whole machine's CPU seconds so far: busy, stolen by the host, all."""

    def __init__(self):
        with open("/proc/stat") as stat:
            fields = [int(field) / TICK for field in stat.readline().split()[1:9]]
        user, nice, system, idle, waiting, irq, softirq, steal = fields
        self.busy_s = user + nice + system + irq + softirq
        self.steal_s = steal
        self.all_s = self.busy_s + idle + waiting + steal
        self.at = time.monotonic()

    def since(self, before):
        """Percentages and busy seconds between two readings."""
        everything = max(self.all_s - before.all_s, 0.001)
        return {"cpu_busy_s": round(self.busy_s - before.busy_s, 3),
                "cpu_percent": round(100 * (self.busy_s - before.busy_s) / everything, 1),
                "steal_percent": round(100 * (self.steal_s - before.steal_s) / everything, 1)}


def process_cpu_seconds(pid):
    """CPU time that a process, still there, has taken so far."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def others_percent(seconds=1.0):
    """How busy the machine is while nothing of ours runs, steal included."""
    before = Cpu()
    time.sleep(seconds)
    found = Cpu().since(before)
    return found["cpu_percent"] + found["steal_percent"]


def wait_for_quiet(patience_s):
    """Waits until others leave the machine alone, but not for ever; the load that remains."""
    deadline = time.monotonic() + patience_s
    percent = others_percent()
    told = False
    while percent > NOISE_MAX_PERCENT and time.monotonic() < deadline:
        if not told:
            say("others load the machine (%.0f %%), waiting up to %d s" % (percent, patience_s))
            told = True
        percent = others_percent(2.0)
    return round(percent, 1)


def why_void(row, cpu_bound=False):
    """Why a run's time says nothing, or None."""
    if row.get("others_percent", 0) > NOISE_MAX_PERCENT:
        return "others loaded the machine (%.0f %%)" % row["others_percent"]
    if row.get("steal_percent", 0) > NOISE_MAX_PERCENT:
        return "the host took %.0f %% of the CPU" % row["steal_percent"]
    if not cpu_bound and row.get("cpu_percent", 0) > CPU_MAX_PERCENT:
        return "CPU at %.0f %%, above %.0f %%" % (row["cpu_percent"], CPU_MAX_PERCENT)
    return None


def memory_available():
    """Bytes that may be used without swapping."""
    with open("/proc/meminfo") as file:
        about = dict(line.split(":") for line in file)
    return int(about["MemAvailable"].split()[0]) * 1024


def proportional_bytes(pid):
    """Proportional set size of a process: shared pages divided by those who share them."""
    with open("/proc/%d/smaps_rollup" % pid) as file:
        found = re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


class Copies:
    """Plain TCP copies that go at the same time, one for each (from, to), while something else may."""

    def __init__(self, room, pairs, image, bytes_max):
        self.room, self.pairs, self.image, self.bytes_max = room, pairs, image, bytes_max
        self.receivers, self.senders = [], []

    def __enter__(self):
        try:
            for number, (_, to) in enumerate(self.pairs):
                process = self.room.popen(
                    to, [COPY, "receive", self.room.address(to), str(9900 + number)],
                    stdout=subprocess.PIPE)
                self.receivers.append(process)
                if process.stdout.readline() != b"ready\n":
                    raise BenchError("plain copy: the receiver did not start")
            for number, (source, to) in enumerate(self.pairs):
                self.senders.append(self.room.popen(
                    source, [COPY, "send", self.room.address(to), str(9900 + number), self.image,
                             str(self.bytes_max)], stdout=subprocess.PIPE))
        except BaseException:
            self.__exit__()
            raise
        return self

    def seconds(self):
        """Waits for all of them."""
        found = []
        for process in self.senders:
            if process.wait(900) != 0:
                raise BenchError("plain copy: the sender ended with status %s" % process.status)
            found.append(float(process.stdout.read()))
        return found

    def __exit__(self, *_):
        for process in self.senders + self.receivers:
            if process.wait(2) is None:
                process.signal(9)
                process.wait(10)
            process.close()


def calibrate(room, image, image_bytes, one_way=(0, 1), both_ways=(2, 3)):
    """Seconds of one copy of the image over one link, alone and against another that goes the opposite
    way; all three at the same time, over links of their own. Large images are measured by a part."""
    bytes_max = min(image_bytes, 128 << 20)
    scale = image_bytes / bytes_max
    with Copies(room, [one_way, both_ways, both_ways[::-1]], image, bytes_max) as copies:
        alone, there, back = copies.seconds()
    return {"one_way_s": round(alone * scale, 3), "both_ways_s": round(max(there, back) * scale, 3)}
