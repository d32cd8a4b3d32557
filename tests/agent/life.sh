#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The agent's end in two phases, when each message of it gets lost; power cuts, disarming, bad disks.
# seconds: 240
. "$(dirname "$0")/common.sh"
begin
events() { grep -c "^$1 " "$REPORTS"; }
said() { [ "$(events "$1")" -gt "${2:-0}" ]; }
first_mib_is_zero() { cmp -s -n 1048576 "$1" /dev/zero; }
power_cut() { kill -9 "$agent"; ended "$agent" 5; }

new_node; arm_a1; new_disk A1
check it_images images --disk "$DISKS/A1"
check it_holds_the_image holds_image "$DISKS/A1"
check what_is_behind_the_image_is_zero cmp -s -n 1048576 -i $((DISK_BYTES - 1048576)):0 "$DISKS/A1" /dev/zero
before=$(digest_of "$DISKS/A1")
check done_it_boots_locally runs 20 --disk "$DISKS/A1"
check done_it_is_not_written_again is "0 $before" "$status $(digest_of "$DISKS/A1")"
arm_a1
check armed_again_it_images_again images --disk "$DISKS/A1"

# `finishing` does not reach the server: nothing is committed, however long.
new_node; arm_a1; new_disk A1; : >"$REPORTS"
rules drop-finishing
agent --disk "$DISKS/A1"
check finishing_is_repeated until_true 30 said finishing 3
check without_leave_the_head_is_zero first_mib_is_zero "$DISKS/A1"
check without_leave_the_tail_is_not_there is 1 "$(cmp -s -n 1048576 -i $((IMAGE_BYTES - 1048576)) "$WORK/one.raw" "$DISKS/A1"; echo $?)"
rules
ended "$agent" 30
check with_leave_it_is_done is "0done" "$status$(node_field state)"
check then_it_holds_the_image holds_image "$DISKS/A1"

# The answer to `finishing` is lost: the server has recorded it, the agent does not know.
new_node; arm_a1; new_disk A1; : >"$REPORTS"
rules lose-finishing
agent --disk "$DISKS/A1"
check lost_leave_is_asked_for_again until_true 30 said finishing 2
check recorded_is_finishing state_is finishing
check a_lost_leave_commits_nothing first_mib_is_zero "$DISKS/A1"
power_cut
check after_a_cut_the_head_is_still_zero first_mib_is_zero "$DISKS/A1"
rules
check not_committed_it_goes_on images --disk "$DISKS/A1"
check and_holds_the_image holds_image "$DISKS/A1"
check what_was_there_was_not_fetched_again is true \
	"$(node_field 'arm.traffic.received_bytes // 0' | awk '{print ($1 < 2 * '$IMAGE_BYTES') ? "true" : "false"}')"

# Committed, but `finished` never arrives: at the next boot head and tail are found, nothing is written.
new_node; arm_a1; new_disk A1; : >"$REPORTS"
rules drop-finished
agent --disk "$DISKS/A1"
check finished_is_repeated until_true 30 said finished 2
power_cut
check committed_it_holds_the_image holds_image "$DISKS/A1"
check but_the_server_says_finishing state_is finishing
rules
written=$(stat -c %Y.%y "$DISKS/A1")
check a_finished_machine_is_done images --disk "$DISKS/A1"
check and_was_not_written is "$written" "$(stat -c %Y.%y "$DISKS/A1")"

# The commit was torn: the head is not what was recorded.
new_node; arm_a1; new_disk A1; : >"$REPORTS"
rules drop-finished
agent --disk "$DISKS/A1"
until_true 30 said finished 0
power_cut
rules
dd if=/dev/zero of="$DISKS/A1" bs=64k count=4 conv=notrunc status=none
check a_torn_commit_goes_on images --disk "$DISKS/A1"
check and_mends_the_head holds_image "$DISKS/A1"

# Power cut in the middle; then the server dies for a while.
new_node; arm_a1; new_disk A1
agent --disk "$DISKS/A1" --faults write-rate=3000000
half() { [ "$(node_field 'progress.bytes_durable // 0')" -gt 6000000 ]; }
check it_comes_to_half until_true 30 half
power_cut
check cut_at_half_the_head_is_zero first_mib_is_zero "$DISKS/A1"
agent --disk "$DISKS/A1" --faults write-rate=3000000
until_true 20 grep -q "fetching image" "$WORK/agent.$MAC.log"
kill_server
sleep 1
up --dhcp off --seed-deadline 1
ended "$agent" 60
check cut_and_without_a_server_it_is_done is 0done "$status$(node_field state)"
check after_all_that_it_holds_the_image holds_image "$DISKS/A1"

new_node; arm_a1; new_disk A1
agent --disk "$DISKS/A1" --faults write-rate=1000000
until_true 30 grep -q "fetching image" "$WORK/agent.$MAC.log"
sb disarm $MAC >/dev/null
ended "$agent" 20
check disarmed_it_stops is 1 "$status"
check disarmed_the_head_is_zero first_mib_is_zero "$DISKS/A1"

for fault in write-error-after=5000000:disk-write flush-error-after=2:disk-flush; do
	new_node; arm_a1; new_disk A1
	runs 60 --disk "$DISKS/A1" --faults "${fault%:*}"
	check "${fault%=*}_fails" is "1 failed ${fault#*:}" "$status $(node_field state) $(node_field error)"
	check "${fault%=*}_does_not_boot" first_mib_is_zero "$DISKS/A1"
	arm_a1
	check "after_${fault%=*}_it_images" images --disk "$DISKS/A1"
done

# One write or flush that fails makes what was not durable missing again, and no more.
for fault in write-error-once=5000000 short-write-after=4000000 flush-error-once=2; do
	new_node; arm_a1; new_disk A1
	check "${fault%=*}_is_mended" images --disk "$DISKS/A1" --faults $fault
	check "after_${fault%=*}_it_holds_the_image" holds_image "$DISKS/A1"
done

# A byte that the medium flipped is found by reading back, fetched and written once more.
new_node; arm_a1; new_disk A1
check a_flipped_byte_is_mended images --disk "$DISKS/A1" --faults corrupt-at=9000000
check nothing_flipped_is_left holds_image "$DISKS/A1"

# The command line.
for wrong in "--server ftp://10.77.0.1" "--node nonsense" "--disk" "--settle x" "--unknown" "word"; do
	# shellcheck disable=SC2086
	"$AGENT" --server $PROXY --node $MAC --keys "$STATE/keys" --disk "$DISKS/A1" $wrong >"$WORK/usage" 2>&1
	check "wrong_usage_${wrong// /_}" is 2 $?
done
check help_is_printed has "--disk-dir" "$("$AGENT" --help)"
done_testing
