#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that returned wrong bytes once: no frame of them is kept and sent again. A frame that no memory could ever hold ends its
# connection.
. "$(dirname "$0")/common.sh"

MIB=1048576
ask() { /usr/bin/python3 "$HERE/peers/frame_peer.py" ask 7700 "$INFOHASH" "$@"; }
block() { dd if="$WORK/image" bs=$MIB skip="$1" count=1 status=none | sha256sum | cut -d' ' -f1; }
put() { printf '%s' "$1" | dd of="$WORK/image" bs=1 seek=$((MIB + 5000)) conv=notrunc status=none; }

# An origin reads what it sends from its disk. Pieces of one frame and of two.
for pieces in 1 2; do
	seq -f 'line %020.0f of a text' $((4 * MIB / 35)) | head -c $((4 * MIB)) >"$WORK/image"
	metainfo --piece-size $((pieces * MIB))
	right=$(block 1)
	kept=$(dd if="$WORK/image" bs=1 skip=$((MIB + 5000)) count=5 status=none)
	place="$((1 / pieces)) $((1 % pieces * MIB)) $MIB"
	seed "origin$pieces" 7700 --origin --compress always
	put wrong
	wrong=$(block 1)
	# shellcheck disable=SC2086 # three numbers
	answer=$(ask $place)
	echo "# pieces of $pieces MiB: from the wrong disk: $answer"
	if [ "$pieces" = 1 ]; then
		check "piece_of_${pieces}_that_is_wrong_is_refused" [ "$answer" = rejected ]
	else
		check "piece_of_${pieces}_comes_as_a_frame" [ "$answer" = "frame $wrong" ]
	fi
	put "$kept"
	# shellcheck disable=SC2086
	check "piece_of_${pieces}_is_right_once_the_disk_is" [ "$(ask $place)" = "frame $right" ]
	end_all 10 "$pid"
done

# Pieces of 32 KiB, little memory for frames: one of a megabyte is none that was asked for.
random_image $MIB
metainfo --piece-size 32768
fetch a 7701 --compress always --memory 4MiB
until_true 10 ready a
check a_frame_too_large_ends_the_connection [ \
	"$(/usr/bin/python3 "$HERE/peers/frame_peer.py" overflow 7701 "$INFOHASH")" = closed ]
check and_the_node_lives ours "$pid"

done_testing
