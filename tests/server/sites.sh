#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `up --sites FILE --site NAME`: what plans and metainfo name is the site's trackers, then the fallback's.
. "$(dirname "$0")/common.sh"

cat >"$WORK/sites.json" <<'JSON'
{"sites": [
 {"name": "hall1", "fallback": "hall2",
  "trackers": ["http://10.77.0.1:8080/announce", "udp://10.77.0.1:6969/announce", "udp://10.77.0.2:6969"]},
 {"name": "hall2", "trackers": ["udp://10.78.0.1:6969"], "dht": ["10.77.0.1:7999"]}]}
JSON
# refuses NAME STATUS TEXT OPTION...
refuses() {
	local name=$1 wanted=$2 text=$3 out got
	shift 3
	# shellcheck disable=SC2086
	out=$(timeout 60 "$BIN" up --state "$STATE" $quick --interface srv --dhcp off "$@" 2>&1 </dev/null)
	got=$?
	check "$name" both_are "$wanted" "$got" "$text" "$out"
}
both_are() { is "$1" "$2" && has "$3" "$4"; }
refuses sites_without_site 2 "wants --site NAME" --sites "$WORK/sites.json"
refuses unknown_site 1 "there is no site hall3 in" --sites "$WORK/sites.json" --site hall3
refuses missing_table 1 "$WORK/none.json" --sites "$WORK/none.json" --site hall1
sed 's/"fallback": "hall2"/"fallback": "hall9"/' "$WORK/sites.json" >"$WORK/broken.json"
refuses broken_table 1 "broken.json: sites[0].fallback: there is no such site" \
	--sites "$WORK/broken.json" --site hall1

# plan_and_metainfo: of the node, armed; $plan, and $tiers as the metainfo has them.
plan_and_metainfo() {
	plan=$(node $MAC plan "$STATE/keys/site.pub")
	curl -s "$URL$(field "$plan" 'metainfo path')" -o "$WORK/served.torrent"
	tiers=$(/usr/bin/python3 -c '
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import node
data = open(sys.argv[2], "rb").read() # not decoded as a whole: other keys in it are digests
first, tiers = (node.decode(data, data.index(key) + len(key))[0] for key in (b"8:announce", b"13:announce-list"))
print(first.decode(), "|", " ; ".join(",".join(u.decode() for u in t) for t in tiers))
' "$HERE" "$WORK/served.torrent")
}
# The other site's node of the DHT, which only listens; "asked" once a query has come.
/usr/bin/python3 -c '
import socket
node = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
node.bind(("10.77.0.1", 7999))
node.settimeout(60)
datagram, source = node.recvfrom(2048)
print("asked", source[1], datagram[:4].decode(), flush=True)
' >"$WORK/dht_node.out" 2>&1 &
PIDS+=($!)
store_image first
up --dhcp off --sites "$WORK/sites.json" --site hall1 || { cat "$WORK"/up.*; check server_starts false; done_testing; }
hello $MAC stage=target "$DISK" >/dev/null
sb arm $MAC --image first >/dev/null
plan_and_metainfo
check plan_names_both_sites is \
	"0 http://10.77.0.1:8080/announce 0 udp://10.77.0.1:6969/announce 0 udp://10.77.0.2:6969 1 udp://10.78.0.1:6969" \
	"$(jq -r '[.trackers[] | "\(.tier) \(.url)"] | join(" ")' <<<"$plan")"
check plan_names_the_site is hall1 "$(field "$plan" site)"
check metainfo_has_them_in_tiers is \
	"http://10.77.0.1:8080/announce | http://10.77.0.1:8080/announce,udp://10.77.0.1:6969/announce,udp://10.77.0.2:6969 ; udp://10.78.0.1:6969" \
	"$tiers"
asked() { grep -q '^asked 6881 d1:a' "$WORK/dht_node.out"; }
check the_origin_asks_the_other_sites_node until_true 20 asked
check nothing_is_amiss lacks "is not among" "$(cat "$WORK/up.err")"
stop_server

# The table of a site whose trackers are elsewhere: the server says that its own is not among them.
up --dhcp off --sites "$WORK/sites.json" --site hall2 || { cat "$WORK"/up.*; check server_starts_again false; done_testing; }
plan_and_metainfo
check plan_names_that_site is "0 udp://10.78.0.1:6969" \
	"$(jq -r '[.trackers[] | "\(.tier) \(.url)"] | join(" ")' <<<"$plan")"
check its_own_tracker_is_missed has "is not among those of site hall2" "$(cat "$WORK/up.err")"
stop_server

# Without a table: both URLs of its own tracker, in one tier.
up --dhcp off || { cat "$WORK"/up.*; check server_starts_without false; done_testing; }
plan_and_metainfo
check without_a_table_there_is_its_own is "0 $URL/announce 0 udp://10.77.0.1:6969" \
	"$(jq -r '[.trackers[] | "\(.tier) \(.url)"] | join(" ")' <<<"$plan")"
stop_server
done_testing
