#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 1500
# Power is cut at about half of the imaging, on a BIOS machine whose disk was blank and on a UEFI machine
# whose disk held a bootable system. Without network neither disk boots then, by neither firmware; with
# network both machines carry on from what their disks hold, and end with the image.
. "$(dirname "$0")/vm.bash"

lab_begin "vm-$name"
old=$(scripts/make-debian-image --tiny --id old 2>/dev/null) || die "no test image"
tiny_image new --id new --data 112
half=$((image_bytes / 2))
must server_is_up lab_up --drivers "$lab_drivers"

lab_machine blank bios disk=512M
lab_machine old uefi disk=256M "image=$old" link=down
# As an installer leaves a disk: the second partition table is in its last sectors.
sfdisk --quiet --relocate gpt-bak-std "$lab/old/disk.raw" 2>/dev/null || die "cannot move the old partition table"
# The same disks in machines with the other firmware.
lab_machine blank_uefi uefi disk=0 link=down
lab_machine old_bios bios disk=0 link=down
slow_link blank 80mbit
slow_link old 80mbit

must blank_armed arm_unseen blank new
must old_armed arm_unseen old new
lab_power_on blank
lab_power_on old
must old_system_boots_without_network lab_wait_console old 'image old ready on' "$boot_seconds"
lab_power_cut old
lab_change old link=up
lab_power_on old

# ---- the first half

declare -A link_before=() link_first=() durable_first=()

# Notes the link's count when the plan was handed out; cuts power at half of the image.
advance() {
	local name=$1 progress
	[[ -z ${durable_first[$name]:-} ]] || return 0
	progress=$(shown "$name" '"\(.state) \(.progress.bytes_durable // 0)"')
	if [[ $progress == imaging* && -z ${link_before[$name]:-} ]]; then
		link_before[$name]=$(link_bytes "$name")
	fi
	if ((${progress#* } >= half)); then
		lab_power_cut "$name"
		link_first[$name]=$(($(link_bytes "$name") - ${link_before[$name]}))
		durable_first[$name]=$(seen "$name" .progress.bytes_durable)
		note "$name: power cut with $(in_mib "${durable_first[$name]}") of $(in_mib "$image_bytes") durable"
	fi
}
both_are_cut() {
	advance blank
	advance old
	((${#durable_first[@]} == 2))
}
must reach_half_over_pxe lab_await 600 both_are_cut

# cut_at_about_half NAME: it had not ended when its power went.
cut_at_about_half() {
	state_is "$1" imaging && ((${durable_first[$1]} < image_bytes * 9 / 10))
}
held_back() { # NAME FIRST-BYTE BYTES: nothing but zeros there
	cmp -i "$2:0" -n "$3" "$lab/$1/disk.raw" /dev/zero
}
for node in blank old; do
	check "${node}_was_cut_in_the_middle" cut_at_about_half "$node"
	check "${node}_holds_no_first_mib" held_back "$node" 0 $mib
	check "${node}_holds_no_last_mib_of_the_image" \
		held_back "$node" $((image_bytes - mib)) $mib
	check "${node}_disk_ends_with_zeros" \
		held_back "$node" $(($(stat -c %s "$lab/$node/disk.raw") - mib)) $mib
done

# ---- without network

offline() { # NAME NAME
	lab_power_on "$1"
	lab_power_on "$2"
	check "half_of_${1%_*}_boots_nothing_by_${lab_kind[$1]}" says_nothing_boots "$1"
	check "half_of_${2%_*}_boots_nothing_by_${lab_kind[$2]}" says_nothing_boots "$2"
	lab_power_cut "$1"
	lab_power_cut "$2"
}
lab_disk blank_uefi disk "image=$lab/blank/disk.raw" size=512M
lab_disk old_bios disk "image=$lab/old/disk.raw" size=256M
lab_change blank link=down
lab_change old link=down
offline blank old
offline blank_uefi old_bios

# ---- PXE again

declare -A on_ms=() present=() received_first=()
see_present() { # NAME: what it found on its disk, once it fetches; by a report of this boot
	local progress
	[[ -z ${present[$1]:-} ]] || return 0
	progress=$(shown "$1" ".progress // {} | select(.heard_ms > ${on_ms[$1]}) |
		select(.stage == \"fetch\" or .stage == \"seed\") | .bytes_present")
	[[ -z $progress ]] || present[$1]=$progress
}
both_present() {
	see_present blank
	see_present old
	((${#present[@]} == 2))
}
for node in blank old; do
	received_first[$node]=$(seen "$node" .arm.received_bytes)
	lab_change "$node" link=up
	on_ms[$node]=$(date +%s%3N)
	lab_power_on "$node"
done
must find_what_their_disks_hold lab_await 400 both_present
for node in blank old; do
	must "${node}_carries_on_to_the_end" ends_as "$node" "done" 400
done

# Bytes that came again: everything that came, in both halves, but one copy of what has to come. Of the
# first half the link's own count is taken, headers and all: the last report may be a second old.
content=$(lab_swarmboot image show new --json | jq '.length_bytes - (.zero_pieces + .duplicate_pieces) * .piece_bytes')
piece=$(lab_swarmboot image show new --json | jq .piece_bytes)
overlap=$((3 * piece)) # the pieces that reach into the first or the last MiB
for node in blank old; do
	second=$(($(seen "$node" .arm.received_bytes) - ${received_first[$node]}))
	again=$((${link_first[$node]} + second - content))
	note "$node: found $(in_mib "${present[$node]}") on its disk, received $(in_mib $second) more;" \
		"at most $(in_mib $again) came twice (wasted: $(in_mib "$(seen "$node" .arm.wasted_bytes)"))"
	check "${node}_keeps_all_that_was_durable" \
		test $((${present[$node]} + overlap)) -ge "${durable_first[$node]}"
	check "${node}_fetches_only_the_rest" \
		test "$second" -le $((image_bytes - ${durable_first[$node]} + overlap))
	check "${node}_fetches_little_again" test "$again" -le $((overlap + (32 << 20)))
	check "${node}_boots_the_image" lab_wait_console "$node" 'image new ready on' "$boot_seconds"
	check "${node}_is_the_image" disk_is_image "$node"
	lab_power_cut "$node"
done
done_testing
