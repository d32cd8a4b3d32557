#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One libtorrent node: fetches or seeds a torrent, prints "complete SECONDS" once it has everything
and serves until it is told to stop (SIGTERM). The settings are those of a client tuned for a LAN."""
import argparse
import signal
import sys
import time

import libtorrent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("metainfo")
    parser.add_argument("directory")
    parser.add_argument("--listen", required=True, help="ADDR:PORT, [V6]:PORT")
    parser.add_argument("--profile", choices=["default", "tuned", "no-utp", "shallow"], default="tuned")
    parser.add_argument("--lsd", action="store_true", help="local service discovery")
    parser.add_argument("--announce-interval", type=int, metavar="SECONDS",
                        help="as short as the tracker says, but not shorter (default: 5 minutes)")
    arguments = parser.parse_args()
    start = time.monotonic()
    settings = {
        "listen_interfaces": arguments.listen,
        "outgoing_interfaces": arguments.listen.rsplit(":", 1)[0].strip("[]"),
        "enable_dht": False,
        "enable_lsd": arguments.lsd,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "alert_mask": libtorrent.alert.category_t.status_notification,
    }
    if arguments.profile == "no-utp":
        settings.update({"enable_incoming_utp": False, "enable_outgoing_utp": False})
    if arguments.profile in ("tuned", "shallow"):
        settings.update({
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "in_enc_policy": int(libtorrent.enc_policy.disabled),
            "out_enc_policy": int(libtorrent.enc_policy.disabled),
            "unchoke_slots_limit": -1,
            "connections_limit": 1000,
            "connection_speed": 500,
            "send_buffer_watermark": 16 << 20,
            "max_out_request_queue": 2000,
            "max_allowed_in_request_queue": 4000,
            "aio_threads": 2,
            "strict_end_game_mode": False,
        })
    if arguments.profile == "shallow":
        settings.update({"request_queue_time": 1, "max_out_request_queue": 250,
                         "unchoke_slots_limit": 4, "send_buffer_watermark": 1 << 20})
    if arguments.announce_interval:
        settings["min_announce_interval"] = arguments.announce_interval
    session = libtorrent.session(settings)
    handle = session.add_torrent({
        "ti": libtorrent.torrent_info(arguments.metainfo),
        "save_path": arguments.directory,
    })
    running = True

    def stop(_signal, _frame):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    said = False
    while running:
        if not said and handle.status().is_seeding:
            print("complete %.3f" % (time.monotonic() - start), flush=True)
            said = True
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
