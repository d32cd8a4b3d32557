#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# Thirty fetches with --memory 8MiB, each in a namespace of its own behind a shaped link: all complete, few
# bytes more than the image come to each, and none takes more than 8 MiB (proportional set size, so what
# they share counts once). CROWD=300 CROWD_MBIT=1 for a real crowd.
. "$(dirname "$0")/common.sh"
[ "$(id -u)" = 0 ] || { echo "skip $NAME - namespaces need root"; exit 77; }

count=${CROWD:-30}
random_image $((8 * 1048576))
metainfo --piece-size 32768 --tracker http://10.99.0.1:7000/announce
mkdir "$WORK/images"
start crowd unshare --net --mount "$HERE/crowd.py" "$BIN" "$WORK/image.torrent" "$WORK/image" \
	"$WORK/images" --count "$count" --rate "${CROWD_MBIT:-8}" --limit 400
finish "$pid" 500
echo "# $(cat "$WORK/crowd.out")"
check ends_well [ "$status" = 0 ]
check all_complete [ "$(last crowd complete)" = "$count" ]
check all_hold_the_image [ "$(last crowd same)" = "$count" ]
check little_is_received_twice [ "$(last crowd wasted_bytes)" -lt $((count * 8388608 / 5)) ]
check within_8_mib [ "$(last crowd pss_kib)" -le 8192 ]
done_testing
