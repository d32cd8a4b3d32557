#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What was asked before SIGTERM is answered: tracker_stop.py PID PORT.

The tracker is paused, so that requests wait in its sockets; then it is told to end, and goes on.
"""
import os
import signal
import socket
import struct
import sys

pid, port = int(sys.argv[1]), int(sys.argv[2])
REQUEST = (b"GET /announce?info_hash=stopstopstopstopstop&peer_id=01234567890123456789"
           b"&port=%d&left=1&compact=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

kept = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(3)]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", port))
udp.settimeout(10)
os.kill(pid, signal.SIGSTOP)
# Wait for the kernel to have paused it: field 3 is the state.
while open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] != "T":
    pass
for number, connection in enumerate(kept):
    connection.sendall(REQUEST % (4001 + number))
late = socket.create_connection(("127.0.0.1", port), 10)  # the kernel accepts it
late.sendall(REQUEST % 4009)
udp.send(struct.pack(">QII", 0x41727101980, 0, 77))
os.kill(pid, signal.SIGTERM)
os.kill(pid, signal.SIGCONT)

for connection in kept + [late]:
    connection.settimeout(10)
    answer = b""
    while True:
        more = connection.recv(65536)
        if not more:
            break
        answer += more
    assert b"8:interval" in answer, answer
assert struct.unpack(">II", udp.recv(100)[:8]) == (0, 77)
