#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The power is cut at half of a fetch: the disk forgets a seeded part of what was not flushed, torn at
# sector size. Afterwards only the pieces that overlap head and tail and at most 32 MiB come again,
# nothing that was called durable is missing, nothing wrong survives. Without flushes, it must not hold.
# seconds: 180
# sanitizers: no
. "$(dirname "$0")/../swarm/common.sh"

MIB=1048576
UNFLUSHED_MAX=$((32 * MIB))
# Odd: head and tail are no whole pieces, so two pieces each overlap them at most.
IMAGE_BYTES=$((160 * MIB + 12345 * 512))
PIECE=$MIB
WIPED=$((2 * MIB)) # the disk's old ends, written before everything else
HELD=$((3 * PIECE)) # pieces that overlap head and tail
CUT=$((IMAGE_BYTES / 2))

random_image $IMAGE_BYTES
metainfo --piece-size $PIECE
seed origin 7400 || { check origin_serves false; done_testing; }

# A machine that had another system before: every byte of it is somebody's.
old_disk() { openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c "$2" >"$WORK/$1.img"; }

# cut NAME SEED FAULTS [OPTION...]: until the power fails.
cut() {
	local name=$1 seed=$2 faults=$3
	shift 3
	old_disk "$name" $((IMAGE_BYTES + 5 * MIB))
	fetch "$name" 7401 --peer 127.0.0.1:7400 --seed-of-choices "$seed" "$@" \
		--faults "lose-unflushed,power-cut-after=$CUT,seed=$seed,write-rate=$((48 * MIB))$faults"
	finish "$pid" 60
	check "${name}_lost_its_power" [ "$status" = 137 ]
	check "${name}_was_not_complete" no_event "$name" complete
	durable=$(last "$name" bytes_durable)
	cp "$WORK/$name.out" "$WORK/$name.before.out"
}
# again NAME [OPTION...]: the power is back.
again() {
	local name=$1
	shift
	fetch "$name" 7401 --peer 127.0.0.1:7400 "$@"
	finish "$pid" 60
	check "${name}_completes" both [ "$status" = 0 ] -- has_event "$name" complete
	check "${name}_holds_the_image" cmp -s -n $IMAGE_BYTES "$WORK/image" "$WORK/$name.img"
	received=$(last "$name" bytes_received)
	present=$(last "$name" bytes_present)
	# What had been written and is needed once more.
	came_again=$((received - (IMAGE_BYTES - (CUT - written_besides))))
}
# ends_are_zero NAME: neither the old system nor the new one begins or ends on that disk.
ends_are_zero() {
	cmp -s -n $MIB "$WORK/$1.img" /dev/zero &&
		cmp -s -n $MIB -i $((IMAGE_BYTES + 4 * MIB)):0 "$WORK/$1.img" /dev/zero &&
		! cmp -s -n $MIB -i $((IMAGE_BYTES - MIB)) "$WORK/$1.img" "$WORK/image"
}

something_was_lost=0
for seed in 1 2 3 4; do
	name=seed_$seed
	written_besides=$WIPED
	CUT=$((IMAGE_BYTES / 2 - seed * 3 * MIB))
	slow=
	# The last two flush so slowly that as much waits as ever may, and are cut just before 32 MiB do.
	if [ $seed -gt 2 ]; then
		slow=,flush-delay-us=1500000
		CUT=$((WIPED + 80 * MIB - (seed - 3) * 4 * MIB))
	fi
	cut $name $seed "$slow" --holdback
	check ${name}_does_not_boot ends_are_zero $name
	check ${name}_had_durable_bytes [ "$durable" -gt $((CUT / 8)) ]
	again $name --holdback
	echo "# $name: $((CUT - WIPED)) bytes written, $durable durable, $present found, $came_again came again"
	check ${name}_fetches_at_most_32_MiB_again [ $came_again -le $UNFLUSHED_MAX ]
	check ${name}_finds_every_durable_byte [ "$present" -ge $((durable - HELD)) ]
	[ "$present" -lt $((CUT - WIPED - PIECE)) ] && something_was_lost=1
done
check the_cuts_lost_something [ $something_was_lost = 1 ]

check slow_flushes_put_much_at_risk [ $came_again -gt $((16 * MIB)) ]

# Without holdback nothing is wiped and no piece is excepted.
HELD=0
written_besides=0
cut plain 5 ""
again plain
echo "# plain: $CUT bytes written, $durable durable, $present found, $came_again came again"
check plain_fetches_at_most_32_MiB_again [ $came_again -le $UNFLUSHED_MAX ]
check plain_finds_every_durable_byte [ "$present" -ge "$durable" ]

# The counter-proof: a flush that does nothing, and both promises are broken.
HELD=$((3 * PIECE))
written_besides=$WIPED
cut flushless 6 ,drop-flush --holdback
again flushless --holdback
echo "# flushless: $((CUT - WIPED)) bytes written, $durable durable, $present found, $came_again came again"
check without_flush_more_than_32_MiB_come_again [ $came_again -gt $UNFLUSHED_MAX ]
check without_flush_durable_bytes_are_missing [ "$present" -lt $((durable - HELD)) ]
done_testing
