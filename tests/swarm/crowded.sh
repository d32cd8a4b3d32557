#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# More connections than there is room for: silent ones keep nobody out, and a seed that runs out of
# descriptors goes on when some are free again.
. "$(dirname "$0")/common.sh"

random_image $((8 * 1048576))
metainfo

# crowd COUNT PORT: so many connections that say nothing; closed ones are opened again.
cat >"$WORK/crowd.py" <<'PYTHON'
import select, socket, sys
count, port = int(sys.argv[1]), int(sys.argv[2])
held = {}
poll = select.poll()
while True:
    while len(held) < count:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        held[connection.fileno()] = connection
        poll.register(connection, select.POLLIN)
    print("READY", flush=True)
    for number, _ in poll.poll(1000):
        poll.unregister(number)
        held.pop(number).close()
PYTHON
crowd_ready() { grep -q READY "$WORK/$1.out"; }

seed origin 7800
origin=$pid
start crowd /usr/bin/python3 "$WORK/crowd.py" 300 7800
crowd=$pid
until_true 10 crowd_ready crowd
fetch a 7801 --peer 127.0.0.1:7800
finish "$pid" 60
check silent_connections_keep_nobody_out both [ "$status" = 0 ] -- same a.img
check seed_memory_is_bounded [ "$(last origin resident_bytes)" -lt $((SANITIZE_FACTOR * 64 * 1048576)) ]
kill "$crowd"
finish "$crowd" 10

# Descriptors for the program itself and a few connections only.
start few bash -c 'ulimit -n 40 && exec "$@"' - "$BIN" seed "$WORK/image.torrent" \
	--from "$WORK/image" --listen 127.0.0.1:7810 --progress json
few=$pid
until_true 10 ready few
start crowd2 /usr/bin/python3 "$WORK/crowd.py" 60 7810
crowd=$pid
said() { grep -q "cannot accept a connection" "$WORK/few.err"; }
until_true 20 said
check running_out_of_descriptors_is_said said
kill "$crowd"
finish "$crowd" 10
fetch b 7811 --peer 127.0.0.1:7810
finish "$pid" 60
check and_it_serves_again both [ "$status" = 0 ] -- same b.img
kill "$few" "$origin"
finish "$few" 10
check and_it_stops_cleanly [ "$status" = 0 ]
done_testing
