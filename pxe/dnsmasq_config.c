/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering of dnsmasq's configuration file. */
#include "pxe/dnsmasq_config.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define RANGE_ADDRESSES_MAX 8192

struct text {
	char *bytes;
	size_t capacity;
	size_t used;
	bool overflow;
};

static void text_add(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void text_add(struct text *text, const char *format, ...)
{
	va_list arguments;

	if (text->overflow)
		return;
	va_start(arguments, format);
	int length =
		vsnprintf(text->bytes + text->used, text->capacity - text->used, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= text->capacity - text->used)
		text->overflow = true;
	else
		text->used += (size_t)length;
}

static const char *address_format(char text[static INET_ADDRSTRLEN], struct in_addr address)
{
	return inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
}

/* dnsmasq ends values at ',' and comments at '#', and has no way to say a line end. */
static bool value_is_plain(const char *value)
{
	if (*value == '\0')
		return false;
	for (; *value != '\0'; value++)
		if ((unsigned char)*value <= ' ' || strchr(",#\"\\", *value) != NULL)
			return false;
	return true;
}

static void render_full(struct text *text, const struct dnsmasq_config *config)
{
	char first[INET_ADDRSTRLEN];
	char last[INET_ADDRSTRLEN];
	char mask[INET_ADDRSTRLEN];
	char router[INET_ADDRSTRLEN];

	text_add(text, "dhcp-range=%s,%s,%s,%" PRIu64 "\n",
		address_format(first, config->range.first),
		address_format(last, config->range.last), address_format(mask, config->netmask),
		config->lease_s != 0 ? config->lease_s : 3600);
	text_add(text, "dhcp-leasefile=%s\n", config->lease_file);
	if (config->router.s_addr != 0)
		text_add(text, "dhcp-option=option:router,%s\n",
			address_format(router, config->router));
	else
		text_add(text, "# This server is no gateway unless it is told to be.\n"
			       "dhcp-option=option:router\n");
	text_add(text, "# First stage: iPXE by TFTP.\n"
		       "dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe\n"
		       "dhcp-boot=tag:!ipxe,tag:efi64,snponly.efi\n");
}

static void render_proxy(struct text *text, const struct dnsmasq_config *config)
{
	struct in_addr network = {config->address.s_addr & config->netmask.s_addr};
	char address[INET_ADDRSTRLEN];
	char mask[INET_ADDRSTRLEN];

	text_add(text, "dhcp-range=%s,proxy,%s\n", address_format(address, network),
		address_format(mask, config->netmask));
	text_add(text, "# First stage: iPXE by TFTP.\n"
		       "pxe-service=tag:!ipxe,x86PC,\"swarmboot\",undionly.kpxe\n"
		       "pxe-service=tag:!ipxe,X86-64_EFI,\"swarmboot\",snponly.efi\n"
		       "pxe-service=tag:!ipxe,BC_EFI,\"swarmboot\",snponly.efi\n");
}

size_t dnsmasq_config_render(
	char *bytes, size_t capacity, const struct dnsmasq_config *config, struct failure *failure)
{
	struct text text = {bytes, capacity, 0, false};
	char address[INET_ADDRSTRLEN];

	if (!value_is_plain(config->interface) || !value_is_plain(config->tftp_root) ||
		!value_is_plain(config->lease_file)) {
		failure_set(failure, ERROR_UNSUPPORTED,
			"dnsmasq cannot use '%s': the state directory's path may have no space, "
			"comma, '#', quote or backslash",
			config->tftp_root);
		return 0;
	}
	address_format(address, config->address);
	text_add(&text,
		"# Written by swarmboot at every start.\n"
		"port=0\n"
		"interface=%s\n"
		"except-interface=lo\n"
		"bind-interfaces\n"
		"no-hosts\n"
		"no-resolv\n"
		"log-dhcp\n"
		"log-facility=-\n"
		"pid-file=\n"
		"dhcp-lease-max=10000\n"
		"dhcp-ignore-names\n"
		"enable-tftp\n"
		"tftp-root=%s\n"
		"# Client architectures of RFC 4578; option 175 is iPXE's own.\n"
		"dhcp-match=set:ipxe,175\n"
		"dhcp-match=set:bios,option:client-arch,0\n"
		"dhcp-match=set:efi64,option:client-arch,7\n"
		"dhcp-match=set:efi64,option:client-arch,9\n",
		config->interface, config->tftp_root);
	if (config->user[0] != '\0')
		text_add(&text, "user=%s\n", config->user);
	if (config->proxy)
		render_proxy(&text, config);
	else
		render_full(&text, config);
	text_add(&text,
		"# Second stage: iPXE asks what to do.\n"
		"dhcp-boot=tag:ipxe,http://%s:%u/boot.ipxe\n",
		address, config->http_port);
	if (text.overflow) {
		failure_set(failure, ERROR_LIMIT, "the configuration of dnsmasq is too long");
		return 0;
	}
	return text.used;
}

static bool in_subnet(struct in_addr a, struct in_addr address, struct in_addr netmask)
{
	return (a.s_addr & netmask.s_addr) == (address.s_addr & netmask.s_addr);
}

bool dhcp_range_parse(struct dhcp_range *range, const char *text, struct in_addr address,
	struct in_addr netmask, struct failure *failure)
{
	char first[INET_ADDRSTRLEN];
	size_t length = strcspn(text, ",-");

	if (text[length] == '\0' || length >= sizeof(first))
		return failure_set(failure, ERROR_USAGE,
			"'%s' is not a range of addresses: FIRST,LAST is wanted", text);
	memcpy(first, text, length);
	first[length] = '\0';
	if (inet_pton(AF_INET, first, &range->first) != 1 ||
		inet_pton(AF_INET, text + length + 1, &range->last) != 1)
		return failure_set(failure, ERROR_USAGE,
			"'%s' is not a range of addresses: FIRST,LAST is wanted", text);
	if (!in_subnet(range->first, address, netmask) || !in_subnet(range->last, address, netmask))
		return failure_set(failure, ERROR_USAGE,
			"'%s' is not inside the subnet of the interface", text);
	if (ntohl(range->first.s_addr) > ntohl(range->last.s_addr))
		return failure_set(failure, ERROR_USAGE, "'%s' ends before it begins", text);
	return true;
}

bool dhcp_range_default(struct dhcp_range *range, struct in_addr address, struct in_addr netmask,
	struct failure *failure)
{
	uint32_t mask = ntohl(netmask.s_addr);
	uint32_t network = ntohl(address.s_addr) & mask;
	uint32_t broadcast = network | ~mask;

	if (broadcast - network < 7)
		return failure_set(failure, ERROR_USAGE,
			"the subnet of the interface is too small to choose addresses from; give "
			"--dhcp-range FIRST,LAST");
	uint32_t half = (broadcast - network) / 2 + 1;
	uint32_t first = network + half;

	if (broadcast - first > RANGE_ADDRESSES_MAX)
		first = broadcast - RANGE_ADDRESSES_MAX;
	range->first.s_addr = htonl(first);
	range->last.s_addr = htonl(broadcast - 1);
	return true;
}
