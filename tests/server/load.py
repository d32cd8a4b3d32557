#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many nodes that report once a second over connections of their own.

load.py ADDRESS PORT NODES SECONDS SERVER-PID    prints JSON: reports answered, the slowest answer,
                                                 the share of a core that the server used
"""
import json
import os
import resource
import selectors
import socket
import sys
import time

sys.dont_write_bytecode = True
import node

address, port, nodes_count, seconds, pid = sys.argv[1], *map(int, sys.argv[2:6])
resource.setrlimit(resource.RLIMIT_NOFILE, (nodes_count + 100, max(
    nodes_count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))


def cpu_seconds():
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(mac, sequence):
    body = node.report_bytes(mac, "progress", ["stage=fetch", f"sequence={sequence}",
                                               "bytes total=1000000", "bytes durable=5"])
    return (b"POST /v1/node/report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body)


def main():
    selector = selectors.DefaultSelector()
    machines = []
    for i in range(nodes_count):
        wire = socket.create_connection((address, port), timeout=20)
        wire.setblocking(False)
        machines.append([wire, request("52:54:01:%02x:%02x:%02x" % (i >> 16, i >> 8 & 255, i & 255),
                                       1), 0.0])
        selector.register(wire, selectors.EVENT_READ, machines[-1])
    answered, slowest, waiting = 0, 0.0, 0
    start, cpu = time.monotonic(), cpu_seconds()
    for second in range(seconds):
        for machine in machines:
            machine[2] = time.monotonic()
            if machine[0].send(machine[1]) != len(machine[1]):
                raise RuntimeError("the server does not read")
            waiting += 1
            if waiting % 64 == 0:
                for key, _ in selector.select(0):
                    waiting -= answer(key, slow := [slowest])
                    slowest, answered = slow[0], answered + 1
        while waiting and time.monotonic() < start + second + 20:
            for key, _ in selector.select(1):
                waiting -= answer(key, slow := [slowest])
                slowest, answered = slow[0], answered + 1
        time.sleep(max(0, start + second + 1 - time.monotonic()))
    taken = time.monotonic() - start
    print(json.dumps({"answered": answered, "wanted": nodes_count * seconds,
                      "slowest_s": round(slowest, 3), "seconds": round(taken, 1),
                      "server_core": round((cpu_seconds() - cpu) / taken, 3)}))


def answer(key, slow):
    data = key.data[0].recv(4096)
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answer: {data[:100]!r}")
    slow[0] = max(slow[0], time.monotonic() - key.data[2])
    return 1


main()
