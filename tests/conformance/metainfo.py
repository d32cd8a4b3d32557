#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Metainfo and merkle trees against other implementations, at every length that is a corner case.

Ours -> libtorrent, aria2, transmission: accepted, one infohash, the same pieces.
libtorrent's v1, v2 and hybrid files -> ours: infohashes, roots and every piece's hash agree; what we
cannot use is refused by name. Prints TAP. TOOL names build/tests/helpers/metainfo_tool.
"""
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.environ.get("TOOL", os.path.join(TOP, "build/tests/helpers/metainfo_tool"))

try:
    import libtorrent as lt
except ImportError:
    print("skip conformance of metainfo - python3-libtorrent is not installed")
    sys.exit(0)

PIECE = 64 * 1024
LENGTHS = [1, 511, 16383, 16384, 16385, 40000, PIECE - 1, PIECE, PIECE + 1, PIECE + 16384,
           2 * PIECE - 1, 2 * PIECE, 3 * PIECE, 3 * PIECE + 1, 5 * PIECE + 777, 8 * PIECE,
           9 * PIECE - 16384, 33 * PIECE + 49153]
TRACKERS = ["http://10.0.0.1:8080/announce", "udp://[fd00::1]:6969"]
failed = []


def check(name, wrong):
    """One TAP line: `wrong` lists what is wrong."""
    wrong = [text for text in wrong if text]
    print(("not ok " if wrong else "ok ") + name)
    for text in wrong:
        print("#", text)
    if wrong:
        failed.append(name)


def run(*command):
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(errors="replace") + done.stderr.decode(
        errors="replace")


def show(path):
    status, text = run(TOOL, "show", path)
    if status not in (0, 1):
        return {"error": "crash", "text": f"status {status}: {text}"}
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def differs(what, got, wanted):
    return "" if got == wanted else f"{what}: {got!r}, should be {wanted!r}"


def found_by(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip().lower() if found else text.strip()[:200]


def ours_is_read_by_others(work, length, data):
    path = os.path.join(work, "disk image.raw")
    torrent = os.path.join(work, "ours.torrent")
    with open(path, "wb") as file:
        file.write(data)
    status, text = run(TOOL, "write", path, str(PIECE), torrent, *TRACKERS)
    if status != 0:
        check(f"ours of {length} bytes", [f"not written: {text}"])
        return
    with open(torrent, "rb") as file:
        raw = file.read()
    mine = show(torrent)
    decoded = lt.bdecode(raw)
    infohash = hashlib.sha1(lt.bencode(decoded[b"info"])).hexdigest()
    check(f"ours of {length} bytes is canonical and checks", [
        differs("bencoded again", lt.bencode(decoded) == raw, True),
        differs("infohash", mine.get("infohash"), infohash),
        differs("check", run(TOOL, "check", torrent, path), (0, "wrong=0\n"))])

    info = lt.torrent_info(torrent)
    pieces = [hashlib.sha1(data[at:at + PIECE]).digest() for at in range(0, length, PIECE)]
    check(f"ours of {length} bytes in libtorrent", [
        differs("infohash", str(info.info_hash()), infohash),
        differs("v2", info.info_hashes().has_v2(), False),
        differs("name", info.name(), "disk image.raw"),
        differs("length", info.total_size(), length),
        differs("piece length", info.piece_length(), PIECE),
        differs("pieces", [info.hash_for_piece(i) for i in range(info.num_pieces())], pieces),
        differs("trackers", [(t.tier, t.url) for t in info.trackers()],
                list(enumerate(TRACKERS)))])
    if shutil.which("aria2c"):
        status, text = run("aria2c", "-S", torrent)
        check(f"ours of {length} bytes in aria2", [
            differs("status", status, 0),
            differs("infohash", found_by(r"^Info Hash: (.*)$", text), infohash),
            differs("piece length", found_by(r"^Piece Length: (.*)$", text), "64kib"),
            differs("pieces", found_by(r"^The Number of Pieces: (.*)$", text),
                    str(len(pieces)))])
    else:
        print("skip ours in aria2 - aria2c is not installed")
    if shutil.which("transmission-show"):
        status, text = run("transmission-show", torrent)
        check(f"ours of {length} bytes in transmission", [
            differs("status", status, 0),
            differs("infohash", found_by(r"^  Hash: (.*)$", text), infohash),
            differs("pieces", found_by(r"^  Piece Count: (.*)$", text), str(len(pieces)))])
    else:
        print("skip ours in transmission - transmission-show is not installed")


def libtorrent_makes(work, names, flags, piece=PIECE):
    storage = lt.file_storage()
    if len(names) == 1:
        lt.add_files(storage, os.path.join(work, names[0]))
    else:
        lt.add_files(storage, work)
    creator = lt.create_torrent(storage, piece, flags)
    lt.set_piece_hashes(creator, work if len(names) == 1 else os.path.dirname(work))
    return creator.generate()


def write_torrent(work, entry):
    path = os.path.join(os.path.dirname(work), "theirs.torrent")
    with open(path, "wb") as file:
        file.write(lt.bencode(entry))
    return path


def theirs_is_read_by_us(work, length, data):
    path = os.path.join(work, "disk")
    with open(path, "wb") as file:
        file.write(data)
    kinds = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}
    for kind, flags in kinds.items():
        entry = libtorrent_makes(work, ["disk"], flags)
        torrent = write_torrent(work, entry)
        info = lt.torrent_info(torrent)
        mine = show(torrent)
        v2 = kind != "v1"
        wrong = [
            differs("error", mine.get("error", ""), ""),
            differs("length", mine.get("length"), str(length)),
            differs("kind", (mine.get("has_v1"), mine.get("has_v2")),
                    (str(int(kind != "v2")), str(int(v2)))),
            differs("swarm's hash", mine.get("swarm_hash"),
                    str(info.info_hashes().v2)[:40] if kind == "v2"
                    else str(info.info_hashes().v1)),
            differs("check", run(TOOL, "check", torrent, path), (0, "wrong=0\n"))]
        if v2:
            root = entry[b"info"][b"file tree"][b"disk"][b""][b"pieces root"]
            wrong.append(differs("root", mine.get("sha256_root"), root.hex()))
            wrong.append(differs("v2 infohash", mine.get("infohash_v2"),
                                 str(info.info_hashes().v2)))
            wrong.append(differs("SHA-256 known", mine.get("has_sha256"), "1"))
        check(f"libtorrent's {kind} of {length} bytes", wrong)


def unusable_is_refused_by_name(base):
    work = os.path.join(base, "several")
    os.mkdir(work)
    for name in ("one", "two"):
        with open(os.path.join(work, name), "wb") as file:
            file.write(os.urandom(3 * PIECE + 5))
    for kind, flags in (("v1", lt.create_torrent.v1_only), ("v2", lt.create_torrent.v2_only),
                        ("hybrid", 0)):
        torrent = write_torrent(work, libtorrent_makes(work, ["one", "two"], flags))
        mine = show(torrent)
        check(f"a {kind} file of several files is refused", [
            differs("error", mine.get("error"), "unsupported"),
            differs("named", "several files" in mine.get("text", ""), True)])

    v2 = libtorrent_makes(work, ["one"], lt.create_torrent.v2_only)
    layer = dict(v2[b"piece layers"])
    v2[b"piece layers"] = {}
    mine = show(write_torrent(work, v2))
    check("a v2 file without its piece layer is refused", [
        differs("error", mine.get("error"), "unsupported"),
        differs("named", "piece layer" in mine.get("text", ""), True)])
    root, hashes = next(iter(layer.items()))
    v2[b"piece layers"] = {root: hashes[:-1] + bytes([hashes[-1] ^ 1])}
    mine = show(write_torrent(work, v2))
    check("a v2 file with a bent piece layer is refused", [
        differs("error", mine.get("error"), "digest-mismatch")])
    hybrid = libtorrent_makes(work, ["one"], 0)
    hybrid[b"piece layers"] = {}
    mine = show(write_torrent(work, hybrid))
    check("a hybrid without its piece layer serves by SHA-1", [
        differs("error", mine.get("error", ""), ""),
        differs("SHA-256 known", mine.get("has_sha256"), "0")])


def main():
    if not os.access(TOOL, os.X_OK):
        print(f"not ok conformance of metainfo\n# {TOOL} is missing: make tools")
        return 1
    # The content is the same on every run.
    source = random.Random(52)
    with tempfile.TemporaryDirectory(prefix="swarmboot-conformance-") as base:
        work = os.path.join(base, "work")
        os.mkdir(work)
        for length in LENGTHS:
            data = source.randbytes(length)
            ours_is_read_by_others(base, length, data)
            theirs_is_read_by_us(work, length, data)
        unusable_is_refused_by_name(base)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
