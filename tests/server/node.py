#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node as the server sees it, for tests: asks for plans and posts reports, bencoded.

node.py URL MAC plan [PUB.pem]            prints the plan as JSON, "signed" tells whether PUB's
                                          signature over it is right
node.py URL MAC report EVENT [KEY=VALUE]  posts a report, prints the reply as JSON; disk=... adds a
                                          disk: disk=SERIAL,WWN,BYTES,SECTOR[,WHY-NOT]
node.py URL MAC boot [PLATFORM]           prints the iPXE script
"""
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request


def encode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode(errors="surrogateescape")
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(k) + encode(v) for k, v in sorted(value.items())) + b"e"


def decode(data, at=0):
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        return dict(zip([k.decode() for k in items[::2]], items[1::2])), at + 1
    colon = data.index(b":", at)
    length = int(data[at:colon])
    return data[colon + 1:colon + 1 + length], colon + 1 + length


def plain(value):
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return text if text.isascii() and text.isprintable() else value.hex()
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value


def verified(pub, payload, signature):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("payload", payload), ("signature", signature)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pub, "-rawin",
             "-in", os.path.join(folder, "payload"), "-sigfile", os.path.join(folder, "signature")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def fetch(url, body=None):
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as answer:
        return answer.read()


def plan(url, mac, pub=None):
    nonce = os.urandom(16)
    envelope, _ = decode(fetch(f"{url}/v1/node/plan?node={mac}&uuid=u-1&serial=s-1"
                               f"&nonce={nonce.hex()}"))
    content = decode(envelope["plan"])[0]
    result = plain(content)
    result["fresh"] = content["nonce"] == nonce
    for key in ("head tail sha256", "infohash"):
        result[key] = content[key].hex()
    if pub:
        result["signed"] = any(verified(pub, envelope["plan"], s["signature"])
                               for s in envelope["signatures"])
    return result


def report_bytes(mac, event, fields):
    message = {"version": 1, "event": event, "node": mac, "uuid": "u-1", "serial": "s-1",
               "boot id": 1, "sequence": 1, "arm": 0, "stage": "target", "uptime ms": 1000,
               "bytes durable": 0, "bytes from origin": 0, "bytes present": 0,
               "bytes received": 0, "bytes sent": 0, "bytes total": 0, "bytes wasted": 0,
               "bytes zero": 0, "disks": [], "error": "none",
               "functions without driver": [], "head tail sha256": b"\0" * 32, "log": b"",
               "memory resident": 0, "peers": 0, "readback": 0, "text": "", "uefi": 0}
    for field in fields:
        key, value = field.split("=", 1)
        if key == "disk":
            serial, wwn, size, sector, why_not = (value.split(",") + [""])[:5]
            message["disks"].append({
                "bus": "virtio", "eligible": int(why_not == ""), "model": "disk", "name": "vda",
                "physical sector size": 512, "sector size": int(sector), "serial": serial,
                "size": int(size), "why not": why_not, "wwn": wwn})
        elif key == "head tail sha256":
            message[key] = bytes.fromhex(value)
        else:
            message[key] = int(value) if value.isdigit() else value
    return encode(message)


def report(url, mac, event, fields):
    return plain(decode(fetch(f"{url}/v1/node/report", report_bytes(mac, event, fields)))[0])


def main():
    url, mac, what = sys.argv[1:4]
    try:
        if what == "plan":
            print(json.dumps(plan(url, mac, *sys.argv[4:])))
        elif what == "report":
            print(json.dumps(report(url, mac, sys.argv[4], sys.argv[5:])))
        else:
            platform = sys.argv[4] if len(sys.argv) > 4 else "pcbios"
            print(fetch(f"{url}/v1/boot?mac={mac}&uuid=u-1&serial=s-1&platform={platform}"
                        f"&arch=x86_64").decode())
    except urllib.error.HTTPError as error:
        print(json.dumps({"http": error.code, "text": error.read().decode().strip(),
                          "retry_after": error.headers.get("Retry-After")}))
        return 1
    except OSError as error:
        print(json.dumps({"http": 0, "text": str(error)}))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
