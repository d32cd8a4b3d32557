#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 200
# The server ends as soon as an agent has its plan and its metainfo, no tracker answers, and nobody is found in any other way:
# the agent gets the image from the one whom its plan names beside the origin.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/agent.bash"
IMAGE_BYTES=33554432
HELD_BACK=1048576 # at each end, until the server says that it may be written
agent_ends() { ended "${agents[$1]}" 60 && [ "$status" = 0 ]; }
durable() { sb node show "$(mac "$1")" --json | jq '.progress.bytes_durable // 0'; }
has_all() { [ "$(durable "$1")" = $IMAGE_BYTES ]; }
begins() { [ "$(durable "$1")" -gt 0 ]; }
middle_equal() { cmp -s -i $HELD_BACK -n $((IMAGE_BYTES - 2 * HELD_BACK)) "$WORK/first.raw" "$WORK/disk$1"; }
starts() { # OPTION...
	up --dhcp off --discover --sites "$WORK/sites.json" --site hall --no-dht --no-lsd --no-pex "$@" ||
		{ cat "$WORK"/up.*; check server_starts false; done_testing; }
}

store_image first $IMAGE_BYTES
cat >"$WORK/sites.json" <<'END'
{"sites": [{"name": "hall", "trackers": ["http://10.77.0.1:9/announce", "udp://10.77.0.1:9/announce"]}]}
END
starts
for i in 1 2; do
	truncate -s 67108864 "$WORK/disk$i"
	agent $i
done
for i in 1 2; do check "inventory_$i" agent_ends $i; done
check arm_all quietly sb arm --all --image first
agent 1
check the_first_has_it until_true 60 has_all 1
stop_server

# The origin is too slow now to give more than a little. What machines do not tell this tracker is said for the first.
starts --origin-limit 2Mbit --limit 32Mbit
port=$(ss -ltnpH | sed -n "s/.*:\([0-9]*\) .*pid=${agents[1]},.*/\1/p" | head -1)
infohash=$(node "$(mac 1)" plan | jq -r .infohash)
check the_first_is_announced curl -sf -o /dev/null \
	"$URL/announce?info_hash=$(sed 's/../%&/g' <<<"$infohash")&peer_id=abcdefghij0123456789&port=$port&left=0"
agent 2
check the_second_begins until_true 30 begins 2
kill_server
check the_second_has_it_from_the_first until_true 60 middle_equal 2
done_testing
