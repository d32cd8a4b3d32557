#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A node that is killed finds its pieces on its own disk again; what lies there from elsewhere is
# found too.
. "$(dirname "$0")/common.sh"

random_image $((64 * 1048576))
metainfo
BYTES=$(stat -c %s "$WORK/image")
seed origin 7200

# A slow disk, so that the kill comes in the middle.
fetch a 7201 --peer 127.0.0.1:7200 --faults write-rate=16777216
until_true 60 at_least a bytes_durable $((BYTES / 4))
check was_in_the_middle no_event a complete
durable=$(last a bytes_durable)
kill -KILL "$pid"
finish "$pid" 10
fetch a 7201 --peer 127.0.0.1:7200
finish "$pid" 60
check resumed_exits_0 [ "$status" = 0 ]
check resumed_has_the_image same a.img
check durable_bytes_were_found at_least a bytes_present "$durable"
check and_not_fetched_again at_most a bytes_received $((BYTES - durable))

fetch a 7201 --peer 127.0.0.1:7200
finish "$pid" 60
check complete_target_fetches_nothing both [ "$status" = 0 ] -- [ "$(last a bytes_received)" = 0 ]

# A stale target: other bytes in one piece, and it is too long.
cp "$WORK/image" "$WORK/b.img"
printf stale | dd of="$WORK/b.img" bs=1 seek=5000000 conv=notrunc status=none
head -c 1000 /dev/urandom >>"$WORK/b.img"
fetch b 7202 --peer 127.0.0.1:7200
finish "$pid" 60
check only_what_is_stale_came both [ "$status" = 0 ] -- [ "$(last b bytes_received)" = 16384 ]
check longer_target_keeps_its_end [ "$(stat -c %s "$WORK/b.img")" = $((BYTES + 1000)) ]
check stale_target_has_the_image cmp -s -n "$BYTES" "$WORK/image" "$WORK/b.img"

# Ctrl-C says that it can be carried on, and is no success.
fetch c 7203 --peer 127.0.0.1:7200 --faults write-rate=16777216
until_true 60 at_least c bytes_durable $((BYTES / 8))
kill -INT "$pid"
finish "$pid" 10
check interrupted_exits_1 [ "$status" = 1 ]
check interrupted_says_so grep -q "will be found again" "$WORK/c.err"
check interrupted_is_not_complete no_event c complete

# Holdback: an interrupted target begins and ends with zeros, whatever was there before.
head -c "$BYTES" /dev/urandom >"$WORK/d.img"
fetch d 7204 --peer 127.0.0.1:7200 --holdback --faults write-rate=16777216
until_true 60 at_least d bytes_durable $((BYTES / 4))
kill -KILL "$pid"
finish "$pid" 10
check killed_holdback_has_no_head cmp -s -n 1048576 "$WORK/d.img" /dev/zero
check killed_holdback_has_no_tail cmp -s -n 1048576 -i $((BYTES - 1048576)):0 "$WORK/d.img" /dev/zero
fetch d 7204 --peer 127.0.0.1:7200 --holdback --readback
finish "$pid" 60
check holdback_completes both [ "$status" = 0 ] -- same d.img
done_testing
