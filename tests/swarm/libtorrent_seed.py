#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds: libtorrent_seed.py METAINFO DIRECTORY, until SIGTERM; then says goodbye to its tracker."""
import signal
import sys
import time

import libtorrent

stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
session = libtorrent.session({
    "listen_interfaces": "127.0.0.1:7300,[::1]:7300", "enable_dht": False, "enable_lsd": False,
    "enable_upnp": False, "enable_natpmp": False, "alert_mask": libtorrent.alert.category_t.all_categories})
torrent = session.add_torrent({"ti": libtorrent.torrent_info(sys.argv[1]), "save_path": sys.argv[2]})
told = False
end = time.monotonic() + 60
while time.monotonic() < end:
    session.wait_for_alert(100)
    for alert in session.pop_alerts():
        if "tracker" in alert.what() or "listen" in alert.what():
            print(alert.message(), flush=True)
        if stop and isinstance(alert, libtorrent.tracker_reply_alert):
            told = True
    if stop and not told and torrent.is_valid() and len(stop) == 1:
        session.remove_torrent(torrent)
        stop.append(2)
        end = time.monotonic() + 3
    if told:
        break
