#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes that do not wait for answers: they ask and are gone, with FIN or RST, or in the middle.

hasty.py ADDRESS PORT MAC ARM ROUNDS
"""
import socket
import struct
import sys

sys.dont_write_bytecode = True
import node

address, port, mac, arm, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(
    sys.argv[5])


def post(body):
    return (b"POST /v1/node/report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body)


requests = [
    post(node.report_bytes(mac, "finishing", [f"arm={arm}", "stage=finish"])),
    post(node.report_bytes(mac, "progress", [f"arm={arm}", "stage=fetch"])),
    b"GET /v1/node/plan?node=%s&nonce=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (mac.encode(), b"0" * 32),
    b"GET /boot/kernel HTTP/1.1\r\nHost: x\r\n\r\n",
]
for i in range(rounds):
    request = requests[i % len(requests)]
    wire = socket.create_connection((address, port), timeout=10)
    if i % 3 == 1:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.sendall(request if i % 5 else request[:len(request) // 2])
    if i % 7 == 0:
        wire.sendall(request)  # pipelined
    wire.close()
