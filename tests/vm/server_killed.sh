#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The server killed again and again while a BIOS and a UEFI machine are imaged, and once more when they
# stand before their reboot: both end with the image, neither is imaged twice, both boot their disks.
# seconds: 1200
. "$(dirname "$0")/vm.bash"

server_options=(--drivers "$lab_drivers")
kill_server() {
	kill -9 "${lab_children[server]}"
	wait "${lab_children[server]}" 2>/dev/null
	unset "lab_children[server]"
	must "up again after kill number $1" lab_up "${server_options[@]}"
}

lab_begin "vm-$name"
tiny_image tiny --data 64
must server_is_up lab_up "${server_options[@]}"
lab_machine a bios disk=256M throttle=6M
lab_machine b uefi disk=256M throttle=6M bus=nvme
for machine in a b; do
	must "armed $machine" arm_unseen $machine tiny
	lab_power_on $machine
done

# While they boot, while they fetch, and at random moments after that.
must a_boots_the_agent lab_wait_console a 'waiting until the disks are settled' "$boot_seconds"
lab_hold a
kill_server 1
must b_fetches lab_await "$boot_seconds" at_least b .progress.bytes_durable $((image_bytes / 3))
lab_hold b
for number in 2 3 4 5; do
	kill_server $number
	wait_ms=$((RANDOM % 4000))
	echo "# then $wait_ms ms of peace"
	sleep "$((wait_ms / 1000)).$(printf %03d $((wait_ms % 1000)))"
done
for machine in a b; do
	check "$machine comes to its reboot" lab_await "$boot_seconds" lab_is_held $machine
	check "$machine is done" lab_await 20 state_is $machine "done"
	check "$machine holds the image" disk_is_image $machine
done
kill_server 6
for machine in a b; do
	check "$machine is done for the new server, too" state_is $machine "done"
	lab_reset $machine
done
for machine in a b; do
	check "$machine boots its disk" boots_from_disk $machine 'ready on tiny'
	check "$machine was not imaged again" state_is $machine "done"
done
done_testing
