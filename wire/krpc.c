/* SPDX-License-Identifier: Apache-2.0 */
/* KRPC datagrams: reading what strangers send, writing ours. */
#include "wire/krpc.h"

#include "wire/bencode.h"

static const char *const method_names[KRPC_METHODS] = {
	[KRPC_PING] = "ping",
	[KRPC_FIND_NODE] = "find_node",
	[KRPC_GET_PEERS] = "get_peers",
	[KRPC_ANNOUNCE_PEER] = "announce_peer",
};

static bool text_is(const uint8_t *bytes, size_t bytes_count, const char *text)
{
	return bytes_count == strlen(text) && memcmp(bytes, text, bytes_count) == 0;
}

/* ---- reading ---- */

/* Copies a string of 1 to `capacity` bytes; 0 when it is absent or has another length. */
static size_t get_short(const struct ben *dict, const char *key, uint8_t *bytes, size_t capacity)
{
	const uint8_t *found;
	size_t found_count;

	if (!ben_get_string(dict, key, &found, &found_count) || found_count > capacity)
		return 0;
	memcpy(bytes, found, found_count);
	return found_count;
}

static bool get_true(const struct ben *dict, const char *key)
{
	uint64_t number;

	return ben_get_unsigned(dict, key, &number) && number != 0;
}

static void read_want(struct krpc_message *message, const struct ben *arguments)
{
	const uint8_t *position = NULL;
	struct ben list;
	struct ben item;

	if (!ben_get(arguments, "want", &list))
		return;
	/* A name that nobody knows is no reason to refuse the query (BEP 32). */
	while (ben_list_next(&list, &position, &item)) {
		const uint8_t *name;
		size_t name_bytes;

		if (!ben_string(&item, &name, &name_bytes))
			continue;
		message->want4 = message->want4 || text_is(name, name_bytes, "n4");
		message->want6 = message->want6 || text_is(name, name_bytes, "n6");
	}
}

static bool read_announce(struct krpc_message *message, const struct ben *arguments)
{
	uint64_t port = 0;

	message->implied_port = get_true(arguments, "implied_port");
	if (!ben_get_unsigned(arguments, "port", &port) && !message->implied_port)
		return false;
	if (port > UINT16_MAX || (port == 0 && !message->implied_port))
		return false;
	message->port = (uint16_t)port;
	message->token_bytes =
		get_short(arguments, "token", message->token, sizeof(message->token));
	return message->token_bytes > 0;
}

static enum krpc_parse read_query(struct krpc_message *message, const struct ben *top)
{
	const uint8_t *name;
	size_t name_bytes;
	struct ben arguments;
	uint32_t method = 0;

	if (!ben_get_string(top, "q", &name, &name_bytes))
		return KRPC_WRONG;
	while (method < KRPC_METHODS && !text_is(name, name_bytes, method_names[method]))
		method++;
	message->method = (enum krpc_method)method;
	message->read_only = get_true(top, "ro");
	if (method == KRPC_METHODS)
		return KRPC_UNKNOWN_QUERY;
	if (!ben_get(top, "a", &arguments) ||
		!ben_get_bytes(&arguments, "id", message->id, sizeof(message->id)))
		return KRPC_WRONG;
	if (method == KRPC_PING)
		return KRPC_GOOD;
	if (!ben_get_bytes(&arguments, method == KRPC_FIND_NODE ? "target" : "info_hash",
		    message->target, sizeof(message->target)))
		return KRPC_WRONG;
	if (method == KRPC_ANNOUNCE_PEER)
		return read_announce(message, &arguments) ? KRPC_GOOD : KRPC_WRONG;
	read_want(message, &arguments);
	return KRPC_GOOD;
}

static uint32_t read_nodes(struct krpc_contact nodes[static KRPC_NODES_MAX],
	const struct ben *values, const char *key, size_t node_bytes)
{
	const uint8_t *bytes;
	size_t bytes_count;
	uint32_t count = 0;

	if (!ben_get_string(values, key, &bytes, &bytes_count) || bytes_count % node_bytes != 0)
		return 0;
	for (size_t at = 0; at < bytes_count && count < KRPC_NODES_MAX; at += node_bytes) {
		struct krpc_contact *node = &nodes[count];

		memcpy(node->id, bytes + at, sizeof(node->id));
		if (node_bytes == KRPC_NODE4_BYTES)
			peer_address_from_compact4(&node->address, bytes + at + KRPC_ID_BYTES);
		else
			peer_address_from_compact6(&node->address, bytes + at + KRPC_ID_BYTES);
		/* An IPv4 address has a form of its own. */
		if (node->address.port != 0 &&
			peer_address_is4(&node->address) == (node_bytes == KRPC_NODE4_BYTES))
			count++;
	}
	return count;
}

static bool read_address(struct peer_address *address, const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count == PEER_COMPACT4_BYTES)
		peer_address_from_compact4(address, bytes);
	else if (bytes_count == PEER_COMPACT6_BYTES)
		peer_address_from_compact6(address, bytes);
	else
		return false;
	return address->port != 0 &&
	       peer_address_is4(address) == (bytes_count == PEER_COMPACT4_BYTES);
}

static void read_values(struct krpc_message *message, const struct ben *values)
{
	const uint8_t *position = NULL;
	struct ben list;
	struct ben item;

	if (!ben_get(values, "values", &list))
		return;
	while (message->values_count < KRPC_VALUES_MAX && ben_list_next(&list, &position, &item)) {
		const uint8_t *bytes;
		size_t bytes_count;

		if (ben_string(&item, &bytes, &bytes_count) &&
			read_address(&message->values[message->values_count], bytes, bytes_count))
			message->values_count++;
	}
}

static enum krpc_parse read_reply(struct krpc_message *message, const struct ben *top)
{
	struct ben values;
	const uint8_t *address;
	size_t address_bytes;

	if (!ben_get(top, "r", &values) ||
		!ben_get_bytes(&values, "id", message->id, sizeof(message->id)))
		return KRPC_NONSENSE;
	message->token_bytes = get_short(&values, "token", message->token, sizeof(message->token));
	message->nodes4_count = read_nodes(message->nodes4, &values, "nodes", KRPC_NODE4_BYTES);
	message->nodes6_count = read_nodes(message->nodes6, &values, "nodes6", KRPC_NODE6_BYTES);
	read_values(message, &values);
	message->has_address = ben_get_string(top, "ip", &address, &address_bytes) &&
			       read_address(&message->address, address, address_bytes);
	return KRPC_GOOD;
}

static enum krpc_parse read_error(struct krpc_message *message, const struct ben *top)
{
	const uint8_t *position = NULL;
	struct ben list;
	struct ben item;
	uint64_t code;
	const uint8_t *text;
	size_t text_bytes;

	if (!ben_get(top, "e", &list) || !ben_list_next(&list, &position, &item) ||
		!ben_unsigned(&item, &code))
		return KRPC_NONSENSE;
	message->error = (uint32_t)u64_min(code, UINT32_MAX);
	if (ben_list_next(&list, &position, &item) && ben_string(&item, &text, &text_bytes))
		printable_copy(message->error_text, sizeof(message->error_text), text, text_bytes);
	return KRPC_GOOD;
}

enum krpc_parse krpc_parse(struct krpc_message *message, const uint8_t *bytes, size_t bytes_count)
{
	struct ben top;
	const uint8_t *kind;
	size_t kind_bytes;
	size_t used_bytes;

	memset(message, 0, sizeof(*message));
	/* Some clients send bytes after the end. */
	if (!ben_parse(&top, bytes, bytes_count, &used_bytes) ||
		!ben_get_string(&top, "y", &kind, &kind_bytes) || kind_bytes != 1)
		return KRPC_NONSENSE;
	message->transaction_bytes =
		get_short(&top, "t", message->transaction, sizeof(message->transaction));
	if (message->transaction_bytes == 0)
		return KRPC_NONSENSE;
	switch (*kind) {
	case 'q':
		message->kind = KRPC_QUERY;
		return read_query(message, &top);
	case 'r':
		message->kind = KRPC_REPLY;
		return read_reply(message, &top);
	case 'e':
		message->kind = KRPC_ERROR;
		return read_error(message, &top);
	default:
		return KRPC_NONSENSE;
	}
}

/* ---- writing ---- */

static void write_arguments(struct ben_writer *writer, const struct krpc_message *message)
{
	ben_write_dict(writer);
	ben_put_bytes(writer, "id", message->id, sizeof(message->id));
	if (message->method == KRPC_ANNOUNCE_PEER && message->implied_port)
		ben_put_unsigned(writer, "implied_port", 1);
	if (message->method == KRPC_ANNOUNCE_PEER || message->method == KRPC_GET_PEERS)
		ben_put_bytes(writer, "info_hash", message->target, sizeof(message->target));
	if (message->method == KRPC_ANNOUNCE_PEER) {
		ben_put_unsigned(writer, "port", message->port);
		ben_put_bytes(writer, "token", message->token, message->token_bytes);
	}
	if (message->method == KRPC_FIND_NODE)
		ben_put_bytes(writer, "target", message->target, sizeof(message->target));
	if (message->want4 || message->want6) {
		ben_write_text(writer, "want");
		ben_write_list(writer);
		if (message->want4)
			ben_write_text(writer, "n4");
		if (message->want6)
			ben_write_text(writer, "n6");
		ben_write_end(writer);
	}
	ben_write_end(writer);
}

static void write_nodes(struct ben_writer *writer, const char *key,
	const struct krpc_contact *nodes, uint32_t count, size_t node_bytes)
{
	uint8_t bytes[KRPC_NODES_MAX * KRPC_NODE6_BYTES];

	for (uint32_t i = 0; i < count; i++) {
		uint8_t *node = bytes + i * node_bytes;

		memcpy(node, nodes[i].id, KRPC_ID_BYTES);
		if (node_bytes == KRPC_NODE4_BYTES)
			peer_address_to_compact4(&nodes[i].address, node + KRPC_ID_BYTES);
		else
			peer_address_to_compact6(&nodes[i].address, node + KRPC_ID_BYTES);
	}
	ben_put_bytes(writer, key, bytes, count * node_bytes);
}

static size_t compact(uint8_t bytes[static PEER_COMPACT6_BYTES], const struct peer_address *address)
{
	if (peer_address_is4(address)) {
		peer_address_to_compact4(address, bytes);
		return PEER_COMPACT4_BYTES;
	}
	peer_address_to_compact6(address, bytes);
	return PEER_COMPACT6_BYTES;
}

static void write_values(struct ben_writer *writer, const struct krpc_message *message)
{
	uint8_t bytes[PEER_COMPACT6_BYTES];

	ben_write_dict(writer);
	ben_put_bytes(writer, "id", message->id, sizeof(message->id));
	if (message->nodes4_count > 0 || message->has_nodes)
		write_nodes(
			writer, "nodes", message->nodes4, message->nodes4_count, KRPC_NODE4_BYTES);
	if (message->nodes6_count > 0)
		write_nodes(
			writer, "nodes6", message->nodes6, message->nodes6_count, KRPC_NODE6_BYTES);
	if (message->token_bytes > 0)
		ben_put_bytes(writer, "token", message->token, message->token_bytes);
	if (message->values_count > 0) {
		ben_write_text(writer, "values");
		ben_write_list(writer);
		for (uint32_t i = 0; i < message->values_count; i++)
			ben_write_bytes(writer, bytes, compact(bytes, &message->values[i]));
		ben_write_end(writer);
	}
	ben_write_end(writer);
}

static void write_body(struct ben_writer *writer, const struct krpc_message *message)
{
	uint8_t bytes[PEER_COMPACT6_BYTES];

	switch (message->kind) {
	case KRPC_QUERY:
		ben_write_text(writer, "a");
		write_arguments(writer, message);
		ben_put_text(writer, "q", method_names[message->method]);
		if (message->read_only)
			ben_put_unsigned(writer, "ro", 1);
		break;
	case KRPC_REPLY:
		if (message->has_address)
			ben_put_bytes(writer, "ip", bytes, compact(bytes, &message->address));
		ben_write_text(writer, "r");
		write_values(writer, message);
		break;
	case KRPC_ERROR:
		ben_write_text(writer, "e");
		ben_write_list(writer);
		ben_write_unsigned(writer, message->error);
		ben_write_text(writer, message->error_text);
		ben_write_end(writer);
		break;
	}
}

size_t krpc_write(const struct krpc_message *message, uint8_t *bytes, size_t capacity)
{
	static const char *const kinds[] = {
		[KRPC_QUERY] = "q", [KRPC_REPLY] = "r", [KRPC_ERROR] = "e"};
	struct ben_writer writer;

	if (message->transaction_bytes == 0 || message->transaction_bytes > KRPC_TRANSACTION_MAX ||
		message->token_bytes > KRPC_TOKEN_MAX || message->nodes4_count > KRPC_NODES_MAX ||
		message->nodes6_count > KRPC_NODES_MAX || message->values_count > KRPC_VALUES_MAX ||
		(message->kind == KRPC_QUERY && message->method >= KRPC_METHODS))
		return 0;
	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	write_body(&writer, message);
	ben_put_bytes(&writer, "t", message->transaction, message->transaction_bytes);
	ben_put_text(&writer, "y", kinds[message->kind]);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}
