#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compressed blocks between our own nodes: an image of real files, half of it zeros, needs a fraction
# of its bytes on the wire; what does not compress travels as it is; --compress off takes no frames.
. "$(dirname "$0")/common.sh"

MIB=1048576
FILES_MIB=48
wire() { last "$1" bytes_received_wire; }
wire_at_most() { # NAME BYTES
	[ "$(wire "$1")" -gt 0 ] && [ "$(wire "$1")" -le "$2" ]
}
as_it_is() { [ "$(wire "$1")" = "$(last "$1" bytes_received)" ]; }

# What a root file system holds most of.
tar -C / -cf - --exclude='*.xz' --exclude='*.gz' usr/bin usr/lib/x86_64-linux-gnu 2>/dev/null |
	head -c $((FILES_MIB * MIB)) >"$WORK/image"
truncate -s $((2 * FILES_MIB * MIB)) "$WORK/image"
metainfo
seed origin 7000 --origin --compress always
fetch a 7001 --peer 127.0.0.1:7000 --compress always --stay
fetch b 7002 --peer 127.0.0.1:7000 --peer 127.0.0.1:7001 --compress always --stay
fetch c 7003 --peer 127.0.0.1:7000 --peer 127.0.0.1:7002 --compress always --stay --memory 4MiB
for node in a b c; do
	check "${node}_is_complete" until_true 120 has_event "$node" complete
	check "${node}_has_the_image" same "$node.img"
done
for node in a b c; do
	check "${node}_received_less_than_0.45_of_the_files" \
		wire_at_most "$node" $((FILES_MIB * MIB * 45 / 100))
	echo "# $node: $(wire "$node") bytes on the wire for $(last "$node" bytes_received) of the image"
done
# One that knows no frames gives none either.
fetch plain 7004 --peer 127.0.0.1:7000 --peer 127.0.0.1:7001 --compress off
finish "$pid" 120
check plain_exits_0 [ "$status" = 0 ]
check plain_has_the_image same plain.img
check plain_received_blocks_as_they_are as_it_is plain
check nobody_was_banned [ "$(last a peers_banned)$(last b peers_banned)$(last c peers_banned)" = 000 ]

# A node that had it all from frames serves somebody who came later, the origin gone.
end_all 10 "${PIDS[0]}"
fetch late 7005 --peer 127.0.0.1:7001 --peer 127.0.0.1:7002 --compress always
finish "$pid" 120
check late_exits_0 [ "$status" = 0 ]
check late_has_the_image same late.img
check late_received_less_than_0.45_of_the_files wire_at_most late $((FILES_MIB * MIB * 45 / 100))
end_all 10 "${PIDS[@]}"

random_image $((12 * MIB))
metainfo
seed origin2 7010 --origin --compress always
fetch d 7011 --peer 127.0.0.1:7010 --compress always
finish "$pid" 60
check random_bytes_exit_0 [ "$status" = 0 ]
check random_bytes_are_there same d.img
check random_bytes_travel_as_they_are as_it_is d
fetch wrong 7012 --compress sometimes
finish "$pid" 10
check an_unknown_mode_is_a_usage_error [ "$status" = 2 ]
done_testing
