#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# Disks that fail. A failure that lasts ends with an error event and status 1, one that passes is
# mended; never is anything called complete that is not.
. "$(dirname "$0")/common.sh"

random_image $((32 * 1048576))
metainfo
seed origin 7300
port=7301

# fails NAME CAUSE FAULTS: ends as an error with that cause.
fails() {
	port=$((port + 1))
	fetch "$1" $port --peer 127.0.0.1:7300 --faults "$3"
	finish "$pid" 60
	check "${1}_exits_1" [ "$status" = 1 ]
	check "$1_has_an_error_event" both has_event "$1" error -- grep -q "\"error\":\"$2\"" "$WORK/$1.out"
	check "$1_is_never_complete" no_event "$1" complete
}

# mends NAME FAULTS [OPTION...]: completes all the same.
mends() {
	local name=$1 faults=$2
	shift 2
	port=$((port + 1))
	fetch "$name" $port --peer 127.0.0.1:7300 --faults "$faults" "$@"
	finish "$pid" 90
	check "${name}_exits_0" [ "$status" = 0 ]
	check "${name}_has_the_image" same "$name.img"
}

fails write_error disk-write write-error-after=8388608
fails flush_error disk-flush flush-error-after=2
mends write_error_once write-error-once=8388608
mends flush_error_once flush-error-once=1
mends short_write short-write-after=8388608
mends slow_disk write-rate=8388608,write-delay-us=2000,flush-delay-us=100000
mends unreadable_target read-error-at=5000000
mends corrupt_once corrupt-at=7000000 --readback
check corrupt_piece_was_found [ "$(last corrupt_once pieces_bad)" = 1 ]

# A seed that cannot read one piece serves the rest.
seed bad_seed 7350 --faults read-error-at=20000000
fetch from_bad_seed 7351 --peer 127.0.0.1:7350
until_true 60 at_least from_bad_seed bytes_durable $((31 * 1048576))
check all_but_the_unreadable_piece_came [ $? = 0 ]
check unreadable_is_never_complete no_event from_bad_seed complete
kill -TERM "$pid"
finish "$pid" 10
check and_it_stops_cleanly [ "$status" = 1 ]
done_testing
