#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Other BitTorrent clients read our metainfo: same infohash, name, length, pieces; and libtorrent finds
# the image complete when it checks it piece by piece. Prints TAP.
# shellcheck source=tests/images/common.bash
source "$(dirname "$0")/common.bash"
cd "$WORK" || exit 1
make_disk disk.raw

# Several pieces; one piece; many pieces with trackers; the store's own.
"$BIN" image import disk.raw --out plain.torrent --quiet >/dev/null || exit 1
"$BIN" image import disk.raw --out single.torrent --piece-size 64MiB --quiet >/dev/null || exit 1
"$BIN" image import disk.raw --out small.torrent --piece-size 16KiB --quiet \
	--tracker http://10.0.0.1:6969/announce --tracker udp://10.0.0.1:6969 >/dev/null || exit 1
image import disk.raw --quiet >/dev/null || exit 1
cp "$STATE/images/disk/image.torrent" stored.torrent

ours() { # METAINFO: the SHA-1 of its info dictionary, by libtorrent's bencoder
	/usr/bin/python3 - "$1" <<'PYTHON'
import hashlib, sys, libtorrent
info = libtorrent.bdecode(open(sys.argv[1], "rb").read())[b"info"]
print(hashlib.sha1(libtorrent.bencode(info)).hexdigest())
PYTHON
}
for kind in plain single small stored; do
	infohash=$(ours $kind.torrent)
	check "libtorrent_reads_$kind" test "$(/usr/bin/python3 -c \
		'import libtorrent,sys; i=libtorrent.torrent_info(sys.argv[1]); print(i.info_hash(), i.total_size())' \
		$kind.torrent)" = "$infohash $((40 * 1024 * 1024 + 1536))"
	if command -v aria2c >/dev/null; then
		check "aria2_reads_$kind" test "$(aria2c -S $kind.torrent | awk '/Info Hash:/ { print $3 }')" \
			= "$infohash"
	else
		echo "skip aria2_reads_$kind - aria2c is not installed"
	fi
	if command -v transmission-show >/dev/null; then
		check "transmission_reads_$kind" test \
			"$(transmission-show $kind.torrent | awk '/Hash:/ { print $2 }')" = "$infohash"
	else
		echo "skip transmission_reads_$kind - transmission-show is not installed"
	fi
done
told=$("$BIN" image import disk.raw --out again.torrent --json)
check the_command_tells_the_infohash test "$(/usr/bin/python3 -c \
	'import json,sys; print(json.loads(sys.argv[1])["infohash"])' "$told")" = "$(ours again.torrent)"

# The whole content, as another implementation hashes it.
cat >complete.py <<'PYTHON'
import libtorrent, sys, time
session = libtorrent.session({"listen_interfaces": "127.0.0.1:0", "enable_dht": False,
                              "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False})
info = libtorrent.torrent_info(sys.argv[1])
torrent = session.add_torrent({"ti": info, "save_path": sys.argv[2]})
end = time.monotonic() + 60
while time.monotonic() < end:
    status = torrent.status()
    if status.state not in (libtorrent.torrent_status.checking_files,
                            libtorrent.torrent_status.checking_resume_data):
        break
    time.sleep(0.1)
sys.exit(0 if torrent.status().is_seeding else 1)
PYTHON
for kind in plain single small; do
	check "libtorrent_finds_the_disk_complete_$kind" /usr/bin/python3 complete.py $kind.torrent "$WORK"
done
mkdir seeded && ln -s "$STATE/images/disk/disk.raw" seeded/disk
check libtorrent_finds_the_stored_image_complete /usr/bin/python3 complete.py stored.torrent "$WORK/seeded"
flip_byte disk.raw 1000000
check libtorrent_agrees_on_damage sh -c '! /usr/bin/python3 complete.py plain.torrent .'
exit $failed
