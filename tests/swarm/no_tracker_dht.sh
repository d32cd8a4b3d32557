#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# No tracker: it is killed before half of the nodes have booted. The late ones find the swarm through
# the DHT alone (no PEX, no multicast) and finish; then the origin dies as well, one full copy is left
# with one node, and those that boot now finish too.
. "$(dirname "$0")/common.sh"

random_image $((24 * 1048576))
metainfo --tracker http://127.0.0.1:7690/announce
ALONE=(--site hall1 --no-pex --no-lsd)

listens() { grep -q 'udp://' "$WORK/tracker.out" 2>/dev/null; }
start tracker "$BIN" tracker --listen 127.0.0.1:7690 --interval 2
tracker=$pid
until_true 10 listens
seed origin 7700 --origin "${ALONE[@]}"
origin=$pid

early=()
for i in 1 2 3 4; do
	fetch "early$i" $((7700 + i)) "${ALONE[@]}" --down 6MB/s --stay
	early+=("$pid")
done
until_true 30 at_least early1 bytes_durable $((4 * 1048576))
kill -KILL "$tracker"
finish "$tracker" 10
check the_tracker_died_with_half_of_them_on_their_way no_event early1 complete

# They have been told of the tracker, which is dead, and of one node of the DHT each.
late=()
for i in 1 2 3 4; do
	fetch "late$i" $((7710 + i)) "${ALONE[@]}" --down 6MB/s --stay --dht 127.0.0.1:7700
	late+=("$pid")
done
done_all() { local one; for one; do has_event "$one" complete || return 1; done; }
same_all() { local one; for one; do same "$one.img" || return 1; done; }
until_true 60 done_all early{1..4} late{1..4}
check all_complete both done_all early{1..4} late{1..4} -- same_all early{1..4} late{1..4}
for i in 1 2 3 4; do
	check "late${i}_was_told_of_peers_by_the_dht" at_least "late$i" addresses_from_dht 1
done
total=0
for i in 1 2 3 4; do total=$((total + $(last "late$i" addresses_from_dht))); done
echo "# the late ones were told of $total addresses by $(last late1 dht_nodes) nodes of the DHT"

# In no site: the site's key says nothing to it, full copies stand under the global one.
fetch stranger 7720 --no-pex --no-lsd --dht 127.0.0.1:7700
stranger=$pid
finish "$stranger" 60
check one_of_no_site_finds_full_copies both [ "$status" = 0 ] -- same stranger.img

# The origin and all nodes but one are gone. Two boot: the first knows the one that is left and the
# origin's address, the others know the origin's and the first of themselves.
kill -KILL "$origin" "${early[@]}" "${late[@]:1}"
for node in "$origin" "${early[@]}" "${late[@]:1}"; do finish "$node" 10; done
fetch last1 7731 "${ALONE[@]}" --down 6MB/s --stay --dht 127.0.0.1:7700 --dht 127.0.0.1:7711
started=$SECONDS
fetch last2 7732 "${ALONE[@]}" --down 6MB/s --stay --dht 127.0.0.1:7700 --dht 127.0.0.1:7731
fetch last3 7733 "${ALONE[@]}" --down 6MB/s --stay --dht 127.0.0.1:7700 --dht 127.0.0.1:7731
until_true 90 done_all last{1..3}
check with_the_origin_dead_they_complete both done_all last{1..3} -- same_all last{1..3}
echo "# from the copy that was left, within $((SECONDS - started)) s"
done_testing
