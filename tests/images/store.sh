#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# seconds: 300
# The life of images in the store: list, show, verify, remove, key; verify finds every kind of damage; an
# import that is interrupted, killed or out of space leaves nothing. Prints TAP.
# shellcheck source=tests/images/common.bash
source "$(dirname "$0")/common.bash"
cd "$WORK" || exit 1
make_disk disk.raw

check list_of_no_store_is_empty test -z "$(image list)"
check a_listing_makes_no_store test ! -e "$STATE"
check imports image import disk.raw --name one --tracker http://10.0.0.1:6969/announce \
	--tracker udp://10.0.0.1:6969 --quiet
check the_key_is_private test "$(stat -c %a "$STATE/keys/site.key")" = 600
check the_public_key_is_a_pem openssl pkey -pubin -in "$STATE/keys/site.pub" -noout
image key >key
check key_prints_path_and_pem sh -c "grep -q '# .*/keys/site.pub' key && grep -v '^#' key | cmp - '$STATE/keys/site.pub'"

json() { # COMMAND... FIELD: a field of its JSON
	"${@:1:$#-1}" | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "${@: -1}"
}
check show_tells_pieces test "$(json image show one --json pieces_count)" = 41
check show_tells_zero_pieces test "$(json image show one --json zero_pieces)" -ge 30
check show_tells_duplicates test "$(json image show one --json duplicate_pieces)" = 1
check show_tells_the_signature test "$(json image show one --json signature)" = ok
check show_tells_trackers test "$(json image show one --json trackers)" = \
	"['http://10.0.0.1:6969/announce', 'udp://10.0.0.1:6969']"
check show_is_readable sh -c "'$BIN' image show one --state '$STATE' | grep -q '^duplicate   1 pieces'"
check list_has_it sh -c "'$BIN' image list --state '$STATE' | grep -q '^one .* signed'"
check list_json_has_it test "$(image list --json | /usr/bin/python3 -c \
	'import json,sys; print([i["name"] for i in json.load(sys.stdin)])')" = "['one']"
check show_of_an_unknown_image_fails refuses "there is no image nothing" image show nothing
check verify_of_a_good_image image verify one --quiet
check verify_json_of_a_good_image test "$(json image verify one --json ok)" = True

# Damage.
disk=$STATE/images/one/disk.raw torrent=$STATE/images/one/image.torrent
for offset in 0 $((5 * 1024 * 1024 - 1)) $((30 * 1024 * 1024)) $((40 * 1024 * 1024 + 3 * 512 - 1)); do
	flip_byte "$disk" "$offset"
	check "verify_finds_a_flipped_bit_at_$offset" refuses "piece $((offset / 1048576)) " \
		image verify one --quiet
	check "verify_names_only_that_piece_$offset" test \
		"$(json image verify one --json bad_pieces)" = "[$((offset / 1048576))]"
	flip_byte "$disk" "$offset"
done
check verify_after_repair image verify one --quiet
truncate -s -512 "$disk"
check a_short_disk_is_refused refuses "should have" image verify one --quiet
truncate -s +512 "$disk"
cp "$torrent" torrent
at=$(grep -abo '7:created' "$torrent" | head -1 | cut -d: -f1)
flip_byte "$torrent" $((at + 15)) # a digit of the time
check verify_finds_a_changed_metainfo refuses "signature" image verify one --quiet
cp torrent "$torrent"
cp -r "$STATE/keys" keys && rm "$STATE"/keys/*
check verify_without_our_key_fails refuses "no public key" image verify one --quiet
check verify_with_a_given_key image verify one --quiet --key keys/site.pub
image key >/dev/null
check verify_with_another_key_fails refuses "not signed by any trusted key" image verify one --quiet
rm -r "$STATE/keys" && mv keys "$STATE/keys"
check verify_with_our_key_again image verify one --quiet

check remove_takes_it image remove one
check remove_leaves_nothing test -z "$(ls -A "$STATE/images")"
check remove_of_an_unknown_image_fails refuses "there is no image one" image remove one
check remove_of_a_path_fails refuses "there is no image" image remove ../keys
check the_key_survives test -s "$STATE/keys/site.key"

# Interrupted: in the middle (the work directory is there), by each signal.
dd if=/dev/urandom of=large.raw bs=1M count=48 status=none
xz -0 -T2 large.raw
working() { [[ -n $(ls "$STATE/images"/.work-*/disk.raw 2>/dev/null) ]]; }
caught() { # CHILD is stopped in the middle: however fast it is, it cannot end before its signal comes
	local i
	for ((i = 0; i < 3000; i++)); do
		kill -STOP "$CHILD" 2>/dev/null || return 1
		working && return 0
		kill -CONT "$CHILD"
		sleep 0.01
	done
	return 1
}
interrupted() { # SIGNAL: the import ends with status 1, says so, and leaves nothing
	# Background jobs of a script ignore SIGINT; this one must not.
	/usr/bin/python3 -c 'import os,signal,sys
signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
		"$BIN" image import large.raw.xz --state "$STATE" --quiet 2>err &
	CHILD=$!
	caught || return 1
	kill "-$1" "$CHILD"
	kill -CONT "$CHILD"
	wait "$CHILD"
	local status=$?
	CHILD=
	cat err
	[[ $status = 1 ]] && grep -q "stopped on request" err && [[ -z $(ls -A "$STATE/images") ]]
}
check an_interrupted_import_leaves_nothing interrupted INT
check a_terminated_import_leaves_nothing interrupted TERM
# From here on not through the function: $! must be the program, not a subshell.
killed() {
	"$BIN" image import large.raw.xz --state "$STATE" --quiet &
	CHILD=$!
	caught || return 1
	kill -KILL "$CHILD"
	wait "$CHILD"
	CHILD=
	[[ -z $(image list) ]] || return 1
	image import disk.raw --quiet || return 1
	[[ $(ls -A "$STATE/images") = disk ]]
}
check a_killed_import_shows_no_image_and_is_cleared_by_the_next killed
together() { # two at once: both arrive, neither clears the other's work away
	"$BIN" image import large.raw.xz --name large --state "$STATE" --quiet &
	CHILD=$!
	until_true 30 working || return 1
	image import disk.raw --name small --quiet || return 1
	wait "$CHILD" || return 1
	CHILD=
	image verify large --quiet && image verify small --quiet
}
check two_imports_at_once together
same_name() { # two at once with one name: exactly one wins
	"$BIN" image import large.raw.xz --name twin --state "$STATE" --quiet 2>/dev/null &
	CHILD=$!
	until_true 30 working || return 1
	image import disk.raw --name twin --quiet || return 1
	wait "$CHILD" && return 1
	CHILD=
	image verify twin --quiet && [[ -z $(ls -A "$STATE/images" | grep '^\.') ]]
}
check two_imports_of_one_name same_name

# No space: a file system of 4 MiB.
if ((EUID == 0)); then
	mkdir small && mount -t tmpfs -o size=4m swarmboot-test small && MOUNTED=$WORK/small
	STATE=$WORK/small/state
	check a_full_disk_is_an_error refuses "no space left" image import disk.raw --quiet
	check a_full_disk_is_left_clean test -z "$(ls -A "$STATE/images")"
	umount "$MOUNTED" && MOUNTED=
	STATE=$WORK/state
else
	echo "skip a_full_disk_is_an_error - needs root to mount a tmpfs"
fi
touch file
check a_state_that_is_a_file_is_refused refuses "cannot make the directory" \
	"$BIN" image import disk.raw --state "$WORK/file/x" --quiet

# Without a store.
check out_writes_a_metainfo "$BIN" image import disk.raw --out one.torrent --piece-size 256KiB \
	--tracker http://10.0.0.1:6969/announce --quiet
check out_makes_no_store test ! -e "$WORK/.swarmboot"
check out_can_be_written_again "$BIN" image import disk.raw --out one.torrent --quiet
check out_is_unsigned sh -c '! grep -q 10:signatures one.torrent'
check out_signs_with_a_key sh -c "'$BIN' image import disk.raw --out signed.torrent --quiet \
	--key '$STATE/keys/site.key' && grep -q 10:signatures signed.torrent"
check out_into_a_missing_directory refuses "No such file" \
	"$BIN" image import disk.raw --out nowhere/one.torrent --quiet
check out_over_the_image_is_refused refuses "is the image" \
	"$BIN" image import disk.raw --out ./disk.raw --quiet
check out_over_a_device_is_refused refuses "not a regular file" \
	"$BIN" image import disk.raw --out /dev/null --quiet
check the_device_is_still_one test -c /dev/null
check out_leaves_no_temporary test -z "$(ls | grep new)"
exit $failed
