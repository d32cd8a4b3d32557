#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whom a tracker hands out, by asking it as a leecher that cannot be connected to.

usage: sites_peers.py URL INFOHASH [--await IP SECONDS | --await-gone PREFIX KEPT-IP SECONDS]

Prints the peers' IPs, one a line. With --await: waits until that IP is among them, and prints the
milliseconds since the start; with --await-gone: until no IP with that prefix is but the kept one.
"""
import re
import struct
import sys
import time
import urllib.parse
import urllib.request

ASKED = 3  # a tracker may draw whom it names: asked so often, each time for all


def decode(data, at=0):
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in b"ld":
        items = []
        at += 1
        while data[at:at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        if kind == b"d":
            return dict(zip(items[::2], items[1::2])), at + 1
        return items, at + 1
    length = re.match(rb"(\d+):", data[at:])
    start = at + length.end()
    return data[start:start + int(length.group(1))], start + int(length.group(1))


def peers(url, infohash):
    found = set()
    query = urllib.parse.urlencode({
        "info_hash": bytes.fromhex(infohash), "peer_id": "-XX0000-abcdefghijkl", "port": 0, "left": 1,
        "uploaded": 0, "downloaded": 0, "compact": 1, "numwant": 200},
        quote_via=urllib.parse.quote)  # a space is no plus
    for _ in range(ASKED):
        with urllib.request.urlopen(url + "?" + query, timeout=5) as reply:
            body, _ = decode(reply.read())
        if b"failure reason" in body:
            sys.exit(body[b"failure reason"].decode())
        compact = body.get(b"peers", b"")
        for at in range(0, len(compact), 6):
            found.add("%d.%d.%d.%d" % struct.unpack_from("4B", compact, at))
    return found


def await_it(url, infohash, seconds, good):
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        if good(peers(url, infohash)):
            print("# after %d ms" % round((time.monotonic() - start) * 1000))
            return 0
        time.sleep(0.02)
    print("# it did not happen within", seconds, "s:", *sorted(peers(url, infohash)))
    return 1


def main():
    url, infohash, *more = sys.argv[1:]
    if not more:
        print(*sorted(peers(url, infohash)), sep="\n")
        return 0
    if more[0] == "--await":
        return await_it(url, infohash, float(more[2]), lambda found: more[1] in found)
    return await_it(url, infohash, float(more[3]),
                    lambda found: not [ip for ip in found if ip.startswith(more[1]) and ip != more[2]])


if __name__ == "__main__":
    sys.exit(main())
