# SPDX-License-Identifier: Apache-2.0
"""Attacks on the tracker whose process id is given; prints TAP. Forged datagrams come in through a network
device that this program is the other end of, so that every byte that goes back is counted."""
import fcntl
import os
import random
import resource
import select
import socket
import struct
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/support"))
from tracker_client import HOST, PORT, Http, Udp, bdecode, quote, same, take_replies  # noqa: E402

TRACKER = int(sys.argv[1])
SANITIZE = os.environ.get("SANITIZE") == "1"
SERVER = "10.99.0.1"
DATAGRAMS = 4000
GROWTH_MAX = 3 << 20
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
seed = random.randrange(1 << 32)
rng = random.Random(seed)
failed = []


def case(name):
    def decorate(function):
        try:
            said = function()
            print("ok %s%s" % (name, "\n# %s" % said if said else ""), flush=True)
        except Exception as error:  # every failure is this case's
            failed.append(name)
            print("not ok %s\n# %s: %s (seed %d)" % (name, type(error).__name__, error, seed), flush=True)
    return decorate


def resident():
    with open("/proc/%d/status" % TRACKER) as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) * 1024


class Tun:
    """Packets in and out of 10.99.0.0/16, by hand."""

    def __init__(self):
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH14x", b"hostile0", IFF_TUN | IFF_NO_PI))
        for command in ("address add %s/16 dev hostile0" % SERVER, "link set hostile0 up txqueuelen 10000"):
            subprocess.run(["ip"] + command.split(), check=True)
        self.sent = self.received = self.replies = 0
        self.drain(0.2)
        self.sent = self.received = self.replies = 0

    def send(self, payload, source_ip=None, source_port=None):
        source = source_ip or struct.pack(">I", 0x0a630000 | rng.randrange(2, 0xfffe))
        port = rng.randrange(65536) if source_port is None else source_port
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, source,
                           socket.inet_aton(SERVER))
        total = sum(struct.unpack(">10H", head))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        head = head[:10] + struct.pack(">H", total ^ 0xffff) + head[12:]
        packet = head + struct.pack(">HHHH", port, PORT, 8 + len(payload), 0) + payload
        self.sent += os.write(self.fd, packet)

    def drain(self, silence_s):
        """Takes what comes until nothing does; the payloads."""
        found = []
        while select.select([self.fd], [], [], silence_s)[0]:
            try:
                packet = os.read(self.fd, 65536)
            except BlockingIOError:
                continue
            if packet[0] >> 4 != 4:
                continue  # the kernel's own IPv6 chatter
            self.received += len(packet)
            self.replies += 1
            found.append(packet[28:])
        return found


def flood(tun, make):
    tun.sent = tun.received = tun.replies = 0
    for number in range(DATAGRAMS):
        tun.send(make())
        if number % 100 == 99:
            tun.drain(0)
    tun.drain(0.3)
    if tun.received > tun.sent:
        raise AssertionError("%d bytes in, %d out" % (tun.sent, tun.received))
    return "%d datagrams, %d bytes in, %d replies, %d bytes out" % (
        DATAGRAMS, tun.sent, tun.replies, tun.received)


tun = Tun()
infohash = b"\0hostile\0infohash\0\0\0"
before_floods = resident()


def random_id():
    return rng.randrange(1 << 64)


FLOODS = {
    "connects": lambda: struct.pack(">QII", 0x41727101980, 0, 5),
    "connects_with_a_tail": lambda: struct.pack(">QII", 0x41727101980, 0, 5) + b"x" * rng.randrange(600),
    "announces": lambda: Udp.announce_bytes(random_id(), infohash, 2000),
    "announces_with_options": lambda: Udp.announce_bytes(random_id(), infohash, 2000) + b"\2\4?a=b",
    "announces_cut_short": lambda: Udp.announce_bytes(random_id(), infohash, 2000)[:rng.randrange(98)],
    "scrapes_of_one": lambda: struct.pack(">QII", random_id(), 2, 5) + infohash,
    "scrapes_of_74": lambda: struct.pack(">QII", random_id(), 2, 5) + infohash * 74,
    "scrapes_of_none": lambda: struct.pack(">QII", random_id(), 2, 5),
    "unknown_actions": lambda: struct.pack(">QII", random_id(), rng.randrange(3, 1 << 32), 5),
    "rubbish": lambda: rng.randbytes(rng.randrange(1200)),
    "more_than_a_datagram_may_have": lambda: Udp.announce_bytes(random_id(), infohash, 2000) + b"\1" * 2500,
}
for kind, make_one in FLOODS.items():
    case("forged_%s_are_not_amplified" % kind)(lambda make_one=make_one: flood(tun, make_one))


@case("source_port_zero_harms_nobody_else")
def _():
    for _ in range(200):
        tun.send(FLOODS["connects"](), source_port=0)
    tun.send(FLOODS["connects"](), source_port=4000)
    same([len(reply) for reply in tun.drain(0.5)], [16])


@case("nobody_was_recorded")
def _():
    same(Udp().scrape([infohash]), [(0, 0, 0)])
    tun.drain(0.1)


@case("memory_did_not_grow_by_floods")
def _():
    grown = resident() - before_floods
    if grown > GROWTH_MAX and not SANITIZE:
        raise AssertionError("%d KiB" % (grown >> 10))
    return "%d KiB" % (grown >> 10)


@case("malformed_announces_get_an_error_that_says_why")
def _():
    udp = Udp()
    id_ = udp.connect()
    whole = Udp.announce_bytes(id_, infohash, 2000)
    said = set()
    for wrong in (whole[:16], whole[:50], whole[:97], whole + b"\2", whole + b"\2\5abc", whole + b"\x99",
                  whole + b"\2\x0d?sb_site=a%20", struct.pack(">QII", id_, 2, 5), whole[:8] + b"\0\0\0\7" +
                  whole[12:], struct.pack(">QII", id_, 2, 5) + b"h" * 21):
        reply = udp.ask(wrong)
        same(reply[:8], struct.pack(">I", 3) + wrong[12:16])
        said.add(reply[8:].decode())
    same(min(len(text) for text in said) > 10, True)
    same(udp.scrape([infohash]), [(0, 0, 0)])
    return ", ".join(sorted(said))


@case("NULs_are_bytes_like_others")
def _():
    Http.announce(b"\0" * 20, 2001, 1, peer_id=b"\0" * 20)
    same(Http.peers(Http.announce(b"\0" * 20, 2002, 1)), {(HOST, 2001)})


@case("one_address_is_limited_and_others_are_not")
def _():
    greedy = Udp("127.0.0.66")
    request = Udp.announce_bytes(greedy.connect(), infohash, 2000)
    answered = refused = 0
    for _ in range(200):
        for _ in range(50):
            greedy.sock.send(request)
        greedy.sock.settimeout(0.02)
        try:
            while True:
                reply = greedy.sock.recv(4096)
                answered += reply[3] == 1
                refused += reply[3] == 3
        except socket.timeout:
            pass
    if refused == 0 or answered < 1000:
        raise AssertionError("%d answered, %d refused" % (answered, refused))
    Udp("127.0.0.67").announce(infohash, 2000)
    return "%d answered, %d refused" % (answered, refused)


def connect_from(address):
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    sock.bind((address, 0))
    sock.settimeout(5)
    sock.connect((HOST, PORT))
    sock.sendall(b"GET /announce?")
    return sock


def closed(sock):
    try:
        sock.settimeout(0)
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def served_within(seconds, source):
    begin = time.monotonic()
    with connect_from(source) as sock:
        sock.sendall(b"info_hash=%s&peer_id=%s&port=7&left=1 HTTP/1.0\r\n\r\n" % (
            quote(infohash).encode(), b"x" * 20))
        sock.settimeout(seconds)
        got = b""
        while True:
            more = sock.recv(65536)
            if not more:
                break
            got += more
    replies, _ = take_replies(got)
    same(b"interval" in bdecode(replies[0].body), True)
    return time.monotonic() - begin


@case("requests_that_never_end_do")
def _():
    before = resident()
    slow = [connect_from("127.0.0.70") for _ in range(600)]
    time.sleep(0.3)
    over = sum(closed(sock) for sock in slow)
    took = served_within(2, "127.0.0.71")
    begin = time.monotonic()
    while time.monotonic() - begin < 25 and sum(closed(sock) for sock in slow) < len(slow):
        for sock in slow:
            try:
                sock.send(b"a")
            except OSError:
                pass
        time.sleep(0.5)
    lasted = time.monotonic() - begin
    left = sum(not closed(sock) for sock in slow)
    for sock in slow:
        sock.close()
    same((over, left), (600 - 512, 0))
    same(8 < lasted < 14, True)
    grown = resident() - before
    same(grown < 12 << 20 or SANITIZE, True)
    return "600 of one address: %d refused, the rest ended after %.1f s, another was served in %.0f ms, %d KiB" % (
        over, lasted, 1000 * took, grown >> 10)


@case("more_connections_than_there_is_room_for")
def _():
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    held = [connect_from("127.4.%d.%d" % (number // 200, 1 + number % 200)) for number in range(5000)]
    took = max(served_within(2, "127.0.0.80") for _ in range(20))
    ended = sum(closed(sock) for sock in held)
    for sock in held:
        sock.close()
    same(ended >= 5000 - 4096, True)
    return "5,000 held, %d made place for others, one more was served in %.0f ms" % (ended, 1000 * took)


@case("giant_heads_are_refused")
def _():
    before = resident()
    statuses = []
    for head in (b"GET /announce?" + b"a" * (1 << 20), b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20),
                 b"\r\n" * (1 << 19), b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100000):
        replies, was_closed = Http.raw(head, patience_s=12)
        same(was_closed, True)
        statuses.append(replies[0].status if replies else None)
    same([status in (None, 400, 414, 431) for status in statuses], [True] * 4)
    same(resident() - before < GROWTH_MAX or SANITIZE, True)
    return "statuses %s" % statuses


@case("who_asks_and_never_listens_costs_no_memory")
def _():
    before = resident()
    request = ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % Http.query(infohash, 2000)).encode()
    socks = []
    for number in range(50):
        sock = socket.create_connection((HOST, PORT), 5, source_address=("127.0.1.%d" % (1 + number), 0))
        sock.setblocking(False)
        socks.append(sock)
    for _ in range(40):
        for sock in socks:
            try:
                sock.send(request * 100)
            except OSError:
                pass
    time.sleep(0.5)
    grown = resident() - before
    for sock in socks:
        sock.close()
    same(grown < 8 << 20 or SANITIZE, True)
    return "50 connections, %d KiB" % (grown >> 10)


@case("and_it_still_serves")
def _():
    served_within(2, "127.0.0.90")
    Udp("127.0.0.91").announce(infohash, 2000)


sys.exit(1 if failed else 0)
