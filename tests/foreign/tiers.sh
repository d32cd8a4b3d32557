#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 600
# What foreign clients make of a list of two tiers, own site first: whom they announce to while both
# trackers work, when the first is dead, and when it is back (docs/sites.md). A tier has an HTTP and a UDP
# URL of the same tracker. What a client does is its own affair and printed; checked is only what the
# page relies on. Arguments: only these clients. One network namespace, loopback. Prints TAP.
. "$(dirname "$0")/../swarm/common.sh"

within() { # SECONDS COMMAND...: polls; prints the seconds that it took, or "no"
	local limit=$1 begin=$SECONDS
	shift
	until "$@"; do
		((SECONDS < begin + limit)) || { echo no; return; }
		sleep 0.2
	done
	echo $((SECONDS - begin))
}
for host in 1 2 3 4 5; do ip addr add "10.77.0.$host/24" dev lo; done
declare -a tracker_pid
tracker() { # NUMBER
	start "tracker$1" "$BIN" tracker --listen "10.77.0.$1:6969" --interval 2s
	tracker_pid[$1]=$pid
	[ "$(within 10 answers "$1")" != no ]
}
answers() { curl -s -o /dev/null --max-time 2 "http://10.77.0.$1:6969/scrape"; }
random_image 1000000
metainfo --piece-size 262144 \
	--tracker http://10.77.0.1:6969/announce,udp://10.77.0.1:6969/announce \
	--tracker http://10.77.0.2:6969/announce,udp://10.77.0.2:6969/announce
knows() { # NUMBER IP: whether that tracker hands it out
	"$HERE/sites_peers.py" "http://10.77.0.$1:6969/announce" "$INFOHASH" 2>/dev/null |
		grep -qx "$2"
}

# Leechers, so that they announce as long as they run: nobody has the image.
client() { # NAME IP
	local name=$1 ip=$2
	mkdir -p "$WORK/$name"
	case $name in
	aria2)
		start $name aria2c --no-conf=true --dir="$WORK/$name" --interface="$ip" --listen-port=6881 \
			--enable-dht=false --bt-enable-lpd=false --file-allocation=none --bt-tracker-timeout=5 \
			--bt-tracker-connect-timeout=5 --bt-tracker-interval=2 --summary-interval=0 "$WORK/image.torrent"
		;;
	transmission)
		mkdir -p "$WORK/$name.config"
		echo "{\"bind-address-ipv4\": \"$ip\", \"dht-enabled\": false, \"lpd-enabled\": false,
			\"utp-enabled\": false, \"port-forwarding-enabled\": false}" >"$WORK/$name.config/settings.json"
		start $name transmission-cli -g "$WORK/$name.config" -w "$WORK/$name" -p 6881 -M "$WORK/image.torrent"
		;;
	libtorrent)
		start $name /usr/bin/python3 "$ROOT/tests/foreign/libtorrent_node.py" "$WORK/image.torrent" \
			"$WORK/$name" --listen "$ip:6881" --profile default --announce-interval 2
		;;
	esac
}
tracker 1
tracker 2
host=3
for name in ${*:-aria2 transmission libtorrent}; do
	ip=10.77.0.$host
	host=$((host + 1))
	case $name in
	aria2) command=aria2c ;;
	transmission) command=transmission-cli ;;
	libtorrent) command=/usr/bin/python3 ;;
	esac
	command -v $command >/dev/null || { echo "skip $name - $command is not installed"; continue; }
	client $name $ip
	client_pid=$pid
	first=$(within 15 knows 1 $ip)
	second=$(within 5 knows 2 $ip)
	echo "# $name: first tier after $first s; second tier beside it: $second"
	check ${name}_is_with_the_first_tier test "$first" != no
	case $name in aria2 | libtorrent) check ${name}_leaves_the_second_alone test "$second" = no ;; esac
	end_all 0 "${tracker_pid[1]}"
	fell=$(within 120 knows 2 $ip)
	echo "# $name: first tier dead: with the second after $fell s"
	check ${name}_falls_to_the_second test "$fell" != no
	tracker 1
	back=$(within 30 knows 1 $ip)
	echo "# $name: first tier back: with it after $back s"
	end_all 5 "$client_pid"
	for number in 1 2; do
		end_all 5 "${tracker_pid[$number]}"
		tracker $number
	done
done
done_testing
