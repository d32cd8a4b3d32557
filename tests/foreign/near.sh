#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# seconds: 400
# Foreign clients without a tracker: transmission, libtorrent and aria2 find ours, and ours find them, by local
# discovery on one segment; and libtorrent and transmission exchange peers with ours.
. "$(dirname "$0")/../swarm/common.sh"
. "$ROOT/tests/swarm/lan.bash"
for need in aria2c transmission-cli; do
	command -v "$need" >/dev/null || { echo "skip $NAME - $need is not installed"; exit 77; }
done

random_image $((8 * 1048576))
"$BIN" image import "$WORK/image" --out "$WORK/image.torrent" --piece-size 256KiB --name image --json >/dev/null
lan_begin
for machine in 1 2 3 4 5; do
	lan_machine $machine
	# transmission joins the group wherever the route leads.
	ip -n "$LAN-$machine" route add 224.0.0.0/4 dev eth0
done

# client NAME MACHINE DIRECTORY LSD PEX: fetches what is missing and serves; its pid is in $pid.
client() {
	mkdir -p "$3"
	case $1 in
	transmission)
		local config=$WORK/config-${3##*/}
		mkdir -p "$config"
		cat >"$config/settings.json" <<-END
			{"bind-address-ipv4": "10.88.0.$2", "dht-enabled": false, "lpd-enabled": $4, "pex-enabled": $5,
			 "utp-enabled": false, "port-forwarding-enabled": false, "encryption": 0}
		END
		lan_start "$2" "${3##*/}" transmission-cli -g "$config" -w "$3" -p 6881 -M -et -v "$WORK/image.torrent"
		;;
	libtorrent)
		lan_start "$2" "${3##*/}" /usr/bin/python3 "$ROOT/tests/foreign/libtorrent_node.py" "$WORK/image.torrent" "$3" \
			--listen "10.88.0.$2:6881" $([ "$4" = true ] && echo --lsd)
		;;
	aria2)
		lan_start "$2" "${3##*/}" aria2c --no-conf=true --dir="$3" --interface="10.88.0.$2" --listen-port=6881 \
			--enable-dht=false --enable-dht6=false --bt-enable-lpd="$4" --enable-peer-exchange="$5" \
			--bt-lpd-interface="10.88.0.$2" --seed-ratio=0.0 --file-allocation=none --check-integrity=true \
			--summary-interval=0 "$WORK/image.torrent"
		;;
	esac
}
ended() { end_all 10 "$@"; }
listens() { ip netns exec "$LAN-$1" ss -Hltn "sport = :$2" | grep -q .; }

for which in transmission libtorrent aria2; do
	# Each way, who came first only hears. (aria2 and libtorrent speak when they start, and then every five minutes.)
	lan_seed 1 "seed-$which" "$WORK/image.torrent" --lsd --no-pex
	ours=$pid
	client $which 2 "$WORK/from-ours-$which" true false
	theirs=$pid
	check "${which}_finds_ours" until_true 60 same "from-ours-$which/image"
	ended "$ours" "$theirs"
	lan_fetch 3 "to-$which" "$WORK/image.torrent" --lsd --no-pex
	ours=$pid
	until_true 10 ready "to-$which"
	client $which 2 "$WORK/from-ours-$which" true false
	theirs=$pid
	check "ours_finds_$which" until_true 60 has_event "to-$which" complete
	ended "$ours" "$theirs"
done

# Peer exchange, among machines none of which has anything, so that all go on looking. Ours in the middle: the foreign
# client hears of another of ours, which is told of nobody itself, and connects to it.
for which in libtorrent transmission; do
	client $which 2 "$WORK/hears-$which" false true
	theirs=$pid
	until_true 30 listens 2 6881
	lan_start 1 "middle-$which" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/middle-$which.img" --unsigned \
		--listen 10.88.0.1:7000 --progress json --no-lsd --peer 10.88.0.2:6881
	middle=$pid
	until_true 10 ready "middle-$which"
	LISTEN=10.88.0.3:7000 lan_fetch 3 "third-$which" "$WORK/image.torrent" --no-lsd --no-pex --peer 10.88.0.1:7000
	third=$pid
	until_true 10 at_least "third-$which" peers 1
	check "${which}_hears_of_peers_from_ours" until_true 60 at_least "third-$which" addresses_from_themselves 1
	ended "$third" "$middle" "$theirs"

	# The foreign client in the middle: each of ours knows it alone.
	client $which 2 "$WORK/tells-$which" false true
	theirs=$pid
	for i in 4 5; do
		LISTEN=10.88.0.$i:7000 lan_fetch $i "told$i-$which" "$WORK/image.torrent" --no-lsd --peer 10.88.0.2:6881
		told[i]=$pid
	done
	either() { at_least "told4-$which" addresses_from_pex 1 || at_least "told5-$which" addresses_from_pex 1; }
	check "ours_hears_of_peers_from_$which" until_true 120 either
	ended "${told[4]}" "${told[5]}" "$theirs"
done
done_testing
