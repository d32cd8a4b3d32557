#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One end of a connection that speaks of frames (docs/peer-wire.md), over the raw protocol.

usage: frame_peer.py ask PORT INFOHASH INDEX BEGIN LENGTH
         prints how the block came (frame, piece, rejected, closed) and the SHA-256 of its bytes
       frame_peer.py overflow PORT INFOHASH
         answers the first request by the head of a frame of a megabyte; prints what comes of it (closed, open)
"""
import hashlib
import os
import socket
import struct
import subprocess
import sys

KIND, PORT, INFOHASH = sys.argv[1], int(sys.argv[2]), bytes.fromhex(sys.argv[3])
SUB_ID = 7
MIB = 1048576


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


def messages(connection):
    while True:
        length = struct.unpack(">I", receive(connection, 4))[0]
        body = receive(connection, length)
        if body:
            yield body[0], body[1:]


def greet():
    connection = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    reserved = bytes([0, 0, 0, 0, 0, 0x10, 0, 4])
    connection.sendall(b"\x13BitTorrent protocol" + reserved + INFOHASH + b"-XX0000-" + os.urandom(12))
    receive(connection, 68)
    extended = b"d1:md8:sb_framei%dee10:sb_requesti%dee" % (SUB_ID, MIB)
    connection.sendall(message(20, b"\0" + extended))
    return connection


def ask(connection):
    block = struct.pack(">III", *map(int, sys.argv[4:7]))
    connection.sendall(message(2))
    for number, payload in messages(connection):
        if number == 1:
            connection.sendall(message(6, block))
        elif number == 16 and payload == block:
            return "rejected"
        elif number == 7:
            return "piece " + hashlib.sha256(payload[8:]).hexdigest()
        elif number == 20 and payload[0] == SUB_ID:
            plain = subprocess.run(["zstd", "-dc"], input=payload[13:], stdout=subprocess.PIPE, check=True).stdout
            return "frame " + hashlib.sha256(plain).hexdigest()


def overflow(connection):
    connection.sendall(message(14) + message(1))
    for number, payload in messages(connection):
        if number == 20 and payload[0] == 0:
            sub_id = int(payload.split(b"8:sb_framei")[1].split(b"e")[0])
        elif number == 6:
            head = struct.pack(">IBBIII", 14 + MIB - 1, 20, sub_id, *struct.unpack(">II", payload[:8]), MIB)
            connection.sendall(head + bytes(1000))
            try:
                while connection.recv(4096):
                    pass
            except TimeoutError:
                return "open"
            return "closed"


try:
    print({"ask": ask, "overflow": overflow}[KIND](greet()))
except ConnectionError:
    print("closed")
