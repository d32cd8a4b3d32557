# SPDX-License-Identifier: Apache-2.0
# Sourced after common.sh by tests with real agents: nodes 1 to 9, as if they had booted over the network.
AGENT=$(dirname "$BIN")/swarmboot-agent
[ -x "$AGENT" ] || { echo "skip $NAME - no agent at $AGENT"; exit 77; }
agents=() # process of each node
mac() { echo "52:54:00:00:01:0$1"; }
disk_of() { echo "$WORK/disk$1"; }
agent() { # N
	node "$(mac "$1")" boot >/dev/null
	"$AGENT" --server $URL --node "$(mac "$1")" --keys "$STATE/keys" --settle 1 \
		--disk "$(disk_of "$1"),serial=DISK$1" >>"$WORK/agent$1.log" 2>&1 </dev/null &
	agents[$1]=$!
	PIDS+=($!)
}
