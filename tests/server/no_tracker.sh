#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 200
# Real agents of a site whose trackers, as the server tells them, refuse everybody: the agents know the origin from their plan, find each
# other by what it tells them and by calling on the segment, and finish; most of what they get they get from each other.
. "$(dirname "$0")/common.sh"

AGENT=$(dirname "$BIN")/swarmboot-agent
[ -x "$AGENT" ] || { echo "skip $NAME - no agent at $AGENT"; exit 77; }
NODES=6
IMAGE_BYTES=33554432
mac() { echo "52:54:00:00:01:0$1"; }
agent() { # N
	node "$(mac "$1")" boot >/dev/null
	"$AGENT" --server $URL --node "$(mac "$1")" --keys "$STATE/keys" --settle 1 \
		--disk "$WORK/disk$1,serial=DISK$1" >>"$WORK/agent$1.log" 2>&1 </dev/null &
	agents[$1]=$!
	PIDS+=($!)
}
agent_ends() { ended "${agents[$1]}" 90 && [ "$status" = 0 ]; }
equal() { cmp -s -n $IMAGE_BYTES "$WORK/first.raw" "$WORK/disk$1"; }
agents=()

store_image first $IMAGE_BYTES
cat >"$WORK/sites.json" <<'END'
{"sites": [{"name": "hall", "trackers": ["http://10.77.0.1:9/announce", "udp://10.77.0.1:9/announce"]}]}
END
up --dhcp off --discover --origin-limit 160Mbit --sites "$WORK/sites.json" --site hall ||
	{ cat "$WORK"/up.*; check server_starts false; done_testing; }
for i in $(seq $NODES); do
	truncate -s 67108864 "$WORK/disk$i"
	agent "$i"
done
for i in $(seq $NODES); do check "inventory_$i" agent_ends "$i"; done
check arm_all quietly sb arm --all --image first
for i in $(seq $NODES); do agent "$i"; done
for i in $(seq $NODES); do
	check "agent_${i}_ends_well" agent_ends "$i"
	check "disk_$i" equal "$i"
done
from_origin=$(sb status --json | jq '[.nodes[].arm.from_origin_bytes] | add')
echo "# from the origin: $((from_origin * 100 / IMAGE_BYTES)) % of one image, to $NODES agents"
check they_found_each_other [ "$from_origin" -le $((IMAGE_BYTES * NODES / 2)) ]
done_testing
