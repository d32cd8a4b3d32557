#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A machine that ran its system for a while is imaged again (scripts/drift-image: boots, logs, updated
# packages): what comes over the wire is at most 1.2 times the changed 16 KiB leaves that are not zeros,
# and far below the changed pieces. And it serves what it has: a blank machine finishes from it.
. "$(dirname "$0")/common.sh"

for tool in mkfs.ext4 debugfs; do
	if ! command -v $tool >/dev/null; then
		echo "skip $NAME - $tool is missing"
		exit 77
	fi
done

# A file system as large as a small system's, with files as large as its.
/usr/bin/python3 - "$WORK/tree" <<'END'
import os, random, sys
rng = random.Random(7)
for folder, count, most in (("usr/bin", 150, 400_000), ("usr/lib", 120, 700_000), ("usr/share/doc", 400, 20_000),
                            ("etc", 60, 3_000), ("var/log", 3, 9_000), ("var/lib/dpkg", 0, 0)):
    os.makedirs(os.path.join(sys.argv[1], folder))
    for i in range(count):
        with open(os.path.join(sys.argv[1], folder, "file-%d" % i), "wb") as out:
            out.write(rng.randbytes(rng.randrange(100, most)))
with open(os.path.join(sys.argv[1], "var/lib/dpkg/status"), "w") as out:
    out.write("Package: thing\nVersion: 1\n\n" * 20_000)
END
truncate -s 160M "$WORK/image"
mkfs.ext4 -q -F -d "$WORK/tree" "$WORK/image" || exit 99
metainfo
BYTES=$(stat -c %s "$WORK/image")
drift=$("$ROOT/scripts/drift-image" --update-one-in 20 --logs 12 "$WORK/image" "$WORK/disk.img") || exit 99
echo "# $drift"
changed() { /usr/bin/python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$drift" "$1"; }
leaves=$(changed leaves_to_fetch_bytes)
pieces=$(changed pieces_to_fetch_bytes)

seed origin 7700 --origin
origin=$pid
fetch disk 7701 --peer 127.0.0.1:7700 --holdback --readback --stay
until_true 60 has_event disk complete
received=$(($(last disk bytes_received) + $(last disk bytes_leaves)))
echo "# fetched: $received bytes, leaf layers included; changed: $leaves in leaves, $pieces in pieces"
check drifted_disk_has_the_image same disk.img
check at_most_the_changed_leaves_came [ $received -le $((leaves * 12 / 10)) ]
check far_less_than_the_changed_pieces_came [ $((received * 2)) -le "$pieces" ]
check something_was_reused at_least disk bytes_reused 1

# The origin goes; a blank machine takes everything from the one that was imaged again.
kill -KILL "$origin"
finish "$origin" 10
fetch blank 7702 --peer 127.0.0.1:7701
finish "$pid" 60
check blank_exits_0 [ "$status" = 0 ]
check blank_has_the_image same blank.img
done_testing
