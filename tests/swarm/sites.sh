#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 240
# Two sites, each with its tracker, and a thin link between them. The second has the image; the first
# gets it through its relay. With both trackers up nobody else of one site is told of the other; with
# the first site's tracker silent or dead its nodes fall to the other's, finish, and return.
. "$(dirname "$0")/common.sh"

NETS=()
cleanup_more() {
	local net
	for net in "${NETS[@]}"; do ip netns del "$net" 2>/dev/null; done
}
need_tools() { command -v nft >/dev/null && command -v tc >/dev/null; }
((EUID == 0)) && need_tools && ip netns add "sbs$$-w" 2>/dev/null || {
	echo "skip sites - namespaces, tc and nft are needed"
	exit 77
}
ip netns del "sbs$$-w"

inside() { # NAME COMMAND...
	local name=$1
	shift
	ip netns exec "sbs$$-$name" "$@"
}
net() { # NAME: a namespace
	ip netns add "sbs$$-$1" && NETS+=("sbs$$-$1") && inside "$1" ip link set lo up
}

# Routers r1 and r2: a bridge for their site, and the link between the sites.
LINK=${LINK:-20mbit}
for site in 1 2; do
	net r$site
	inside r$site ip link add hall type bridge forward_delay 0
	inside r$site ip address add 10.$site.0.1/16 dev hall
	inside r$site ip link set hall up
	inside r$site sysctl -qw net.ipv4.ip_forward=1
done
ip link add wan1 netns "sbs$$-r1" type veth peer name wan2 netns "sbs$$-r2"
for site in 1 2; do
	inside r$site ip address add 172.31.0.$site/30 dev wan$site
	inside r$site ip link set wan$site up
	inside r$site ip route add 10.$((3 - site)).0.0/16 via 172.31.0.$((3 - site))
	inside r$site tc qdisc add dev wan$site root tbf rate $LINK burst 160kb latency 200ms
done

# machine NAME SITE HOST: 10.SITE.0.HOST. What goes to and comes from the other site is counted: to its peers
# (TCP, but for its tracker), and datagrams of the DHT, which has nodes in both.
machine() {
	local name=$1 site=$2 other=$((3 - $2))
	net "$name"
	ip link add "$name" netns "sbs$$-r$site" type veth peer name eth0 netns "sbs$$-$name"
	inside r$site ip link set "$name" master hall up
	inside "$name" ip address add "10.$site.0.$3/16" dev eth0
	inside "$name" ip link set eth0 up
	inside "$name" ip route add default via 10.$site.0.1
	inside "$name" nft -f - <<-NFT
		table inet count {
			counter peers {}
			counter dht {}
			chain out {
				type filter hook output priority 0
				ip daddr 10.$other.0.0/16 tcp dport != 6969 counter name peers
				ip daddr 10.$other.0.0/16 meta l4proto udp counter name dht
			}
			chain in {
				type filter hook input priority 0
				ip saddr 10.$other.0.0/16 tcp sport != 6969 counter name peers
				ip saddr 10.$other.0.0/16 meta l4proto udp counter name dht
			}
		}
	NFT
}
packets() { inside "$1" nft list counter inet count "$2" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; } # NAME COUNTER
untouched() { # NAME...: no packet between them and the other site's peers
	local name
	for name; do
		[ "$(packets "$name" peers)" = 0 ] || { echo "# $name: $(packets "$name" peers) packets"; return 1; }
		echo "# $name: $(packets "$name" dht) datagrams of the DHT"
	done
}

begin() { # MACHINE COMMAND...: in the background
	local name=$1
	shift
	start "$name" ip netns exec "sbs$$-$name" "$@"
}
T1=http://10.1.0.2:6969/announce T2=http://10.2.0.2:6969/announce
tracker() { # SITE
	begin "t$1" "$BIN" tracker --listen "10.$1.0.2:6969" --interval 2s
	tracker_pid[$1]=$pid
	until_true 10 handed_out "$1" >/dev/null
}
declare -a tracker_pid
url_of() { [ "$1" = 1 ] && echo $T1 || echo $T2; }
handed_out() { inside "t$1" "$HERE/sites_peers.py" "$(url_of "$1")" "$INFOHASH" "${@:2}" 2>/dev/null; }
only() { # PREFIX ALSO LIST...: all of these have the prefix, or are the other one
	local prefix=$1 also=$2 ip
	shift 2
	for ip; do [[ $ip == "$prefix"* || $ip == "$also" ]] || { echo "# $ip"; return 1; }; done
}
node() { # NAME SITE HOST [OPTION...]
	local name=$1 site=$2 host=$3
	shift 3
	begin "$name" "$BIN" fetch "$WORK/site$site.torrent" --to "$WORK/$name.img" --unsigned --stay \
		--listen "10.$site.0.$host:7000" --site "site$site" --progress json "$@"
}
complete() {
	local name
	for name; do has_event "$name" complete || return 1; done
}
with() { # URL NAME...: that is the tracker that answered them last
	local url=$1 name
	shift
	for name; do [ "$(last "$name" tracker)" = "$url" ] || return 1; done
}
crossed() { inside r1 cat /sys/class/net/wan1/statistics/rx_bytes; }

BYTES=$((16 * 1048576))
random_image $BYTES
"$HERE/metainfo.py" "$WORK/image" "$WORK/site2.torrent" --piece-size 262144 --tracker $T2 --tracker $T1 >/dev/null
INFOHASH=$("$HERE/metainfo.py" "$WORK/image" "$WORK/site1.torrent" --piece-size 262144 --tracker $T1 --tracker $T2)
machine t1 1 2
machine t2 2 2
host=10
for name in origin a2 b2; do machine $name 2 $((host++)); done
for name in relay a1 b1 c1 d1 e1; do machine $name 1 $((host++)); done
tracker 1
tracker 2

# Both trackers up.
begin origin "$BIN" seed "$WORK/site2.torrent" --from "$WORK/image" --origin --listen 10.2.0.10:7000 \
	--site site2 --progress json
until_true 10 with $T2 origin
node a2 2 11
node b2 2 12
node relay 1 13 --relay
node a1 1 14
node b1 1 15
check both_sites_finish until_true 90 complete a2 b2 relay a1 b1
check everybody_is_with_its_own_tracker both with $T1 relay a1 b1 -- with $T2 origin a2 b2
check the_first_tracker_hands_out_its_site only 10.1. none $(handed_out 1)
check the_second_hands_out_its_site_and_the_relay only 10.2. 10.1.0.13 $(handed_out 2)
check the_relay_is_among_them grep -qx 10.1.0.13 <(handed_out 2)
check nobody_but_the_relay_met_the_other_site untouched a1 b1
bytes=$(crossed)
echo "# $bytes bytes came over the link between the sites: $((bytes * 100 / BYTES)) % of the image"
check one_copy_crosses test $((bytes * 100)) -lt $((BYTES * 130))

# The first site's tracker is silent: late nodes and early ones fall to the other's.
kill -STOP "${tracker_pid[1]}"
node c1 1 16
check a_late_node_falls_within_3_s handed_out 2 --await 10.1.0.16 3
check the_early_ones_fall_too until_true 10 with $T2 a1 b1
check the_late_one_finishes until_true 60 complete c1
kill -CONT "${tracker_pid[1]}"
check all_return_when_it_speaks until_true 40 with $T1 a1 b1 c1
check and_take_leave_of_the_other handed_out 2 --await-gone 10.1. 10.1.0.13 10

# It is dead, and starts again with nothing in its memory.
kill -KILL "${tracker_pid[1]}"
finish "${tracker_pid[1]}" 10
node d1 1 17
check a_late_node_falls_at_once_from_a_dead_one handed_out 2 --await 10.1.0.17 3
check it_finishes until_true 60 complete d1
check the_early_ones_fall_again until_true 10 with $T2 a1 b1 c1
tracker 1
check all_return_when_it_is_back until_true 40 with $T1 a1 b1 c1 d1
check and_take_leave_again handed_out 2 --await-gone 10.1. 10.1.0.13 10
node e1 1 18
check who_comes_then_is_with_its_own until_true 60 complete e1
check and_did_not_meet_the_other_site untouched e1
bytes=$(crossed)
echo "# $bytes bytes in all: $((bytes * 100 / BYTES)) % of the image"
done_testing
