# SPDX-License-Identifier: Apache-2.0
"""The room at wire speed, and one copy from the origin: 8 nodes at 100 Mbit/s and 16 at 50 fetch 256 MiB
at the same time, beside rivals; 1 GiB and a single node, ours only; the origin killed (SIGKILL) once it has
sent 1.05 copies."""
from bench import svg
from bench.clients import Swarmboot, rivals
from bench.links import Room
from bench.machine import MIB, Scratch
from bench.measure import Copies, Cpu
from bench.report import Section, Table, noise_line, number, ratio, runs_text
from bench.results import Step, median, usable, values
from bench.swarm import Swarm
from bench.work import Shape, Work

TITLE = "The room at wire speed"
BUDGET_MINUTES = 20


def shapes(quick):
    if quick:
        return Shape(3, 40, 16), Shape(4, 20, 8), Shape(3, 40, 24)
    return Shape(8, 100, 256), Shape(16, 50, 256), Shape(8, 100, 1024)


def links_case(fast, slow):
    return "links of %g and %g Mbit/s" % (fast.rate, slow.rate)


class RoomWork(Work):
    def links(self, fast, slow):
        """Every measure of the links at once: plain copies alone and against each other at both rates, and
        one node that fetches; none of them shares a link with another."""
        image = self.image(fast)
        part = min(image.bytes, 128 * MIB)
        slow_part = part // 2
        slow_rates = {number: slow.rate for number in (4, 5, 6, 7)}
        before = Cpu()
        with Room(7, fast.rate, rates=slow_rates, label="c") as room, \
                Room(1, fast.rate, label="n") as other:
            with Copies(room, [(0, 1)], image.path, image.bytes) as whole, \
                    Copies(room, [(2, 3), (3, 2)], image.path, part) as fast_both, \
                    Copies(room, [(4, 5)], image.path, slow_part) as slow_one, \
                    Copies(room, [(6, 7), (7, 6)], image.path, slow_part) as slow_both:
                one = Swarm(other, Swarmboot(self.context.binary), image, self.scratch.path,
                            4 * fast.copy_s() + 60).run()
                scale, slow_scale = image.bytes / part, slow.mib * MIB / slow_part
                row = {"one_way_s": whole.seconds()[0], "both_ways_s": max(fast_both.seconds()) * scale,
                       "slow_one_way_s": slow_one.seconds()[0] * slow_scale,
                       "slow_both_ways_s": max(slow_both.seconds()) * slow_scale}
        row = {key: round(value, 3) for key, value in row.items()}
        row.update(Cpu().since(before))
        row.update(one_node_s=one["last_s"], one_node_origin_copies=one.get("origin_copies"))
        return row


def kill_origin(swarm, seconds):
    """SIGKILL at 1.05 copies; or, where the origin has no reason to send so much, 3 s after one copy. What
    it says of itself counts, which is up to a second old."""
    if swarm.memory.get("killed_at_s") or not swarm.origin.last:
        return
    sent = swarm.origin.last["bytes_sent"] / swarm.image.bytes
    if sent >= 1.0:
        swarm.memory.setdefault("one_copy_at_s", round(seconds, 2))
    if sent < 1.05 and seconds < swarm.memory.get("one_copy_at_s", seconds + 1) + 3:
        return
    swarm.kill(swarm.origin)
    swarm.memory["killed_at_s"] = round(seconds, 2)
    swarm.memory["killed_at_copies"] = round(sent, 3)


def fastest_rival(context, case):
    """The best median of a rival's in this case, or None."""
    found = [median(context.rows(case, name), "last_s")
             for name in {row["client"] for row in context.rows(case) if not row["ours"]}]
    return min(found) if found else None


def rival_wanted(context, client, case, earlier):
    """Only the best rival is compared: one that is clearly slower is measured once, and not in the next
    room when it was far behind in an earlier one."""
    def wanted(done):
        if done:
            return median(done, "last_s") <= 1.1 * fastest_rival(context, case)
        before = fastest_rival(context, earlier) if earlier else None
        mine = median(context.rows(earlier, client.name), "last_s") if earlier else None
        return before is None or (mine is not None and mine <= 1.3 * before)
    return wanted


def rival_steps(context, work, shape, clients, earlier=None):
    steps = []
    for client in clients:
        def measure(_repeat, client=client):
            best = fastest_rival(context, shape.case)
            return work.swarm(shape, client, 20 + (1.5 * best if best else 6 * shape.copy_s()))
        steps.append(Step(shape.case, client.name, measure, 3, 8 + 2.2 * shape.copy_s(),
                          client.profile, rival_wanted(context, client, shape.case, earlier),
                          ours=False))
    return steps


def plan(context, work):
    fast, slow, large = shapes(context.options.quick)
    ours = Swarmboot(context.binary)
    others = rivals(context)

    def step(shape, case=None, disturb=None):
        return Step(case or shape.case, ours.name,
                    lambda _repeat: work.swarm(shape, ours, 20 + 3 * shape.copy_s(), disturb=disturb), 3,
                    8 + 1.2 * shape.copy_s())

    return ([Step(links_case(fast, slow), "plain copy", lambda _repeat: work.links(fast, slow), 3,
                  8 + 1.2 * fast.copy_s()),
             step(fast), step(slow), step(slow, slow.case + ", origin killed", kill_origin)] +
            rival_steps(context, work, fast, others) + rival_steps(context, work, slow, others, fast.case) +
            [step(large)])


def run(context):
    with Scratch() as scratch:
        context.measure(plan(context, RoomWork(context, scratch)))


def add_room(section, context, shape, copy_s, both_s):
    rows = context.rows(shape.case)
    bound_s = None if both_s is None else both_s * shape.bound()
    table = Table("client", "last s", "last / bound", "last / one-way copy", "origin copies (payload)",
                  "origin copies (tx bytes)", "wasted %", "CPU %", "CPU-s per GiB", "runs (void)")
    bars = []
    for name in dict.fromkeys(row["client"] for row in rows):
        mine = [row for row in rows if row["client"] == name]
        last = median(mine, "last_s")
        label = " ".join(part for part in (name, mine[-1]["profile"]) if part)
        cpu = median(mine, "cpu_processes_s")
        table.add(label, number(last, 1), number(ratio(last, bound_s), 3),
                  number(ratio(last, copy_s), 3), number(median(mine, "origin_copies")),
                  number(median(mine, "origin_tx_copies")), number(median(mine, "wasted_percent")),
                  number(median(mine, "cpu_percent"), 0),
                  number(ratio(cpu, shape.mib * shape.nodes / 1024), 1), runs_text(mine, "last_s"))
        if bound_s:
            bars.append((label, last / bound_s, [value / bound_s for value in values(
                usable(mine), "last_s")]))
    section.text("**%s**, pieces of %d KiB. One copy over the link: %s s alone, %s s against another; "
                 "bound %s s (× %.4f)." % (
                     shape.case, shape.piece_bytes // 1024, number(copy_s, 1), number(both_s, 1),
                     number(bound_s, 1), shape.bound()))
    section.table(table)
    if len(bars) > 1:
        name = "room-%dx%g" % (shape.nodes, shape.rate)
        section.plot(name, svg.bars("Last of %s over the bound" % shape.case, bars, goal=1.10),
                     "Last finisher over the bound, " + shape.case)
    return bound_s


def add_fill(section, shape, rows):
    rows = [row for row in usable(rows) if row.get("timeline")]
    if rows:
        series = [("repeat %d" % row["repeat"], list(enumerate(row["timeline"], 1))) for row in rows]
        section.plot("room-fill-%dx%g" % (shape.nodes, shape.rate), svg.lines(
            "Payload on all downlinks, %s" % shape.case, series, "seconds", "share of the rate"),
            "Share of the links filled over time, " + shape.case)


def report(context):
    fast, slow, large = shapes(context.options.quick)
    section = Section("room", TITLE)
    links = context.rows(links_case(fast, slow))
    factor = large.mib / fast.mib
    one_s, both_s = median(links, "one_way_s"), median(links, "both_ways_s")
    for shape, copy_s, shape_both_s, limit in (
            (fast, one_s, both_s, 1.10),
            (slow, median(links, "slow_one_way_s"), median(links, "slow_both_ways_s"), 1.10),
            (large, one_s and one_s * factor, both_s and both_s * factor, 1.05)):
        ours = context.rows(shape.case, "swarmboot")
        last = median(ours, "last_s")
        bound_s = add_room(section, context, shape, copy_s, shape_both_s)
        section.goal("1", "last / bound, %s" % shape.case, ratio(last, bound_s), limit, runs=ours)
        if shape is not large:
            best = fastest_rival(context, shape.case)
            section.goal("1", "last / best rival, %s" % shape.case, ratio(last, best), 0.72, runs=ours)
            section.goal("3", "origin's payload in copies, same runs, %s" % shape.case,
                         median(ours, "origin_copies"), 1.05, runs=ours)
        add_fill(section, shape, ours)
    section.goal("1", "one node / one plain copy beside it", ratio(median(links, "one_node_s"), one_s),
                 1.03, runs=links)
    killed = context.rows(slow.case + ", origin killed", "swarmboot")
    section.goal("3", "origin killed after its copy: last / undisturbed", ratio(
        median(killed, "last_s"), median(context.rows(slow.case, "swarmboot"), "last_s")), 1.05,
        runs=killed)
    if killed:
        section.text("Origin killed with SIGKILL after %s s, when it had sent %s copies: last node at %s s "
                     "(runs: %s)." % (number(median(killed, "killed_at_s"), 1), number(
                         median(killed, "killed_at_copies")), number(median(killed, "last_s"), 1),
                         runs_text(killed, "last_s")))
    if links:
        section.text(noise_line(links, "both_ways_s", "the plain copy"))
    return section
