#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An aria2 in a swarm whose own nodes send each other compressed blocks: it completes, and ours receive
# little more than without it, because they do not fetch from it what is to be had compressed.
. "$(dirname "$0")/../swarm/common.sh"
command -v aria2c >/dev/null || { echo "skip $NAME - aria2c is not installed"; exit 77; }

MIB=1048576
FILES_MIB=64
NODES=(a b c d)
tar -C / -cf - --exclude='*.xz' --exclude='*.gz' usr/bin usr/lib/x86_64-linux-gnu 2>/dev/null |
	head -c $((FILES_MIB * MIB)) >"$WORK/image"
metainfo --piece-size $MIB --tracker http://127.0.0.1:7099/announce

# swarm NAME: the most that any of our nodes received, in percent of the image, in $most.
swarm() {
	local round=$1 port=7001 node wire
	start tracker "$BIN" tracker --listen 127.0.0.1:7099
	seed origin 7000 --origin --compress always
	for node in "${NODES[@]}"; do
		fetch "$node" $((port++)) --compress always --stay
	done
	if [ "$round" = mixed ]; then
		mkdir "$WORK/aria"
		start aria aria2c --no-conf --no-netrc --dir="$WORK/aria" --seed-ratio=0 --enable-dht=false \
			--enable-dht6=false --bt-enable-lpd=false --listen-port=7100 --summary-interval=0 \
			--bt-max-peers=55 --file-allocation=none --interface=127.0.0.1 "$WORK/image.torrent"
	fi
	most=0
	for node in "${NODES[@]}"; do
		check "${round}_${node}_is_complete" until_true 120 has_event "$node" complete
		check "${round}_${node}_has_the_image" same "$node.img"
		wire=$(($(last "$node" bytes_received_wire) * 1000 / (FILES_MIB * MIB)))
		[ "$wire" -gt "$most" ] && most=$wire
	done
	if [ "$round" = mixed ]; then
		check aria2_has_the_image until_true 120 same aria/image
		check aria2_was_not_banned [ "$(last a peers_banned)$(last b peers_banned)" = 00 ]
	fi
	end_all 20 "${PIDS[@]}"
	PIDS=()
	for node in "${NODES[@]}"; do mv "$WORK/$node.out" "$WORK/$round-$node.out"; rm -f "$WORK/$node.img"; done
	echo "# $round: at most $most thousandths of the image on the wire"
}

swarm alone
alone=$most
check alone_at_most_0.45_of_the_files [ "$alone" -le 450 ]
swarm mixed
# On loopback aria2 is as fast as the compressor: what the origin gave only to it comes from it.
check mixed_at_most_half_more [ $((most * 2)) -le $((alone * 3)) ]
done_testing
