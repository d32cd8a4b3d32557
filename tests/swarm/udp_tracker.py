#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""BEP 15 by hand against a tracker: udp_tracker.py HOST PORT [connect]."""
import ipaddress
import os
import socket
import struct
import sys

host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
peer_bytes = 18 if family == socket.AF_INET6 else 6
infohash = os.urandom(20)
# A connected socket: a reply from any other address would not arrive.
sock = socket.socket(family, socket.SOCK_DGRAM)
sock.connect((host, port))
sock.settimeout(5)


def ask(request):
    sock.send(request)
    return sock.recv(4096)


def no_answer(request):
    sock.settimeout(0.3)
    try:
        ask(request)
    except socket.timeout:
        return True
    finally:
        sock.settimeout(5)
    return False


def connect():
    reply = ask(struct.pack(">QII", 0x41727101980, 0, 7))
    action, transaction, connection = struct.unpack(">IIQ", reply)
    assert (action, transaction) == (0, 7), reply
    return connection


def announce(connection, peer, left, event=0, numwant=-1, listen=0):
    return ask(struct.pack(">QII20s20sQQQIIIiH", connection, 1, 8, infohash, peer.ljust(20, b"-"),
                           0, left, 0, event, 0, 0, numwant, listen))


def peers(reply):
    action, transaction, interval, leechers, seeders = struct.unpack(">IIIII", reply[:20])
    assert (action, transaction) == (1, 8), reply
    assert interval >= 1
    rest = reply[20:]
    assert len(rest) % peer_bytes == 0, rest
    return leechers, seeders, sorted(
        (str(ipaddress.ip_address(rest[i:i + peer_bytes - 2])),
         int.from_bytes(rest[i + peer_bytes - 2:i + peer_bytes], "big"))
        for i in range(0, len(rest), peer_bytes))


connection = connect()
if len(sys.argv) > 3:
    sys.exit(0)
me = sock.getsockname()[0]

# announce's fields "left" and "downloaded" are in the order downloaded, left, uploaded.
leechers, seeders, found = peers(announce(connection, b"a", 5, 2, listen=2001))
assert (leechers, seeders, found) == (1, 0, []), (leechers, seeders, found)
leechers, seeders, found = peers(announce(connection, b"b", 0, 2, listen=2002))
assert (leechers, seeders, found) == (1, 1, [(me, 2001)]), (leechers, seeders, found)
leechers, seeders, found = peers(announce(connection, b"c", 5, 2, listen=2003))
assert found == [(me, 2001), (me, 2002)], found
assert peers(announce(connection, b"c", 5, 0, 1, listen=2003))[2] in ([(me, 2001)], [(me, 2002)])

# A datagram may have options after it (BEP 41).
extended = struct.pack(">QII20s20sQQQIIIiH", connection, 1, 8, infohash, b"d" * 20, 0, 5, 0, 2, 0,
                       0, -1, 2004) + b"\x02\x09/announce\x00"
assert len(peers(ask(extended))[2]) == 3

reply = ask(struct.pack(">QII20s20s", connection, 2, 9, infohash, b"x" * 20))
assert struct.unpack(">II", reply[:8]) == (2, 9), reply
assert struct.unpack(">III", reply[8:20]) == (1, 0, 3), reply
assert struct.unpack(">III", reply[20:]) == (0, 0, 0), reply
peers(announce(connection, b"b", 0, 3, listen=2002))
assert struct.unpack(">III", ask(struct.pack(">QII20s", connection, 2, 9, infohash))[8:]) == (0, 0, 3)

# Another connection id, another address's one: an error, and nothing is recorded.
assert struct.unpack(">I", announce(connection ^ 1, b"e", 5, 2, listen=2005)[:4]) == (3,)
assert struct.unpack(">I", announce(0, b"e", 5, 2, listen=2005)[:4]) == (3,)
assert struct.unpack(">III", ask(struct.pack(">QII20s", connection, 2, 9, infohash))[8:]) == (0, 0, 3)

# Garbage: no answer; an error, not longer than what came, for what might have been a request.
for garbage in (b"", b"x", os.urandom(15), os.urandom(16), struct.pack(">QII", 1, 0, 7),
                struct.pack(">QII", connection ^ 1, 9, 7)):
    assert no_answer(garbage), garbage
noise = os.urandom(2000)
reply = ask(noise)
assert reply == struct.pack(">I", 3) + noise[12:16] + b"connect again", reply
for wrong in (struct.pack(">QII", connection, 9, 7), struct.pack(">QII", connection, 1, 7)):
    reply = ask(wrong)
    assert struct.unpack(">II", reply[:8]) == (3, 7) and len(reply) > 16, reply
connect()
