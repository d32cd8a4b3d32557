# SPDX-License-Identifier: Apache-2.0
"""A real Debian disk of 2 GiB, what is in it, and a disk that has drifted from it as a machine's does in
use: logs written, packages updated, files deleted, always the same ones."""
import os
import random
import re
import stat

from bench.machine import GIB, MIB, TOP, BenchError, run, say

LEAF_BYTES = 16 << 10


class DiskImage:
    """path: the image; offset: where its file system begins in it."""

    def __init__(self, path, offset):
        self.path, self.offset = path, offset
        self.bytes = os.path.getsize(path)

    def about(self, scratch):
        """Its share of zero pieces, and the bytes that its file system (and what lies before it) uses."""
        zero = sum(1 for piece in chunks(self.path, MIB) if piece.count(0) == len(piece))
        device = scratch.loop_at(self.path, self.offset)
        try:
            text = run("dumpe2fs", "-h", device)
        finally:
            scratch.unloop(device)
        block_bytes, blocks, free = (int(re.search(r"^%s:\s+(\d+)" % name, text, re.MULTILINE).group(1))
                                     for name in ("Block size", "Block count", "Free blocks"))
        return {"zero_share": round(zero * MIB / self.bytes, 4),
                "used_share": round((self.offset + (blocks - free) * block_bytes) / self.bytes, 4)}


def chunks(path, chunk_bytes):
    with open(path, "rb") as file:
        while chunk := file.read(chunk_bytes):
            yield chunk


def small(scratch):
    """For quick runs: a file system with some files of this machine."""
    path = scratch.file("small.raw")
    run("truncate", "-s", str(48 * MIB), path)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-d", "/usr/share/man/man8"
        if os.path.isdir("/usr/share/man/man8") else "/etc/ssl", path)
    return DiskImage(path, 0)


def debian(scratch):
    """The image that scripts/make-debian-image makes, its file system grown to a disk of 2 GiB. Kept in
    build/bench/."""
    kept = os.path.join(TOP, "build", "bench", "debian-2GiB.raw")
    made = run(TOP + "/scripts/make-debian-image").strip().splitlines()[-1]
    if not os.path.exists(made):
        raise BenchError("scripts/make-debian-image: no image %s" % made)
    offset = partition_offset(made)
    if not os.path.exists(kept) or os.path.getmtime(kept) < os.path.getmtime(made):
        say("growing Debian's disk to 2 GiB")
        new = kept + ".new"
        run("cp", "--sparse=always", made, new)
        run("truncate", "-s", str(2 * GIB), new)
        run("sfdisk", "--quiet", "--relocate", "gpt-bak-std", new)
        run("sfdisk", "--quiet", "-N", "3", new, given=", +\n")
        device = scratch.loop_at(new, offset)
        try:
            run("e2fsck", "-f", "-y", device, check=False)
            run("resize2fs", device)
        finally:
            scratch.unloop(device)
        run("fallocate", "--dig-holes", new)
        os.replace(new, kept)
    return DiskImage(kept, offset)


def partition_offset(path):
    """Of the last partition, which holds the root file system."""
    starts = re.findall(r"start=\s*(\d+)", run("sfdisk", "--dump", path))
    if not starts:
        raise BenchError("%s: no partitions" % path)
    return 512 * max(int(start) for start in starts)


def files_of(root):
    """Regular files of a mounted file system. Symbolic links are not followed: the image's absolute ones
    lead into the machine that measures."""
    found = []
    for folder, _, names in os.walk(root, followlinks=False):
        for name in names:
            entry = os.path.join(folder, name)
            about = os.lstat(entry)
            if stat.S_ISREG(about.st_mode) and about.st_size < 16 * MIB:
                if os.path.realpath(entry) != entry:
                    raise BenchError("%s leads out of the image" % entry)
                found.append(entry)
    return sorted(found)


def drift(image, path, scratch):
    """A copy of the image at path, used: 200 logs of 6 MB in all, one file of a hundred replaced as by an
    update, one of 250 deleted, the package lists rewritten. The same choices every time."""
    rng = random.Random(20260101)
    run("cp", "--sparse=always", image.path, path)
    device = scratch.loop_at(path, image.offset)
    try:
        root = scratch.mount(device, "drifting", "rw,nosuid,nodev,noexec,nosymfollow")
        files = files_of(root)
        chosen = rng.sample(files, max(1, len(files) // 100) + max(1, len(files) // 250))
        updated = chosen[:max(1, len(files) // 100)]
        for entry in updated:
            size = os.path.getsize(entry)
            with open(entry + ".new", "wb") as file:
                file.write(rng.randbytes(size))
            os.replace(entry + ".new", entry)
        for entry in chosen[len(updated):]:
            os.unlink(entry)
        for entry in (entry for entry in files if "/var/lib/dpkg/status" in entry):
            if not os.path.exists(entry):
                continue  # among the deleted
            with open(entry, "rb") as file:
                content = file.read()
            with open(entry + ".new", "wb") as file:
                file.write(content + b"\n")
            os.replace(entry + ".new", entry)
        logs = root + "/bench-logs"  # at the top: no link of the image's can lead elsewhere
        os.makedirs(logs)
        for number in range(200):
            with open("%s/%d.log" % (logs, number), "wb") as file:
                file.write(rng.randbytes(int(min(6e6, image.bytes / 50) / 200)))
        scratch.unmount(root)
    finally:
        scratch.unloop(device)
    return {"files": len(files), "updated": len(updated), "deleted": len(chosen) - len(updated)}


def changed_bytes(one, other, unit_bytes):
    """Bytes of the units (leaves, pieces) in which two disks differ."""
    changed = 0
    for a, b in zip(chunks(one, 16 * MIB), chunks(other, 16 * MIB)):
        if a != b:
            changed += sum(min(unit_bytes, len(a) - at) for at in range(0, len(a), unit_bytes)
                           if a[at:at + unit_bytes] != b[at:at + unit_bytes])
    return changed
