#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 600
# The DHT with foreign nodes in it, libtorrent's and transmission's: they find our seed through our node,
# we find theirs through it, and ours meet through theirs. No tracker, no PEX, no multicast; whoever
# is in the middle knows nothing of the image. One network namespace, an address for every program. Prints TAP.
set -u
cd "$(dirname "$0")/../.."
BIN=${BIN:-build/swarmboot}
BIN=$(realpath "$BIN")
HERE=$PWD
. tests/processes.bash
[ "$(id -u)" = 0 ] || { echo "skip foreign_dht - network namespaces need root"; exit 77; }
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null ||
	{ echo "skip foreign_dht - libtorrent is not installed"; exit 77; }

NS=sbd$$
WORK=$(mktemp -d /tmp/swarmboot-dht-XXXXXX)
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

start() { # NAME COMMAND...: in the namespace, in the background; its pid in $pid
	local name=$1
	shift
	ip netns exec "$NS" "$@" >"$WORK/$name.log" 2>&1 </dev/null &
	pid=$!
	PIDS+=("$pid")
}
stop() { for one; do end_all 10 "$one"; done; }
until_true() { # SECONDS COMMAND...
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $limit ] || return 1
		sleep 0.1
	done
}
report() { # NAME STATUS
	if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1"; failed=1; fi
}
same() { cmp -s "$WORK/image" "$1"; }
seeding() { grep -q '"event":"progress"' "$WORK/$1.log" 2>/dev/null; }

ip netns add "$NS" && ip -n "$NS" link set lo up || exit 1
for host in 1 2 3 4 5 6 7 8; do
	ip -n "$NS" addr add "10.77.0.$host/24" dev lo
	ip -n "$NS" addr add "fd77::$host/64" dev lo
done

head -c 4194304 /dev/urandom >"$WORK/image"
head -c 1048576 /dev/urandom >"$WORK/other"
mkdir "$WORK/far" && mv "$WORK/other" "$WORK/far/image"
tests/swarm/metainfo.py "$WORK/image" "$WORK/image.torrent" >/dev/null
tests/swarm/metainfo.py "$WORK/far/image" "$WORK/far/image.torrent" >/dev/null

# Addresses of the four parts that are played: 4 or 6.
at() { if [ "$1" = 4 ]; then echo "10.77.0.$2"; else echo "fd77::$2"; fi; }
with_port() { if [ "$1" = 4 ]; then echo "10.77.0.$2:6881"; else echo "[fd77::$2]:6881"; fi; }

ALONE=(--no-pex --no-lsd --progress json)
# Our node in the middle: it seeds another image.
our_middle() { # FAMILY
	start "middle$1" "$BIN" seed "$WORK/far/image.torrent" --from "$WORK/far/image" \
		--listen "$(with_port "$1" 1)" "${ALONE[@]}"
	until_true 10 seeding "middle$1"
}
our_seed() { # FAMILY
	start "seed$1" "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" \
		--listen "$(with_port "$1" 2)" --dht "$(with_port "$1" 1)" "${ALONE[@]}"
	until_true 10 seeding "seed$1"
}
our_fetch() { # NAME FAMILY
	timeout 90 ip netns exec "$NS" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/$1.img" \
		--listen "$(with_port "$2" 3)" --dht "$(with_port "$2" 1)" --unsigned "${ALONE[@]}" \
		>"$WORK/fetch-$1.log" 2>&1 && same "$WORK/$1.img"
}
libtorrent() { # NAME FAMILY HOST [METAINFO DIRECTORY]; beginning with the node in the middle
	local name=$1 family=$2 host=$3 node=(--node "$(at "$2" 1)" 6881)
	shift 3
	[ "$host" != 1 ] || node=()
	start "$name" /usr/bin/python3 "$HERE/tests/foreign/libtorrent_dht.py" "$@" \
		--listen "$(with_port "$family" "$host")" "${node[@]}"
}

for family in 4 6; do
	# Through ours.
	our_middle $family
	middle=$pid
	our_seed $family
	ours=$pid
	mkdir -p "$WORK/lt$family"
	libtorrent "lt-fetch$family" $family 4 "$WORK/image.torrent" "$WORK/lt$family"
	foreign=$pid
	until_true 90 same "$WORK/lt$family/image"
	report "libtorrent_finds_our_seed_through_our_node_ipv$family" $?
	stop "$ours" # the foreign one is left
	our_fetch "from-libtorrent$family" $family
	report "we_find_libtorrent_through_our_node_ipv$family" $?
	stop "$foreign" "$middle"

	# Through theirs.
	libtorrent "lt-middle$family" $family 1
	middle=$pid
	until_true 20 grep -q nodes "$WORK/lt-middle$family.log"
	our_seed $family
	ours=$pid
	our_fetch "through-libtorrent$family" $family
	report "ours_meet_through_libtorrents_node_ipv$family" $?
	stop "$ours" "$middle"
done

if ! command -v transmission-cli >/dev/null; then
	echo "skip transmission_dht - transmission-cli is not installed"
	exit $failed
fi
transmission() { # NAME HOST METAINFO DIRECTORY
	local config=$WORK/config-$1
	mkdir -p "$config"
	cat >"$config/settings.json" <<-END
		{"bind-address-ipv4": "10.77.0.$2", "dht-enabled": true, "lpd-enabled": false, "pex-enabled": false,
		 "utp-enabled": false, "port-forwarding-enabled": false, "encryption": 0}
	END
	# What it remembers of a former life.
	[ "$2" = 1 ] || /usr/bin/python3 -c 'import socket
nodes = b"".join(socket.inet_aton("10.77.0.1") + port.to_bytes(2, "big") for port in range(6881, 6893))
print("d2:id20:123456789012345678905:nodes%d:" % len(nodes), end="", flush=True)
import sys; sys.stdout.buffer.write(nodes + b"e")' >"$config/dht.dat"
	start "$1" transmission-cli -g "$config" -w "$4" -p 6881 -M -et -v "$3"
}
# Transmission announces nothing as long as it knows no more than eight nodes.
our_middle 4
middle=("$pid")
for port in 6882 6883 6884 6885 6886 6887 6888 6889 6890 6891 6892; do
	start "middle-$port" "$BIN" seed "$WORK/far/image.torrent" --from "$WORK/far/image" \
		--listen "10.77.0.1:$port" --dht 10.77.0.1:6881 "${ALONE[@]}"
	middle+=("$pid")
done
our_seed 4
ours=$pid
mkdir -p "$WORK/tr"
transmission tr-fetch 5 "$WORK/image.torrent" "$WORK/tr"
foreign=$pid
until_true 120 same "$WORK/tr/image"
report transmission_finds_our_seed_through_our_node $?
stop "$ours"
our_fetch from-transmission 4
report we_find_transmission_through_our_node $?
stop "$foreign" "${middle[@]}"
transmission tr-middle 1 "$WORK/far/image.torrent" "$WORK/far"
middle=$pid
our_seed 4
ours=$pid
our_fetch through-transmission 4
report ours_meet_through_transmissions_node $?
stop "$ours" "$middle"
exit $failed
