#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 600
# The DHT with foreign nodes in it, libtorrent's and transmission's: they find our seed through our node,
# we find theirs through it, and ours meet through theirs. No tracker, no PEX, no multicast; whoever
# is in the middle knows nothing of the image. One network namespace, an address for every program. Prints TAP.
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null ||
	{ echo "skip foreign_dht - libtorrent is not installed"; exit 77; }
. "$(dirname "$0")/../swarm/common.sh"

stop() { for one; do end_all 10 "$one"; done; }

for host in 1 2 3 4 5 6 7 8; do
	ip addr add "10.77.0.$host/24" dev lo
	ip addr add "fd77::$host/64" dev lo
done

mkdir "$WORK/far"
random_image 1048576
metainfo
mv "$WORK/image" "$WORK/image.torrent" "$WORK/far"
random_image 4194304
metainfo

# Addresses of the four parts that are played: 4 or 6.
at() { if [ "$1" = 4 ]; then echo "10.77.0.$2"; else echo "fd77::$2"; fi; }
with_port() { if [ "$1" = 4 ]; then echo "10.77.0.$2:6881"; else echo "[fd77::$2]:6881"; fi; }

ALONE=(--no-pex --no-lsd --progress json)
# Our node in the middle: it seeds another image.
our_middle() { # FAMILY
	start "middle$1" "$BIN" seed "$WORK/far/image.torrent" --from "$WORK/far/image" \
		--listen "$(with_port "$1" 1)" "${ALONE[@]}"
	until_true 10 ready "middle$1"
}
our_seed() { # FAMILY
	start "seed$1" "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" \
		--listen "$(with_port "$1" 2)" --dht "$(with_port "$1" 1)" "${ALONE[@]}"
	until_true 10 ready "seed$1"
}
our_fetch() { # NAME FAMILY
	timeout 90 "$BIN" fetch "$WORK/image.torrent" --to "$WORK/$1.img" \
		--listen "$(with_port "$2" 3)" --dht "$(with_port "$2" 1)" --unsigned "${ALONE[@]}" \
		>"$WORK/fetch-$1.log" 2>&1 && same "$1.img"
}
libtorrent() { # NAME FAMILY HOST [METAINFO DIRECTORY]; beginning with the node in the middle
	local name=$1 family=$2 host=$3 node=(--node "$(at "$2" 1)" 6881)
	shift 3
	[ "$host" != 1 ] || node=()
	start "$name" /usr/bin/python3 "$ROOT/tests/foreign/libtorrent_dht.py" "$@" \
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
	check "libtorrent_finds_our_seed_through_our_node_ipv$family" until_true 90 same "lt$family/image"
	stop "$ours" # the foreign one is left
	check "we_find_libtorrent_through_our_node_ipv$family" our_fetch "from-libtorrent$family" $family
	stop "$foreign" "$middle"

	# Through theirs.
	libtorrent "lt-middle$family" $family 1
	middle=$pid
	until_true 20 grep -q nodes "$WORK/lt-middle$family.out"
	our_seed $family
	ours=$pid
	check "ours_meet_through_libtorrents_node_ipv$family" our_fetch "through-libtorrent$family" $family
	stop "$ours" "$middle"
done

if ! command -v transmission-cli >/dev/null; then
	echo "skip transmission_dht - transmission-cli is not installed"
	done_testing
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
check transmission_finds_our_seed_through_our_node until_true 120 same tr/image
stop "$ours"
check we_find_transmission_through_our_node our_fetch from-transmission 4
stop "$foreign" "${middle[@]}"
transmission tr-middle 1 "$WORK/far/image.torrent" "$WORK/far"
middle=$pid
our_seed 4
ours=$pid
check ours_meet_through_transmissions_node our_fetch through-transmission 4
stop "$ours" "$middle"
done_testing
