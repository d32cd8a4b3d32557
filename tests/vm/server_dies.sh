#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 1200
# The server is killed twice under a machine that boots over PXE: at about half of its fetch, and
# between recording `finishing` and the answer to it; each time it stays away for 20 s. The machine
# carries on, ends finished, boots its disk, and is not written again by a further network boot.
. "$(dirname "$0")/vm.bash"

lab_begin "vm-$name"
tiny_image new --id new --data 96
marker='image new ready on'
must server_is_up lab_up --drivers "$lab_drivers"
lab_machine one bios disk=512M
slow_link one 80mbit
must armed arm_unseen one new
lab_power_on one

server_gone() { ! lab_running server; }
past() { ((SECONDS >= $1)); }
stays_on_for_20_s() { lab_await 25 past $((SECONDS + 20)) && lab_is_on one; }
writes_head_and_tail='writing the first and last MiB'

# Killed at half of the fetch.
must fetches_over_pxe lab_await "$boot_seconds" at_least one .progress.bytes_durable $((image_bytes / 2))
check killed_while_it_fetches stage_is one fetch
lab_kill server
check outlives_20_s_alone stays_on_for_20_s

# Killed between recording `finishing` and its answer.
SWARMBOOT_TEST_EXIT_AT=finishing-recorded must server_is_up_again lab_up --drivers "$lab_drivers"
must goes_on_by_itself lab_wait_console one 'asking the server for leave to finish' 200
must server_ends_before_its_answer lab_await 30 server_gone
lab_stop server
check outlives_20_s_more stays_on_for_20_s
check no_commit_without_leave not lab_console_has one "$writes_head_and_tail"
check no_head_without_leave disk_head_is_zero one
must server_is_up_a_third_time lab_up --drivers "$lab_drivers"
must ends_finished ends_as one "done" 100

# What it wrote is right, boots, and stays as it is.
must boots_its_disk lab_wait_console one "$marker" "$boot_seconds"
check disk_is_the_image disk_is_image one
check one_boot_into_the_agent is 1 "$(lab_console one | grep -ac 'swarmboot: booting the agent')"
before=$(fingerprint one)
lab_reset one
must boots_its_disk_again lab_wait_console one "$marker" "$boot_seconds"
check without_the_agent not lab_console_has one 'swarmboot: booting the agent'
check nothing_was_written is "$before" "$(fingerprint one)"
check it_stays_finished state_is one "done"
done_testing
