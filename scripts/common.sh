# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script here shares: colours (on a terminal only), one way to say things, one way to
# fail, bytes for people. Sourced; needs $top, the root of the source tree.

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
else
	# shellcheck disable=SC2034
	bold='' dim='' red='' green='' yellow='' plain=''
fi

say() { printf '%s\n' "$*"; }
step() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
	warn "$@"
	exit 1
}

need_root() {
	((EUID == 0)) || die "needs root (network namespaces, taps, loop devices): run it with sudo"
}

# seconds since the epoch with a fraction; differences by `since`.
now() { printf '%s' "$EPOCHREALTIME"; }
# since START: whole seconds, rounded.
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", b - a }'; }

# What make builds as root for a user behind sudo belongs to that user.
give_back() {
	[[ -n ${SUDO_UID:-} && ${SUDO_UID} != 0 && -e $1 ]] || return 0
	chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$1"
}
