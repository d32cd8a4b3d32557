#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 600
# Power is cut at about half of the imaging, on a BIOS machine whose disk was blank and on a UEFI machine
# whose disk held a bootable system. Without network neither disk boots then, by neither firmware; with
# network both machines carry on from what their disks hold, and end with the image.
. "$(dirname "$0")/common.bash"

lab_begin power_cut
vm_image old --tiny --id old
vm_image image --tiny --data 112
marker=$(vm_marker "$image")
old_marker='swarmboot demo image old ready on'
image_bytes=$(stat -c %s "$image")
half=$((image_bytes / 2))
vm_import "$image" new
lab_up || die "the server does not start: see $lab/server.log"

lab_machine blank bios disk=512M
lab_machine old uefi disk=256M "image=$old" link=down
# As an installer leaves a disk: the second partition table is in its last sectors.
sfdisk --quiet --relocate gpt-bak-std "$lab/old/disk.raw" 2>/dev/null || die "cannot move the old partition table"
# The same disks in machines with the other firmware.
lab_machine blank_uefi uefi disk=0 link=down
lab_machine old_bios bios disk=0 link=down
vm_slow_link blank 80mbit
vm_slow_link old 80mbit

need blank_armed vm_arm blank new
need old_armed vm_arm old new
lab_power_on blank
lab_power_on old
need old_system_boots_without_network lab_wait_console old "$old_marker" 120
lab_power_cut old
lab_change old link=up
lab_power_on old

# ---- the first half

declare -A link_before=() link_first=() durable_first=()

# Notes the link's count when the plan was handed out; cuts power at half of the image.
advance() {
	local name=$1 progress
	[[ -z ${durable_first[$name]:-} ]] || return 0
	progress=$(vm_show "$name" | jq -r '"\(.state) \(.progress.bytes_durable // 0)"')
	if [[ $progress == imaging* && -z ${link_before[$name]:-} ]]; then
		link_before[$name]=$(vm_link_bytes "$name")
	fi
	if ((${progress#* } >= half)); then
		lab_power_cut "$name"
		link_first[$name]=$(($(vm_link_bytes "$name") - ${link_before[$name]}))
		durable_first[$name]=$(vm_field "$name" .progress.bytes_durable)
		note "$name: power cut with $(mib "${durable_first[$name]}") of $(mib "$image_bytes") durable"
	fi
}
both_are_cut() {
	advance blank
	advance old
	((${#durable_first[@]} == 2))
}
need reach_half_over_pxe lab_await 300 both_are_cut

# cut_at_about_half NAME: it had not ended when its power went.
cut_at_about_half() {
	vm_state_is "$1" imaging && ((${durable_first[$1]} < image_bytes * 9 / 10))
}
held_back() { # NAME FIRST-BYTE BYTES: nothing but zeros there
	cmp -i "$2:0" -n "$3" "$lab/$1/disk.raw" /dev/zero
}
for name in blank old; do
	check "${name}_was_cut_in_the_middle" cut_at_about_half "$name"
	check "${name}_holds_no_first_mib" held_back "$name" 0 1048576
	check "${name}_holds_no_last_mib_of_the_image" \
		held_back "$name" $((image_bytes - 1048576)) 1048576
	check "${name}_disk_ends_with_zeros" \
		held_back "$name" $(($(stat -c %s "$lab/$name/disk.raw") - 1048576)) 1048576
done

# ---- without network

# gives_up NAME: the firmware tried the disk, found nothing on it, and is out of ideas; no system ran.
gives_up() {
	local tried='Boot failed: not a bootable disk' end='No bootable device'
	if [[ ${lab_kind[$1]} == uefi ]]; then
		tried='BdsDxe: failed to load Boot.*(Misc Device|HARDDISK|NVMe)' end='Shell>'
	fi
	lab_wait_console "$1" "$end" 90 && lab_console_has "$1" "$tried" &&
		silent_about "$1" 'GRUB|Linux version|ready on'
}
offline() { # NAME NAME
	lab_power_on "$1"
	lab_power_on "$2"
	check "half_of_${1%_*}_boots_nothing_by_${lab_kind[$1]}" gives_up "$1"
	check "half_of_${2%_*}_boots_nothing_by_${lab_kind[$2]}" gives_up "$2"
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
	progress=$(vm_show "$1" | jq -r --argjson on "${on_ms[$1]}" '.progress // {} |
		select(.heard_ms > $on and (.stage == "fetch" or .stage == "seed")) | .bytes_present')
	[[ -z $progress ]] || present[$1]=$progress
}
both_present() {
	see_present blank
	see_present old
	((${#present[@]} == 2))
}
for name in blank old; do
	received_first[$name]=$(vm_field "$name" .arm.received_bytes)
	lab_change "$name" link=up
	on_ms[$name]=$(date +%s%3N)
	lab_power_on "$name"
done
need find_what_their_disks_hold lab_await 200 both_present
for name in blank old; do
	need "${name}_carries_on_to_the_end" vm_await_state "$name" "done" 200
done

# Bytes that came again: everything that came, in both halves, but one copy of what has to come. Of the
# first half the link's own count is taken, headers and all: the last report may be a second old.
content=$(lab_swarmboot image show new --json | jq '.length_bytes - (.zero_pieces + .duplicate_pieces) * .piece_bytes')
piece=$(lab_swarmboot image show new --json | jq .piece_bytes)
overlap=$((3 * piece)) # the pieces that reach into the first or the last MiB
for name in blank old; do
	second=$(($(vm_field "$name" .arm.received_bytes) - ${received_first[$name]}))
	again=$((${link_first[$name]} + second - content))
	note "$name: found $(mib "${present[$name]}") on its disk, received $(mib $second) more;" \
		"at most $(mib $again) came twice (wasted: $(mib "$(vm_field "$name" .arm.wasted_bytes)"))"
	check "${name}_keeps_all_that_was_durable" \
		test $((${present[$name]} + overlap)) -ge "${durable_first[$name]}"
	check "${name}_fetches_only_the_rest" \
		test "$second" -le $((image_bytes - ${durable_first[$name]} + overlap))
	check "${name}_fetches_little_again" test "$again" -le $((overlap + (32 << 20)))
	check "${name}_boots_the_image" lab_wait_console "$name" "$marker" 120
	check "${name}_is_the_image" vm_same "$name" "$image"
	lab_power_cut "$name"
done
done_testing
