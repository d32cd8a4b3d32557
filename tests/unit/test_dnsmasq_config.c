/* SPDX-License-Identifier: Apache-2.0 */
/* dnsmasq's configuration: ranges, modes, and that dnsmasq itself accepts what is rendered; and
 * what is read from its log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pxe/dnsmasq_config.h"
#include "pxe/dnsmasq_log.h"

static struct in_addr ip(const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return address;
}

static struct dnsmasq_config usual(void)
{
	struct dnsmasq_config config = {.interface = "eth1",
		.address = ip("10.0.0.1"),
		.netmask = ip("255.255.255.0"),
		.range = {ip("10.0.0.128"), ip("10.0.0.254")},
		.http_port = 8080,
		.tftp_root = "/tmp",
		.lease_file = "/tmp/leases",
		.user = ""};

	return config;
}

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("'%s' is not in:\n%s", part, text);
}

/* Runs the real program over the text. */
static void assert_dnsmasq_accepts(const char *text)
{
	char path[] = "/tmp/swarmboot-dnsmasq-XXXXXX";
	char command[128];
	int descriptor = mkstemp(path);

	assert_true(descriptor >= 0);
	assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
	close(descriptor);
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin dnsmasq --test -C %s 2>&1", path);
	int status = system(command);

	unlink(path);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 127)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void full_mode_hands_out_addresses(void **state)
{
	struct dnsmasq_config config = usual();
	char text[DNSMASQ_CONFIG_BYTES_MAX];

	(void)state;
	size_t length = dnsmasq_config_render(text, sizeof(text), &config, NULL);

	assert_int_equal(length, strlen(text));
	assert_has(text, "\ndhcp-range=10.0.0.128,10.0.0.254,255.255.255.0,3600\n");
	assert_has(text, "\ndhcp-leasefile=/tmp/leases\n");
	assert_has(text, "\nport=0\n");
	assert_has(text, "\nbind-interfaces\n");
	assert_has(text, "\ndhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe\n");
	assert_has(text, "\ndhcp-boot=tag:!ipxe,tag:efi64,snponly.efi\n");
	assert_has(text, "\ndhcp-boot=tag:ipxe,http://10.0.0.1:8080/boot.ipxe\n");
	assert_has(text, "\ndhcp-option=option:router\n");
	assert_null(strstr(text, "proxy"));
	assert_dnsmasq_accepts(text);
	config.router = ip("10.0.0.254");
	config.user = "root";
	assert_true(dnsmasq_config_render(text, sizeof(text), &config, NULL) > 0);
	assert_has(text, "\ndhcp-option=option:router,10.0.0.254\n");
	assert_has(text, "\nuser=root\n");
	assert_dnsmasq_accepts(text);
}

static void proxy_mode_hands_out_none(void **state)
{
	struct dnsmasq_config config = usual();
	char text[DNSMASQ_CONFIG_BYTES_MAX];

	(void)state;
	config.proxy = true;
	config.address = ip("192.168.7.65");
	config.netmask = ip("255.255.255.192");
	assert_true(dnsmasq_config_render(text, sizeof(text), &config, NULL) > 0);
	assert_has(text, "\ndhcp-range=192.168.7.64,proxy,255.255.255.192\n");
	assert_has(text, "\npxe-service=tag:!ipxe,x86PC,\"swarmboot\",undionly.kpxe\n");
	assert_has(text, "\npxe-service=tag:!ipxe,X86-64_EFI,\"swarmboot\",snponly.efi\n");
	assert_has(text, "\ndhcp-boot=tag:ipxe,http://192.168.7.65:8080/boot.ipxe\n");
	assert_null(strstr(text, "leasefile"));
	assert_dnsmasq_accepts(text);
}

static void what_dnsmasq_cannot_read_is_refused(void **state)
{
	static const char *const odd[] = {
		"", "/a b", "/a,b", "/a#b", "/a\nuser=root", "/a\"b", "/a\\b"};
	char text[DNSMASQ_CONFIG_BYTES_MAX];
	struct failure failure;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
		struct dnsmasq_config config = usual();

		config.tftp_root = odd[i];
		assert_int_equal(dnsmasq_config_render(text, sizeof(text), &config, &failure), 0);
		assert_int_equal(failure.error, ERROR_UNSUPPORTED);
		config = usual();
		config.interface = odd[i];
		assert_int_equal(dnsmasq_config_render(text, sizeof(text), &config, &failure), 0);
		config = usual();
		config.lease_file = odd[i];
		assert_int_equal(dnsmasq_config_render(text, sizeof(text), &config, &failure), 0);
	}
	struct dnsmasq_config config = usual();

	assert_int_equal(dnsmasq_config_render(text, 100, &config, &failure), 0);
	assert_int_equal(failure.error, ERROR_LIMIT);
}

static void assert_default_range(
	const char *address, const char *netmask, const char *first, const char *last)
{
	struct dhcp_range range;

	assert_true(dhcp_range_default(&range, ip(address), ip(netmask), NULL));
	assert_int_equal(range.first.s_addr, ip(first).s_addr);
	assert_int_equal(range.last.s_addr, ip(last).s_addr);
}

static void the_default_range_is_the_upper_half(void **state)
{
	struct dhcp_range range;

	(void)state;
	assert_default_range("10.0.0.1", "255.255.255.0", "10.0.0.128", "10.0.0.254");
	assert_default_range("10.0.0.9", "255.255.255.248", "10.0.0.12", "10.0.0.14");
	assert_default_range("10.1.2.3", "255.255.0.0", "10.1.223.255", "10.1.255.254");
	assert_default_range("10.1.2.3", "255.0.0.0", "10.255.223.255", "10.255.255.254");
	assert_false(dhcp_range_default(&range, ip("10.0.0.1"), ip("255.255.255.252"), NULL));
	assert_false(dhcp_range_default(&range, ip("10.0.0.1"), ip("255.255.255.255"), NULL));
}

static void a_given_range_lies_in_the_subnet(void **state)
{
	static const char *const wrong[] = {"", "10.0.0.5", "10.0.0.5,", ",10.0.0.5",
		"10.0.0.9,10.0.0.5", "10.0.1.5,10.0.1.9", "10.0.0.5,10.0.1.9", "a,b",
		"10.0.0.5,10.0.0.9,1h", "10.0.0.5 10.0.0.9", "10.0.0.5555555555555555555,10.0.0.9"};
	struct dhcp_range range;

	(void)state;
	assert_true(dhcp_range_parse(
		&range, "10.0.0.5,10.0.0.9", ip("10.0.0.1"), ip("255.255.255.0"), NULL));
	assert_int_equal(range.first.s_addr, ip("10.0.0.5").s_addr);
	assert_int_equal(range.last.s_addr, ip("10.0.0.9").s_addr);
	assert_true(dhcp_range_parse(
		&range, "10.0.0.5-10.0.0.5", ip("10.0.0.1"), ip("255.255.255.0"), NULL));
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
		assert_false(dhcp_range_parse(
			&range, wrong[i], ip("10.0.0.1"), ip("255.255.255.0"), NULL));
}

static enum dnsmasq_line_kind read_line(struct dnsmasq_log *log, const char *text, char *mac)
{
	struct dnsmasq_line line;

	dnsmasq_log_line(log, text, &line);
	memcpy(mac, line.mac, sizeof(line.mac));
	return line.kind;
}

static void only_pxe_clients_count(void **state)
{
	struct dnsmasq_log log = {0};
	char mac[18];

	(void)state;
	assert_int_equal(read_line(&log, "dnsmasq-dhcp[7]: 99 available DHCP range: 1.2.3.4", mac),
		DNSMASQ_OTHER);
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 99 DHCPDISCOVER(eth0) 52:54:00:00:00:09 ", mac),
		DNSMASQ_OTHER);
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 7 vendor class: PXEClient:Arch:00000:UNDI", mac),
		DNSMASQ_OTHER);
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 8 vendor class: udhcp 1.35", mac), DNSMASQ_OTHER);
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 8 DHCPDISCOVER(eth0) 52:54:00:00:00:08 ", mac),
		DNSMASQ_OTHER);
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 7 DHCPDISCOVER(eth0) 52:54:00:AB:00:01 ", mac),
		DNSMASQ_PXE_REQUEST);
	assert_string_equal(mac, "52:54:00:ab:00:01");
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 12 PXE(eth0) 52:54:00:00:00:02 proxy", mac),
		DNSMASQ_PXE_REQUEST);
	assert_string_equal(mac, "52:54:00:00:00:02");
	assert_int_equal(
		read_line(&log, "dnsmasq-dhcp[7]: 13 PXE(eth0) 10.0.0.5 52:54:00:00:00:03 proxy",
			mac),
		DNSMASQ_PXE_REQUEST);
	assert_string_equal(mac, "52:54:00:00:00:03");
}

static void odd_lines_are_nothing(void **state)
{
	static const char *const odd[] = {"", "dnsmasq-dhcp",
		"dnsmasq-dhcp[7]: ", "dnsmasq-dhcp[7]: 12", "dnsmasq-dhcp[7]: 12 ",
		"dnsmasq-dhcp[7]: 12 PXE(", "dnsmasq-dhcp[7]: 12 PXE(eth0)",
		"dnsmasq-dhcp[7]: 12 PXE(eth0) 52:54",
		"dnsmasq-dhcp[7]: 99999999999999999999 PXE(eth0) 52:54:00:00:00:01",
		"dnsmasq-dhcp[7]: 12 PXE(eth0) 52:54:00:00:00:0g",
		"dnsmasq-dhcp[7]: 12 PXE(eth0) 52:54:00:00:00:01x",
		"other[7]: 12 PXE(eth0) 52:54:00:00:00:01 proxy"};
	struct dnsmasq_log log = {0};
	char mac[18];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(odd); i++)
		assert_int_equal(read_line(&log, odd[i], mac), DNSMASQ_OTHER);
	assert_int_equal(
		read_line(&log,
			"dnsmasq-dhcp[7]: no address range available for DHCP request via x", mac),
		DNSMASQ_TROUBLE);
	assert_int_equal(read_line(&log, "dnsmasq-tftp[7]: file /x/y not found for 10.0.0.2", mac),
		DNSMASQ_TROUBLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_mode_hands_out_addresses),
		cmocka_unit_test(proxy_mode_hands_out_none),
		cmocka_unit_test(what_dnsmasq_cannot_read_is_refused),
		cmocka_unit_test(the_default_range_is_the_upper_half),
		cmocka_unit_test(a_given_range_lies_in_the_subnet),
		cmocka_unit_test(only_pxe_clients_count),
		cmocka_unit_test(odd_lines_are_nothing),
	};

	return cmocka_run_group_tests_name("dnsmasq_config", tests, NULL, NULL);
}
