#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 600
# Foreign BitTorrent clients, both ways: aria2, transmission and libtorrent fetch a whole image from our
# origin through our tracker, and `swarmboot fetch` fetches it from each of them; through HTTP and UDP
# announces, and through opentracker. One network namespace, an address for every program. Prints TAP.
for need in aria2c transmission-cli opentracker; do
	command -v "$need" >/dev/null || { echo "skip foreign_clients - $need is not installed"; exit 77; }
done
# opentracker becomes another user.
((EUID == 0)) || { echo "skip foreign_clients - needs root"; exit 77; }
. "$(dirname "$0")/../swarm/common.sh"

stop() { end_all 10 "$1"; }

for host in 1 2 3 4 5 6 7 8 9; do ip addr add "10.77.0.$host/24" dev lo; done

# 24 MiB and an odd end: random, a hole, a piece twice.
dd if=/dev/urandom of="$WORK/image" bs=1M count=18 status=none
dd if="$WORK/image" of="$WORK/image" bs=1M count=1 seek=20 conv=notrunc status=none
truncate -s $((24 * 1024 * 1024 + 512 * 7)) "$WORK/image"

import_for() { # NAME TRACKER...
	local name=$1 trackers=()
	shift
	for url in "$@"; do trackers+=(--tracker "$url"); done
	"$BIN" image import "$WORK/image" --piece-size 1MiB --out "$WORK/$name.torrent" \
		"${trackers[@]}" >"$WORK/import-$name.log" 2>&1 || { cat "$WORK/import-$name.log"; exit 1; }
}
import_for http http://10.77.0.1:6969/announce
import_for udp udp://10.77.0.1:6969
import_for opentracker-http http://10.77.0.9:6970/announce
import_for opentracker-udp udp://10.77.0.9:6970

start tracker "$BIN" tracker --listen 10.77.0.1:6969
# opentracker drops its privileges and serves only what its list names.
# The infohash has the second of the import in it, so each file may have its own.
mkdir "$WORK/ot" && /usr/bin/python3 -c '
import libtorrent, sys
for path in sys.argv[1:]:
    print(libtorrent.torrent_info(path).info_hash())' "$WORK"/*.torrent >"$WORK/ot/list" && chmod -R a+rX "$WORK"
start opentracker opentracker -i 10.77.0.9 -p 6970 -P 6970 -d "$WORK/ot" -w list -u nobody

# client NAME METAINFO DIRECTORY ADDRESS: starts a foreign client that fetches what is missing and serves.
client() {
	mkdir -p "$3"
	case $1 in
	aria2)
		# aria2 talks to UDP trackers only when its DHT is on (nobody is there to join).
		dht=false
		case $2 in *udp*) dht=true ;; esac
		start "$1-$4" aria2c --no-conf=true --dir="$3" --interface="$4" --listen-port=6881 \
			--enable-dht=$dht --dht-listen-port=6881 --bt-enable-lpd=false --seed-ratio=0.0 --file-allocation=none \
			--check-integrity=true --bt-tracker-interval=2 --bt-external-ip="$4" \
			--console-log-level=notice --summary-interval=0 "$2"
		;;
	transmission)
		# Its own settings each time: it believes what it remembers of an earlier directory.
		config=$WORK/config-${3##*/}
		mkdir -p "$config"
		cat >"$config/settings.json" <<-EOF
			{"bind-address-ipv4": "$4", "dht-enabled": false, "lpd-enabled": false,
			 "utp-enabled": false, "port-forwarding-enabled": false, "encryption": 0}
		EOF
		start "$1-$4" transmission-cli -g "$config" -w "$3" -p 6881 -M -et -v "$2"
		;;
	libtorrent)
		start "$1-$4" /usr/bin/python3 "$ROOT/tests/foreign/libtorrent_node.py" "$2" "$3" --listen "$4:6881"
		;;
	esac
}

for transport in http udp; do
	start "origin-$transport" "$BIN" seed "$WORK/$transport.torrent" --from "$WORK/image" \
		--listen 10.77.0.2:6881 --origin
	origin=$pid
	host=3
	for name in aria2 transmission libtorrent; do
		directory=$name-$transport
		client $name "$WORK/$transport.torrent" "$WORK/$directory" 10.77.0.$host
		foreign=$pid
		check "${name}_fetches_from_our_origin_over_${transport}_announces" \
			until_true 60 same "$directory/image"
		stop "$foreign"
		host=$((host + 1))
	done
	stop "$origin"
done

# The other way: the foreign client alone holds the image.
fetches() { # TARGET METAINFO
	timeout 60 "$BIN" fetch "$WORK/$2.torrent" --to "$WORK/$1" --listen 10.77.0.8:6881 --unsigned \
		--progress json >"$WORK/$1.log" 2>&1 && same "$1"
}
host=3
for name in aria2 transmission libtorrent; do
	for tracker in http udp opentracker-http opentracker-udp; do
		[ $tracker != udp ] && [ $tracker != opentracker-http ] || [ $name = libtorrent ] || continue
		directory=$WORK/seed-$name-$tracker
		mkdir -p "$directory" && cp --sparse=always "$WORK/image" "$directory/image"
		client $name "$WORK/$tracker.torrent" "$directory" 10.77.0.$host
		foreign=$pid
		check "fetch_from_${name}_through_${tracker}" fetches "target-$name-$tracker" "$tracker"
		stop "$foreign"
	done
	host=$((host + 1))
done
done_testing
