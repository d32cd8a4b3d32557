# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests, after common.sh, whose namespace is then the switch: machines are namespaces of their own on one
# bridge that carries multicast, 10.88.0.N/24 and fd88::N/64, without a router.
((EUID == 0)) || { echo "skip $NAME - network namespaces need root"; exit 77; }
LAN=sbl$$

lan_begin() {
	ip link add br0 type bridge stp_state 0 forward_delay 0 && ip link set br0 up || exit 1
}

lan_machine() { # N
	local name=$LAN-$1
	ip netns add "$name" || exit 1
	ip link add "v$1" type veth peer name eth0 netns "$name" || exit 1
	ip link set "v$1" master br0 up
	ip -n "$name" link set lo up
	ip -n "$name" address add "10.88.0.$1/24" dev eth0
	ip -n "$name" address add "fd88::$1/64" dev eth0 nodad
	ip -n "$name" link set eth0 up
}

lan_run() { # N COMMAND...
	local name=$LAN-$1
	shift
	ip netns exec "$name" "$@"
}

# lan_start N NAME COMMAND...: as start, on that machine.
lan_start() {
	local machine=$1 name=$2
	shift 2
	start "$name" ip netns exec "$LAN-$machine" "$@"
}

lan_seed() { # N NAME METAINFO [OPTION...]
	local machine=$1 name=$2 metainfo=$3
	shift 3
	lan_start "$machine" "$name" "$BIN" seed "$metainfo" --from "$WORK/image" --listen "10.88.0.$machine:7000" \
		--progress json "$@"
	until_true 10 ready "$name"
}

lan_fetch() { # N NAME METAINFO [OPTION...]: to $WORK/NAME.img
	local machine=$1 name=$2 metainfo=$3
	shift 3
	lan_start "$machine" "$name" "$BIN" fetch "$metainfo" --to "$WORK/$name.img" --unsigned --stay \
		--progress json --listen "${LISTEN:-:0}" "$@"
}

cleanup_more() {
	local name
	for name in $(ip netns list | awk -v lan="$LAN-" 'index($1, lan) == 1 { print $1 }'); do
		ip netns delete "$name"
	done
}
