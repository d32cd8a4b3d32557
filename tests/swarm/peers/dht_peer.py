#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Speaks to the DHT node of a peer at 127.0.0.1:PORT. Exit status 0 when it behaves.

usage: dht_peer.py greet PORT INFOHASH     handshakes say that there is a DHT, PORT messages name nodes
       dht_peer.py private PORT INFOHASH   a private image's handshake says nothing, and no node is there
       dht_peer.py flood PORT              garbage, floods and forged tokens: no amplification, no end of it
       dht_peer.py wrong PORT              errors 203 and 204
"""
import os
import random
import socket
import struct
import sys

HOST = "127.0.0.1"
PORT = int(sys.argv[2])
ID = b"abcdefghij0123456789"


def udp(address=HOST, timeout=5.0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.connect((HOST, PORT))
    sock.settimeout(timeout)
    return sock


def query(method, arguments=b"", transaction=b"aa"):
    return (b"d1:ad2:id20:%s%se1:q%d:%s1:t%d:%s1:y1:qe"
            % (ID, arguments, len(method), method, len(transaction), transaction))


PING = query(b"ping")
GET_PEERS = query(b"get_peers", b"9:info_hash20:" + b"k" * 20)


def greet(infohash):
    peer = socket.create_connection((HOST, PORT), timeout=10)
    peer.sendall(b"\x13BitTorrent protocol" + b"\0\0\0\0\0\x10\0\x05" + infohash + b"-XX0001-012345678901")
    stream = peer.makefile("rb")
    reserved = stream.read(68)[20:28]
    return peer, stream, bool(reserved[7] & 1)


def test_greet():
    peer, stream, has_dht = greet(bytes.fromhex(sys.argv[3]))
    assert has_dht, "the DHT bit is not set"
    first = None
    while True:
        length = struct.unpack(">I", stream.read(4))[0]
        message = stream.read(length)
        if length == 0:
            continue
        first = first or message[0]
        if message[0] == 9:
            break
    assert first in (5, 14, 15), "what it has did not come first: %d" % first
    assert struct.unpack(">H", message[1:3])[0] == PORT, "another port"
    node = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    node.bind((HOST, 0))
    node.settimeout(10)
    peer.sendall(struct.pack(">IBH", 3, 9, node.getsockname()[1]))
    assert b"4:ping" in node.recv(2048)


def test_private():
    _, _, has_dht = greet(bytes.fromhex(sys.argv[3]))
    assert not has_dht, "the DHT bit is set"
    sock = udp()
    sock.send(PING)
    try:
        sock.recv(2048)
    except ConnectionRefusedError:
        return
    raise AssertionError("there is a node")


def test_wrong():
    sock = udp()
    for datagram, code in ((b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe", b"i203e"),
                           (query(b"vote"), b"i204e"),
                           (query(b"announce_peer", b"9:info_hash20:" + b"k" * 20 +
                                  b"4:porti1e5:token5:wrong"), b"i203e")):
        sock.send(datagram)
        reply = sock.recv(2048)
        assert b"1:y1:e" in reply and code in reply, reply


def resident_kib():
    with open("/proc/%s/status" % sys.argv[3], encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def take_all(sock):
    count = 0
    sock.setblocking(False)
    try:
        while True:
            count += len(sock.recv(4096))
    except BlockingIOError:
        return count


def test_flood():
    generator = random.Random(1)
    before = resident_kib()
    flood = udp()
    sent = got = 0
    for i in range(40000):
        datagram = bytearray(random.Random(i).choice((PING, GET_PEERS, GET_PEERS)))
        if i % 2:
            for _ in range(generator.randrange(1, 6)):
                datagram[generator.randrange(len(datagram))] = generator.randrange(256)
        try:
            flood.send(datagram)
            sent += len(datagram)
        except BlockingIOError:
            pass
        got += take_all(flood)
    other = udp("127.0.0.9")
    for attempt in range(10):
        other.send(query(b"ping", transaction=b"t%d" % attempt))
        try:
            reply = other.recv(2048)
            break
        except socket.timeout:
            continue
    else:
        raise AssertionError("it answers nobody any more")
    assert b"1:y1:r" in reply
    got += take_all(flood)
    grown = resident_kib() - before
    print("# %d bytes in, %d bytes out (%.3f), %d KiB more memory" % (sent, got, got / sent, grown))
    assert got <= 4 * sent
    assert got < sent, "the limit for one address does not hold"
    assert grown < 1024


if __name__ == "__main__":
    globals()["test_" + sys.argv[1]]()
    sys.stdout.flush()
    os._exit(0)
