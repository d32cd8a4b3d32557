#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A man in the middle between an agent and its server, for tests.

tamper.py LISTEN-PORT SERVER-URL RULES-FILE LOG-FILE

The rules file is read anew for every request; one word a line:
  drop-EVENT          reports of that event (finishing, finished, ...) never reach the server; the agent
                      gets 503
  lose-EVENT          they reach the server, but the agent gets no answer
  plan-unsigned       the plan's signatures are taken away
  plan-signature      one bit of its signature is changed
  plan-bit            one bit of the plan is changed
  plan-old            the agent gets the first plan that passed here, again
  metainfo-unsigned   the metainfo's signatures are taken away
  metainfo-signature  one bit of its signature is changed
  metainfo-bit:N      bit N (modulo its length) of the info dictionary or the piece layer is changed
  metainfo-info       the middle bit of the info dictionary is changed
  metainfo-layer      the middle bit of the piece layer is changed
  metainfo-503:N      the next N requests for metainfo get 503
Every report that passes is a line in the log: EVENT and the status it got.
"""
import http.server
import socketserver
import sys
import threading
import urllib.error
import urllib.request

PORT, SERVER, RULES, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
lock = threading.Lock()
first_plan = None
refused_metainfo = 0


def encode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(k) + encode(v) for k, v in sorted(value.items())) + b"e"


def decode(data, at=0):
    """The value at that place and the place behind it. Keys stay bytes: some are digests."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end], end


def rules():
    with open(RULES) as file:
        return dict((line.strip().partition(":")[::2]) for line in file if line.strip())


def flip(data, bit):
    data = bytearray(data)
    bit %= len(data) * 8
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def tampered_plan(body, active):
    global first_plan
    if first_plan is None:
        first_plan = body
    if "plan-old" in active:
        return first_plan
    envelope, _ = decode(body)
    if "plan-unsigned" in active:
        envelope[b"signatures"] = []
    if "plan-signature" in active:
        envelope[b"signatures"][0][b"signature"] = flip(envelope[b"signatures"][0][b"signature"], 77)
    if "plan-bit" in active:
        # Inside the digest, which nothing but the signature covers.
        at = envelope[b"plan"].index(b"head tail sha25632:") + len("head tail sha25632:")
        envelope[b"plan"] = flip(envelope[b"plan"], at * 8)
    return encode(envelope)


def tampered_metainfo(body, active):
    metainfo, _ = decode(body)
    if "metainfo-unsigned" in active:
        del metainfo[b"signatures"]
        return encode(metainfo)
    if "metainfo-signature" in active:
        signature = metainfo[b"signatures"][0]
        signature[b"signature"] = flip(signature[b"signature"], 100)
        return encode(metainfo)
    for part, key in (("metainfo-info", b"4:info"), ("metainfo-layer", b"12:piece layers")):
        if part in active:
            start = body.index(key) + len(key)
            return flip(body, (start + decode(body, start)[1]) // 2 * 8)
    if "metainfo-bit" in active:
        # Positions of what the signature covers: the info dictionary, and the layers under its root.
        start = body.index(b"4:info") + 6
        info = range(start, decode(body, start)[1])
        start = body.index(b"12:piece layers") + 15
        layers = range(start, decode(body, start)[1])
        covered = list(info) + list(layers)
        bit = int(active["metainfo-bit"]) % (len(covered) * 8)
        return flip(body, covered[bit // 8] * 8 + bit % 8)
    return body


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body, retry=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        if retry:
            self.send_header("Retry-After", retry)
        self.end_headers()
        self.wfile.write(body)

    def forward(self, body):
        request = urllib.request.Request(SERVER + self.path, data=body)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return None, b""

    def log_report(self, event, status):
        with lock, open(LOG, "a") as file:
            file.write(f"{event} {status}\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = decode(body)[0][b"event"].decode()
        active = rules()
        if f"drop-{event}" in active:
            self.log_report(event, "dropped")
            return self.answer(503, b"")
        status, reply = self.forward(body)
        self.log_report(event, status)
        if status is None or f"lose-{event}" in active:
            self.close_connection = True
            return None
        return self.answer(status, reply)

    def do_GET(self):
        global refused_metainfo
        active = rules()
        if self.path.endswith(".torrent") and refused_metainfo < int(active.get("metainfo-503", 0)):
            refused_metainfo += 1
            return self.answer(503, b"", "1")
        status, reply = self.forward(None)
        if status is None:
            self.close_connection = True
            return None
        if status == 200 and self.path.startswith("/v1/node/plan"):
            reply = tampered_plan(reply, active)
        if status == 200 and self.path.endswith(".torrent"):
            reply = tampered_metainfo(reply, active)
        return self.answer(status, reply)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


Server(("10.77.0.1", PORT), Handler).serve_forever()
