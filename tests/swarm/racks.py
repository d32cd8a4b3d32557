#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Racks on real links: bridges joined by shaped uplinks, each as thin as one node's link. Judged by bytes
and by completion, never by time. TAP; namespaces need root.

usage: racks.py [--racks N] [--nodes N] [--rate MBIT] [--mib N]
"""
import argparse
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP)
from bench.clients import Swarmboot  # noqa: E402
from bench.links import Room, origin_first_racks  # noqa: E402
from bench.machine import BenchError, Scratch  # noqa: E402
from bench.swarm import Image, Swarm, random_file  # noqa: E402

MIB = 1 << 20
SPARE = 1.5     # nodes that meet late, on a busy machine
HEADERS = 1.10  # Ethernet, IP and TCP, acknowledgements, HAVEs


def copies_across(swarm, racks):
    """Copies of the image that went into racks: (payload by the agents, bytes on the links)."""
    went = sum(swarm.links_after["down%d" % rack][1] - swarm.links_before["down%d" % rack][1]
               for rack in range(racks))
    payload = sum(node.last.get("bytes_from_other_racks", 0) for node in swarm.nodes.values())
    return payload / swarm.image.bytes, went / swarm.image.bytes


def kill_an_importer(swarm, _seconds):
    """Any node of the second rack is one: each imports a share of its rack's pieces."""
    victim = swarm.nodes[swarm.room.racks.index(1, 1)]
    if victim.awaited and victim.last.get("bytes_durable", 0) >= swarm.image.bytes / 3:
        swarm.lose(victim)
        swarm.memory["killed"] = True


def run_case(options, scratch, image, disturb=None):
    shape = origin_first_racks(options.racks, options.nodes)
    client = Swarmboot(os.environ.get("BIN", TOP + "/build/swarmboot"), seed_options=["--rack", "rack0"])
    with Room(options.racks * options.nodes, options.rate, shape, options.rate) as room:
        swarm = Swarm(room, client, image, scratch.file("work"), 120, disturb=disturb,
                      fetch_options={number: ["--rack", "rack%d" % shape[number]]
                                     for number in range(1, len(shape))})
        row = swarm.run()
        payload, wire = copies_across(swarm, options.racks)
        print("# last %.1f s, across %.2f copies (%.2f on the links), origin %.2f" %
              (row["last_s"], payload, wire, row["origin_copies"]), flush=True)
        return swarm, row, payload, wire


def check(name, good):
    print("%sok %s" % ("" if good else "not ", name), flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("racks", 3), ("nodes", 4), ("rate", 20), ("mib", 16)):
        parser.add_argument("--" + name, type=int, default=default)
    options = parser.parse_args()
    if os.getuid() != 0:
        print("skip racks - namespaces need root")
        return 77
    least = options.racks - 1
    good = True
    with Scratch() as scratch:
        image = Image(os.environ.get("BIN", TOP + "/build/swarmboot"),
                      random_file(scratch.file("image"), options.mib * MIB), 256 << 10)
        try:
            _, row, payload, wire = run_case(options, scratch, image)
            good &= check("all_complete", True)
            good &= check("a_piece_crosses_an_uplink_once", payload <= SPARE * least)
            good &= check("nothing_else_crosses", wire <= HEADERS * SPARE * least)
            good &= check("the_origin_sends_one_copy", row["origin_copies"] <= 1.20)
            swarm, _, payload, _ = run_case(options, scratch, image, kill_an_importer)
            good &= check("an_importer_was_killed", swarm.memory.get("killed", False))
            good &= check("the_rest_complete_without_it", payload <= SPARE * least + 1)
        except BenchError as failure:
            print("# %s" % failure)
            good = check("it_works", False)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
