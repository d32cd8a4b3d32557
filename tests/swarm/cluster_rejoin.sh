#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# sanitizers: no
# seconds: 300
# A member of a cluster of two dies with a million peers known, and starts again: it holds them all, at once.
# CLUSTER_PEERS=N for another number.
. "$(dirname "$0")/common.sh"

peers=${CLUSTER_PEERS:-1000000}
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$WORK/key")
member() { # NAME PORT CLUSTER-PORT
	start "$1" "$BIN" tracker --listen "127.0.0.1:$2" --peers-max "$((peers + 1000))" --interval 600s --requests-max 1000000 \
		--swarms-max 64 --share-per-address 100 --status-listen none \
		--cluster 127.0.0.1:6971 --cluster 127.0.0.1:6972 --cluster-listen "127.0.0.1:$3" \
		--cluster-key "$WORK/key"
}
said() { grep -q "$2" "$WORK/$1.err"; }
known() { # PORT: the peers of all swarms
	/usr/bin/python3 - "$1" "$peers" <<'PYTHON'
import socket, struct, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("127.0.0.1", int(sys.argv[1])))
sock.settimeout(5)
sock.send(struct.pack(">QII", 0x41727101980, 0, 7))
connection = struct.unpack(">IIQ", sock.recv(100))[2]
hashes = b"".join(struct.pack(">I16x", 1 + i) for i in range((int(sys.argv[2]) + 62499) // 62500))
sock.send(struct.pack(">QII", connection, 2, 9) + hashes)
reply = sock.recv(4096)[8:]
print(sum(struct.unpack(">I", reply[at:at + 4])[0] for at in range(0, len(reply), 4) if at % 12 != 4))
PYTHON
}
knows() { [ "$(known "$1")" -ge "$2" ]; }
most=$((peers * 99 / 100))

member a 6981 6971
member b 6982 6972
b=$pid
until_true 10 said a member-here
until_true 10 said b member-here
check the_million_is_announced [ "$("${BIN%/*}/tests/helpers/announce_many" 6981 "$peers")" = "$peers" ]
check the_other_knows_it_all until_true 10 knows 6982 "$peers"
kill -KILL "$b"
finish "$b" 10
member c 6983 6972
c=$pid
check who_starts_again_catches_up until_true 20 said c caught-up
held=$(known 6983)
check and_holds_99_of_100 [ "$held" -ge "$most" ]
took=$(sed -n 's/.*caught-up .* ms=\([0-9]*\).*/\1/p' "$WORK/c.err" | head -n 1)
echo "# $held of $peers peers are held $took ms after the catch-up began"
ticks=$(awk '{ print $14 + $15 }' "/proc/$c/stat")
echo "# $((ticks * 1000 / $(getconf CLK_TCK))) ms of CPU time since it started," \
	"$(awk '/VmRSS/ { print $2 " kB resident" }' "/proc/$c/status")"
check in_a_second_of_cpu_time [ "$ticks" -le "$(getconf CLK_TCK)" ]
# A second on a machine of one's own; tests run beside each other.
check within_seconds [ "${took:-99999}" -le 5000 ]
done_testing
