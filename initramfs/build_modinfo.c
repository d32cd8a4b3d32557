/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel module says about itself: NUL-separated "key=value" texts in the section .modinfo
 * of an ELF-64 little-endian object (elf(5)). Every offset is checked against the file. */
#include "initramfs/build_parts.h"

#include <elf.h>
#include <stdlib.h>

char *module_name_of_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *start = slash != NULL ? slash + 1 : path;
	const char *end = strstr(start, ".ko");
	size_t length = end != NULL ? (size_t)(end - start) : strlen(start);
	char *name = build_allocate(length + 1);

	for (size_t i = 0; i < length; i++)
		name[i] = start[i] == '-' ? '_' : start[i];
	return name;
}

static bool range_fits(uint64_t offset, uint64_t length, size_t bytes_count)
{
	return offset <= bytes_count && length <= bytes_count - offset;
}

static bool section_read(const uint8_t *bytes, size_t bytes_count, const Elf64_Ehdr *header,
	size_t index, Elf64_Shdr *section)
{
	uint64_t offset = header->e_shoff + index * sizeof(Elf64_Shdr);

	if (index >= header->e_shnum || !range_fits(header->e_shoff, 0, bytes_count) ||
		!range_fits(offset, sizeof(Elf64_Shdr), bytes_count))
		return false;
	memcpy(section, bytes + offset, sizeof(*section));
	return section->sh_type == SHT_NOBITS ||
	       range_fits(section->sh_offset, section->sh_size, bytes_count);
}

static bool modinfo_find(
	const uint8_t *bytes, size_t bytes_count, const uint8_t **modinfo, size_t *modinfo_bytes)
{
	static const char wanted[] = ".modinfo";
	Elf64_Ehdr header;
	Elf64_Shdr names;

	if (bytes_count < sizeof(header))
		return false;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
		header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
		header.e_shentsize != sizeof(Elf64_Shdr) ||
		!section_read(bytes, bytes_count, &header, header.e_shstrndx, &names) ||
		names.sh_type == SHT_NOBITS)
		return false;
	for (size_t i = 0; i < header.e_shnum; i++) {
		Elf64_Shdr section;

		if (!section_read(bytes, bytes_count, &header, i, &section))
			return false;
		if (section.sh_type == SHT_NOBITS || section.sh_name > names.sh_size ||
			names.sh_size - section.sh_name < sizeof(wanted) ||
			memcmp(bytes + names.sh_offset + section.sh_name, wanted, sizeof(wanted)) !=
				0)
			continue;
		*modinfo = bytes + section.sh_offset;
		*modinfo_bytes = section.sh_size;
		return true;
	}
	return false;
}

/* Adds the words of text; a word that ends in ':' ("pre:") only says when. */
static void add_words(struct texts *texts, const char *text, size_t length, const char *separators)
{
	const char *end = text + length;

	while (text < end) {
		const char *start = text;

		while (text < end && strchr(separators, *text) == NULL)
			text++;
		if (text > start && text[-1] != ':')
			texts_add(texts, start, (size_t)(text - start));
		text++;
	}
}

static bool key_is(const char *entry, size_t length, const char *key, const char **value)
{
	size_t key_length = strlen(key);

	*value = entry + key_length;
	return length >= key_length && memcmp(entry, key, key_length) == 0;
}

bool module_parse(
	struct module *module, const uint8_t *bytes, size_t bytes_count, struct failure *failure)
{
	const uint8_t *modinfo;
	size_t modinfo_bytes;

	if (!modinfo_find(bytes, bytes_count, &modinfo, &modinfo_bytes))
		return failure_set(failure, ERROR_FORMAT, "%s is not a kernel module for x86-64",
			module->path);
	for (size_t at = 0; at < modinfo_bytes;) {
		const char *entry = (const char *)modinfo + at;
		size_t length = strnlen(entry, modinfo_bytes - at);
		const char *value;

		if (key_is(entry, length, "depends=", &value))
			add_words(&module->depends, value, length - (size_t)(value - entry), ",");
		else if (key_is(entry, length, "softdep=", &value))
			add_words(&module->softdeps, value, length - (size_t)(value - entry), " ");
		else if (key_is(entry, length, "alias=", &value))
			texts_add(&module->aliases, value, length - (size_t)(value - entry));
		at += length + 1;
	}
	return true;
}
