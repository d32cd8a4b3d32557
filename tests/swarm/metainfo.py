#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a metainfo file for tests, independently of the program under test.

usage: metainfo.py IMAGE OUT [--piece-size BYTES] [--tracker URL[,URL...]]... [--key PEM] [--sha1-only]
                             [--v2-only] [--print-infohash]

Trackers of one --tracker are a tier.
"""
import argparse
import hashlib
import os
import subprocess
import tempfile

LEAF = 16384


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    pairs = sorted((k.encode() if isinstance(k, str) else k, v) for k, v in value.items())
    return b"d" + b"".join(bencode(k) + bencode(v) for k, v in pairs) + b"e"


def sha256(data):
    return hashlib.sha256(data).digest()


def tree(hashes, width, pad):
    hashes = hashes + [pad] * (width - len(hashes))
    while len(hashes) > 1:
        hashes = [sha256(hashes[i] + hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def power_of_two(number):
    width = 1
    while width < number:
        width *= 2
    return width


def hash_image(path, piece_size):
    sha1s, piece_hashes = [], []
    leaves_per_piece = piece_size // LEAF
    single = os.path.getsize(path) <= piece_size
    cache = {}
    with open(path, "rb") as image:
        while True:
            piece = image.read(piece_size)
            if not piece:
                break
            zero = len(piece) if piece.count(0) == len(piece) else None
            if zero is None or zero not in cache:
                leaves = [sha256(piece[i:i + LEAF]) for i in range(0, len(piece), LEAF)]
                width = power_of_two(len(leaves)) if single else leaves_per_piece
                hashes = (hashlib.sha1(piece).digest(), tree(leaves, width, bytes(32)))
                if zero is not None:
                    cache[zero] = hashes
            else:
                hashes = cache[zero]
            sha1s.append(hashes[0])
            piece_hashes.append(hashes[1])
    pad = bytes(32)
    for _ in range(leaves_per_piece.bit_length() - 1):
        pad = sha256(pad + pad)
    root = piece_hashes[0]
    if len(piece_hashes) > 1:
        root = tree(piece_hashes, power_of_two(len(piece_hashes)), pad)
    return b"".join(sha1s), b"".join(piece_hashes), root


def sign(key, data):
    def openssl(*args, **kwargs):
        return subprocess.run(["openssl", *args], check=True, capture_output=True, **kwargs).stdout

    with tempfile.NamedTemporaryFile() as message:
        message.write(data)
        message.flush()
        signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message.name)
    public = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")[-32:]
    return {"key": public, "signature": signature}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("out")
    parser.add_argument("--piece-size", type=int, default=1 << 20)
    parser.add_argument("--tracker", action="append", default=[])
    parser.add_argument("--key")
    parser.add_argument("--sha1-only", action="store_true")
    parser.add_argument("--v2-only", action="store_true")
    args = parser.parse_args()

    length = os.path.getsize(args.image)
    sha1s, layer, root = hash_image(args.image, args.piece_size)
    info = {"name": "image", "piece length": args.piece_size}
    top = {}
    if args.v2_only:
        info["meta version"] = 2
        info["file tree"] = {"image": {"": {"length": length, "pieces root": root}}}
        top["piece layers"] = {root: layer}
    else:
        info["length"] = length
        info["pieces"] = sha1s
        if not args.sha1_only:
            info["swarmboot"] = {"created": 1, "generation": 1, "sector size": 512,
                                 "sha256 root": root}
            top["piece layers"] = {root: layer}
    top["info"] = info
    if args.tracker:
        tiers = [urls.split(",") for urls in args.tracker]
        top["announce"] = tiers[0][0]
        top["announce-list"] = tiers
    if args.key:
        top["signatures"] = [sign(args.key, bencode(info))]
    with open(args.out, "wb") as out:
        out.write(bencode(top))
    print(hashlib.sha1(bencode(info)).hexdigest())


if __name__ == "__main__":
    main()
