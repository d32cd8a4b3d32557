#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 420
# The server is killed twice under a machine that boots over PXE: at about half of its fetch, and
# between recording `finishing` and the answer to it; each time it stays away for 20 s. The machine
# carries on, ends finished, boots its disk, and is not written again by a further network boot.
. "$(dirname "$0")/common.bash"

lab_begin server_dies
vm_image image --tiny --data 64
half=$(($(stat -c %s "$image") / 2))
marker=$(vm_marker "$image")
vm_import "$image" tiny
lab_up || die "the server does not start: see $lab/server.log"
lab_machine one bios disk=512M
need armed vm_arm one tiny
lab_power_on one

server_gone() { ! lab_running server; }
past() { ((SECONDS >= $1)); }
stays_on_for_20_s() { lab_await 25 past $((SECONDS + 20)) && lab_is_on one; }
writes_head_and_tail='writing the first and last MiB'

# Killed at half of the fetch.
need fetches_over_pxe lab_await 200 vm_durable_beyond one "$half"
check killed_while_it_fetches vm_stage_is one fetch
lab_kill server
check outlives_20_s_alone stays_on_for_20_s

# Killed between recording `finishing` and its answer.
SWARMBOOT_TEST_EXIT_AT=finishing-recorded lab_up || die "the server does not start again"
need goes_on_by_itself lab_wait_console one 'asking the server for leave to finish' 120
need server_ends_before_its_answer lab_await 30 server_gone
lab_stop server
check outlives_20_s_more stays_on_for_20_s
check no_commit_without_leave silent_about one "$writes_head_and_tail"
check no_head_without_leave cmp -n 1048576 "$lab/one/disk.raw" /dev/zero
lab_up || die "the server does not start a third time"
need ends_finished vm_await_state one "done" 60

# What it wrote is right, boots, and stays as it is.
need boots_its_disk lab_wait_console one "$marker" 90
check disk_is_the_image vm_same one "$image"
check one_boot_into_the_agent is 1 "$(lab_console one | grep -ac 'swarmboot: booting the agent')"
before=$(vm_digest one)
lab_reset one
need boots_its_disk_again lab_wait_console one "$marker" 90
check without_the_agent silent_about one 'swarmboot: booting the agent'
check nothing_was_written is "$before" "$(vm_digest one)"
check it_stays_finished vm_state_is one "done"
done_testing
