# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of images share: a work directory that is removed, TAP lines, a disk with holes.
# Sourced; sets BIN, WORK, STATE.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
BIN=$(realpath "${BIN:-build/swarmboot}")
WORK=$(mktemp -d /tmp/swarmboot-images-XXXXXX)
STATE=$WORK/state
failed=0

cleanup() {
	trap - EXIT INT TERM
	[[ -z ${MOUNTED:-} ]] || umount "$MOUNTED"
	[[ -z ${CHILD:-} ]] || kill "$CHILD" 2>/dev/null
	rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# check NAME COMMAND...: one TAP line; what the command printed only on failure.
check() {
	local name=$1
	shift
	if "$@" >"$WORK/check.log" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/# /' "$WORK/check.log"
		failed=1
	fi
}

# refuses TEXT COMMAND...: exit status 1 or 2, TEXT on standard error, the store unchanged.
refuses() {
	local text=$1 before status
	shift
	before=$(ls -A "$STATE/images" 2>/dev/null)
	"$@" >"$WORK/out" 2>"$WORK/err"
	status=$?
	cat "$WORK/err"
	((status == 1 || status == 2)) || { echo "exit status $status"; return 1; }
	grep -qF -- "$text" "$WORK/err" || { echo "does not say: $text"; return 1; }
	[[ $(ls -A "$STATE/images" 2>/dev/null) == "$before" ]] || { ls -A "$STATE/images"; return 1; }
}

image() { "$BIN" image "$@" --state "$STATE"; }

# make_disk FILE: 40 MiB and three sectors: random bytes, text, a repeated MiB, and holes.
make_disk() {
	dd if=/dev/urandom of="$1" bs=1M count=5 status=none
	dd if="$1" of="$1" bs=1M count=1 seek=9 conv=notrunc status=none
	yes 'a line of text that compresses' | dd of="$1" bs=64K count=20 seek=400 conv=notrunc \
		iflag=fullblock status=none
	truncate -s $((40 * 1024 * 1024 + 3 * 512)) "$1"
}

flip_byte() { # FILE OFFSET: its lowest bit
	printf '%b' "\\x$(printf '%02x' $(($(od -An -tu1 -j"$2" -N1 "$1") ^ 1)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# until_true SECONDS COMMAND...: polls a condition.
until_true() {
	local limit=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < limit)) || return 1
		sleep 0.01
	done
}
