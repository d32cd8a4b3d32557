#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 400
# A segment whose tracker dies before half of the nodes have booted: the late ones find the swarm by local
# discovery alone, or by peer exchange alone, and finish; so they do when the origin is dead as well and one node has
# the image. Nobody is found where that is not allowed.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/lan.bash"

random_image $((32 * 1048576))
metainfo --tracker http://10.88.0.100:6969/announce
lan_begin
for machine in 1 2 3 4 5 6 7 8 9 10 11 12 100; do lan_machine $machine; done

lan_start 100 tracker "$BIN" tracker --listen 10.88.0.100:6969
tracker=$pid
until_true 10 grep -qs listening "$WORK/tracker.out"
lan_seed 1 origin "$WORK/image.torrent" --origin --lsd --up 8MB/s
origin=$pid
early=()
for i in 2 3 4 5; do
	lan_fetch $i "early$i" "$WORK/image.torrent" --lsd --up 8MB/s
	early+=("$pid")
done
begun() { at_least early2 bytes_durable $((8 * 1048576)) && at_least early5 bytes_durable $((8 * 1048576)); }
check early_nodes_begin_by_the_tracker until_true 60 begun
check early_nodes_learnt_of_the_tracker at_least early2 addresses_from_trackers 1
kill -KILL "$tracker"
finish "$tracker" 10

# Half of the nodes boot now. Without peer exchange, so that it is the segment that finds them.
late=()
for i in 6 7 8 9; do
	LISTEN=10.88.0.$i:7000 lan_fetch $i "late$i" "$WORK/image.torrent" --lsd --no-pex --up 8MB/s
	late+=("$pid")
done
# One that asks nobody, and one in whose image's info it says that it may not.
lan_fetch 10 mute "$WORK/image.torrent" --no-lsd
"$BIN" image import "$WORK/image" --out "$WORK/private.torrent" --private --piece-size 1MiB --json >/dev/null
lan_seed 11 private-seed "$WORK/private.torrent" --lsd
lan_fetch 12 private "$WORK/private.torrent" --lsd
complete() {
	local each
	for each; do has_event "$each" complete || return 1; done
}
check late_nodes_complete_by_local_discovery until_true 120 complete late6 late7 late8 late9
check early_nodes_complete until_true 60 complete early2 early3 early4 early5
for i in 6 7 8 9; do
	check "late${i}_has_the_image" same "late$i.img"
	check "late${i}_knows_peers" at_least "late$i" addresses 3
	check "late${i}_heard_of_none_from_a_tracker" at_most "late$i" addresses_from_trackers 0
	check "late${i}_heard_of_none_from_peers" at_most "late$i" addresses_from_pex 0
done
check who_does_not_ask_is_not_told both at_most mute addresses 0 -- no_event mute complete
check private_images_are_not_called_for both at_most private addresses 0 -- no_event private complete
by_lsd=0
for name in early2 early3 early4 early5 late6 late7 late8 late9; do
	by_lsd=$((by_lsd + $(last $name addresses_from_lsd)))
	echo "# $name: $(last $name addresses_from_trackers) addresses by the tracker, $(last $name addresses_from_lsd) by local" \
		"discovery, $(last $name addresses_from_themselves) connected to it, $(last $name addresses_from_pex) by peer exchange"
done
check the_segment_named_them [ $by_lsd -ge 4 ]

# One machine calls 20,000 times, from as many ports, and sends rubbish in between.
cat >"$WORK/flood.py" <<'END'
import os, socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.88.0.12"))
text = "BT-SEARCH * HTTP/1.1\r\nHost: x\r\nPort: %d\r\nInfohash: %s\r\nSb-Wants: 8\r\n\r\n\r\n"
for i in range(20000):
    out.sendto((text % (i + 1, sys.argv[1])).encode(), ("239.192.152.143", 6771))
    if i % 16 == 0:
        out.sendto(os.urandom(i % 1400), ("239.192.152.143", 6771))
END
lan_fetch 10 flooded "$WORK/image.torrent" --lsd --no-pex --up 8MB/s --down 4MB/s
flooded=$pid
until_true 10 ready flooded
lan_run 12 /usr/bin/python3 "$WORK/flood.py" "$INFOHASH"
check who_is_flooded_completes until_true 60 complete flooded
check and_has_the_image same flooded.img
check a_flood_names_few at_most flooded addresses 40
ticks=$(awk '{ print $14 + $15 }' "/proc/$flooded/stat")
echo "# flooded: $(last flooded addresses) addresses, $((ticks * 10)) ms of CPU in all"
kill "$flooded"
finish "$flooded" 10

# The origin dies, and all but one of those who have the image.
gone=("$origin" "${early[@]}" "${late[@]:0:3}")
kill -KILL "${gone[@]}"
for node in "${gone[@]}"; do finish "$node" 10; done
for i in 2 3; do lan_fetch $i "last$i" "$WORK/image.torrent" --lsd --no-pex; done
check with_one_copy_left_they_complete until_true 120 complete last2 last3
check last2_has_the_image same last2.img
check last3_has_the_image same last3.img

# One acquaintance each, and peer exchange: whoever is told of the other dials it.
lan_seed 11 acquaintance "$WORK/image.torrent" --no-lsd --up 3MB/s --listen 10.88.0.11:7001
for i in 4 5; do lan_fetch $i "told$i" "$WORK/image.torrent" --no-lsd --peer 10.88.0.11:7001; done
check told_by_a_peer_they_complete until_true 120 complete told4 told5
by_pex() { [ $(($(last told4 addresses_from_pex) + $(last told5 addresses_from_pex))) -ge 1 ]; }
check they_were_told_of_each_other by_pex
check and_of_nobody_else both at_most told4 addresses 2 -- at_most told5 addresses 2
echo "# the acquaintance sent $(($(last acquaintance bytes_sent) * 100 / 33554432)) % of the image to two"
done_testing
