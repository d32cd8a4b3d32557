#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A peer that misbehaves, over the raw protocol (BEP 3 and 6): says READY once it listens.

usage: bad_peer.py KIND PORT INFOHASH PIECES
  liar     serves random bytes for every block
  garbage  answers the handshake, then sends bytes that are no messages
  staller  unchokes and never sends a block
  lacks    announces every piece, rejects every request
  silent   accepts and says nothing at all
  halfway  sends half of every block, then nothing
  closer   closes at the first request
  greedy   asks for more than it may, and for pieces that do not exist
"""
import os
import socket
import struct
import sys
import threading

KIND, PORT, INFOHASH, PIECES = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4])


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def message(number, payload=b""):
    return struct.pack(">IB", 1 + len(payload), number) + payload


def answer(connection, index, begin, length):
    head = struct.pack(">II", index, begin)
    if KIND == "liar":
        connection.sendall(message(7, head + os.urandom(length)))
    elif KIND == "lacks":
        connection.sendall(message(16, head + struct.pack(">I", length)))
    elif KIND == "halfway":
        connection.sendall(message(7, head + bytes(length))[:13 + length // 2])
    elif KIND == "closer":
        raise ConnectionError


def serve(connection):
    with connection:
        if KIND == "silent":
            while connection.recv(4096):
                pass
            return
        receive(connection, 68)
        reserved = bytes([0, 0, 0, 0, 0, 0, 0, 4])
        connection.sendall(b"\x13BitTorrent protocol" + reserved + INFOHASH + b"-XX0000-" + os.urandom(12))
        if KIND == "garbage":
            while True:
                connection.sendall(os.urandom(4096))
        connection.sendall(message(14) + message(1))
        if KIND == "greedy":
            for index in range(2000):
                connection.sendall(message(6, struct.pack(">III", index * 7919, index, 1 << 30)))
        while True:
            length = struct.unpack(">I", receive(connection, 4))[0]
            body = receive(connection, length)
            if length == 13 and body[0] == 6:
                answer(connection, *struct.unpack(">III", body[1:]))


def guarded(connection):
    try:
        serve(connection)
    except (ConnectionError, OSError):
        pass


listener = socket.create_server(("127.0.0.1", PORT))
print("READY", flush=True)
while True:
    threading.Thread(target=guarded, args=(listener.accept()[0],), daemon=True).start()
