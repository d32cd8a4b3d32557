# SPDX-License-Identifier: Apache-2.0
"""A client of trackers made by hand, which believes nothing: bencoding, HTTP (BEP 3, 7, 23, 48), UDP
(BEP 15). For tracker.py beside it and for the tests of hostile input."""
import re
import socket
import struct
import time

HOST, HOST6, PORT = "127.0.0.1", "fd00::1", 6969


class Wrong(Exception):
    """What a tracker should not have said."""


def same(found, wanted):
    if found != wanted:
        raise Wrong("%r, should be %r" % (found, wanted))


def quote(bytes_):
    return "".join("%%%02X" % byte for byte in bytes_)


def bdecode(bytes_):
    """Strict: nothing may follow, keys ascend, numbers have no leading zeros."""
    value, end = _value(bytes_, 0)
    if end != len(bytes_):
        raise Wrong("bytes follow the bencoded value: %r" % bytes_[end:end + 20])
    return value


def _value(bytes_, at):
    kind = bytes_[at:at + 1]
    if kind == b"i":
        end = bytes_.index(b"e", at)
        if not re.fullmatch(rb"0|-?[1-9][0-9]*", bytes_[at + 1:end]):
            raise Wrong("not a number: %r" % bytes_[at:end + 1])
        return int(bytes_[at + 1:end]), end + 1
    if kind == b"l":
        found, at = [], at + 1
        while bytes_[at:at + 1] != b"e":
            value, at = _value(bytes_, at)
            found.append(value)
        return found, at + 1
    if kind == b"d":
        found, at, last = {}, at + 1, None
        while bytes_[at:at + 1] != b"e":
            key, at = _value(bytes_, at)
            if not isinstance(key, bytes) or (last is not None and key <= last):
                raise Wrong("keys do not ascend: %r after %r" % (key, last))
            found[key], at = _value(bytes_, at)
            last = key
        return found, at + 1
    colon = bytes_.find(b":", at)
    if colon < 0 or not re.fullmatch(rb"0|[1-9][0-9]*", bytes_[at:colon]):
        raise Wrong("not bencoded: %r" % bytes_[at:at + 20])
    end = colon + 1 + int(bytes_[at:colon])
    if end > len(bytes_):
        raise Wrong("a string is cut short")
    return bytes_[colon + 1:end], end


class Reply:
    """One HTTP response."""

    def __init__(self, head, body):
        lines = head.split(b"\r\n")
        self.version = lines[0].split(b" ")[0]
        self.status = int(lines[0].split(b" ")[1])
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.headers[name.strip().lower()] = value.strip()
        self.body = body

    def dictionary(self):
        """What it says, or an empty one when it says nothing that is bencoded."""
        try:
            value = bdecode(self.body)
        except (Wrong, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def canonical(self):
        bdecode(self.body)

    def announce(self):
        reply = bdecode(self.body)
        if b"failure reason" in reply:
            raise Wrong("refused: %s" % reply[b"failure reason"].decode(errors="replace"))
        if b"interval" not in reply:
            raise Wrong("not an announce's reply: %r" % self.body[:60])
        return reply


def take_replies(bytes_):
    """Whole responses at the front, and what is left."""
    replies = []
    while b"\r\n\r\n" in bytes_:
        head, _, rest = bytes_.partition(b"\r\n\r\n")
        reply = Reply(head, b"")
        length = int(reply.headers.get(b"content-length", len(rest)))
        if len(rest) < length:
            break
        reply.body = rest[:length]
        replies.append(reply)
        bytes_ = rest[length:]
    return replies, bytes_


class Http:
    @staticmethod
    def raw(*parts, host=HOST, pause_s=0.0, patience_s=1.0):
        """Sends the parts; returns the replies, and whether the connection was closed after them."""
        replies, rest, closed = [], b"", False
        with socket.create_connection((host, PORT), 5) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for part in parts:
                    sock.sendall(part)
                    time.sleep(pause_s)
                sock.settimeout(patience_s)
                while True:
                    got = sock.recv(65536)
                    if not got:
                        closed = True
                        break
                    found, rest = take_replies(rest + got)
                    replies += found
            except socket.timeout:
                pass
            except (ConnectionResetError, BrokenPipeError):
                closed = True
        return replies, closed

    @staticmethod
    def get(target, host=HOST):
        request = "GET %s HTTP/1.1\r\nHost: tracker\r\nConnection: close\r\n\r\n" % target
        replies, _ = Http.raw(request.encode("latin-1"), host=host, patience_s=5)
        if len(replies) != 1:
            raise Wrong("%d responses to %s" % (len(replies), target[:60]))
        return replies[0]

    @staticmethod
    def query(infohash, port, left=1, peer_id=None, **more):
        keys = {"uploaded": 0, "downloaded": 0, "left": left, "compact": 1}
        keys.update(more)
        return "/announce?info_hash=%s&peer_id=%s&port=%d&%s" % (
            quote(infohash), quote(peer_id or b"-XX0001-%012d" % port), port,
            "&".join("%s=%s" % item for item in keys.items()))

    @staticmethod
    def announce(infohash, port, left=1, host=HOST, **more):
        return Http.get(Http.query(infohash, port, left, **more), host).announce()

    @staticmethod
    def peers(reply):
        """Of a compact reply."""
        found = set()
        for key, bytes_each, family in ((b"peers", 6, socket.AF_INET), (b"peers6", 18, socket.AF_INET6)):
            bytes_ = reply.get(key, b"")
            same(len(bytes_) % bytes_each, 0)
            for at in range(0, len(bytes_), bytes_each):
                end = at + bytes_each
                found.add((socket.inet_ntop(family, bytes_[at:end - 2]),
                           struct.unpack(">H", bytes_[end - 2:end])[0]))
        return found


class Udp:
    TRANSACTION = 0xfedcba98

    def __init__(self, source=HOST, to=HOST):
        self.family = socket.AF_INET6 if ":" in to else socket.AF_INET
        self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self.sock.bind((source, 0))
        self.sock.connect((to, PORT))  # a reply from any other address does not arrive
        self.id = None

    def __del__(self):
        self.sock.close()

    def ask(self, bytes_, may_be_silent=False):
        self.sock.settimeout(0.15 if may_be_silent else 3)
        try:
            self.sock.send(bytes_)
            return self.sock.recv(65536)
        except socket.timeout:
            if may_be_silent:
                return None
            raise Wrong("no reply") from None

    def connect(self):
        reply = self.ask(struct.pack(">QII", 0x41727101980, 0, self.TRANSACTION))
        action, transaction, id_ = struct.unpack(">IIQ", reply)
        same((action, transaction), (0, self.TRANSACTION))
        return id_

    @staticmethod
    def announce_bytes(id_, infohash, port, left=1, event=0, numwant=-1, ip=0):
        return struct.pack(">QII20s20sQQQIIIiH", id_, 1, Udp.TRANSACTION, infohash, b"-XX0001-%012d" % port,
                           0, left, 0, event, ip, 7, numwant, port)

    def announce(self, infohash, port, **more):
        self.id = self.id or self.connect()
        return self.parse_announce(self.ask(self.announce_bytes(self.id, infohash, port, **more)))

    def parse_announce(self, reply):
        """Interval, leechers, seeders, peers."""
        if reply[:4] == b"\0\0\0\3":
            raise Wrong("refused: %s" % reply[8:].decode(errors="replace"))
        action, transaction, interval, leechers, seeders = struct.unpack(">IIIII", reply[:20])
        same((action, transaction), (1, self.TRANSACTION))
        each = 18 if self.family == socket.AF_INET6 else 6
        same((len(reply) - 20) % each, 0)
        peers = {(socket.inet_ntop(self.family, reply[at:at + each - 2]),
                  struct.unpack(">H", reply[at + each - 2:at + each])[0])
                 for at in range(20, len(reply), each)}
        return interval, leechers, seeders, peers

    def scrape(self, hashes):
        """(seeders, completed, leechers) of each."""
        self.id = self.id or self.connect()
        reply = self.ask(struct.pack(">QII", self.id, 2, self.TRANSACTION) + b"".join(hashes))
        same(struct.unpack(">II", reply[:8]), (2, self.TRANSACTION))
        same(len(reply), 8 + 12 * len(hashes))
        return [struct.unpack(">III", reply[at:at + 12]) for at in range(8, len(reply), 12)]
