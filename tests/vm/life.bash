# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# The life of one machine, from its first contact to the system it wrote, with a power cut at half and
# its disk looked at from outside all the way. Sourced by a test for each firmware, which sets: firmware,
# bus, and held_before (an image that the disk held before, or nothing).

# The disk writes 6 MiB/s, so that there is a half.
life_machine() {
	local options=(bus="$bus" disk=600M memory=512)
	if [[ -n $held_before ]]; then
		options+=(image="$held_before")
	fi
	lab_machine one "$firmware" "${options[@]}" throttle=6M
}

life_unarmed() {
	lab_power_on one
	must first_contact_is_an_inventory lab_await "$boot_seconds" has_inventory one
	check inventory_writes_nothing [ "$before" = "$(fingerprint one)" ]
	if [[ -n $held_before ]]; then
		must unarmed_boots_its_disk boots_from_disk one "image old ready on"
	fi
	lab_power_cut one
	before=$(fingerprint one) # a booted system writes
}

life_cut_at_half() {
	must armed arm one --image new
	lab_power_on one
	must asks_for_its_plan lab_await "$boot_seconds" state_is one imaging
	must fetches_to_half lab_await 120 at_least one .progress.bytes_durable $((image_bytes / 2))
	lab_qmp one stop >/dev/null
	check not_complete_at_the_cut not state_is one "done"
	check head_is_wiped_first disk_head_is_zero one
	received_before=$(seen one .arm.received_bytes)
	lab_power_cut one

	lab_change one link=down
	lab_power_on one
	check half_written_disk_does_not_boot says_nothing_boots one
	lab_power_cut one
}

life_carry_on() {
	lab_change one link=up
	lab_power_on one
	must comes_back_over_pxe lab_await "$boot_seconds" stage_is one seed
	lab_qmp one stop >/dev/null
	check agent_is_small at_most one .progress.memory_resident_bytes $((64 * mib))
	check before_commit_all_but_the_ends disk_is_image_but_ends one
	check before_commit_the_head_is_zero disk_head_is_zero one
	lab_qmp one cont >/dev/null
	must imaged imaged_and_held one 300
	check disk_is_the_image disk_is_image one
	local received again
	received=$(seen one .arm.received_bytes)
	again=$((received - $(seen one .arm.wasted_bytes) - payload_bytes))
	echo "# payload $((payload_bytes / mib)) MiB, received before the cut $((received_before / mib)) MiB," \
		"in all $((received / mib)) MiB, again $((again / mib)) MiB"
	# 32 MiB may be written and not durable, two are held back, and on a fast link some pieces were
	# half here or waited to be written.
	check little_comes_again [ "$again" -le $((48 * mib)) ]
}

life_local_boots() {
	lab_power_cut one
	lab_change one link=down throttle=
	lab_power_on one
	must boots_unplugged boots_from_disk one "image new ready on"
	lab_power_cut one
	lab_change one link=up
	lab_power_on one
	must finished_boots_its_disk boots_from_disk one "image new ready on"
	check finished_stays_done state_is one "done"
	lab_power_cut one
	lab_stop server
	lab_power_on one
	must boots_with_the_server_off boots_from_disk one "image new ready on"
}

life() {
	lab_begin "vm-$name"
	tiny_image new --id new --data 96
	must server_is_up lab_up --discover
	life_machine
	before=$(fingerprint one)
	payload_bytes=$(lab_swarmboot image show new --json |
		jq '(.pieces_count - .zero_pieces - .duplicate_pieces) * .piece_bytes')
	life_unarmed
	life_cut_at_half
	life_carry_on
	life_local_boots
	done_testing
}
