#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One seed and two nodes on loopback: everybody completes, and has the image.
. "$(dirname "$0")/common.sh"

random_image $((40 * 1048576 + 12345))
# Zeros in the middle and a repetition: neither is to travel.
dd if=/dev/zero of="$WORK/image" bs=1M seek=10 count=6 conv=notrunc status=none
dd if="$WORK/image" of="$WORK/image" bs=1M skip=1 seek=20 count=2 conv=notrunc status=none
metainfo
BYTES=$(stat -c %s "$WORK/image")

seed origin 7000 --origin
fetch a 7001 --peer 127.0.0.1:7000 --stay
a=$pid
fetch b 7002 --peer 127.0.0.1:7000 --peer 127.0.0.1:7001 --memory 4MiB
finish "$pid" 60
check b_exits_0 [ "$status" = 0 ]
check b_has_the_image same b.img
check a_is_complete until_true 60 has_event a complete
check a_has_the_image same a.img
check zeros_did_not_travel at_most a bytes_received $((BYTES - 6 * 1048576))
check all_bytes_are_durable [ "$(last a bytes_durable)" = "$BYTES" ]
kill -TERM "$a"
finish "$a" 10
check stay_ends_with_0_on_sigterm [ "$status" = 0 ]

metainfo --sha1-only
seed origin1 7003
fetch c 7004 --peer 127.0.0.1:7003 --holdback --readback
finish "$pid" 60
check sha1_only_exits_0 [ "$status" = 0 ]
check sha1_only_with_holdback_has_the_image same c.img
check sha1_only_is_said grep -q "checked by SHA-1" "$WORK/c.err"

# IPv6, and a piece size that makes the last piece small.
random_image $((1048576 * 3 + 1))
metainfo --piece-size 65536
start origin6 "$BIN" seed "$WORK/image.torrent" --from "$WORK/image" --listen '[::1]:7005' \
	--progress json --verify
until_true 10 ready origin6
start d "$BIN" fetch "$WORK/image.torrent" --to "$WORK/d.img" --listen '[::1]:7006' --unsigned \
	--progress json --peer '[::1]:7005'
finish "$pid" 60
check ipv6_exits_0 [ "$status" = 0 ]
check ipv6_has_the_image same d.img

# Smaller than a block.
printf x >"$WORK/image"
metainfo
seed tiny 7007
fetch e 7008 --peer 127.0.0.1:7007 --holdback
finish "$pid" 30
check one_byte_image_exits_0 [ "$status" = 0 ]
check one_byte_image_is_there same e.img
done_testing
