#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 600
# Foreign BitTorrent clients, both ways: aria2, transmission and libtorrent fetch a whole image from our
# origin through our tracker, and `swarmboot fetch` fetches it from each of them; through HTTP and UDP
# announces, and through opentracker. One network namespace, an address for every program. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
BIN=${BIN:-build/swarmboot}
BIN=$(realpath "$BIN")
HERE=$PWD
. tests/processes.bash
[ "$(id -u)" = 0 ] || { echo "skip foreign_clients - network namespaces need root"; exit 77; }
for need in aria2c transmission-cli opentracker; do
	command -v "$need" >/dev/null || { echo "skip foreign_clients - $need is not installed"; exit 77; }
done

NS=sbf$$
WORK=$(mktemp -d /tmp/swarmboot-foreign-XXXXXX)
PIDS=()
failed=0

cleanup() {
	trap - EXIT INT TERM
	end_all 10 "${PIDS[@]}"
	ip netns del "$NS" 2>/dev/null
	if [ "$failed" = 0 ]; then rm -rf "$WORK"; else echo "# logs are kept in $WORK"; fi
}
trap cleanup EXIT
trap 'failed=1; exit 130' INT TERM

# start NAME COMMAND...: in the namespace, in the background; the pid is in $pid.
start() {
	local name=$1
	shift
	ip netns exec "$NS" "$@" >"$WORK/$name.log" 2>&1 </dev/null &
	pid=$!
	PIDS+=("$pid")
}

stop() { end_all 10 "$1"; }

# until SECONDS COMMAND...: polls a condition.
until_true() {
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $limit ] || return 1
		sleep 0.2
	done
}

same() { cmp -s "$WORK/image.raw" "$1"; }

report() { # NAME STATUS
	if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1"; failed=1; fi
}

ip netns add "$NS" && ip -n "$NS" link set lo up || exit 1
for host in 1 2 3 4 5 6 7 8 9; do ip -n "$NS" addr add "10.77.0.$host/24" dev lo; done

# 24 MiB and an odd end: random, a hole, a piece twice.
dd if=/dev/urandom of="$WORK/image.raw" bs=1M count=18 status=none
dd if="$WORK/image.raw" of="$WORK/image.raw" bs=1M count=1 seek=20 conv=notrunc status=none
truncate -s $((24 * 1024 * 1024 + 512 * 7)) "$WORK/image.raw"

metainfo() { # NAME TRACKER...
	local name=$1 trackers=()
	shift
	for url in "$@"; do trackers+=(--tracker "$url"); done
	"$BIN" image import "$WORK/image.raw" --piece-size 1MiB --out "$WORK/$name.torrent" \
		"${trackers[@]}" >"$WORK/import-$name.log" 2>&1 || { cat "$WORK/import-$name.log"; exit 1; }
}
metainfo http http://10.77.0.1:6969/announce
metainfo udp udp://10.77.0.1:6969
metainfo opentracker-http http://10.77.0.9:6970/announce
metainfo opentracker-udp udp://10.77.0.9:6970

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
		start "$1-$4" /usr/bin/python3 "$HERE/tests/foreign/libtorrent_node.py" "$2" "$3" --listen "$4:6881"
		;;
	esac
}

for transport in http udp; do
	start "origin-$transport" "$BIN" seed "$WORK/$transport.torrent" --from "$WORK/image.raw" \
		--listen 10.77.0.2:6881 --origin
	origin=$pid
	host=3
	for name in aria2 transmission libtorrent; do
		directory=$WORK/$name-$transport
		client $name "$WORK/$transport.torrent" "$directory" 10.77.0.$host
		foreign=$pid
		until_true 60 same "$directory/image.raw"
		report "${name}_fetches_from_our_origin_over_${transport}_announces" $?
		stop "$foreign"
		host=$((host + 1))
	done
	stop "$origin"
done

# The other way: the foreign client alone holds the image.
host=3
for name in aria2 transmission libtorrent; do
	for tracker in http udp opentracker-http opentracker-udp; do
		[ $tracker != udp ] && [ $tracker != opentracker-http ] || [ $name = libtorrent ] || continue
		directory=$WORK/seed-$name-$tracker
		mkdir -p "$directory" && cp --sparse=always "$WORK/image.raw" "$directory/image.raw"
		client $name "$WORK/$tracker.torrent" "$directory" 10.77.0.$host
		foreign=$pid
		timeout 60 ip netns exec "$NS" "$BIN" fetch "$WORK/$tracker.torrent" \
			--to "$WORK/target-$name-$tracker.raw" --listen 10.77.0.8:6881 --unsigned --progress json \
			>"$WORK/fetch-$name-$tracker.log" 2>&1 && same "$WORK/target-$name-$tracker.raw"
		report "fetch_from_${name}_through_${tracker}" $?
		stop "$foreign"
	done
	host=$((host + 1))
done
exit $failed
