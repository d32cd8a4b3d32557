/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering of iPXE scripts. Commands are those of the iPXE that Debian 12 has (2019). */
#include "pxe/ipxe_script.h"

#include <stdarg.h>
#include <stdio.h>

/* Appends; a script that does not fit becomes length 0 in script_end. */
struct script {
	char *text;
	size_t capacity;
	size_t used;
	bool bad;
};

static void script_add(struct script *script, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void script_add(struct script *script, const char *format, ...)
{
	va_list arguments;

	if (script->bad)
		return;
	va_start(arguments, format);
	int length = vsnprintf(
		script->text + script->used, script->capacity - script->used, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= script->capacity - script->used)
		script->bad = true;
	else
		script->used += (size_t)length;
}

static size_t script_end(struct script *script)
{
	if (!script->bad)
		return script->used;
	if (script->capacity > 0)
		script->text[0] = '\0';
	return 0;
}

/* Plain words, addresses and options: nothing that iPXE would take for a variable, a quote or
 * another command. */
static bool text_is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text >= 'a' && *text <= 'z')
			continue;
		if (*text >= 'A' && *text <= 'Z')
			continue;
		if (*text >= '0' && *text <= '9')
			continue;
		if (strchr(" .,:/=_-[]()", *text) == NULL)
			return false;
	}
	return true;
}

/* The firmware goes on with its next boot device when iPXE leaves with an error; after success a
 * UEFI boot manager stops at its menu. */
static void script_add_local(struct script *script, enum ipxe_local method, const char *server_url)
{
	static const char *const labels[] = {"ESP", "EFI", "EFISYS", "SYSTEM", "UEFI"};

	switch (method) {
	case IPXE_LOCAL_SANBOOT:
		script_add(script, "sanboot --no-describe --drive 0x80 || exit 1\n");
		return;
	case IPXE_LOCAL_ESP:
		script_add(script, "chain --timeout 8000 %s/boot/local.efi ||\n", server_url);
		for (size_t i = 0; i < ARRAY_COUNT(labels); i++)
			script_add(script, "chain file://%s/EFI/BOOT/BOOTX64.EFI ||\n", labels[i]);
		break;
	case IPXE_LOCAL_EXIT:
		break;
	}
	script_add(script, "exit 1\n");
}

size_t ipxe_script_entry(char *script_text, size_t capacity, const char *server_url)
{
	struct script script = {script_text, capacity, 0, !text_is_plain(server_url)};
	static const char *const waits[] = {"sleep 1", "sleep 3", "echo swarmboot: no answer"};

	script_add(&script,
		"#!ipxe\n"
		"# The server is asked three times what this machine is to do; then its own disk "
		"boots.\n"
		"echo swarmboot: asking %s\n",
		server_url);
	for (size_t i = 0; i < ARRAY_COUNT(waits); i++)
		script_add(&script,
			"chain --replace --autofree --timeout 8000 "
			"%s/v1/boot?mac=${netX/mac}&uuid=${uuid}&serial=${serial:uristring}"
			"&platform=${platform}&arch=${buildarch} || %s\n",
			server_url, waits[i]);
	script_add(&script, "iseq ${platform} pcbios && goto bios ||\n");
	script_add_local(&script, IPXE_LOCAL_EXIT, server_url);
	script_add(&script, ":bios\n");
	script_add_local(&script, IPXE_LOCAL_SANBOOT, server_url);
	return script_end(&script);
}

size_t ipxe_script_local(char *script_text, size_t capacity, enum ipxe_local method,
	const char *server_url, const char *why)
{
	struct script script = {
		script_text, capacity, 0, !text_is_plain(why) || !text_is_plain(server_url)};

	script_add(&script, "#!ipxe\necho swarmboot: booting the local disk: %s\n", why);
	script_add_local(&script, method, server_url);
	return script_end(&script);
}

size_t ipxe_script_agent(char *script_text, size_t capacity, const struct ipxe_agent *agent)
{
	struct script script = {script_text, capacity, 0,
		!text_is_plain(agent->server_url) || !text_is_plain(agent->mac) ||
			!text_is_plain(agent->options)};
	char bootif[64];

	/* BOOTIF is the hardware type (Ethernet: 01) and the address, as PXELINUX writes it. */
	snprintf(bootif, sizeof(bootif), "01-%s", agent->mac);
	for (char *at = bootif; *at != '\0'; at++)
		if (*at == ':')
			*at = '-';
	script_add(&script, "#!ipxe\n"
			    "echo swarmboot: booting the agent\n"
			    "goto fetch\n"
			    ":again\n"
			    "isset ${third} && goto local ||\n"
			    "isset ${second} && set third 1 || set second 1\n"
			    "sleep 2\n"
			    ":fetch\n"
			    "imgfree\n");
	script_add(&script,
		"kernel --timeout 10000 --name kernel %s/boot/kernel?mac=%s initrd=initramfs "
		"swarmboot.server=%s "
		"BOOTIF=%s console=ttyS0 console=tty0%s%s || goto again\n",
		agent->server_url, agent->mac, agent->server_url, bootif,
		agent->options[0] != '\0' ? " " : "", agent->options);
	script_add(&script,
		"initrd --timeout 10000 --name initramfs %s/boot/initramfs?mac=%s || goto again\n"
		"boot ||\n"
		":local\n",
		agent->server_url, agent->mac);
	script_add_local(&script, agent->local, agent->server_url);
	return script_end(&script);
}
