#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One DHCPDISCOVER of a PXE client, from a packet socket; prints the first offers as JSON lines.

dhcp_client.py INTERFACE MAC ARCH [ipxe] [plain]   ARCH: 0 BIOS, 7 and 9 UEFI; plain: no PXE client
"""
import json
import random
import socket
import struct
import sys
import time

interface, mac, arch = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), int(sys.argv[3])
transaction = random.getrandbits(32)


def option(code, content):
    return bytes([code, len(content)]) + content


def discover():
    options = b"\x63\x82\x53\x63" + option(53, b"\x01") + option(55, bytes([1, 3, 43, 60, 66, 67]))
    if "plain" not in sys.argv:
        options += option(60, b"PXEClient:Arch:%05d:UNDI:002001" % arch)
        options += option(93, struct.pack("!H", arch)) + option(94, b"\x01\x02\x01")
        options += option(97, b"\x00" + b"\x01" * 16)
    if "ipxe" in sys.argv:
        options += option(175, b"\xb1\x01\x01") + option(77, b"iPXE")
    bootp = struct.pack("!BBBBIHH16s", 1, 1, 6, 0, transaction, 0, 0x8000, b"")
    bootp += mac + b"\0" * 10 + b"\0" * 192 + options + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\0" * 4,
                       b"\xff" * 4)
    total = sum(struct.unpack("!10H", head))
    total = (total >> 16) + (total & 0xffff)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + head[12:]
    return b"\xff" * 6 + mac + b"\x08\x00" + head + udp


def read_offer(frame):
    if len(frame) < 282 or frame[23] != 17 or frame[36:38] != b"\0\x44":
        return None
    bootp = frame[42:]
    if struct.unpack("!I", bootp[4:8])[0] != transaction:
        return None
    found, at = {}, 240
    while at < len(bootp) and bootp[at] != 255:
        if bootp[at] == 0:
            at += 1
            continue
        found[bootp[at]] = bootp[at + 2:at + 2 + bootp[at + 1]]
        at += 2 + bootp[at + 1]
    name = found.get(67) or bootp[108:236].split(b"\0")[0]
    return {"server": socket.inet_ntoa(found.get(54, frame[26:30])),
            "address": socket.inet_ntoa(bootp[16:20]), "file": name.rstrip(b"\0").decode("latin-1"),
            "pxe": found.get(43, b"").hex(), "router": found.get(3, b"").hex()}


def main():
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
    wire.bind((interface, 0x800))
    wire.send(discover())
    end = time.monotonic() + 5
    count = 0
    # After the first answer a second server gets one more second.
    while time.monotonic() < end:
        wire.settimeout(max(0.01, end - time.monotonic()))
        try:
            offer = read_offer(wire.recv(4096))
        except TimeoutError:
            break
        if offer:
            print(json.dumps(offer))
            count += 1
            end = min(end, time.monotonic() + 1)
    return 0 if count else 1


sys.exit(main())
