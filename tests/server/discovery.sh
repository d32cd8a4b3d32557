#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `up --no-dht --no-lsd --no-pex`: the plan says so, and neither the origin nor an agent opens a socket for it. Without
# these options both do.
# seconds: 60
. "$(dirname "$0")/common.sh"

AGENT=$(dirname "$BIN")/swarmboot-agent
[ -x "$AGENT" ] || { echo "skip $NAME - no agent at $AGENT"; exit 77; }
LSD_PORT=6771
agent() {
	node $MAC boot >/dev/null
	"$AGENT" --server $URL --node $MAC --keys "$STATE/keys" --settle 1 \
		--disk "$WORK/disk,serial=DISK" >>"$WORK/agent.log" 2>&1 </dev/null &
	agent=$!
	PIDS+=("$agent")
}
agent_ends() { ended "$agent" 60 && [ "$status" = 0 ]; }
fetching() { ss -Hntp state established 'dport = :6881' | grep -qF '"swarmboot-agent"'; }
# udp_ports PROGRAM: on which it receives datagrams.
udp_ports() { ss -Hunap | grep -F "\"$1\"" | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -n | tr '\n' ' '; }
# The image to an empty disk; $ports are the agent's, $origin_ports the server's, while it is fetched.
image_one() {
	rm -f "$WORK/disk"
	truncate -s 33554432 "$WORK/disk"
	sb arm $MAC --image first >/dev/null || return 1
	agent
	until_true 30 fetching || return 1
	ports=$(udp_ports swarmboot-agent)
	origin_ports=$(udp_ports swarmboot)
	agent_ends
}
ways() { node $MAC plan | jq -r '[."no dht", ."no lsd", ."no pex"] | join(" ")'; }
# Trackers over HTTP alone: no other socket of the agent takes datagrams.
serve() {
	up --dhcp off --discover --origin-limit 64Mbit --sites "$WORK/sites.json" --site hall "$@" ||
		{ cat "$WORK"/up.*; check server_starts false; done_testing; }
}
cat >"$WORK/sites.json" <<'END'
{"sites": [{"name": "hall", "trackers": ["http://10.77.0.1:8080/announce"]}]}
END
store_image first 25165824
truncate -s 33554432 "$WORK/disk"

out=$("$BIN" up --state "$STATE" --interface srv --no-dht --dht 10.77.0.1:1 2>&1 </dev/null)
check dht_and_no_dht has "exclude each other" "$out"

serve --no-dht --no-lsd --no-pex
agent
check inventory agent_ends
check plan_turns_all_off is "1 1 1" "$(ways)"
check agent_ends_well image_one
check agent_takes_no_datagrams is "" "${ports:-}"
check origin_does_not_listen_on_the_segment lacks " $LSD_PORT " " $origin_ports"
check origin_has_no_dht lacks " 6881 " " $origin_ports"
stop_server

serve
check plan_leaves_all_on is "0 0 0" "$(ways)"
check agent_ends_well_again image_one
check agent_listens_on_the_segment has " $LSD_PORT " " ${ports:-}"
check agent_has_a_dht [ "$(wc -w <<<"${ports//$LSD_PORT/}")" -ge 1 ]
check origin_listens_on_the_segment has " $LSD_PORT " " $origin_ports"
check origin_has_a_dht has " 6881 " " $origin_ports"
done_testing
