#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# More refusals beside their twins: disks that are block devices, with their own size and sector size;
# disks that come late, or never; no disk at all; one bit of either part of the metainfo.
# seconds: 240
. "$(dirname "$0")/common.sh"
LOOPS=()
# The EXIT trap of common.sh, and then the loop devices. A loop device is only ours while it holds our file.
detach() {
	local loop
	for loop in "${LOOPS[@]}"; do
		case $(cat "/sys/block/${loop#/dev/}/loop/backing_file" 2>/dev/null) in
		"$WORK"/*) losetup -d "$loop" ;;
		esac
	done
}
trap 'detach; cleanup' EXIT
# attach FILE SECTOR-BYTES: a block device over it, in $loop.
attach() {
	loop=$(losetup --show -f -b "$2" "$1") || return 1
	LOOPS+=("$loop")
}
begin

if new_disk A1 && attach "$DISKS/A1" 4096; then
	new_node; arm_a1
	check loop_of_4096_is_refused refused disk-sector-size 10 --disk "$loop,serial=A1"
	losetup -d "$loop"
	attach "$DISKS/A1" 512
	new_node; arm_a1
	check loop_of_512_images images --disk "$loop,serial=A1"
	losetup -d "$loop"

	new_disk A1 $((DISK_BYTES - 512))
	attach "$DISKS/A1" 512
	new_node; arm_a1
	check loop_one_sector_too_small_is_refused refused disk-too-small 10 --disk "$loop,serial=A1"
	losetup -d "$loop"
	new_disk A1 $DISK_BYTES
	attach "$DISKS/A1" 512
	new_node; arm_a1
	check loop_with_that_sector_images images --disk "$loop,serial=A1"
	losetup -d "$loop"
else
	echo "skip block_devices - no loop devices here"
fi

# Not one disk: the server forgets those it knew, and the node can be armed again for the one that comes.
mkdir "$WORK/bay"
new_disk A1
new_node
node $MAC report hello stage=target disk=A1,,$DISK_BYTES,512 >/dev/null
arm_a1
check no_disk_at_all_is_refused refused disk-none 10 --disk-dir "$WORK/bay"
check no_disk_is_shown_as_none is "[]" "$(node_field 'disks | tostring')"
arm_a1
mv "$DISKS/A1" "$WORK/bay/A1"
check with_a_disk_it_images images --disk-dir "$WORK/bay"

# With the usual time to settle, a disk 30 s late, and one that never comes.
mkdir "$WORK/late" "$WORK/never"
new_disk B1
mv "$DISKS/B1" "$WORK/never/B1"
before=$(digest_of "$WORK/never/B1")
new_node; arm_a1
agent --settle 10 --disk-dir "$WORK/never"
never=$agent never_mac=$MAC
new_node; arm_a1
agent --settle 10 --disk-dir "$WORK/late"
begun=$SECONDS
passed() { [ $((SECONDS - begun)) -ge "$1" ]; }
until_true 40 passed 30
check for_30_s_nothing_is_decided is "imaging imaging" \
	"$(node_field state) $(sb node show $never_mac --json | jq -r .state)"
new_disk A1
mv "$DISKS/A1" "$WORK/late/A1"
ended "$agent" 60
check thirty_s_late_it_images is "0 done" "$status $(node_field state)"
check thirty_s_late_it_holds_the_image holds_image "$WORK/late/A1"
MAC=$never_mac agent=$never
until_true 60 decided
check never_is_refused until_true 10 failed_with disk-none
ended "$agent" 10
check never_says_what_was_there is "B1 $DISK_BYTES 512" "$(disks_of_server)"
check never_wrote_to_what_was_there is "$before" "$(digest_of "$WORK/never/B1")"

new_disk A1
for part in info layer; do
	new_node; arm_a1
	rules metainfo-$part
	check "one_bit_of_the_${part}_is_refused" refused digest-mismatch 10 --disk "$DISKS/A1"
	rules
	new_node; arm_a1
	check "all_bits_of_the_${part}_image" images --disk "$DISKS/A1"
	new_disk A1
done
done_testing
