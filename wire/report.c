/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of nodes and the server's answers. A report comes from anybody on the network: its texts
 * are made printable here, so that nothing downstream has to. */
#include "wire/report.h"

#include "wire/fields.h"

static const char *const event_names[] = {
	[REPORT_HELLO] = "hello",
	[REPORT_PROGRESS] = "progress",
	[REPORT_FINISHING] = "finishing",
	[REPORT_FINISHED] = "finished",
	[REPORT_FAILED] = "failed",
};

static const char *const stage_names[STAGES_COUNT] = {
	[STAGE_AGENT] = "agent",
	[STAGE_PLAN] = "plan",
	[STAGE_TARGET] = "target",
	[STAGE_ASSESS] = "assess",
	[STAGE_FETCH] = "fetch",
	[STAGE_SEED] = "seed",
	[STAGE_FINISH] = "finish",
	[STAGE_DONE] = "done",
};

const char *stage_name(enum report_stage stage)
{
	return stage < STAGES_COUNT ? stage_names[stage] : "unknown";
}

static void write_disk(struct ben_writer *writer, const struct report_disk *disk)
{
	ben_write_dict(writer);
	ben_put_text(writer, "bus", disk->bus);
	ben_put_unsigned(writer, "eligible", disk->eligible);
	ben_put_text(writer, "model", disk->model);
	ben_put_text(writer, "name", disk->name);
	ben_put_unsigned(writer, "physical sector size", disk->physical_sector_bytes);
	ben_put_unsigned(writer, "sector size", disk->sector_bytes);
	ben_put_text(writer, "serial", disk->serial);
	ben_put_unsigned(writer, "size", disk->size_bytes);
	ben_put_text(writer, "why not", disk->why_not);
	ben_put_text(writer, "wwn", disk->wwn);
	ben_write_end(writer);
}

static void write_lists(struct ben_writer *writer, const struct report *report)
{
	/* Of a log that is too long, the newest part tells what happened. */
	size_t log_bytes = (size_t)u64_min(report->log_bytes, REPORT_LOG_MAX);

	ben_write_text(writer, "functions without driver");
	ben_write_list(writer);
	for (uint32_t i = 0; i < report->functions_count; i++)
		ben_write_text(writer, report->functions_without_driver[i]);
	ben_write_end(writer);
	ben_put_bytes(writer, "head tail sha256", report->head_tail_sha256, SHA256_BYTES);
	ben_put_bytes(writer, "log",
		log_bytes == 0 ? "" : report->log + (report->log_bytes - log_bytes), log_bytes);
}

size_t report_write(const struct report *report, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;

	if ((size_t)report->event >= ARRAY_COUNT(event_names) || report->stage >= STAGES_COUNT ||
		report->disks_count > REPORT_DISKS_MAX ||
		report->functions_count > REPORT_FUNCTIONS_MAX)
		return 0;
	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_put_unsigned(&writer, "arm", report->arm);
	ben_put_unsigned(&writer, "boot id", report->boot_id);
	ben_put_unsigned(&writer, "bytes durable", report->bytes_durable);
	ben_put_unsigned(&writer, "bytes from origin", report->bytes_from_origin);
	ben_put_unsigned(&writer, "bytes present", report->bytes_present);
	ben_put_unsigned(&writer, "bytes received", report->bytes_received);
	ben_put_unsigned(&writer, "bytes sent", report->bytes_sent);
	ben_put_unsigned(&writer, "bytes total", report->bytes_total);
	ben_put_unsigned(&writer, "bytes wasted", report->bytes_wasted);
	ben_put_unsigned(&writer, "bytes zero", report->bytes_zero);
	ben_write_text(&writer, "disks");
	ben_write_list(&writer);
	for (uint32_t i = 0; i < report->disks_count; i++)
		write_disk(&writer, &report->disks[i]);
	ben_write_end(&writer);
	ben_put_text(&writer, "error", error_name(report->error));
	ben_put_text(&writer, "event", event_names[report->event]);
	write_lists(&writer, report);
	ben_put_unsigned(&writer, "memory resident", report->memory_resident_bytes);
	ben_put_text(&writer, "node", report->node);
	ben_put_unsigned(&writer, "peers", report->peers_count);
	ben_put_unsigned(&writer, "readback", report->readback_bytes);
	ben_put_unsigned(&writer, "sequence", report->sequence);
	ben_put_text(&writer, "serial", report->serial);
	ben_put_text(&writer, "stage", stage_names[report->stage]);
	ben_put_text(&writer, "text", report->text);
	ben_put_unsigned(&writer, "uefi", report->firmware_uefi);
	ben_put_unsigned(&writer, "uptime ms", report->uptime_ms);
	ben_put_text(&writer, "uuid", report->uuid);
	ben_put_unsigned(&writer, "version", REPORT_VERSION);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

static void read_disk(struct fields *fields, struct report_disk *disk)
{
	field_printable(fields, "bus", disk->bus, sizeof(disk->bus));
	disk->eligible = field_bool(fields, "eligible");
	field_printable(fields, "model", disk->model, sizeof(disk->model));
	field_printable(fields, "name", disk->name, sizeof(disk->name));
	disk->physical_sector_bytes =
		(uint32_t)field_unsigned(fields, "physical sector size", UINT32_MAX);
	disk->sector_bytes = (uint32_t)field_unsigned(fields, "sector size", UINT32_MAX);
	field_printable(fields, "serial", disk->serial, sizeof(disk->serial));
	disk->size_bytes = field_unsigned(fields, "size", UINT64_MAX);
	field_printable(fields, "why not", disk->why_not, sizeof(disk->why_not));
	field_printable(fields, "wwn", disk->wwn, sizeof(disk->wwn));
}

static void read_disks(struct fields *fields, struct report *report)
{
	struct ben list;
	struct ben dict;
	const uint8_t *position = NULL;

	field_value(fields, "disks", BEN_LIST, &list);
	while (fields->good && ben_list_next(&list, &position, &dict)) {
		if (report->disks_count == REPORT_DISKS_MAX) {
			fields_wrong(fields, "disks");
			return;
		}
		struct fields inside = fields_inside(fields, &dict);

		read_disk(&inside, &report->disks[report->disks_count++]);
		fields_close(fields, &inside);
	}
}

static void read_functions(struct fields *fields, struct report *report)
{
	static const char key[] = "functions without driver";
	struct ben list;
	struct ben value;
	const uint8_t *position = NULL;

	field_value(fields, key, BEN_LIST, &list);
	while (fields->good && ben_list_next(&list, &position, &value)) {
		const uint8_t *text;
		size_t text_bytes;

		if (report->functions_count == REPORT_FUNCTIONS_MAX ||
			!ben_string(&value, &text, &text_bytes) ||
			text_bytes >= sizeof(report->functions_without_driver[0])) {
			fields_wrong(fields, key);
			return;
		}
		printable_copy(report->functions_without_driver[report->functions_count++],
			sizeof(report->functions_without_driver[0]), text, text_bytes);
	}
}

static void read_log(struct fields *fields, struct report *report)
{
	struct ben value;
	const uint8_t *log;

	field_value(fields, "log", BEN_STRING, &value);
	if (!fields->good || !ben_string(&value, &log, &report->log_bytes))
		return;
	if (report->log_bytes > REPORT_LOG_MAX)
		fields_wrong(fields, "log");
	report->log = (const char *)log;
}

static void read_error(struct fields *fields, struct report *report)
{
	struct ben value;
	const uint8_t *name;
	size_t name_bytes;

	field_value(fields, "error", BEN_STRING, &value);
	if (!fields->good || !ben_string(&value, &name, &name_bytes))
		return;
	report->error = error_from_name((const char *)name, name_bytes);
	if (report->error == ERRORS_COUNT)
		report->error = ERROR_SYSTEM; /* a newer agent; its text says what it was */
}

static void read_counters(struct fields *fields, struct report *report)
{
	report->bytes_durable = field_unsigned(fields, "bytes durable", UINT64_MAX);
	report->bytes_from_origin = field_unsigned(fields, "bytes from origin", UINT64_MAX);
	report->bytes_present = field_unsigned(fields, "bytes present", UINT64_MAX);
	report->bytes_received = field_unsigned(fields, "bytes received", UINT64_MAX);
	report->bytes_sent = field_unsigned(fields, "bytes sent", UINT64_MAX);
	report->bytes_total = field_unsigned(fields, "bytes total", UINT64_MAX);
	report->bytes_wasted = field_unsigned(fields, "bytes wasted", UINT64_MAX);
	report->bytes_zero = field_unsigned(fields, "bytes zero", UINT64_MAX);
	report->memory_resident_bytes = field_unsigned(fields, "memory resident", UINT64_MAX);
	report->peers_count = (uint32_t)field_unsigned(fields, "peers", UINT32_MAX);
	report->readback_bytes = field_unsigned(fields, "readback", UINT64_MAX);
}

bool report_parse(
	struct report *report, const uint8_t *bytes, size_t bytes_count, struct failure *failure)
{
	struct fields fields = fields_open(
		"report", bytes, bytes_count, REPORT_BYTES_MAX, REPORT_VERSION, failure);

	memset(report, 0, sizeof(*report));
	report->arm = field_unsigned(&fields, "arm", UINT64_MAX);
	report->boot_id = field_unsigned(&fields, "boot id", UINT64_MAX);
	read_counters(&fields, report);
	read_disks(&fields, report);
	read_error(&fields, report);
	report->event = field_choice(&fields, "event", event_names, ARRAY_COUNT(event_names));
	read_functions(&fields, report);
	field_bytes(&fields, "head tail sha256", report->head_tail_sha256, SHA256_BYTES);
	read_log(&fields, report);
	field_printable(&fields, "node", report->node, sizeof(report->node));
	report->sequence = field_unsigned(&fields, "sequence", UINT64_MAX);
	field_printable(&fields, "serial", report->serial, sizeof(report->serial));
	report->stage = field_choice(&fields, "stage", stage_names, STAGES_COUNT);
	field_printable(&fields, "text", report->text, sizeof(report->text));
	report->firmware_uefi = field_bool(&fields, "uefi");
	report->uptime_ms = field_unsigned(&fields, "uptime ms", UINT64_MAX);
	field_printable(&fields, "uuid", report->uuid, sizeof(report->uuid));
	return fields.good;
}

size_t report_reply_write(const struct report_reply *reply, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;

	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_put_unsigned(&writer, "abort", reply->abort);
	ben_put_unsigned(&writer, "acknowledged", reply->acknowledged);
	ben_put_unsigned(&writer, "release", reply->release);
	ben_put_unsigned(&writer, "retry ms", reply->retry_ms);
	ben_put_text(&writer, "text", reply->text);
	ben_put_unsigned(&writer, "version", REPORT_VERSION);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

bool report_reply_parse(struct report_reply *reply, const uint8_t *bytes, size_t bytes_count)
{
	struct fields fields = fields_open(
		"report reply", bytes, bytes_count, REPORT_BYTES_MAX, REPORT_VERSION, NULL);

	*reply = (struct report_reply){0};
	reply->abort = field_bool(&fields, "abort");
	reply->acknowledged = field_bool(&fields, "acknowledged");
	reply->release = field_bool(&fields, "release");
	reply->retry_ms = field_unsigned(&fields, "retry ms", UINT64_MAX);
	field_printable(&fields, "text", reply->text, sizeof(reply->text));
	return fields.good;
}
