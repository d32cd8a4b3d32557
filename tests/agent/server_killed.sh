#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The server is killed while machines are imaged, and started again on the same state: between recording
# and acknowledging, after leave was given, and at five random moments of a run of three machines. No
# finished machine is written again, none is stranded: each ends by booting its disk.
# seconds: 240
. "$(dirname "$0")/common.sh"

MIB=1048576
IMAGE_BYTES=$((48 * MIB))
DISK_BYTES=$((50 * MIB))
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"
make_image() {
	head -c $IMAGE_BYTES /dev/urandom >"$WORK/one.raw"
	sb image import "$WORK/one.raw" --name one >"$WORK/import.out" 2>&1
}
start_server() { up --dhcp off --seed-deadline 1; }

# ---- a machine: MAC, a disk of that name, how fast that is ----
declare -A agent_of stamp_of home
log_of() { echo "$WORK/agent.$1.log"; }
stamp() { stat -c %.9Y "$DISKS/$1"; }
disk_is_whole() { grep -q "read back and right" "$(log_of "$1")"; }

# What its firmware is told to boot: agent, local, or nothing when nobody answers.
script_of() {
	local script
	script=$(node "$1" boot 2>/dev/null) || { echo nothing; return; }
	case $script in *"/boot/kernel?mac=$1"*) echo agent ;; *"exit 1"*) echo local ;; *) echo nothing ;; esac
}
# power_on MAC SERVER-URL: an agent when the script says so.
power_on() {
	case $(script_of "$1") in
	local) home[$1]=1 ;;
	agent)
		"$AGENT" --server "$2" --node "$1" --keys "$STATE/keys" --settle 1 --disk "$DISKS/$1,serial=A1" \
			--faults "write-rate=${rate:-$((16 * MIB))}" >"$(log_of "$1")" 2>&1 </dev/null &
		agent_of[$1]=$!
		PIDS+=("$!")
		;;
	esac
}
power_off() { # MAC
	ours "${agent_of[$1]}" && kill -9 "${agent_of[$1]}"
	ended "${agent_of[$1]}" 5
}
# A machine whose agent has ended is rebooted. The disk was whole: from then on nothing writes to it.
reboot_if_ended() {
	[ -n "${agent_of[$1]:-}" ] && { gone "${agent_of[$1]}" || return; }
	if [ -n "${agent_of[$1]:-}" ]; then
		agent_of[$1]=
		disk_is_whole "$1" && [ -z "${stamp_of[$1]:-}" ] && stamp_of[$1]=$(stamp "$1")
	fi
	[ -n "${home[$1]:-}" ] || power_on "$1" $URL
}
comes_home() { # MAC...
	local mac
	for mac; do reboot_if_ended "$mac"; done
	for mac; do [ -n "${home[$mac]:-}" ] || return 1; done
}
new_machine() {
	new_node
	arm_a1
	new_disk "$MAC"
}
was_not_written_again() { is "${stamp_of[$1]:-never}" "$(stamp "$1")"; }
installed() { # NAME MAC
	check "$1_holds_the_image" holds_image "$DISKS/$2"
	check "$1_was_not_written_again" was_not_written_again "$2"
	check "$1_is_done" is "done" "$(sb node show "$2" --json | jq -r .state)"
}
says() { grep -q "$2" "$(log_of "$1")"; }
no_head() { cmp -s -n $MIB "$DISKS/$1" /dev/zero; }

begin

# Recorded `finishing`, not acknowledged: nothing is committed. Once the agent outlives it, once not.
for then in lives dies; do
	new_machine
	kill_server
	SWARMBOOT_TEST_EXIT_AT=finishing-recorded start_server
	power_on "$MAC" $URL
	ended "$server" 60
	check "finishing_${then}_server_died_there" is 70 "$status"
	check "finishing_${then}_agent_waits_for_leave" until_true 10 says "$MAC" "is not heard"
	check "finishing_${then}_nothing_is_committed" no_head "$MAC"
	[ $then = dies ] && power_off "$MAC"
	start_server
	check "finishing_${then}_comes_home" until_true 60 comes_home "$MAC"
	installed "finishing_$then" "$MAC"
done

# Recorded `finished`, not acknowledged: back in time, or only when the agent has given up.
for then in soon late; do
	new_machine
	kill_server
	SWARMBOOT_TEST_EXIT_AT=finished-recorded start_server
	power_on "$MAC" $URL
	ended "$server" 60
	check "finished_${then}_server_died_there" is 70 "$status"
	check "finished_${then}_holds_the_image" holds_image "$DISKS/$MAC"
	stamp_of[$MAC]=$(stamp "$MAC")
	[ $then = late ] && ended "${agent_of[$MAC]}" 60 && check finished_late_agent_reboots_all_the_same is 0 "$status"
	start_server
	check "finished_${then}_comes_home" until_true 60 comes_home "$MAC"
	installed "finished_$then" "$MAC"
done

# Leave was given; the server is killed before it hears of the end, and the machine loses its power.
new_machine
: >"$REPORTS"
rules drop-finished
power_on "$MAC" $PROXY
check unheard_committed until_true 60 grep -q "^finished dropped" "$REPORTS"
kill_server
power_off "$MAC"
rules
check unheard_holds_the_image holds_image "$DISKS/$MAC"
stamp_of[$MAC]=$(stamp "$MAC")
start_server
check unheard_server_says_finishing state_is finishing
check unheard_boots_the_agent is agent "$(script_of "$MAC")"
check unheard_comes_home until_true 60 comes_home "$MAC"
check unheard_found_its_image lacks "fetching image" "$(cat "$(log_of "$MAC")")"
installed unheard "$MAC"

# Five random moments of a run of three machines with disks of different speed.
machines=()
for rate in $((5 * MIB)) $((9 * MIB)) $((16 * MIB)); do
	new_machine
	machines+=("$MAC")
	power_on "$MAC" $URL
done
begun=$(date +%s%N)
milliseconds() { echo $((($(date +%s%N) - begun) / 1000000)); }
later_than() { comes_home "${machines[@]}"; [ "$(milliseconds)" -ge "$1" ]; }
for kill_number in 0 1 2 3 4; do
	at=$((kill_number * 3200 + RANDOM % 3200))
	until_true 30 later_than $at
	kill_server
	echo "# killed at $(milliseconds) ms: $(for mac in "${machines[@]}"; do tail -n 1 "$(log_of "$mac")" | cut -c 1-50; done | tr '\n' ';')"
	until_true 10 later_than $((at + RANDOM % 1500))
	start_server || check server_starts_again false
done
check all_three_come_home until_true 90 comes_home "${machines[@]}"
for number in 0 1 2; do installed "machine_$number" "${machines[number]}"; done

# And they stay at home, whoever is killed now.
kill_server
start_server
for number in 0 1 2; do
	check "machine_${number}_still_boots_its_disk" is local "$(script_of "${machines[number]}")"
	check "machine_${number}_is_still_as_it_was" was_not_written_again "${machines[number]}"
done
done_testing
