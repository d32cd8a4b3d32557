#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A libtorrent session with a DHT node and nothing else to find peers by: no tracker, no local
discovery. Prints "nodes N" as that changes and "complete" once the torrent, if there is one, is;
serves until SIGTERM."""
import argparse
import signal
import time

import libtorrent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("metainfo", nargs="?")
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--listen", required=True, help="ADDR:PORT")
    parser.add_argument("--node", action="append", default=[], help="ADDR PORT to begin with", nargs=2)
    arguments = parser.parse_args()
    session = libtorrent.session({
        "listen_interfaces": arguments.listen,
        "outgoing_interfaces": arguments.listen.rsplit(":", 1)[0].strip("[]"),
        "enable_dht": True,
        "dht_bootstrap_nodes": "",
        "dht_announce_interval": 3,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
    })
    for host, port in arguments.node:
        session.add_dht_node((host, int(port)))
    handle = None
    if arguments.metainfo:
        handle = session.add_torrent({
            "ti": libtorrent.torrent_info(arguments.metainfo), "save_path": arguments.directory})
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    nodes = -1
    said = False
    while not stop:
        if session.status().dht_nodes != nodes:
            nodes = session.status().dht_nodes
            print("nodes %d" % nodes, flush=True)
        if handle and not said and handle.status().is_seeding:
            print("complete", flush=True)
            said = True
        time.sleep(0.1)


if __name__ == "__main__":
    main()
