#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Real agents, as ordinary processes over files, against a real server: inventory, refusal, imaging
# in a wave, a server that is killed meanwhile, and the second look at a finished disk.
# seconds: 240
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/agent.bash"
agent_ends() { ended "${agents[$1]}" 90 && [ "$status" = 0 ]; }
equal() { cmp -s -n "$(stat -c %s "$WORK/first.raw")" "$WORK/first.raw" "$(disk_of "$1")"; }

store_image first 25165824
up --dhcp off --discover || { cat "$WORK"/up.*; check server_starts false; done_testing; }
for i in 1 2 3; do
	head -c 4194304 /dev/urandom >"$(disk_of $i)"
	truncate -s 33554432 "$(disk_of $i)"
	cp --sparse=always "$(disk_of $i)" "$WORK/before$i"
	agent $i
done
for i in 1 2 3; do
	check "inventory_boot_$i" agent_ends $i
	check "inventory_is_there_$i" is "DISK$i" "$(sb node show "$(mac $i)" --json | jq -r '.disks[0].serial')"
	check "nothing_was_written_$i" cmp -s "$(disk_of $i)" "$WORK/before$i"
done

check arm_all quietly sb arm --all --image first
for i in 1 2 3; do agent $i; done
for i in 1 2 3; do
	check "agent_${i}_ends_well" agent_ends $i
	check "disk_$i" equal $i
	check "done_$i" is "done" "$(state_of "$(mac $i)")"
done
status_json=$(sb status --json)
check every_stage_has_a_time is 18 "$(jq '[.nodes[].arm.stages | (.script,.agent,.plan,.fetch,.finish,.done) | numbers] | length' <<<"$status_json")"
check traffic_is_counted is 3 "$(jq '[.nodes[].arm | select(.received_bytes >= 25165824)] | length' <<<"$status_json")"
from_origin=$(jq '[.nodes[].arm.from_origin_bytes] | add' <<<"$status_json")
echo "# from the origin: $((from_origin * 100 / 25165824)) % of the image"

# A finished machine that boots the agent nevertheless is told to boot its disk.
agent 1
check finished_node_goes_home agent_ends 1
check finished_disk_is_untouched equal 1

# The server ends between recording `finishing` and saying so; the agent waits for the next one.
kill_server
SWARMBOOT_TEST_EXIT_AT=finishing-recorded up --dhcp off
sb arm "$(mac 2)" --image first >/dev/null
head -c 33554432 /dev/urandom >"$(disk_of 2)"
agent 2
check server_ends_at_finishing ended "$server" 60
check no_head_without_leave is "" "$(cmp -n 1048576 /dev/zero "$(disk_of 2)" 2>&1)"
up --dhcp off
check it_comes_to_its_end agent_ends 2
check its_disk_is_right equal 2
check it_is_done is "done" "$(state_of "$(mac 2)")"

# Its report was lost with the server: the next boot finds the head, writes nothing, reports.
kill_server
SWARMBOOT_TEST_EXIT_AT=finished-recorded up --dhcp off
sb arm "$(mac 3)" --image first >/dev/null
agent 3
check server_ends_at_finished ended "$server" 60
check agent_reboots_anyway ended "${agents[3]}" 60
/usr/bin/python3 -c '
import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
base.execute("UPDATE nodes SET state = ? WHERE id = ?", ("finishing", sys.argv[2]))
base.execute("UPDATE arms SET outcome = ?, ended_ms = 0 WHERE node = ?", ("", sys.argv[2]))
base.commit()' "$STATE/swarmboot.sqlite" "$(mac 3)"
up --dhcp off
printf 'this system lives' | dd of="$(disk_of 3)" bs=1 seek=2000000 conv=notrunc status=none
cp "$(disk_of 3)" "$WORK/lived3"
check it_boots_the_agent boots_agent "$(mac 3)"
agent 3
check it_looks_and_goes agent_ends 3
check it_wrote_nothing cmp -s "$(disk_of 3)" "$WORK/lived3"
check now_it_is_done is "done" "$(state_of "$(mac 3)")"
check and_boots_local boots_local "$(mac 3)"
stop_server
done_testing
