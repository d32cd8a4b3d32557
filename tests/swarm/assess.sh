#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Assessment beside fetching and serving: a blank node takes the image from one that has only begun to
# read its disk, with no origin anywhere.
. "$(dirname "$0")/common.sh"

PIECE=65536
random_image $((24 * 1048576))
metainfo --piece-size $PIECE
BYTES=$(stat -c %s "$WORK/image")

# Its disk reads slowly, so that assessing takes a while.
cp "$WORK/image" "$WORK/old.img"
fetch old 7501 --stay --faults read-delay-us=100000
until_true 10 ready old
fetch blank 7502 --peer 127.0.0.1:7501
until_true 30 at_least blank bytes_received 1
echo "# the blank node has its first bytes; assessed by then: $(last old bytes_assessed) of $BYTES"
check serves_before_it_is_assessed [ "$(last old assessed)" = False ]
finish "$pid" 60
check blank_exits_0 [ "$status" = 0 ]
check blank_has_the_image same blank.img
check old_fetched_nothing [ "$(last old bytes_received)" = 0 ]
until_true 30 has_event old complete
check old_is_complete has_event old complete

# Some pieces have changed, the node that has them is there from the start: only they are fetched, and
# what comes of them is served on, all before the disk has been read to its end.
cp "$WORK/image" "$WORK/stale.img"
for piece in 3 17 140 141 142 377; do
	printf changed | dd of="$WORK/stale.img" bs=1 seek=$((piece * PIECE + 7000)) conv=notrunc status=none
done
seed origin 7500
fetch stale 7503 --peer 127.0.0.1:7500 --faults read-delay-us=100000
until_true 30 at_least stale bytes_received 1
check fetches_before_it_is_assessed [ "$(last stale assessed)" = False ]
finish "$pid" 60
check stale_exits_0 [ "$status" = 0 ]
check stale_has_the_image same stale.img
check only_changed_pieces_came at_most stale bytes_received $((6 * PIECE))
done_testing
