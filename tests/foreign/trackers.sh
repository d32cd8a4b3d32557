#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 900
# Foreign clients and our tracker: aria2, transmission and libtorrent, each in a network namespace of its
# own, announce to it and find each other through nothing else, over HTTP and UDP, IPv4 and IPv6, with one
# tracker and with two of a cluster (who seeds tells one, who fetches asks the other). Each client is
# found by another (it seeds) and finds another (it fetches). Prints TAP, and the matrix.
#
# Known of the clients, and not tried:
#  - aria2 announces over UDP only while its IPv4 DHT socket is open, and to IPv4 trackers only: its
#    src/NameResolveCommand.cc ("only utilize IPv4 DHT for UDP tracker") and src/UDPTrackerClient.cc,
#    which reads six bytes a peer.
#  - transmission 3.00 reads the 18-byte peers of an IPv6 reply as 6-byte ones: on_announce_response in
#    libtransmission/announcer-udp.c, github.com/transmission/transmission/issues/4719. It is found, and
#    does not find. It also takes the host of "udp://[2001:db8::1]:6969" for "[2001" (tr_urlParse in
#    libtransmission/utils.c), so that it needs a name for an IPv6 tracker.
set -u
cd "$(dirname "$0")/../.." || exit 1
BIN=$(realpath "${BIN:-build/swarmboot}")
HERE=$PWD
. tests/processes.bash
[ "$(id -u)" = 0 ] || { echo "skip foreign_trackers - network namespaces need root"; exit 77; }
for need in aria2c transmission-cli; do
	command -v "$need" >/dev/null || { echo "skip foreign_trackers - $need is not installed"; exit 77; }
done
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || {
	echo "skip foreign_trackers - python3-libtorrent is not installed"
	exit 77
}

NET=sbm$$
WORK=$(mktemp -d /tmp/swarmboot-trackers-XXXXXX)
PIDS=()
failed=0
HOSTS=(hub t1 t2 aria2 transmission libtorrent)

cleanup() {
	trap - EXIT INT TERM
	end_all 10 "${PIDS[@]}"
	for host in "${HOSTS[@]}"; do ip netns del "$NET-$host" 2>/dev/null; done
	if [ "$failed" = 0 ]; then rm -rf "$WORK"; else echo "# logs are kept in $WORK"; fi
}
trap cleanup EXIT
trap 'failed=1; exit 130' INT TERM

on() { # HOST COMMAND...
	local host=$1
	shift
	ip netns exec "$NET-$host" "$@"
}
start() { # NAME HOST COMMAND...: in the background; the pid is in $pid
	local name=$1 host=$2
	shift 2
	ip netns exec "$NET-$host" "$@" >"$WORK/$name.log" 2>&1 </dev/null &
	pid=$!
	PIDS+=("$pid")
}
until_true() { # SECONDS COMMAND...
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $limit ] || return 1
		sleep 0.1
	done
}

# A switch with an address of each family for everybody. IPv6 addresses are of the kind that transmission
# takes for those of a host on the Internet: without one it opens no IPv6 socket for UDP.
for host in "${HOSTS[@]}"; do
	ip netns add "$NET-$host" && on "$host" ip link set lo up || exit 1
	# Addresses are used at once: nobody waits for duplicates to be found.
	on "$host" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
done
on hub ip link add switch type bridge && on hub ip link set switch up || exit 1
number=0
for host in "${HOSTS[@]:1}"; do
	number=$((number + 1))
	on hub ip link add "to-$number" type veth peer name eth0 netns "$NET-$host" || exit 1
	on hub ip link set "to-$number" master switch up
	on "$host" ip addr add "10.78.0.$number/24" dev eth0
	on "$host" ip addr add "2001:db8:78::$number/64" dev eth0 nodad
	on "$host" ip link set eth0 up
	on "$host" ip route add default via 10.78.0.254
	on "$host" ip -6 route add default via 2001:db8:78::fe
done
address() { # HOST ipv4|ipv6
	local at
	for at in "${!HOSTS[@]}"; do [ "${HOSTS[at]}" = "$1" ] && break; done
	if [ "$2" = ipv4 ]; then echo "10.78.0.$at"; else echo "2001:db8:78::$at"; fi
}
# What transmission calls an IPv6 tracker over UDP.
printf '127.0.0.1 localhost\n%s t1-ipv6\n%s t2-ipv6\n' "$(address t1 ipv6)" "$(address t2 ipv6)" >"$WORK/hosts"
url_address() { if [ "$2" = ipv6 ]; then echo "[$(address "$@")]"; else address "$@"; fi; }

# client NAME ROLE METAINFO DIRECTORY FAMILY PORT: fetches what the directory lacks, and serves.
client() {
	local name=$1 role=$2 metainfo=$3 directory=$4 family=$5 port=$6 dht=false config
	local log=$role-$name-${directory##*/}
	case $name in
	aria2)
		case $metainfo in *-udp-*) dht=true ;; esac
		start "$log" aria2 aria2c --no-conf=true --dir="$directory" --listen-port="$port" \
			--enable-dht=$dht --dht-listen-port="$port" --dht-file-path="$directory.dht" --enable-dht6=false \
			--bt-enable-lpd=false --enable-peer-exchange=false --disable-ipv6=false --seed-ratio=0.0 \
			--file-allocation=none --check-integrity=true --bt-tracker-interval=2 --summary-interval=0 \
			"$metainfo"
		;;
	transmission)
		config=$directory.config
		mkdir -p "$config"
		echo '{"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
			"port-forwarding-enabled": false, "encryption": 0}' >"$config/settings.json"
		start "$log" transmission unshare --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' \
			"$WORK/hosts" transmission-cli -g "$config" -w "$directory" -p "$port" -M -et -v "$metainfo"
		;;
	libtorrent)
		start "$log" libtorrent /usr/bin/python3 "$HERE/tests/foreign/libtorrent_node.py" "$metainfo" \
			"$directory" --listen "$(url_address libtorrent "$family"):$port"
		;;
	esac
}

seeders() { # TRACKER HEX: as that tracker says
	on "$1" curl -sg --max-time 5 "http://10.78.0.${1#t}:6969/scrape?info_hash=$(sed 's/../%&/g' <<<"$2")" |
		grep -q '8:completei1e'
}

declare -A MATRIX
mark() { # WAY CLIENT TEXT: each text once
	case ", ${MATRIX[$1/$2]:-}, " in
	*", $3, "*) ;;
	*) MATRIX[$1/$2]="${MATRIX[$1/$2]:-}${MATRIX[$1/$2]:+, }$3" ;;
	esac
}

# pair MODE TRANSPORT FAMILY SEEDER FETCHER: one TAP line, and who was found and who finds in the matrix.
pair() {
	local way=$1-$2-$3 seeder=$4 fetcher=$5 second=t1 hex
	local name=$way-$seeder-$fetcher
	[ "$1" = cluster ] && second=t2
	head -c 600000 /dev/urandom >"$WORK/$name.raw"
	truncate -s 600064 "$WORK/$name.raw"
	local role
	for role in seed fetch; do
		local tracker=t1 who=$seeder host
		[ $role = fetch ] && tracker=$second who=$fetcher
		host=$(url_address $tracker "$3")
		[ "$who/$2/$3" = transmission/udp/ipv6 ] && host=$tracker-ipv6
		mkdir -p "$WORK/$role-$name"
		cp "$WORK/$name.raw" "$WORK/image.raw"
		"$BIN" image import "$WORK/image.raw" --piece-size 64KiB --out "$WORK/$role-$name.torrent" \
			--tracker "$2://$host:6969/announce" --json >"$WORK/$role-$name.json" || return 1
	done
	# The metainfo of both must be of one infohash, whenever they were made.
	/usr/bin/python3 - "$WORK/seed-$name.torrent" "$WORK/fetch-$name.torrent" <<-'END'
		import libtorrent, sys
		seed, fetch = (libtorrent.bdecode(open(path, "rb").read()) for path in sys.argv[1:])
		fetch[b"info"] = seed[b"info"]
		open(sys.argv[2], "wb").write(libtorrent.bencode(fetch))
	END
	hex=$(/usr/bin/python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["infohash"])' "$WORK/seed-$name.json")
	cp "$WORK/$name.raw" "$WORK/seed-$name/image.raw"
	client "$seeder" seed "$WORK/seed-$name.torrent" "$WORK/seed-$name" "$3" 6881
	local seeding=$pid
	local status=1
	if until_true 30 seeders "$second" "$hex"; then
		client "$fetcher" fetch "$WORK/fetch-$name.torrent" "$WORK/fetch-$name" "$3" 6882
		until_true 60 cmp -s "$WORK/$name.raw" "$WORK/fetch-$name/image.raw"
		status=$?
		end_all 10 "$pid"
	fi
	end_all 10 "$seeding"
	if [ $status = 0 ]; then
		echo "ok ${way//-/_}_${fetcher}_finds_$seeder"
		mark "$way" "$seeder" found
		mark "$way" "$fetcher" "finds"
	else
		echo "not ok ${way//-/_}_${fetcher}_finds_$seeder"
		failed=1
		mark "$way" "$seeder" "not found?"
		mark "$way" "$fetcher" "finds not?"
	fi
}

MODES=(single)
start single t1 "$BIN" tracker --status-listen none --listen :6969 --interval 2
TRACKERS=("$pid")

ways() { # MODE
	pair "$1" http ipv4 aria2 transmission
	pair "$1" http ipv4 transmission libtorrent
	pair "$1" http ipv4 libtorrent aria2
	pair "$1" http ipv6 aria2 transmission
	pair "$1" http ipv6 transmission libtorrent
	pair "$1" http ipv6 libtorrent aria2
	pair "$1" udp ipv4 aria2 transmission
	pair "$1" udp ipv4 transmission libtorrent
	pair "$1" udp ipv4 libtorrent aria2
	mark "$1-udp-ipv6" aria2 cannot
	pair "$1" udp ipv6 transmission libtorrent
	mark "$1-udp-ipv6" transmission "cannot find"
	pair "$1" udp ipv6 libtorrent libtorrent
}
ways single
end_all 10 "${TRACKERS[@]}"

(umask 077; head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$WORK/key")
MODES+=(cluster)
TRACKERS=()
for tracker in t1 t2; do
	start "cluster-$tracker" $tracker "$BIN" tracker --status-listen none --listen :6969 --interval 2 \
		--cluster "$(address t1 ipv4):6970" --cluster "$(address t2 ipv4):6970" --cluster-key "$WORK/key"
	TRACKERS+=("$pid")
done
ways cluster

printf '#\n# %-8s %-5s %-5s  %-14s %-20s %s\n' tracker over on aria2 transmission libtorrent
for mode in "${MODES[@]}"; do
	for transport in http udp; do
		for family in ipv4 ipv6; do
			way=$mode-$transport-$family
			printf '# %-8s %-5s %-5s  %-14s %-20s %s\n' "$mode" $transport $family \
				"${MATRIX[$way/aria2]:-}" "${MATRIX[$way/transmission]:-}" "${MATRIX[$way/libtorrent]:-}"
		done
	done
done
end_all 10 "${TRACKERS[@]}"
exit $failed
