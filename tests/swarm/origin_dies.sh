#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# The origin, or the tracker, is killed in the middle. What the nodes hold together is enough or it
# is not: they complete, or they keep trying and say nothing false, until the origin is back.
. "$(dirname "$0")/common.sh"

random_image $((48 * 1048576))
metainfo
BYTES=$(stat -c %s "$WORK/image")

start_nodes() { # FIRST-PORT: three nodes that know each other and the origin
	nodes=()
	for i in 1 2 3; do
		fetch "n$i" $(($1 + i)) --peer "127.0.0.1:$1" --peer "127.0.0.1:$(($1 + 1))" \
			--peer "127.0.0.1:$(($1 + 2))" --peer "127.0.0.1:$(($1 + 3))" --stay \
			--memory 4MiB --faults write-rate=8388608
		nodes+=("$pid")
	done
}
stop_nodes() {
	for node in "${nodes[@]}"; do kill "$node"; done
	for node in "${nodes[@]}"; do finish "$node" 10; done
	rm -f "$WORK"/n?.img
}
all_complete() { has_event n1 complete && has_event n2 complete && has_event n3 complete; }
all_same() { same n1.img && same n2.img && same n3.img; }
from_origin() {
	echo $(($(last n1 bytes_from_origin) + $(last n2 bytes_from_origin) + $(last n3 bytes_from_origin)))
}
from_origin_at_least() { [ "$(from_origin)" -ge "$1" ]; }

seed origin 7500 --origin
origin=$pid
start_nodes 7500
until_true 60 from_origin_at_least $((BYTES / 3))
kill -KILL "$origin"
finish "$origin" 10
check killed_before_one_copy at_most origin bytes_sent $((BYTES - 1))
# They trade what they have and then stand still, without claiming anything.
settled() {
	local before after
	before=$(last n1 bytes_durable).$(last n2 bytes_durable).$(last n3 bytes_durable)
	sleep 3
	after=$(last n1 bytes_durable).$(last n2 bytes_durable).$(last n3 bytes_durable)
	[ "$before" = "$after" ]
}
until_true 60 settled
check without_an_origin_nobody_is_complete both no_event n1 complete -- \
	both no_event n2 complete -- no_event n3 complete
check and_they_go_on_trying kill -0 "${nodes[@]}"
check what_they_have_they_share [ "$(last n1 bytes_durable)" = "$(last n2 bytes_durable)" ]
seed origin 7500 --origin
origin=$pid
until_true 120 all_complete
check with_the_origin_back_all_complete both all_complete -- all_same
stop_nodes
kill "$origin"
finish "$origin" 10

# Killed once a whole copy is with them: the nodes complete among themselves.
seed origin 7510 --origin
origin=$pid
start_nodes 7510
# Every piece lies on the disk of some node.
whole_copy_is_out() {
	/usr/bin/python3 - "$WORK/image" "$WORK"/n{1,2,3}.img 2>/dev/null <<'PYTHON'
import sys
image, *nodes = [open(path, "rb") for path in sys.argv[1:]]
while piece := image.read(1 << 20):
    if piece not in [node.read(1 << 20) for node in nodes]:
        sys.exit(1)
PYTHON
}
until_true 90 whole_copy_is_out
kill -KILL "$origin"
finish "$origin" 10
until_true 120 all_complete
check after_one_copy_they_complete_alone both all_complete -- all_same
stop_nodes
done_testing
