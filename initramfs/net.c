/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces by ioctl and sysfs, DHCP by busybox's udhcpc as a child that is started again whenever
 * it ends. */
#include "initramfs/net.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "initramfs/child.h"
#include "initramfs/machine.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "runtime/clock.h"

#define CLASS_NET    "/sys/class/net"
#define ADDRESS_FILE "/run/swarmboot/address"
#define POLL_NS	     (NS_PER_S / 2)

static void wait_ns(uint64_t duration_ns)
{
	struct timespec left = {.tv_sec = (time_t)(duration_ns / NS_PER_S),
		.tv_nsec = (long)(duration_ns % NS_PER_S)};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static bool line_read(const char *path, char *line, size_t capacity)
{
	SCOPED(file) FILE *file = fopen(path, "re");

	if (file == NULL || fgets(line, (int)capacity, file) == NULL)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static void set_up(const char *interface)
{
	SCOPED(fd) int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	if (descriptor < 0 || strlen(interface) >= sizeof(request.ifr_name))
		return;
	memcpy(request.ifr_name, interface, strlen(interface));
	if (ioctl(descriptor, SIOCGIFFLAGS, &request) != 0 || (request.ifr_flags & IFF_UP) != 0)
		return;
	request.ifr_flags |= IFF_UP;
	if (ioctl(descriptor, SIOCSIFFLAGS, &request) != 0)
		log_warning("cannot set %s up: %s", interface, strerror(errno));
}

static bool has_carrier(const char *interface)
{
	char path[PATH_MAX];
	char line[8];

	/* Reading fails while the interface is down. */
	return (size_t)snprintf(path, sizeof(path), CLASS_NET "/%s/carrier", interface) <
		       sizeof(path) &&
	       line_read(path, line, sizeof(line)) && line[0] == '1';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

/* Only hardware: what has a device. */
static int is_hardware(const struct dirent *entry)
{
	char path[PATH_MAX];

	return entry->d_name[0] != '.' &&
	       (size_t)snprintf(path, sizeof(path), CLASS_NET "/%s/device", entry->d_name) <
		       sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* Sets every interface up and looks for one with a carrier. `found` says whether the wanted one
 * exists. */
static bool look_for_link(struct net *net, const char *boot_mac, bool any, bool *found)
{
	struct dirent **entries = NULL;
	int count = scandir(CLASS_NET, &entries, is_hardware, by_name);
	bool chosen = false;

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char path[PATH_MAX];
		char line[64];
		char mac[NODE_ID_MAX] = "";

		set_up(name);
		if ((size_t)snprintf(path, sizeof(path), CLASS_NET "/%s/address", name) <
				sizeof(path) &&
			line_read(path, line, sizeof(line)) && !mac_parse(mac, line))
			mac[0] = '\0';
		bool wanted = strcmp(mac, boot_mac) == 0;

		*found |= wanted;
		if (!chosen && mac[0] != '\0' && (wanted || any) && has_carrier(name) &&
			strlen(name) < sizeof(net->interface)) {
			chosen = true;
			snprintf(net->interface, sizeof(net->interface), "%.31s", name);
			memcpy(net->mac, mac, sizeof(mac));
		}
		free(entries[i]);
	}
	free(entries);
	return chosen;
}

static bool wait_for_link(struct net *net, const char *boot_mac, void (*probe)(void *context),
	void *context, struct failure *failure)
{
	uint64_t end_ns = clock_now_ns() + NET_LINK_NS_MAX;
	bool found = false;

	if (boot_mac[0] != '\0')
		log_info("waiting for a link on %s", boot_mac);
	else
		log_info("waiting for a link on any interface");
	while (clock_now_ns() < end_ns) {
		if (look_for_link(net, boot_mac, boot_mac[0] == '\0', &found))
			return true;
		probe(context);
		wait_ns(POLL_NS);
	}
	if (boot_mac[0] != '\0' && look_for_link(net, boot_mac, true, &found)) {
		log_warning("%s %s; using %s", boot_mac, found ? "has no link" : "has no driver",
			net->interface);
		return true;
	}
	return failure_set(failure, ERROR_NO_LINK, "no network interface got a link in %llu s",
		(unsigned long long)(NET_LINK_NS_MAX / NS_PER_S));
}

/* Keeps udhcpc running for the life of the agent: it renews the lease. */
static void *keep_lease(void *argument)
{
	char *interface = argument;
	char *arguments[] = {"/bin/busybox", "udhcpc", "-f", "-i", interface, "-s",
		"/etc/swarmboot/udhcpc", "-t", "4", "-T", "2", "-A", "2", NULL};

	for (;;) {
		struct failure failure;
		int status = 0;
		pid_t pid = child_start(arguments, &failure);

		if (pid < 0)
			log_warning("DHCP: %s", failure.text);
		while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		log_warning("the DHCP client ended (status %d); starting it again", status);
		wait_ns(2 * NS_PER_S);
	}
	return NULL;
}

static bool wait_for_address(
	struct net *net, void (*probe)(void *context), void *context, struct failure *failure)
{
	uint64_t end_ns = clock_now_ns() + NET_ADDRESS_NS_MAX;

	while (clock_now_ns() < end_ns) {
		if (line_read(ADDRESS_FILE, net->address, sizeof(net->address)) &&
			net->address[0] != '\0')
			return true;
		probe(context);
		wait_ns(POLL_NS / 5);
	}
	return failure_set(failure, ERROR_NO_ADDRESS,
		"no DHCP server answered on %s (%s) in %llu s", net->interface, net->mac,
		(unsigned long long)(NET_ADDRESS_NS_MAX / NS_PER_S));
}

bool net_bring_up(struct net *net, const char *boot_mac, void (*probe)(void *context),
	void *context, struct failure *failure)
{
	static char lease_interface[sizeof(net->interface)];
	pthread_t thread;

	memset(net, 0, sizeof(*net));
	set_up("lo");
	if (!wait_for_link(net, boot_mac, probe, context, failure))
		return false;
	log_info("link on %s (%s), asking for an address", net->interface, net->mac);
	memcpy(lease_interface, net->interface, sizeof(lease_interface));
	if (pthread_create(&thread, NULL, keep_lease, lease_interface) != 0)
		return failure_set(failure, ERROR_SYSTEM, "cannot start the DHCP client");
	pthread_detach(thread);
	if (!wait_for_address(net, probe, context, failure))
		return false;
	log_info("address %s on %s", net->address, net->interface);
	return true;
}
