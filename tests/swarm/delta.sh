#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that has drifted from the image: of the pieces that changed, only the changed 16 KiB leaves are
# fetched.
. "$(dirname "$0")/common.sh"

LEAF=16384
random_image $((64 * 1048576))
metainfo
BYTES=$(stat -c %s "$WORK/image")
seed origin 7600
origin=$pid

# drift NAME LEAF...: the image in NAME.img, with other bytes in those leaves.
drift() {
	local name=$1
	shift
	cp "$WORK/image" "$WORK/$name.img"
	for leaf in "$@"; do
		printf changed | dd of="$WORK/$name.img" bs=1 seek=$((leaf * LEAF + 1000)) conv=notrunc status=none
	done
}

# Three in a hundred, in more than half of the pieces.
leaves=$(seq 7 33 4095)
count=$(wc -w <<<"$leaves")
drift stale $leaves
fetch stale 7601 --peer 127.0.0.1:7600
finish "$pid" 60
fetched=$(($(last stale bytes_received) + $(last stale bytes_leaves)))
echo "# changed: $((count * LEAF)) bytes; fetched: $fetched, layers included"
check stale_exits_0 [ "$status" = 0 ]
check stale_has_the_image same stale.img
check only_changed_leaves_came [ $fetched -le $((count * LEAF * 12 / 10)) ]
check nothing_less_came [ "$(last stale bytes_received)" -ge $((count * LEAF)) ]

# The first and last MiB are wiped and held back, and still count as what the disk holds.
drift held 0 1 63 2000 4095
fetch held 7602 --peer 127.0.0.1:7600 --holdback --readback
finish "$pid" 60
check held_exits_0 [ "$status" = 0 ]
check held_has_the_image same held.img
check only_changed_leaves_of_held_came [ "$(last held bytes_received)" = $((5 * LEAF)) ]

# Another system's bytes everywhere: layers are soon given up.
head -c "$BYTES" /dev/urandom >"$WORK/other.img"
fetch other 7603 --peer 127.0.0.1:7600
finish "$pid" 60
check other_exits_0 [ "$status" = 0 ]
check other_has_the_image same other.img
check other_was_fetched_whole at_least other bytes_received "$BYTES"
check layers_were_given_up at_most other bytes_leaves $((40 * 2048))

# A blank disk: none at all.
fetch blank 7604 --peer 127.0.0.1:7600
finish "$pid" 60
check blank_asks_for_no_layers both [ "$status" = 0 ] -- [ "$(last blank bytes_leaves)" = 0 ]

# A node that is being imaged again serves layers too, of what it has; with the origin gone.
drift again 5 1500 3000
fetch again 7605 --peer 127.0.0.1:7600 --stay
until_true 30 has_event again complete
kill -KILL "$origin"
finish "$origin" 10
drift after 5 6 1499 1501 3001
fetch after 7606 --peer 127.0.0.1:7605
finish "$pid" 60
check after_exits_0 [ "$status" = 0 ]
check after_has_the_image same after.img
check after_fetched_leaves [ "$(last after bytes_received)" = $((5 * LEAF)) ]

# Pieces whose equals are still on the disk are copied from there. Nobody is there to fetch from.
random_image $((8 * 1048576))
cat "$WORK/image" "$WORK/image" >"$WORK/twice"
mv "$WORK/twice" "$WORK/image"
metainfo
drift twins 512 600 1023
fetch twins 7607
finish "$pid" 60
check twins_exits_0 [ "$status" = 0 ]
check twins_has_the_image same twins.img
check twins_were_copied both [ "$(last twins bytes_copied)" = $((3 * 1048576)) ] -- [ "$(last twins bytes_received)" = 0 ]
done_testing
