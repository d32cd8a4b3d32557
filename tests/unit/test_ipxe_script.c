/* SPDX-License-Identifier: Apache-2.0 */
/* iPXE scripts: what they say, and that nothing odd gets into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pxe/ipxe_script.h"

#define URL "http://10.0.0.1:8080"
#define MAC "52:54:00:12:34:56"

static struct ipxe_agent usual(void)
{
	return (struct ipxe_agent){
		.server_url = URL, .mac = MAC, .options = "", .local = IPXE_LOCAL_SANBOOT};
}

static void assert_has(const char *script, const char *part)
{
	if (strstr(script, part) == NULL)
		fail_msg("'%s' is not in:\n%s", part, script);
}

/* The last line is the way out: nothing comes after the local boot. */
static void assert_ends(const char *script, const char *end)
{
	size_t length = strlen(script);

	assert_true(length > strlen(end));
	assert_string_equal(script + length - strlen(end), end);
}

static void the_entry_asks_three_times_then_boots_the_disk(void **state)
{
	char script[IPXE_SCRIPT_BYTES_MAX];
	unsigned chains = 0;

	(void)state;
	size_t length = ipxe_script_entry(script, sizeof(script), URL);

	assert_int_equal(length, strlen(script));
	assert_memory_equal(script, "#!ipxe\n", 7);
	for (const char *at = script; (at = strstr(at, "chain ")) != NULL; at++)
		chains++;
	assert_int_equal(chains, 3);
	assert_has(script, "--timeout 8000 " URL
			   "/v1/boot?mac=${netX/mac}&uuid=${uuid}&serial=${serial:uristring}"
			   "&platform=${platform}&arch=${buildarch} || ");
	assert_has(script, "iseq ${platform} pcbios && goto bios ||\nexit 1\n:bios\n");
	assert_ends(script, "sanboot --no-describe --drive 0x80 || exit 1\n");
}

static void local_boot_follows_the_method(void **state)
{
	char script[IPXE_SCRIPT_BYTES_MAX];

	(void)state;
	assert_true(ipxe_script_local(script, sizeof(script), IPXE_LOCAL_EXIT, URL, "known") > 0);
	assert_ends(script, "\nexit 1\n");
	assert_true(
		ipxe_script_local(script, sizeof(script), IPXE_LOCAL_SANBOOT, URL, "known") > 0);
	assert_ends(script, "\nsanboot --no-describe --drive 0x80 || exit 1\n");
	assert_true(ipxe_script_local(script, sizeof(script), IPXE_LOCAL_ESP, URL, "known") > 0);
	assert_has(script, "chain --timeout 8000 " URL "/boot/local.efi ||\n");
	assert_has(script, "chain file://ESP/EFI/BOOT/BOOTX64.EFI ||\n");
	assert_ends(script, " ||\nexit 1\n");
	assert_null(strstr(script, "kernel"));
}

static void the_agent_script_says_where_the_server_is(void **state)
{
	char script[IPXE_SCRIPT_BYTES_MAX];
	struct ipxe_agent agent = usual();

	(void)state;
	size_t length = ipxe_script_agent(script, sizeof(script), &agent);

	assert_int_equal(length, strlen(script));
	assert_has(script,
		"kernel --timeout 10000 --name kernel " URL "/boot/kernel?mac=" MAC
		" initrd=initramfs swarmboot.server=" URL
		" BOOTIF=01-52-54-00-12-34-56 console=ttyS0 console=tty0 || goto again\n");
	assert_has(script, "initrd --timeout 10000 --name initramfs " URL "/boot/initramfs?mac=" MAC
			   " || goto again\n");
	assert_ends(script, ":local\nsanboot --no-describe --drive 0x80 || exit 1\n");
	agent.options = "swarmboot.rescue quiet";
	assert_true(ipxe_script_agent(script, sizeof(script), &agent) > 0);
	assert_has(script, "console=tty0 swarmboot.rescue quiet || goto again\n");
}

static void odd_texts_are_refused(void **state)
{
	char script[IPXE_SCRIPT_BYTES_MAX];
	static const char *const odd[] = {"${net0/mac}", "a\nexit", "a\"b", "a'b", "a|b", "a&&b",
		"a;b", "a\\b", "\x01", "\xc3\xa4", "a#b", "`id`", "<x>"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(odd); i++) {
		struct ipxe_agent agent = usual();

		agent.options = odd[i];
		assert_int_equal(ipxe_script_agent(script, sizeof(script), &agent), 0);
		agent = usual();
		agent.mac = odd[i];
		assert_int_equal(ipxe_script_agent(script, sizeof(script), &agent), 0);
		assert_int_equal(
			ipxe_script_local(script, sizeof(script), IPXE_LOCAL_EXIT, URL, odd[i]), 0);
		assert_int_equal(ipxe_script_entry(script, sizeof(script), odd[i]), 0);
	}
}

static void what_does_not_fit_is_nothing(void **state)
{
	char script[IPXE_SCRIPT_BYTES_MAX];
	struct ipxe_agent agent = usual();

	(void)state;
	size_t length = ipxe_script_agent(script, sizeof(script), &agent);

	for (size_t capacity = 1; capacity <= length; capacity++) {
		assert_int_equal(ipxe_script_agent(script, capacity, &agent), 0);
		assert_int_equal(script[0], '\0');
	}
	assert_int_equal(ipxe_script_agent(script, length + 1, &agent), length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_entry_asks_three_times_then_boots_the_disk),
		cmocka_unit_test(local_boot_follows_the_method),
		cmocka_unit_test(the_agent_script_says_where_the_server_is),
		cmocka_unit_test(odd_texts_are_refused),
		cmocka_unit_test(what_does_not_fit_is_nothing),
	};

	return cmocka_run_group_tests_name("ipxe_script", tests, NULL, NULL);
}
