#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent is killed ten times at random moments, always over the same disk. In the end the disk holds
# the image; never before that does the server hear that it is finished.
# seconds: 240
. "$(dirname "$0")/common.sh"

MIB=1048576
IMAGE_BYTES=$((64 * MIB))
DISK_BYTES=$((66 * MIB))
KILLS=10
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"
make_image() {
	head -c $IMAGE_BYTES /dev/urandom >"$WORK/one.raw"
	sb image import "$WORK/one.raw" --name one >"$WORK/import.out" 2>&1
}
first_mib_is_zero() { cmp -s -n $MIB "$1" /dev/zero; }
started_ms() { echo $((($(date +%s%N) - started) / 1000000)); }
# True when the agent is to be killed, or has ended. Whatever the server calls done must be whole now.
looked_at() {
	if state_is "done" && ! holds_image "$DISKS/A1"; then finished_too_early=1; fi
	gone "$agent" || [ "$(started_ms)" -ge "$1" ]
}

begin
new_node
arm_a1
new_disk A1
kills=0 boots=0 finished_too_early=0 torn=0 failed=0
while [ $boots -lt 40 ]; do
	boots=$((boots + 1))
	started=$(date +%s%N)
	agent --disk "$DISKS/A1" --faults write-rate=$((12 * MIB))
	# Once ten have come, the next one lives.
	limit_ms=120000
	[ $kills -lt $KILLS ] && limit_ms=$((300 + RANDOM % 4200))
	until_true 130 looked_at $limit_ms
	if ours "$agent"; then
		kill -9 "$agent"
		kills=$((kills + 1))
		echo "# killed after $limit_ms ms: $(tail -n 1 "$WORK/agent.$MAC.log" | cut -c 1-70)"
		ended "$agent" 5
		# Between commit and report the disk may hold the image; else it does not begin with it.
		holds_image "$DISKS/A1" || ! cmp -s -n $MIB "$WORK/one.raw" "$DISKS/A1" || torn=1
		state_is "done" && ! holds_image "$DISKS/A1" && finished_too_early=1
		continue
	fi
	ended "$agent" 1
	[ "$status" = 0 ] || failed=$((failed + 1))
	state_is "done" || break
	holds_image "$DISKS/A1" || finished_too_early=1
	[ $kills -ge $KILLS ] && break
	# It was quicker than the tenth kill: once more, from the beginning.
	echo "# finished after $kills kills; armed again, old disk"
	arm_a1
	new_disk A1
done

check killed_ten_times [ $kills = $KILLS ]
check no_agent_failed_by_itself [ $failed = 0 ]
check in_the_end_it_is_done state_is "done"
check in_the_end_the_disk_holds_the_image holds_image "$DISKS/A1"
check it_was_never_finished_before_that [ $finished_too_early = 0 ]
check no_head_was_ever_there_without_the_rest [ $torn = 0 ]
check and_the_machine_boots_its_disk boots_local "$MAC"
done_testing
