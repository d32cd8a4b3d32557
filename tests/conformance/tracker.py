#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# seconds: 120
"""What the BEPs ask of a tracker, case by case, of ours and of opentracker, in a network namespace of
its own. Prints TAP for ours, and where opentracker differs; only ours can fail. BIN names the program.
"""
import itertools
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/support"))
from tracker_client import HOST, HOST6, PORT, Http, Udp, Wrong, bdecode, quote, same  # noqa: E402

BIN = os.environ.get("BIN") or TOP + ("/build/sanitize/swarmboot" if os.environ.get("SANITIZE") == "1"
                                      else "/build/swarmboot")
CASES = []
HASHES = [b"\0" * 20, b"%00&=+?#/\\\"' \r\n\t\xff\x7f\x80;"] + [
    struct.pack(">I16s", number, b"conformance-----") for number in range(1, 400)]
PLUS, SPACE = b"a+b+c+d+e+f+g+h+i+j+", b"a b c d e f g h i j "


def case(bep, name):
    def decorate(function):
        CASES.append((bep, name, function))
        return function
    return decorate


class World:
    """What a case is given: one tracker, and infohashes that nobody used before."""

    def __init__(self, name, process):
        self.name, self.process = name, process
        self.hashes = itertools.count(2)
        self.http, self.udp = Http, Udp

    def hash(self):
        return HASHES[next(self.hashes)]

    def announce(self, infohash, port, left=1, host=HOST, **more):
        return Http.announce(infohash, port, left, host, **more)

    def counts(self, infohash):
        files = bdecode(Http.get("/scrape?info_hash=" + quote(infohash)).body)[b"files"]
        about = files.get(infohash, {})
        return tuple(about.get(key, 0) for key in (b"complete", b"incomplete", b"downloaded"))


# BEP 3: announces over HTTP.

@case("BEP 3", "a first announce is told an interval and no peers but itself")
def _(world):
    reply = world.announce(world.hash(), 1001)
    same(reply[b"interval"] >= 1, True)
    same(Http.peers(reply) - {(HOST, 1001)}, set())


@case("BEP 3", "two peers learn of each other")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, event="started")
    same(Http.peers(world.announce(infohash, 1002, event="started")) >= {(HOST, 1001)}, True)
    same(Http.peers(world.announce(infohash, 1001)) >= {(HOST, 1002)}, True)


@case("BEP 3", "replies are canonical bencoding")
def _(world):
    infohash = world.hash()
    for port in range(1001, 1010):
        world.announce(infohash, port)
    for more in ({}, {"numwant": 0}, {"event": "stopped"}):
        Http.get(Http.query(infohash, 1001, **more)).canonical()
    Http.get("/scrape?info_hash=" + quote(infohash)).canonical()


@case("BEP 3", "a peer that announces again is one peer, on another port another")
def _(world):
    infohash = world.hash()
    for port in (1001, 1001, 1001, 1002):
        world.announce(infohash, port)
    same(world.counts(infohash), (0, 2, 0))


@case("BEP 3", "an infohash of NULs and a peer id of NULs")
def _(world):
    world.announce(HASHES[0], 1001, peer_id=b"\0" * 20)
    same(Http.peers(world.announce(HASHES[0], 1002)) >= {(HOST, 1001)}, True)
    same(world.counts(HASHES[0]), (0, 2, 0))


@case("BEP 3", "an infohash of all that has a meaning in a URL, escaped in either case")
def _(world):
    world.announce(HASHES[1], 1001)
    lower = "".join("%%%02x" % byte for byte in HASHES[1])
    upper = "".join("%%%02X" % byte for byte in HASHES[1])
    for text in (lower, upper):
        Http.get("/announce?info_hash=%s&peer_id=%s&port=1001&left=1&uploaded=0&downloaded=0&compact=1" % (
            text, "a" * 20))
    same(world.counts(HASHES[1]), (0, 1, 0))


@case("BEP 3", "a plus sign in an infohash is a plus sign")
def _(world):
    Http.get(Http.query(PLUS, 1001).replace("%2B", "+"))
    same(world.counts(PLUS), (0, 1, 0))


@case("BEP 3", "infohashes that differ in their last byte are two swarms")
def _(world):
    first, second = world.hash(), world.hash()
    world.announce(first, 1001)
    same(Http.peers(world.announce(second, 1002)) - {(HOST, 1002)}, set())


@case("BEP 3", "keys come in any order, unknown and empty ones are passed over")
def _(world):
    infohash = world.hash()
    Http.get("/announce?&&left=0&frob=1&=&x&port=1001&compact=1&supportcrypto=1&peer_id=%s&info_hash=%s&"
             "uploaded=0&downloaded=0" % ("b" * 20, quote(infohash))).announce()
    same(world.counts(infohash), (1, 0, 0))


@case("BEP 3", "left=0 is complete, more is not")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, 0)
    reply = world.announce(infohash, 1002, 5)
    same((reply.get(b"complete"), reply.get(b"incomplete")), (1, 1))
    same(world.counts(infohash), (1, 1, 0))


@case("BEP 3", "stopped takes a peer away, and is answered")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001)
    same(b"failure reason" in world.announce(infohash, 1001, event="stopped"), False)
    same(world.counts(infohash), (0, 0, 0))
    same(b"failure reason" in world.announce(infohash, 1001, event="stopped"), False)


@case("BEP 3", "stopped takes away only the one that says so")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001)
    world.announce(infohash, 1002)
    world.announce(infohash, 1003, event="stopped")
    world.announce(infohash, 1002, event="stopped")
    same(world.counts(infohash), (0, 1, 0))


@case("BEP 3", "completed counts as a download, once")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, 5, event="started")
    for _ in range(3):
        world.announce(infohash, 1001, 0, event="completed")
    same(world.counts(infohash), (1, 0, 1))


@case("BEP 3", "a seeder that starts is no download")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, 0, event="started")
    world.announce(infohash, 1001, 0)
    same(world.counts(infohash), (1, 0, 0))


@case("BEP 3", "an event that nobody knows is none")
def _(world):
    infohash = world.hash()
    same(b"failure reason" in world.announce(infohash, 1001, event="frobnicated"), False)
    same(world.counts(infohash), (0, 1, 0))


@case("BEP 3", "numwant is obeyed, and bounded")
def _(world):
    infohash = world.hash()
    for port in range(2000, 2300):
        world.announce(infohash, port)
    for numwant, most in ((0, 0), (1, 1), (30, 31), (-1, 200), (1 << 31, 300), (10**30, 300)):
        found = len(Http.peers(world.announce(infohash, 1999, numwant=numwant)))
        if found > most or (numwant == 30 and found < 29):
            raise Wrong("numwant %d: %d peers" % (numwant, found))


@case("BEP 3", "without numwant there are about 50")
def _(world):
    infohash = world.hash()
    for port in range(2000, 2100):
        world.announce(infohash, port)
    found = len(Http.peers(world.announce(infohash, 1999)))
    same(30 <= found <= 100, True)


@case("BEP 3", "min interval is not above interval")
def _(world):
    reply = world.announce(world.hash(), 1001)
    same(reply.get(b"min interval", 0) <= reply[b"interval"], True)


@case("BEP 3", "an address that a client claims is not handed out")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, ip="9.9.9.9", ipv4="9.9.9.8:7", ipv6="2001:db8::9")
    same({ip for ip, _ in Http.peers(world.announce(infohash, 1002))} - {HOST}, set())


def refused(name, query):
    @case("BEP 3", "failure reason: " + name)
    def _(world):
        infohash = world.hash()
        reply = Http.get("/announce?" + query % {"hash": quote(infohash), "id": "p" * 20})
        text = reply.dictionary().get(b"failure reason", b"")
        same(reply.status, 200)
        if len(text) < 8:
            raise Wrong("no reason given")
        same(world.counts(infohash), (0, 0, 0))


refused("no query", "")
refused("no infohash", "peer_id=%(id)s&port=1&left=1")
refused("an infohash of 19 bytes", "info_hash=aaaaaaaaaaaaaaaaaaa&peer_id=%(id)s&port=1&left=1")
refused("an infohash of 21 bytes", "info_hash=%(hash)sa&peer_id=%(id)s&port=1&left=1")
refused("an escape that is none", "info_hash=aaaaaaaaaaaaaaaaaaa%%zz&peer_id=%(id)s&port=1&left=1")
refused("no port", "info_hash=%(hash)s&peer_id=%(id)s&left=1")
refused("a port above 65535", "info_hash=%(hash)s&peer_id=%(id)s&port=65536&left=1")
refused("a port that is no number", "info_hash=%(hash)s&peer_id=%(id)s&port=http&left=1")
refused("a peer id of 3 bytes", "info_hash=%(hash)s&peer_id=abc&port=1&left=1")
refused("left below zero", "info_hash=%(hash)s&peer_id=%(id)s&port=1&left=-1")


# HTTP itself.

@case("HTTP", "the body is as long as its Content-Length says")
def _(world):
    reply = Http.get(Http.query(world.hash(), 1001))
    same(int(reply.headers[b"content-length"]), len(reply.body))


@case("HTTP", "HTTP/1.0 is answered, and the connection closed")
def _(world):
    replies, closed = Http.raw(b"GET %s HTTP/1.0\r\n\r\n" % Http.query(world.hash(), 1001).encode())
    same((len(replies), closed), (1, True))


@case("HTTP", "HTTP/1.0 with keep-alive stays open and says so, or closes")
def _(world):
    replies, closed = Http.raw(b"GET %s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % Http.query(
        world.hash(), 1001).encode())
    same(len(replies), 1)
    same(closed or replies[0].headers.get(b"connection", b"").lower() == b"keep-alive", True)


@case("HTTP", "HTTP/1.1 keeps the connection, or says that it closes")
def _(world):
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % Http.query(world.hash(), 1001).encode()
    replies, closed = Http.raw(request, request)
    if len(replies) == 1 and replies[0].version == b"HTTP/1.1":
        same(replies[0].headers.get(b"connection", b"").lower(), b"close")
    elif len(replies) != 2 and not closed:
        raise Wrong("neither answered nor closed")


@case("HTTP", "Connection: close is obeyed")
def _(world):
    replies, closed = Http.raw(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % Http.query(
        world.hash(), 1001).encode())
    same((len(replies), closed), (1, True))


@case("HTTP", "a request may come a byte at a time")
def _(world):
    request = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % Http.query(
        world.hash(), 1001).encode()
    replies, _ = Http.raw(*[request[at:at + 1] for at in range(len(request))], pause_s=0.0005, patience_s=3)
    same(len(replies), 1)
    replies[0].announce()


@case("HTTP", "a target may name the host")
def _(world):
    replies, _ = Http.raw(b"GET http://tracker%s HTTP/1.1\r\nHost: tracker\r\nConnection: close\r\n\r\n" %
                          Http.query(world.hash(), 1001).encode())
    same(len(replies), 1)
    replies[0].announce()


@case("HTTP", "other paths are not found, other methods not allowed")
def _(_world):
    same(Http.get("/frob").status, 404)
    replies, _ = Http.raw(b"POST /announce HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    same(len(replies) == 1 and replies[0].status in (400, 405, 501), True)


# BEP 7, 21, 23, 24, 48.

@case("BEP 23", "compact=1 is answered with 6 bytes a peer")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 0x1234)
    reply = world.announce(infohash, 1002, compact=1)
    same(socket.inet_aton(HOST) + b"\x12\x34" in reply[b"peers"], True)


@case("BEP 23", "compact=0 is answered with dictionaries, or compact")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001)
    peers = world.announce(infohash, 1002, compact=0)[b"peers"]
    if isinstance(peers, list):
        same([(peer[b"ip"], peer[b"port"]) for peer in peers if peer[b"port"] != 1002],
             [(HOST.encode(), 1001)])
    peers = world.announce(infohash, 1002, compact=0, no_peer_id=1)[b"peers"]
    if isinstance(peers, list):
        same([b"peer id" in peer for peer in peers], [False] * len(peers))


@case("BEP 7", "IPv6 peers meet in peers6, 18 bytes each")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 0x1234, host=HOST6)
    reply = world.announce(infohash, 1002, host=HOST6)
    same(socket.inet_pton(socket.AF_INET6, HOST6) + b"\x12\x34" in reply.get(b"peers6", b""), True)


@case("BEP 7", "peers of both families are counted together")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, 0, host=HOST6)
    world.announce(infohash, 1001, 0)
    same(world.counts(infohash), (2, 0, 0))


@case("BEP 21", "a partial seed is no error, and stays in the swarm")
def _(world):
    infohash = world.hash()
    same(b"failure reason" in world.announce(infohash, 1001, 5, event="paused"), False)
    same(sum(world.counts(infohash)[:2]), 1)
    same(Http.peers(world.announce(infohash, 1002, 9)) >= {(HOST, 1001)}, True)


@case("BEP 24", "external ip is the asker's address")
def _(world):
    same(world.announce(world.hash(), 1001).get(b"external ip"), socket.inet_aton(HOST))
    same(world.announce(world.hash(), 1001, host=HOST6).get(b"external ip"),
         socket.inet_pton(socket.AF_INET6, HOST6))


@case("BEP 48", "scrape of several infohashes")
def _(world):
    hashes = [world.hash() for _ in range(5)]
    for number, infohash in enumerate(hashes):
        for port in range(number):
            world.announce(infohash, 1001 + port, 0)
    query = "&".join("info_hash=" + quote(infohash) for infohash in reversed(hashes))
    reply = Http.get("/scrape?" + query)
    reply.canonical()
    files = bdecode(reply.body)[b"files"]
    same([files.get(infohash, {}).get(b"complete", 0) for infohash in hashes], [0, 1, 2, 3, 4])


@case("BEP 48", "scrape of nothing is scrape of everything, or refused")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001, 0)
    reply = Http.get("/scrape")
    if reply.status == 200:
        reply.canonical()
        files = bdecode(reply.body)
        same(b"failure reason" in files or files[b"files"][infohash][b"complete"] == 1, True)


@case("BEP 48", "scrape of a malformed infohash is refused with a reason")
def _(_world):
    same(len(Http.get("/scrape?info_hash=abc").dictionary().get(b"failure reason", b"")) >= 8, True)


# BEP 15.

@case("BEP 15", "connect returns the transaction and an id")
def _(_world):
    udp = Udp()
    same(len(udp.ask(struct.pack(">QII", 0x41727101980, 0, 77))), 16)
    same(udp.connect() != 0, True)


@case("BEP 15", "connect with another magic is not answered with an id")
def _(_world):
    reply = Udp().ask(struct.pack(">QII", 0x41727101981, 0, 77), may_be_silent=True)
    same(reply is None or reply[:4] == b"\0\0\0\3", True)


@case("BEP 15", "announce returns counts and peers")
def _(world):
    infohash, udp = world.hash(), Udp()
    same(udp.announce(infohash, 2001, event=2)[1:3], (1, 0))
    interval, leechers, seeders, peers = udp.announce(infohash, 2002, left=0, event=2)
    same((leechers, seeders), (1, 1))
    same(peers >= {(HOST, 2001)}, True)
    same(interval >= 1, True)


@case("BEP 15", "peers over HTTP and UDP are one swarm")
def _(world):
    infohash = world.hash()
    world.announce(infohash, 1001)
    same(Udp().announce(infohash, 1002)[3] >= {(HOST, 1001)}, True)
    same(world.counts(infohash), (0, 2, 0))


@case("BEP 15", "stopped and completed")
def _(world):
    infohash, udp = world.hash(), Udp()
    udp.announce(infohash, 2001, event=2)
    udp.announce(infohash, 2001, left=0, event=1)
    udp.announce(infohash, 2001, left=0, event=1)
    same(udp.scrape([infohash]), [(1, 1, 0)])
    udp.announce(infohash, 2001, left=0, event=3)
    same(udp.scrape([infohash]), [(0, 1, 0)])


@case("BEP 15", "num_want is obeyed, -1 is the default")
def _(world):
    infohash, udp = world.hash(), Udp()
    for port in range(2000, 2060):
        udp.announce(infohash, port)
    same(len(udp.announce(infohash, 1999, numwant=0)[3]), 0)
    same(len(udp.announce(infohash, 1999, numwant=1)[3]), 1)
    same(len(udp.announce(infohash, 1999, numwant=-1)[3]) > 30, True)
    same(len(udp.announce(infohash, 1999, numwant=0x7fffffff)[3]) <= 200, True)


@case("BEP 15", "an IP address in the announce is not handed out")
def _(world):
    infohash, udp = world.hash(), Udp()
    udp.announce(infohash, 2001, ip=0x09090909)
    same({ip for ip, _ in udp.announce(infohash, 2002)[3]} - {HOST}, set())


@case("BEP 15", "scrape of 1 and of 74, unknown ones are zeros")
def _(world):
    infohash, udp = world.hash(), Udp()
    udp.announce(infohash, 2001, left=0)
    same(udp.scrape([infohash]), [(1, 0, 0)])
    entries = udp.scrape([world.hash() if at else infohash for at in range(74)])
    same(entries, [(1, 0, 0)] + [(0, 0, 0)] * 73)


@case("BEP 15", "an id that was never given gets no peers, and records none")
def _(world):
    infohash = world.hash()
    Udp().announce(infohash, 2001)
    for wrong in (0, 1, 0x41727101980, Udp().connect() ^ 1 << 63):
        reply = Udp().ask(Udp.announce_bytes(wrong, infohash, 2002), may_be_silent=True)
        same(reply is None or reply[:4] == b"\0\0\0\3", True)
    same(world.counts(infohash), (0, 1, 0))


@case("BEP 15", "an id is of no use to another address")
def _(world):
    infohash = world.hash()
    stolen = Udp("127.0.0.2").connect()
    reply = Udp().ask(Udp.announce_bytes(stolen, infohash, 2002), may_be_silent=True)
    same(reply is None or reply[:4] == b"\0\0\0\3", True)
    same(world.counts(infohash), (0, 0, 0))


def udp_malformed(name, make):
    @case("BEP 15", "an error or silence: " + name)
    def _(world):
        udp, infohash = Udp(), world.hash()
        reply = udp.ask(make(udp.connect(), infohash), may_be_silent=True)
        if reply is not None:
            same(struct.unpack(">II", reply[:8]), (3, Udp.TRANSACTION))
            same(len(reply) > 12, True)
        same(world.counts(infohash), (0, 0, 0))
        udp.connect()


udp_malformed("an announce a byte short", lambda id_, hash_: Udp.announce_bytes(id_, hash_, 2001)[:97])
udp_malformed("an announce of its head alone", lambda id_, hash_: Udp.announce_bytes(id_, hash_, 2001)[:16])
udp_malformed("a scrape of nothing", lambda id_, _: struct.pack(">QII", id_, 2, Udp.TRANSACTION))
udp_malformed("a scrape of half an infohash",
              lambda id_, hash_: struct.pack(">QII", id_, 2, Udp.TRANSACTION) + hash_[:10])
udp_malformed("an action that there is none", lambda id_, _: struct.pack(">QII", id_, 9, Udp.TRANSACTION))
udp_malformed("an infohash that is all of a datagram",
              lambda id_, _: struct.pack(">QII", id_, 1, Udp.TRANSACTION) + b"h" * 20)


@case("BEP 15", "what is wrong is said: an announce a byte short")
def _(world):
    udp = Udp()
    reply = udp.ask(Udp.announce_bytes(udp.connect(), world.hash(), 2001)[:97], may_be_silent=True)
    same(reply is not None and reply[:4] == b"\0\0\0\3" and len(reply) > 16, True)


@case("BEP 15", "replies come from the address that was asked")
def _(world):
    udp = Udp(to="127.0.0.9")
    udp.announce(world.hash(), 2001)


@case("BEP 15", "over IPv6 peers are 18 bytes")
def _(world):
    infohash, udp = world.hash(), Udp(HOST6, to=HOST6)
    udp.announce(infohash, 2001)
    same(udp.announce(infohash, 2002)[3] >= {(HOST6, 2001)}, True)
    same(udp.scrape([infohash]), [(0, 0, 2)])


@case("BEP 15", "without an id nothing is answered with more than was sent")
def _(world):
    infohash = world.hash()
    for bytes_ in (struct.pack(">QII", 0x41727101980, 0, 7), Udp.announce_bytes(5, infohash, 1),
                   Udp.announce_bytes(5, infohash, 1)[:30], struct.pack(">QII", 5, 2, 7) + infohash * 74,
                   struct.pack(">QII", 5, 2, 7) + infohash, struct.pack(">QII", 5, 9, 7),
                   struct.pack(">QII", 5, 1, 7), b"x" * 20, b""):
        reply = Udp().ask(bytes_, may_be_silent=True)
        if reply is not None and len(reply) > len(bytes_):
            raise Wrong("%d bytes are answered with %d" % (len(bytes_), len(reply)))


@case("BEP 41", "options behind an announce are read past")
def _(world):
    infohash, udp = world.hash(), Udp()
    url = b"/announce?passkey=abc"
    for options in (b"\0", b"\1\1\1", b"\2" + bytes([len(url)]) + url, b"\2\0", b"\x42\3abc\0",
                    b"\2\2/a\2\2nn\0rubbish"):
        udp.parse_announce(udp.ask(Udp.announce_bytes(udp.connect(), infohash, 2001) + options))
    same(world.counts(infohash), (0, 1, 0))


# The trackers.

def start(name, work):
    log = open(os.path.join(work, name + ".log"), "wb")
    with open(os.path.join(work, "whitelist"), "w") as file:
        file.write("".join(infohash.hex() + "\n" for infohash in HASHES + [PLUS, SPACE]))
    if name == "swarmboot":
        command = [BIN, "tracker", "--listen", ":%d" % PORT, "--interval", "60s", "--allow",
                   os.path.join(work, "whitelist")]
    else:
        command = ["opentracker", "-p", str(PORT), "-P", str(PORT), "-d", work, "-u", "nobody", "-w",
                   "whitelist"]
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, PORT), 1).close()
            return process
        except OSError:
            time.sleep(0.05)
    raise SystemExit("%s did not start: %s" % (name, open(log.name).read()[-500:]))


def run(name, work):
    process = start(name, work)
    world = World(name, process)
    found = {}
    try:
        for bep, text, function in CASES:
            try:
                function(world)
                found[bep, text] = None
            except (Wrong, OSError, ValueError, KeyError, struct.error, TypeError, IndexError) as error:
                found[bep, text] = "%s: %s" % (type(error).__name__, error)
            if process.poll() is not None:
                found[bep, text] = "it ended with status %d" % process.returncode
                process = world.process = start(name, work)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    return found


def main():
    if os.environ.get("SWARMBOOT_TEST_NAMESPACE") != "1":
        if os.geteuid() != 0:
            print("skip conformance of trackers - network namespaces need root")
            sys.exit(77)
        os.environ["SWARMBOOT_TEST_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.realpath(__file__)])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", HOST6 + "/128", "dev", "lo", "nodad"], check=True)
    with tempfile.TemporaryDirectory(prefix="swarmboot-conformance-") as work:
        os.chmod(work, 0o755)
        ours = run("swarmboot", work)
        theirs = run("opentracker", work) if shutil.which("opentracker") else None
    for (bep, text), wrong in ours.items():
        print("%s %s: %s" % ("not ok" if wrong else "ok", bep, text))
        if wrong:
            print("# " + wrong)
    if theirs is None:
        print("skip where opentracker differs - it is not installed")
    else:
        differing = [(key, wrong) for key, wrong in theirs.items() if bool(wrong) != bool(ours[key])]
        print("# of %d cases ours follows %d, opentracker %d; they differ in" % (
            len(ours), sum(not wrong for wrong in ours.values()),
            sum(not wrong for wrong in theirs.values())))
        for (bep, text), wrong in differing:
            print("#   %s: %s%s" % (bep, text, ": opentracker: " + wrong[:100] if wrong else ": ours"))
    sys.exit(any(ours.values()))


main()
