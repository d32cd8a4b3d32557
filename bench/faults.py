# SPDX-License-Identifier: Apache-2.0
"""What dies or drags: sixteen nodes fetch 1 GiB; when they have half, four are killed (SIGKILL) and started
again on their disks, one is stopped for 20 s; one has a disk of a tenth of its link's rate all the time, one a
link that loses 2 % of its frames. The others must not notice."""
import shutil

from bench.clients import Swarmboot
from bench.links import Room
from bench.machine import GIB, Scratch, run as call
from bench.measure import memory_available
from bench.report import Section, Table, noise_line, number, ratio, runs_text
from bench.results import Step, median, usable
from bench.swarm import Swarm
from bench.work import Shape, Work, fill_of_links
from bench import svg

TITLE = "Nothing that dies or drags is noticed"
BUDGET_MINUTES = 20
DOWN_S = 2.0       # between a kill and the next start
STOPPED_S = 20.0


def shape_of(quick):
    return Shape(5, 40, 24) if quick else Shape(16, 100, 1024)


class Roles:
    """Which node suffers what."""

    def __init__(self, nodes):
        quarter = max(1, nodes // 4)
        self.killed = list(range(1, quarter + 1))
        self.stopped, self.slow, self.lossy = quarter + 1, quarter + 2, quarter + 3


class Disturber:
    """Called ten times a second; begins when the middle node has half."""

    def __init__(self, shape, stopped_s):
        self.roles = Roles(shape.nodes)
        self.stopped_s = stopped_s
        self.half_s = None
        self.waiting = list(self.roles.killed)
        self.down = {}
        self.before = {}
        self.was_stopped = False
        self.running = False

    def __call__(self, swarm, seconds):
        nodes = swarm.nodes
        if self.half_s is None:
            durable = sorted(node.last.get("bytes_durable", 0) for node in nodes.values())
            if durable[len(durable) // 2] < swarm.image.bytes / 2:
                return
            self.half_s = seconds
            swarm.memory["half_s"] = round(seconds, 2)
        for number in list(self.waiting):
            node = nodes[number]
            # Right after it said how much it has, so that what it fetches again is known.
            if node.finish_s is None and seconds - node.line_s < 0.15:
                self.waiting.remove(number)
                self.before[number] = node.last["bytes_received"]
                swarm.kill(node)
                self.down[number] = seconds
        for number, since in list(self.down.items()):
            if seconds - since >= DOWN_S:
                del self.down[number]
                swarm.launch_node(nodes[number])
        stopped = nodes[self.roles.stopped]
        if not self.was_stopped and stopped.finish_s is None:
            self.was_stopped = self.running = True
            stopped.process.signal(19)
        if self.running and seconds - self.half_s >= self.stopped_s:
            self.running = False
            stopped.process.signal(18)


def lose_frames(room, number):
    """2 % of the frames to that node, and of those from it, are dropped; one by one, not in bundles."""
    rules = ("add table inet loss\n"
             "add chain inet loss in { type filter hook input priority 0; }\n"
             "add chain inet loss out { type filter hook output priority 0; }\n"
             "add rule inet loss in numgen random mod 50 == 0 drop\n"
             "add rule inet loss out numgen random mod 50 == 0 drop\n")
    call("ip", "netns", "exec", room.name(number), "nft", "-f", "-", given=rules)
    call("ip", "netns", "exec", room.name(number), "ethtool", "-K", "eth0", "tso", "off", "gso", "off",
         "gro", "off")
    call("ip", "netns", "exec", room.name("hub"), "ethtool", "-K", "p%d" % number, "tso", "off", "gso",
         "off", "gro", "off")


def longest_gap(node):
    """Seconds without a byte received, at most, between its first byte and its end; as its lines, one a
    second, show it."""
    gap = 0.0
    at, seen = None, 0
    for seconds, durable, received, _ in node.timeline:
        if received > seen:
            if at is not None:
                gap = max(gap, seconds - at)
            at, seen = seconds, received
        if node.finish_s is not None and seconds > node.finish_s:
            break
    return gap


class FaultsWork(Work):
    def disturbed(self, shape, client):
        image = self.image(shape)
        disturber = Disturber(shape, 5.0 if self.context.options.quick else STOPPED_S)
        roles = disturber.roles
        slow_bytes_per_s = int(shape.rate * 125000 / 10)
        with Room(shape.nodes, shape.rate) as room:
            if loss_possible():
                lose_frames(room, roles.lossy)
            swarm = Swarm(room, client, image, self.scratch.path, 60 + 4 * shape.copy_s(),
                          disturb=disturber,
                          fetch_options={roles.slow: ["--faults", "write-rate=%d" % slow_bytes_per_s]})
            swarm.nodes[roles.slow].awaited = False  # at a tenth of the rate it takes ten times as long
            swarm.disturbed = set(roles.killed) | {roles.stopped, roles.slow, roles.lossy}
            row = swarm.run()
        healthy = swarm.healthy()
        row["timeline"] = fill_of_links(swarm, shape)
        row["healthy_last_s"] = round(max(node.finish_s for node in healthy), 3)
        row["gap_s"] = round(max(longest_gap(node) for node in healthy), 2)
        row["again_percent"] = max(
            (round(100 * (disturber.before[number] + swarm.nodes[number].last["bytes_received"] -
                          image.bytes) / image.bytes, 3) for number in disturber.before), default=None)
        for what, number in (("stopped", roles.stopped), ("lossy", roles.lossy)):
            row[what + "_s"] = round(swarm.nodes[number].finish_s, 2)
        row.update(swarm.memory)
        return row

    def undisturbed(self, shape, client):
        image = self.image(shape)
        with Room(shape.nodes, shape.rate) as room:
            swarm = Swarm(room, client, image, self.scratch.path, 60 + 3 * shape.copy_s())
            row = swarm.run()
        row["timeline"] = fill_of_links(swarm, shape)
        healthy = [swarm.nodes[number] for number in swarm.nodes
                   if number > Roles(shape.nodes).lossy]
        row["healthy_last_s"] = round(max(node.finish_s for node in healthy), 3)
        row["gap_s"] = round(max(longest_gap(node) for node in swarm.nodes.values()), 2)
        return row


def loss_possible():
    return shutil.which("nft") is not None and shutil.which("ethtool") is not None


def run(context):
    shape = shape_of(context.options.quick)
    ours = Swarmboot(context.binary)
    needed = (shape.nodes + 1) * shape.mib * (1 << 20) * 1.1
    if memory_available() < needed:
        context.note("not measured: it needs %.0f GiB of memory" % (needed / GIB))
        return
    if not loss_possible():
        context.note("no link loses frames: nft or ethtool is not installed")
    with Scratch() as scratch:
        work = FaultsWork(context, scratch)
        context.measure([
            Step("links", "plain copy", lambda _repeat: work.calibrate(shape), 3, 30, ours=False),
            Step("undisturbed", ours.name, lambda _repeat: work.undisturbed(shape, ours), 3,
                 30 + 1.2 * shape.copy_s()),
            Step("disturbed", ours.name, lambda _repeat: work.disturbed(shape, ours), 3,
                 40 + 1.4 * shape.copy_s())])


def report(context):
    shape = shape_of(context.options.quick)
    section = Section("faults", TITLE)
    links = context.rows("links")
    calm = context.rows("undisturbed", "swarmboot")
    rough = context.rows("disturbed", "swarmboot")
    both_s = median(links, "both_ways_s")
    section.goal("8", "healthy nodes' last / undisturbed", ratio(
        median(rough, "healthy_last_s"), median(calm, "healthy_last_s")), 1.05, runs=rough)
    section.goal("8", "longest gap in a healthy node's progress, s", median(rough, "gap_s"), 2.0, runs=rough,
                 digits=1)
    section.goal("8", "fetched again by the restarted, % of the image", median(rough, "again_percent"), 1.5,
                 runs=rough, digits=2)
    table = Table("case", "last s", "healthy last s", "last / bound", "origin copies", "gap s",
                  "stopped node s", "lossy node s", "CPU %", "runs (void)")
    for name, rows in (("undisturbed", calm), ("disturbed", rough)):
        last = median(rows, "last_s")
        if rows:
            table.add(name, number(last, 1), number(median(rows, "healthy_last_s"), 1),
                      number(ratio(last, both_s and both_s * shape.bound()), 3),
                      number(median(rows, "origin_copies")), number(median(rows, "gap_s"), 1),
                      number(median(rows, "stopped_s"), 1), number(median(rows, "lossy_s"), 1),
                      number(median(rows, "cpu_percent"), 0), runs_text(rows, "last_s"))
    roles = Roles(shape.nodes)
    section.text("%s. At half: %d nodes killed with SIGKILL and started again %g s later on their disks, "
                 "one stopped for %g s. One disk takes a tenth of the link's rate, one link loses 2 %% of its "
                 "frames in both directions. The node with the slow disk is not waited for." %
                 (shape.case, len(roles.killed), DOWN_S, STOPPED_S))
    section.table(table)
    series = [(name, list(enumerate(usable(rows)[-1]["timeline"], 1)))
              for name, rows in (("undisturbed", calm), ("disturbed", rough)) if rows]
    if series:
        section.plot("faults-fill", svg.lines("Payload on all downlinks, " + shape.case, series, "seconds",
                                              "share of the rate"), "Share of the links filled over time")
    if links:
        section.text(noise_line(links, "both_ways_s", "the plain copy"))
    return section
