#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 200
# Real agents of a site whose trackers, as the server tells them, refuse everybody: the agents know the origin from their plan, find each
# other by what it tells them and by calling on the segment, and finish; most of what they get they get from each other.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/agent.bash"
NODES=6
IMAGE_BYTES=33554432
agent_ends() { ended "${agents[$1]}" 90 && [ "$status" = 0 ]; }
equal() { cmp -s -n $IMAGE_BYTES "$WORK/first.raw" "$WORK/disk$1"; }

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
