/* SPDX-License-Identifier: Apache-2.0 */
/* The site table: what it gives to nodes, and that every mistake in it is named by its place. */
#include "tracker/site_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const char good[] =
	"{\"sites\": [\n"
	" {\"name\": \"hall1\", \"fallback\": \"hall2\",\n"
	"  \"trackers\": [\"http://10.1.0.1:8080/announce\", \"udp://10.1.0.2:6969\"],\n"
	"  \"subnets\": [\"10.1.0.0/16\", \"fd00:1::/32\", \"10.9.8.7\"],\n"
	"  \"dht\": [\"10.1.0.1:6881\", \"[fd00:1::1]:6882\"],\n"
	"  \"racks\": [{\"name\": \"r1\", \"subnets\": [\"10.1.1.0/24\"]}, {\"name\": \"r2\"}]},\n"
	" {\"name\": \"hall2\", \"trackers\": [\"udp://[fd00:2::1]:6969/announce\"],\n"
	"  \"dht\": [\"10.2.0.1:6881\"],\n"
	"  \"racks\": [{\"name\": \"r1\", \"subnets\": [\"10.2.1.0/24\"]}]}]}\n";

static struct site_table *parse(const char *text)
{
	struct failure failure = {0};
	struct site_table *table = site_table_parse(text, strlen(text), "table", &failure);

	if (table == NULL)
		print_message("%s\n", failure.text);
	assert_non_null(table);
	return table;
}

/* The message has both: where, and what. */
static void refused(const char *text, const char *where, const char *what)
{
	struct failure failure = {0};

	assert_null(site_table_parse(text, strlen(text), "table", &failure));
	if (strstr(failure.text, where) == NULL || strstr(failure.text, what) == NULL)
		fail_msg("%s\nhas not %s or %s", failure.text, where, what);
	assert_int_equal(strncmp(failure.text, "table: ", 7), 0);
}

static void own_trackers_come_before_those_of_the_fallback(void **state)
{
	struct site_table *table = parse(good);
	struct tracker_url trackers[METAINFO_TRACKERS_MAX];

	(void)state;
	assert_int_equal(site_table_trackers(table, "hall1", trackers), 3);
	assert_string_equal(trackers[0].url, "http://10.1.0.1:8080/announce");
	assert_string_equal(trackers[1].url, "udp://10.1.0.2:6969");
	assert_string_equal(trackers[2].url, "udp://[fd00:2::1]:6969/announce");
	assert_int_equal(trackers[0].tier, 0);
	assert_int_equal(trackers[1].tier, 0);
	assert_int_equal(trackers[2].tier, 1);
	/* Without a fallback there are its own alone. */
	assert_int_equal(site_table_trackers(table, "hall2", trackers), 1);
	assert_int_equal(site_table_trackers(table, "hall3", trackers), 0);
	assert_null(site_table_find(table, "hall3"));
	assert_null(site_table_free(table));
}

static const struct site_place *place_of(
	const struct site_table *table, uint8_t first, uint8_t second, uint8_t third)
{
	for (uint32_t i = 0; i < table->places_count; i++) {
		const struct site_place *place = &table->places[i];

		if (place->ip[12] == first && place->ip[13] == second && place->ip[14] == third &&
			place->ip[10] == 0xff)
			return place;
	}
	return NULL;
}

static void subnets_have_sites_and_racks(void **state)
{
	struct site_table *table = parse(good);

	(void)state;
	assert_int_equal(table->places_count, 5);
	assert_int_equal(place_of(table, 10, 1, 0)->prefix_bits, 16);
	assert_string_equal(place_of(table, 10, 1, 0)->site, "hall1");
	assert_string_equal(place_of(table, 10, 1, 0)->rack, "");
	assert_int_equal(place_of(table, 10, 9, 8)->prefix_bits, 32);
	assert_string_equal(place_of(table, 10, 1, 1)->rack, "r1");
	assert_string_equal(place_of(table, 10, 2, 1)->site, "hall2");
	assert_int_equal(table->places[1].prefix_bits, 32);
	assert_int_equal(table->places[1].ip[0], 0xfd);
	site_table_free(table);
}

static void assert_node(const struct peer_address *node, const char *ip, uint16_t port)
{
	struct peer_address wanted = {0};

	assert_true(peer_address_ip_read(&wanted, ip, strlen(ip)));
	wanted.port = port;
	assert_true(peer_address_equal(node, &wanted));
}

static void other_sites_nodes_of_the_dht_are_named(void **state)
{
	struct site_table *table = parse(good);
	struct peer_address nodes[3];

	(void)state;
	assert_int_equal(site_table_dht(table, "hall1", nodes, 3), 1);
	assert_node(&nodes[0], "10.2.0.1", 6881);
	assert_int_equal(site_table_dht(table, "hall2", nodes, 3), 2);
	assert_node(&nodes[0], "10.1.0.1", 6881);
	assert_node(&nodes[1], "fd00:1::1", 6882);
	/* Every site's first one before any second. */
	assert_int_equal(site_table_dht(table, "hall3", nodes, 2), 2);
	assert_node(&nodes[0], "10.1.0.1", 6881);
	assert_node(&nodes[1], "10.2.0.1", 6881);
	site_table_free(table);
}

/* good, with the first `from` in it replaced. */
static void mutate(const char *from, const char *to, const char *where, const char *what)
{
	char text[2 * sizeof(good)];
	const char *at = strstr(good, from);

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	refused(text, where, what);
}

static void mistakes_are_named_by_their_place(void **state)
{
	(void)state;
	refused("{\"sites\": [\n{\"name\": \"a\",}]}", "line 2", "");
	refused("[]", "the whole", "an object");
	refused("{}", "1 to 64", "sites");
	refused("{\"sites\": 5}", "the whole", "list");
	refused("{\"sites\": [], \"more\": 1}", "the whole", "\"more\"");
	mutate("\"hall1\"", "\"hall 1\"", "sites[0]", "\"name\"");
	mutate("\"hall1\"", "\"\"", "sites[0]", "\"name\"");
	mutate("\"hall1\"", "7", "sites[0]", "\"name\"");
	mutate("\"name\": \"hall2\"", "\"name\": \"hall1\"", "sites[1]", "already");
	mutate("\"fallback\": \"hall2\"", "\"fallback\": \"hall1\"", "sites[0].fallback", "itself");
	mutate("\"fallback\": \"hall2\"", "\"fallback\": \"hall9\"", "sites[0].fallback",
		"no such");
	mutate("\"fallback\"", "\"falback\"", "sites[0]", "\"falback\"");
	mutate("http://10.1.0.1:8080/announce", "https://10.1.0.1/announce", "sites[0].trackers[0]",
		"http://");
	mutate("udp://10.1.0.2:6969", "udp://", "sites[0].trackers[1]", "udp://");
	mutate("udp://10.1.0.2:6969", "http://10.1.0.1:8080/announce", "sites[0].trackers[1]",
		"already");
	mutate("[\"udp://[fd00:2::1]:6969/announce\"]", "[]", "sites[1]", "1 to 8");
	mutate("10.1.0.0/16", "10.1.0.0/33", "sites[0].subnets[0]", "subnet");
	mutate("10.1.0.0/16", "10.1.0.1/16", "sites[0].subnets[0]", "behind its prefix");
	mutate("10.1.0.0/16", "10.1.0.0/", "sites[0].subnets[0]", "subnet");
	mutate("10.1.0.0/16", "10.1.0.0/1x", "sites[0].subnets[0]", "subnet");
	mutate("fd00:1::/32", "fd00:1::/129", "sites[0].subnets[1]", "subnet");
	mutate("10.1.1.0/24", "10.1.0.0/16", "sites[0].racks[0].subnets[0]", "hall1's already");
	mutate("\"r2\"", "\"r1\"", "sites[0].racks[1]", "already");
	mutate("10.1.0.1:6881", "hall1:6881", "sites[0].dht[0]", "6881");
	mutate("10.1.0.1:6881", "10.1.0.1", "sites[0].dht[0]", "6881");
	mutate("10.1.0.1:6881", "10.1.0.1:0", "sites[0].dht[0]", "6881");
	mutate("10.1.0.1:6881", ":6881", "sites[0].dht[0]", "6881");
	mutate("[fd00:1::1]:6882", "10.1.0.1:6881", "sites[0].dht[1]", "already");
	mutate("[\"10.2.0.1:6881\"]", "\"10.2.0.1:6881\"", "sites[1]", "list");
	mutate("\"10.2.0.1:6881\"",
		"\"10.2.0.1:1\", \"10.2.0.1:2\", \"10.2.0.1:3\", \"10.2.0.1:4\", \"10.2.0.1:5\"",
		"sites[1]", "at most 4");
	mutate("10.2.1.0/24", "hall", "sites[1].racks[0].subnets[0]", "subnet");
}

static void a_key_twice_is_a_mistake(void **state)
{
	(void)state;
	refused("{\"sites\": [{\"name\": \"a\", \"name\": \"b\"}]}", "line 1", "duplicate");
}

static void too_much_is_refused(void **state)
{
	char text[16384];
	size_t used = (size_t)snprintf(text, sizeof(text), "{\"sites\": [");

	(void)state;
	for (unsigned i = 0; i <= SITES_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"%s{\"name\": \"s%u\", \"trackers\": [\"udp://h%u:1\"]}", i > 0 ? "," : "",
			i, i);
	snprintf(text + used, sizeof(text) - used, "]}");
	refused(text, "1 to 64", "sites");
}

static void a_file_that_is_not_there_is_named(void **state)
{
	struct failure failure = {0};

	(void)state;
	assert_null(site_table_load("/nonexistent/sites.json", &failure));
	assert_non_null(strstr(failure.text, "/nonexistent/sites.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_trackers_come_before_those_of_the_fallback),
		cmocka_unit_test(subnets_have_sites_and_racks),
		cmocka_unit_test(other_sites_nodes_of_the_dht_are_named),
		cmocka_unit_test(mistakes_are_named_by_their_place),
		cmocka_unit_test(a_key_twice_is_a_mistake),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
