#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a person can get wrong: each has one clear line, a cause and an exit status of its own, and
# leaves nothing half-made.
. "$(dirname "$0")/common.sh"

random_image $((2 * 1048576))
openssl genpkey -algorithm ed25519 -out "$WORK/site.key" 2>/dev/null
mkdir "$WORK/keys" "$WORK/other-keys"
openssl pkey -in "$WORK/site.key" -pubout -out "$WORK/keys/site.pub"
openssl genpkey -algorithm ed25519 -out "$WORK/other.key" 2>/dev/null
openssl pkey -in "$WORK/other.key" -pubout -out "$WORK/other-keys/other.pub"
metainfo --key "$WORK/site.key"

# refused NAME STATUS TEXT COMMAND...: it ends at once with that status, and says that text.
refused() {
	local name=$1 wanted=$2 text=$3
	shift 3
	start "$name" "$@"
	finish "$pid" 10
	if [ "$status" = "$wanted" ] && grep -q -- "$text" "$WORK/$name.err"; then
		echo "ok $name"
	else
		echo "not ok $name"
		echo "# status $status (wanted $wanted), said: $(tail -3 "$WORK/$name.err")"
		failures=$((failures + 1))
	fi
}
TO=(--to "$WORK/target.img" --listen 127.0.0.1:7100)

refused no_command 2 "usage:" "$BIN"
refused unknown_command 2 "unknown command" "$BIN" frobnicate
refused unknown_option 2 "unknown option: --frob" "$BIN" fetch "$WORK/image.torrent" "${TO[@]}" --frob
refused no_target 2 "--to FILE-OR-DEVICE is missing" "$BIN" fetch "$WORK/image.torrent"
refused bad_address 2 "not ADDR:PORT" "$BIN" fetch "$WORK/image.torrent" --to x --listen somewhere
refused bad_size 2 "wants SIZE" "$BIN" fetch "$WORK/image.torrent" --to x --memory much
refused bad_faults 2 "explode" "$BIN" fetch "$WORK/image.torrent" "${TO[@]}" --unsigned --faults explode=1
refused no_metainfo 1 "not-found" "$BIN" fetch "$WORK/nothing.torrent" "${TO[@]}"
refused not_a_metainfo 1 "(format)" "$BIN" fetch "$WORK/image" "${TO[@]}"
refused unsigned_is_refused 1 "signature-missing" "$BIN" fetch "$WORK/image.torrent" "${TO[@]}"
refused foreign_key 1 "signature-missing" "$BIN" fetch "$WORK/image.torrent" "${TO[@]}" \
	--trust "$WORK/other-keys"
refused no_trust 1 "not-found" "$BIN" fetch "$WORK/image.torrent" "${TO[@]}" --trust "$WORK/nowhere"
check nothing_was_made [ ! -e "$WORK/target.img" ]

# One bit of the info dictionary: the SHA-1 of the first piece.
/usr/bin/python3 - "$WORK/image.torrent" "$WORK/altered.torrent" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[data.index(b"6:pieces") + 12] ^= 1
open(sys.argv[2], "wb").write(data)
PYTHON
refused altered_metainfo 1 "signature-wrong" "$BIN" fetch "$WORK/altered.torrent" "${TO[@]}" \
	--trust "$WORK/keys"
check altered_made_nothing [ ! -e "$WORK/target.img" ]

refused no_directory 1 "not-found" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/no/where" --unsigned
refused seed_of_nothing 1 "not-found" "$BIN" seed "$WORK/image.torrent" --from "$WORK/nothing"
head -c 1000000 "$WORK/image" >"$WORK/short"
refused seed_too_small 1 "disk-too-small" "$BIN" seed "$WORK/image.torrent" --from "$WORK/short"
head -c $((2 * 1048576)) /dev/zero >"$WORK/wrong"
refused seed_of_another_image 1 "digest-mismatch" "$BIN" seed "$WORK/image.torrent" \
	--from "$WORK/wrong" --verify

seed good 7101
refused port_in_use 1 "address-in-use" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/p.img" \
	--unsigned --listen 127.0.0.1:7101
check port_in_use_makes_nothing [ ! -e "$WORK/p.img" ]
refused not_our_address 1 "listen on" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/p.img" \
	--unsigned --listen 192.0.2.1:7102

# The same with nothing wrong.
start signed "$BIN" fetch "$WORK/image.torrent" "${TO[@]}" --trust "$WORK/keys" \
	--peer 127.0.0.1:7101
finish "$pid" 30
check signed_is_taken both [ "$status" = 0 ] -- same target.img
check its_last_line_is_of_the_end grep -q '^fetch 100 %.* sent ' "$WORK/signed.err"
start help "$BIN" fetch --help
finish "$pid" 10
check help_exits_0 both [ "$status" = 0 ] -- grep -q -- "--holdback" "$WORK/help.out"

metainfo --v2-only
refused v2_only 1 "v2" "$BIN" fetch "$WORK/image.torrent" --to "$WORK/v2.img" --unsigned

# A file system that is full.
if mkdir "$WORK/small" && mount -t tmpfs -o size=1m tmpfs "$WORK/small" 2>/dev/null; then
	cleanup_more() { umount "$WORK/small" 2>/dev/null; }
	metainfo
	start no_space "$BIN" fetch "$WORK/image.torrent" --to "$WORK/small/x" --unsigned \
		--listen 127.0.0.1:7103 --peer 127.0.0.1:7101 --progress json
	finish "$pid" 60
	check no_space_exits_1 [ "$status" = 1 ]
	check no_space_is_said grep -qi "no space" "$WORK/no_space.err"
	check no_space_is_never_complete no_event no_space complete
	umount "$WORK/small"
else
	echo "skip no_space - a tmpfs cannot be mounted"
fi

# Nobody is there: it goes on trying, and says what is in the way.
start dead "$BIN" fetch "$WORK/image.torrent" --to "$WORK/dead.img" --unsigned --tracker http://127.0.0.1:9/announce
dead=$pid
start alone "$BIN" fetch "$WORK/image.torrent" --to "$WORK/alone.img" --unsigned --peer 127.0.0.1:9
check a_dead_tracker_is_named until_true 20 grep -q 'no peer was found; tracker http://127.0.0.1:9/announce: ' "$WORK/dead.err"
check nobody_at_all_is_said until_true 20 grep -q 'no peer was found: who has a copy' "$WORK/alone.err"
end_all 5 "$dead" "$pid"
done_testing
