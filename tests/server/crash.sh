#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The server is killed at every point of a node's life and started again: no finished machine is
# written again, none is stranded, nothing that was acknowledged is forgotten.
. "$(dirname "$0")/common.sh"

digest=$(printf 'cd%.0s' {1..32})
finishing() { node "$MAC" report finishing arm="$arm" stage=finish "head tail sha256=$digest"; }
finished() { node "$MAC" report finished arm="$arm" stage="done"; }
again() { kill_server; up --dhcp off || check restart false; }
action() { field "$(node "$MAC" plan "$STATE/keys/site.pub")" action; }
arm_it() { sb arm $MAC --image first >/dev/null && arm=$(field "$(node $MAC plan)" arm); }

store_image first
up --dhcp off || { cat "$WORK"/up.*; check server_starts false; done_testing; }
hello $MAC "$DISK" >/dev/null

# 1: killed right after the arm, and its rack, were acknowledged.
sb node set $MAC --rack row-1/r7 >/dev/null
sb arm $MAC --image first >/dev/null
again
check arm_survives is armed "$(state_of $MAC)"
check armed_still_boots_the_agent boots_agent $MAC
# 2: right after the plan was handed out.
plan=$(node $MAC plan)
arm=$(field "$plan" arm)
again
check rack_survives_and_is_in_the_plan is "row-1/r7 " "$(node $MAC plan | jq -r '"\(.rack) \(.site)"')"
check imaging_survives is imaging "$(state_of $MAC)"
check the_same_arm_goes_on is "$arm image" "$(node $MAC plan | jq -r '"\(.arm) \(.action)"')"
# 3: while it fetches.
node $MAC report progress arm="$arm" stage=fetch >/dev/null
again
reply=$(node $MAC report progress arm="$arm" stage=fetch "bytes total=10" "bytes durable=5")
check progress_goes_on is "1 0" "$(jq -r '"\(.acknowledged) \(.abort)"' <<<"$reply")"
check progress_is_shown_again is 5 "$(sb status --json | jq '.nodes[0].progress.bytes_durable')"
# 4: between recording `finishing` and its answer: the node has no leave and asks again.
kill_server
SWARMBOOT_TEST_EXIT_AT=finishing-recorded up --dhcp off
reply=$(finishing)
check no_leave_was_given is 0 "$(field "$reply" http)"
ended "$server" 10
check server_ended_at_that_point is 70 "$status"
up --dhcp off
check finishing_was_recorded is finishing "$(state_of $MAC)"
plan=$(node $MAC plan)
check plan_is_finishing is "finishing $digest" "$(jq -r '"\(.action) \(.["head tail sha256"])"' <<<"$plan")"
check asked_again_leave_is_given is 1 "$(field "$(finishing)" acknowledged)"
# 5: right after leave was given; the node commits meanwhile and reports to the new server.
again
check digest_survives is "$digest" "$(field "$(node $MAC plan)" 'head tail sha256')"
check finishing_boots_the_agent boots_agent $MAC
# 6: between recording `finished` and its answer.
kill_server
SWARMBOOT_TEST_EXIT_AT=finished-recorded up --dhcp off
reply=$(finished)
check finished_not_answered is 0 "$(field "$reply" http)"
ended "$server" 10
check server_ended_there_too is 70 "$status"
up --dhcp off
check finished_was_recorded is "done" "$(state_of $MAC)"
check it_is_acknowledged_now is 1 "$(field "$(finished)" acknowledged)"
check done_boots_local boots_local $MAC
check done_is_not_imaged_again is local "$(action)"
# 7: after everything.
again
check done_survives is "done" "$(state_of $MAC)"
check done_still_boots_local boots_local $MAC

# The report of the end is lost altogether: the node boots, gets the digest, finds it, reports.
arm_it
check second_arm_is_larger [ "$arm" -gt "$(jq .arm <<<"$plan")" ]
finishing >/dev/null
again
check lost_report_boots_the_agent boots_agent $MAC
check lost_report_gets_finishing is finishing "$(action)"
check late_report_flips_it is 1 "$(field "$(finished)" acknowledged)"
check then_it_boots_local boots_local $MAC

# Disarm and failure survive as well.
arm_it
sb disarm $MAC >/dev/null
again
check disarm_survives boots_local $MAC
check old_agent_is_told_to_stop is 1 "$(field "$(finishing)" abort)"
arm_it
node $MAC report failed arm="$arm" error=disk-write "text=it broke" "$DISK" >/dev/null
again
check failure_survives is "failed disk-write" "$(sb node show $MAC --json | jq -r '"\(.state) \(.error)"')"
check failed_boots_local boots_local $MAC

# Nothing can be recorded: no leave is given, and the node is not lost for it.
arm_it
mkdir "$WORK/hold"
/usr/bin/python3 - "$STATE/swarmboot.sqlite" "$WORK/locked" "$WORK/release" <<'PY' &
import os, sqlite3, sys, time
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("BEGIN IMMEDIATE")
open(sys.argv[2], "w").close()
end = time.monotonic() + 60
while not os.path.exists(sys.argv[3]) and time.monotonic() < end:
    time.sleep(0.02)
base.execute("ROLLBACK")
PY
locker=$!
PIDS+=("$locker")
until_true 10 test -e "$WORK/locked"
reply=$(finishing)
check without_record_no_leave is 0 "$(field "$reply" acknowledged)"
check it_is_told_when_to_ask_again [ "$(field "$reply" 'retry ms')" -gt 0 ]
touch "$WORK/release"
ended "$locker" 10
check afterwards_leave_is_given is 1 "$(field "$(finishing)" acknowledged)"
stop_server
check clean_stop is 0 "$status"
done_testing
