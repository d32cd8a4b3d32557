# SPDX-License-Identifier: Apache-2.0
"""Networks in namespaces: a room is a bridge with a shaped link to every node; racks are bridges of their
own, with a shaped uplink each to a core. Links are shaped (tbf) in both directions, so that a node's
uplink and downlink are bounds of their own, as on a switch port."""
import atexit
import glob
import json

from bench.machine import PREFIX, Process, namespace_add, namespaces_delete, run

HUB_ADDRESS = "10.99.0.1"


def shaper(rate_mbit):
    """tbf settings of a link: what it may send at once, and a queue of 100 ms and at least 48 KiB, so that
    slow links have room for more than a handful of frames."""
    bytes_per_s = rate_mbit * 125000
    burst = 128 * 1024 if rate_mbit >= 50 else 32 * 1024 if rate_mbit >= 10 else 16 * 1024
    queue = max(int(bytes_per_s * 0.1), 48 * 1024)
    return "tbf rate %dkbit burst %d limit %d" % (round(rate_mbit * 1000), burst, burst + queue)


NEIGHBOURS = "/proc/sys/net/ipv4/neigh/default/gc_thresh%d"


def raise_neighbours():
    """Everybody talks to everybody, so N nodes have N * N entries in the machine's table of neighbours, which
    all namespaces share: 32 nodes overflow the 1,024 of a fresh machine, and then nobody reaches anybody
    for seconds. Raised while rooms exist, and given back on exit."""
    for level, wanted in ((3, 262144), (2, 131072), (1, 65536)):
        with open(NEIGHBOURS % level) as file:
            had = int(file.read())
        if had < wanted:
            with open(NEIGHBOURS % level, "w") as file:
                file.write(str(wanted))
            atexit.register(restore_neighbours, level, had)


def restore_neighbours(level, value):
    if glob.glob("/run/netns/sbb*"):
        return  # another run needs them
    with open(NEIGHBOURS % level, "w") as file:
        file.write(str(value))


class Room:
    """Node 0 is the origin. The tracker is in the hub, behind no shaper.

    racks: None, or for every node the number of its rack (the origin's is nodes[0]'s).
    uplink_mbit: the rate of each rack's uplink; None leaves it unshaped.
    rates: {node: Mbit/s} for nodes whose links differ; a rate of None leaves a node unshaped.
    label: tells rooms that exist at the same time apart.
    """

    def __init__(self, nodes_count, rate_mbit, racks=None, uplink_mbit=None, rates=None, label=""):
        self.label = label
        self.nodes_count = nodes_count
        self.rate_mbit = rate_mbit
        self.racks = racks
        self.uplink_mbit = uplink_mbit
        self.rates = rates or {}
        self.names = []

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        raise_neighbours()
        hub = self.add("hub")
        commands = ["link set lo up", "link add br0 type bridge", "addr add %s/16 dev br0" % HUB_ADDRESS,
                    "link set br0 up"]
        shaping = []
        for rack in sorted(set(self.racks or [])):
            commands += ["link add rack%d type bridge" % rack, "link set rack%d up" % rack,
                         "link add up%d type veth peer name down%d" % (rack, rack),
                         "link set up%d master rack%d up" % (rack, rack),
                         "link set down%d master br0 up" % rack]
            if self.uplink_mbit is not None:
                shaping += ["qdisc add dev %s%d root %s" % (end, rack, shaper(self.uplink_mbit))
                            for end in ("up", "down")]
        for number in range(self.nodes_count + 1):
            name = self.add(str(number))
            master = "br0" if self.racks is None else "rack%d" % self.racks[number]
            commands += ["link add p%d type veth peer name eth0 netns %s" % (number, name),
                         "link set p%d master %s up" % (number, master)]
            if self.rate(number) is not None:
                shaping.append("qdisc add dev p%d root %s" % (number, shaper(self.rate(number))))
        run("ip", "-n", hub, "-batch", "-", given="\n".join(commands) + "\n")
        if shaping:
            run("tc", "-n", hub, "-batch", "-", given="\n".join(shaping) + "\n")
        for number in range(self.nodes_count + 1):
            name = self.name(number)
            run("ip", "-n", name, "-batch", "-", given="link set lo up\naddr add %s/16 dev eth0\n"
                "link set eth0 up\n" % self.address(number))
            if self.rate(number) is not None:
                run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root",
                    *shaper(self.rate(number)).split())

    def rate(self, number):
        return self.rates.get(number, self.rate_mbit)

    def set_rate(self, number, rate_mbit, limit_bytes=None):
        """Changes a node's link while it works; a small limit makes the link lose frames."""
        settings = shaper(rate_mbit).split()
        if limit_bytes is not None:
            settings[settings.index("limit") + 1] = str(limit_bytes)
        run("tc", "-n", self.name(number), "qdisc", "change", "dev", "eth0", "root", *settings)
        run("tc", "-n", self.name("hub"), "qdisc", "change", "dev", "p%d" % number, "root", *settings)

    def name(self, what):
        return "%s-%s%s" % (PREFIX, self.label, what)

    def add(self, what):
        name = namespace_add("%s%s" % (self.label, what))
        self.names.append(name)
        return name

    def address(self, number):
        return "10.99.%d.%d" % (1 + (number + 1) // 250, (number + 1) % 250 + 1)

    def popen(self, node, command, **options):
        return Process(command, self.name("hub" if node is None else node), **options)

    def counters(self):
        """{device in the hub: (bytes that came from the node or rack, bytes that went to it)}."""
        links = json.loads(run("ip", "-n", self.name("hub"), "-s", "-j", "link", "show"))
        return {link["ifname"]: (link["stats64"]["rx"]["bytes"], link["stats64"]["tx"]["bytes"])
                for link in links}

    def __exit__(self, *_):
        namespaces_delete(self.names)
        self.names = []


def origin_first_racks(racks_count, nodes_per_rack):
    """racks of a room whose origin stands in rack 0 beside that rack's nodes."""
    return [0] + [rack for rack in range(racks_count) for _ in range(nodes_per_rack)]


def bytes_between(before, after, device, direction):
    """direction 0: what came out of the node or rack; 1: what went into it."""
    return after[device][direction] - before[device][direction]
