#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An image of 2 GiB with the large pieces of a much larger one, by an agent that may use little memory,
# page cache included: never more than 64 MiB of it are resident.
# seconds: 300
# sanitizers: no
. "$(dirname "$0")/common.sh"

MIB=1048576
IMAGE_BYTES=$((2048 * MIB))
DISK_BYTES=$((2050 * MIB))
RESIDENT_MAX_KIB=65536
CGROUP=
make_image() {
	truncate -s $IMAGE_BYTES "$WORK/one.raw"
	# 640 MiB of bytes at four places, zeros between.
	for place in 0 500 1000 1888; do
		head -c $((160 * MIB)) /dev/urandom |
			dd of="$WORK/one.raw" bs=$MIB seek=$place iflag=fullblock conv=notrunc status=none
	done
	sb image import "$WORK/one.raw" --name one --piece-size 4MiB >"$WORK/import.out" 2>&1
}
# 160 MiB for the agent and what the kernel keeps for it, where such limits are to be had.
limit_memory() {
	local root=/sys/fs/cgroup/memory file=memory.limit_in_bytes
	if [ ! -d $root ]; then
		root=/sys/fs/cgroup
		file=memory.max
	fi
	CGROUP=$root/swarmboot-test-$$
	mkdir "$CGROUP" 2>/dev/null && echo $((160 * MIB)) 2>/dev/null >"$CGROUP/$file" && return
	rmdir "$CGROUP" 2>/dev/null
	CGROUP=
	return 1
}
cleanup_cgroup() { [ -z "$CGROUP" ] || until_true 5 rmdir "$CGROUP" 2>/dev/null; }
trap 'cleanup; cleanup_cgroup' EXIT

# Runs the agent; what it had resident at most is in $WORK/resident, in KiB.
measured='
import os, sys
group, resident = sys.argv[1:3]
child = os.fork()
if child == 0:
    if group:
        with open(group + "/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))
    os.execvp("setpriv", ["setpriv", "--pdeathsig", "KILL"] + sys.argv[3:])
_, status, usage = os.wait4(child, 0)
with open(resident, "w") as out:
    out.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
'

begin
limit_memory || echo "# no memory control groups here: only what is resident is measured"
new_node
arm_a1
new_disk A1
/usr/bin/python3 -c "$measured" "$CGROUP" "$WORK/resident" "$AGENT" --server $PROXY --node "$MAC" \
	--keys "$STATE/keys" --settle 1 --disk "$DISKS/A1" >"$WORK/agent.$MAC.log" 2>&1 &
agent=$!
PIDS+=("$agent")
ended "$agent" 200 || status=timeout
check two_gib_are_imaged is "0 done" "$status $(node_field state)"
check it_holds_the_image holds_image "$DISKS/A1"
resident=$(cat "$WORK/resident")
echo "# at most $((resident / 1024)) MiB resident${CGROUP:+, within 160 MiB with the page cache}"
check at_most_64_mib_are_resident [ "$resident" -le $RESIDENT_MAX_KIB ]
done_testing
