/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_output: nmap's formats, compared with files that xmllint and a person have read
 * (tests/netns/test_scan_output.py does again), with what strangers say in them. UPDATE_GOLDEN=1
 * writes them anew.
 */
#include "base/mem.h"
#include "cli/scan_output_formats.h"
#include "unit.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 60, HOSTS = 4 };

static struct scan scan;
static struct options options;
static struct services names;

static char program[] = "portero", command[] = "scan", option[] = "-oX",
	    file[] = "a<b>&\"'\x1b[31m\xff--.xml", target[] = "192.0.2.0/30";
static char *arguments[] = {program, command, option, file, target};

static void set_text(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
}

#define SET(field, text) set_text(field, sizeof(field), text)

/* Not cleaned by service_text(), as it should be: the formats must not rely on it. */
static void add_hostile_services(void)
{
	assert_int_equal(scan_add_services(&scan), 0);
	scan.wants_services = true;
	for (size_t i = 0; i < scan.service_count; i++) {
		struct service *s = &scan.services[i].found;

		s->end = SERVICE_NAMED;
		s->confidence = i % 2 ? 0.95 : 0.3;
		SET(s->protocol, i == 2 ? "tls" : "http");
		s->tls.spoken = i > 0;
		SET(s->product, i == 0 ? "a\"b<c>&'d/e, 9/open/tcp//x\x1b]0;t\x07" : "nginx");
		SET(s->version,
		    i == 0 ? "\xff\xfe\xc3\x28\x80 \xef\xbf\xbf \xef\xbf\xbe \xe2\x80\xae"
			   : "1.22.1");
		SET(s->extra, i == 0 ? "]]>-->\n\t# Nmap done\r\nHost: 1.2.3.4 ()" : "");
		SET(s->host, i == 0 ? "<?xml?>" : "");
		SET(s->os, i == 1 ? "Linux \xc3\xa9" : "");
	}
	if (scan.service_count > 3)
		scan.services[3].found = (struct service){.end = SERVICE_SILENT};
}

static int set_up(void **state)
{
	const struct address hosts[HOSTS] = {
		{.family = 2, .bytes = {192, 0, 2, 1}},
		{.family = 10, .bytes = {0x20, 1, 0xd, 0xb8, [15] = 2}},
		{.family = 2, .bytes = {192, 0, 2, 3}},
		{.family = 2, .bytes = {192, 0, 2, 4}}};
	uint16_t ports[PORTS];

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	for (int i = 0; i < PORTS; i++)
		ports[i] = (uint16_t)(i < 30 ? 20 + i : 8000 + 2 * i);
	if (scan_init(&scan, hosts, HOSTS, ports, PORTS) < 0)
		return -1;
	memset(scan.hosts[0].replies, SCAN_RST, PORTS);
	scan.hosts[0].replies[2] = scan.hosts[0].replies[5] = SCAN_SYN_ACK;
	scan.hosts[0].replies[40] = scan.hosts[0].replies[41] = SCAN_SYN_ACK;
	scan.hosts[0].replies[50] = SCAN_PROHIBITED;
	scan.hosts[0].replies[51] = SCAN_NO_REPLY;
	scan.hosts[0].rtt_ms = 0.25;
	scan.hosts[0].rtt_var_ms = 0.125;
	scan.hosts[0].patience_ms = 20;
	memset(scan.hosts[1].replies, SCAN_NO_REPLY, PORTS);
	memset(scan.hosts[2].replies, SCAN_UNSURE, PORTS);
	scan.hosts[2].trouble = SCAN_TIMED_OUT;
	scan.hosts[3].trouble = SCAN_NO_NEIGHBOUR;
	scan.took_ns = 1250000000;
	options.argv = arguments;
	options.argc = sizeof(arguments) / sizeof(arguments[0]);
	add_hostile_services();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scan_done(&scan);
	return 0;
}

static void update(const char *path, const struct buf *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text->data, 1, text->len, out), text->len);
	assert_int_equal(fclose(out), 0);
}

static void compare(void (*make)(const struct scan_report *, struct buf *), const char *name)
{
	const struct scan_report report = {.scan = &scan,
					   .options = &options,
					   .services = &names,
					   .begun_s = 1795762481,
					   .ended_s = 1795762482};
	struct buf cleanup_call(buf_done) text = {0};
	char path[256], *wanted;
	size_t len;

	make(&report, &text);
	assert_false(text.failed);
	snprintf(path, sizeof(path), "%s/unit/data/%s", TEST_DATA, name);
	if (getenv("UPDATE_GOLDEN"))
		update(path, &text);
	wanted = unit_read_data(name, &len);
	assert_int_equal(len, text.len);
	assert_memory_equal(wanted, text.data, len);
	free(wanted);
}

static void is_xml(void **state)
{
	(void)state;
	compare(scan_output_xml, "scan.xml");
}

static void is_greppable(void **state)
{
	(void)state;
	compare(scan_output_greppable, "scan.gnmap");
}

static void is_normal(void **state)
{
	(void)state;
	compare(scan_output_normal, "scan.nmap");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_xml),
		cmocka_unit_test(is_greppable),
		cmocka_unit_test(is_normal),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
