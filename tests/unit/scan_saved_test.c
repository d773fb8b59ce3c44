/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan_saved: what is written is what is read, and nothing else is taken for a saved scan. */
#include "base/mem.h"
#include "cli/scan_saved.h"
#include "unit.h"

#include <math.h>

enum { PORTS = 40, HOSTS = 3 };

static struct scan_saved state, again;

/* One host is done, two are being asked. */
static void make(struct scan *s, struct buf *text)
{
	const struct address hosts[HOSTS] = {{.family = 2, .bytes = {192, 0, 2, 1}},
					     {.family = 2, .bytes = {192, 0, 2, 2}},
					     {.family = 10, .bytes = {0x20, 1, [15] = 1}}};
	uint16_t ports[PORTS];
	uint64_t seed = 4;

	for (int i = 0; i < PORTS; i++)
		ports[i] = (uint16_t)(i < 20 ? i + 1 : 2 * i);
	assert_int_equal(scan_init(s, hosts, HOSTS, ports, PORTS), 0);
	for (int h = 0; h < HOSTS; h++)
		for (int i = 0; i < PORTS; i++)
			s->hosts[h].replies[i] = (uint8_t)(unit_random(&seed) % SCAN_UDP_SILENT);
	s->hosts[0].done = true;
	s->hosts[0].trouble = SCAN_TIMED_OUT;
	s->hosts[0].rtt_ms = 1.5;
	s->hosts[0].loss = 0.25;
	state = (struct scan_saved){
		.begun_s = 1795762481, .services = true, .max_rate = 500, .host_timeout_s = 60};
	state.memory = (struct scan_memory){.seed = UINT64_C(0xfedcba9876543210),
					    .sent = 7,
					    .answers = 3,
					    .took_ns = 123456789012,
					    .count = 2,
					    .indexes = {2, 1}};
	state.memory.engine = (struct probe_memory){.pass = 2, .place = 55, .rate = 400};
	state.memory.engine.hosts[0] = (struct probe_host){
		.tries = 2, .found = 1, .kept = {5, 6}, .lost = {1, 0}, .expected = INFINITY};
	state.memory.engine.hosts[1] = (struct probe_host){
		.srtt_ns = 1000, .expected = 0.5, .finished = true, .trouble = SCAN_LOSSY};
	scan_saved_format(&state, s, text);
	assert_false(text->failed);
}

static int parse(const char *text, size_t len, struct scan *s, struct err *e)
{
	char *copy = unit_copy(text, len);
	int r;

	*e = (struct err){0};
	r = scan_saved_parse("state.json", copy, len, &again, s, e);
	free(copy);
	return r;
}

static void what_is_written_is_read(void **unused)
{
	struct buf cleanup_call(buf_done) text = {0}, second = {0};
	struct scan cleanup_call(scan_done) s = {0}, copy = {0};
	struct err e;

	(void)unused;
	make(&s, &text);
	assert_int_equal(parse(text.data, text.len, &copy, &e), 0);
	assert_int_equal(copy.port_count, PORTS);
	assert_memory_equal(copy.ports, s.ports, PORTS * sizeof(*s.ports));
	for (int h = 0; h < HOSTS; h++) {
		assert_true(address_equal(&copy.hosts[h].address, &s.hosts[h].address));
		assert_memory_equal(copy.hosts[h].replies, s.hosts[h].replies, PORTS);
		assert_int_equal(copy.hosts[h].done, h == 0);
	}
	assert_int_equal(copy.hosts[0].trouble, SCAN_TIMED_OUT);
	assert_int_equal(copy.took_ns, 123456789012);
	assert_int_equal(again.memory.seed, state.memory.seed);
	assert_int_equal(again.memory.engine.place, 55);
	assert_true(isinf(again.memory.engine.hosts[0].expected));
	assert_int_equal(again.memory.engine.hosts[1].trouble, SCAN_LOSSY);
	scan_saved_format(&again, &copy, &second);
	assert_string_equal(buf_text(&second), buf_text(&text));
}

/* A host with three open ports: one is known, one said what nobody knows, one is to be asked. */
static void make_services(struct scan *s, struct buf *text)
{
	const struct address host = {.family = 2, .bytes = {192, 0, 2, 1}};
	const uint16_t ports[] = {22, 80, 443, 444};
	struct service *ssh, *odd;

	assert_int_equal(scan_init(s, &host, 1, ports, ARRAY_LEN(ports)), 0);
	s->hosts[0].done = true;
	memset(s->hosts[0].replies, SCAN_SYN_ACK, ARRAY_LEN(ports) - 1);
	s->hosts[0].replies[3] = SCAN_RST;
	assert_int_equal(scan_add_services(s), 0);
	assert_int_equal(s->service_count, 3);
	ssh = &s->services[0].found;
	odd = &s->services[2].found;
	*ssh = (struct service){.end = SERVICE_NAMED,
				.protocol = "ssh",
				.product = "OpenSSH",
				.extra = "with \"quotes\" and \xc3\xa9",
				.confidence = 0.95,
				.tls = {.spoken = 1, .version = "TLSv1.3", .self_signed = 1},
				.notes = {{"title", "a page"}, {"host-keys", "ed25519"}},
				.note_count = 2,
				.took_ms = 17,
				.connections = 1};
	*odd = (struct service){.end = SERVICE_UNNAMED,
				.asked = "http/get",
				.answer = {0, 1, 0xff},
				.answer_len = 3};
	s->services[1].found.end = SERVICE_UNASKED;
	state = (struct scan_saved){.services = true};
	scan_saved_format(&state, s, text);
	assert_false(text->failed);
}

static void known_services_are_read(void **unused)
{
	struct buf cleanup_call(buf_done) text = {0}, second = {0};
	struct scan cleanup_call(scan_done) s = {0}, copy = {0};
	struct err e;

	(void)unused;
	make_services(&s, &text);
	assert_int_equal(parse(text.data, text.len, &copy, &e), 0);
	assert_int_equal(copy.service_count, 3);
	assert_memory_equal(&copy.services[0].found, &s.services[0].found, sizeof(struct service));
	assert_memory_equal(&copy.services[2].found, &s.services[2].found, sizeof(struct service));
	assert_int_equal(copy.services[1].found.end, SERVICE_UNASKED);
	scan_saved_format(&again, &copy, &second);
	assert_string_equal(buf_text(&second), buf_text(&text));
}

static void cut_off_services_are_asked_again(void **unused)
{
	struct buf cleanup_call(buf_done) text = {0}, before = {0};
	struct scan cleanup_call(scan_done) s = {0};

	(void)unused;
	make_services(&s, &text);
	assert_non_null(strstr(buf_text(&text), "\"ssh\""));
	s.services[0].found.end = SERVICE_OUT_OF_TIME;
	scan_saved_format(&state, &s, &before);
	assert_null(strstr(buf_text(&before), "\"ssh\""));
	/* while ports are to be asked, it is not known which are open */
	s.hosts[0].done = false;
	buf_clear(&before);
	scan_saved_format(&state, &s, &before);
	assert_null(strstr(buf_text(&before), "known_services"));
}

static const char *const service_changes[][2] = {
	{"\"port\":0", "\"port\":3"}, /* which is closed */
	{"\"port\":0", "\"port\":2"}, /* which comes twice then */
	{"\"port\":0", "\"port\":-1"},
	{"\"host\":0", "\"host\":1"},
	{"\"end\":\"named\"", "\"end\":\"not-asked\""},
	{"\"end\":\"named\"", "\"end\":\"over\""},
	{"\"confidence\":0.9", "\"confidence\":1.9"},
	{"\"protocol\":\"ssh\"", "\"protocol\":22"},
	{"\"tls\":true", "\"tls\":1"},
	{"[\"title\",\"a page\"]", "[\"title\"]"},
	{"\"answer\":\"0001ff\"", "\"answer\":\"0001f\""},
	{"\"answer\":\"0001ff\"", "\"answer\":\"0001fx\""},
	{"\"done\":true", "\"done\":false"},
	{"\"services\":true", "\"services\":false"},
};

static void services_that_cannot_be_are_told(void **unused)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct scan cleanup_call(scan_done) s = {0};

	(void)unused;
	make_services(&s, &text);
	for (size_t i = 0; i < ARRAY_LEN(service_changes); i++) {
		const char *from = service_changes[i][0], *to = service_changes[i][1];
		const char *at = strstr(buf_text(&text), from);
		struct buf cleanup_call(buf_done) changed = {0};
		struct scan cleanup_call(scan_done) copy = {0};
		struct err e;

		assert_non_null(at);
		buf_add(&changed, text.data, (size_t)(at - text.data));
		buf_add_text(&changed, to);
		buf_add_text(&changed, at + strlen(from));
		if (parse(changed.data, changed.len, &copy, &e) != -EINVAL)
			fail_msg("%s is taken", to);
		if (!strstr(e.msg, "known_services"))
			fail_msg("%s: %s", to, e.msg);
	}
}

static void no_part_of_it_is_taken(void **unused)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct scan cleanup_call(scan_done) s = {0};

	(void)unused;
	make(&s, &text);
	for (size_t len = 0; len + 2 < text.len; len++) { /* a newline, and the brace */
		struct scan cleanup_call(scan_done) copy = {0};
		struct err e;

		assert_int_equal(parse(text.data, len, &copy, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "state.json"));
	}
}

static const struct {
	const char *from, *to, *said;
} changes[] = {
	{"portero.scan-state/1", "portero.scan-state/2", "schema"},
	{"\"connect\":false", "\"connect\":0", "connect"},
	{"\"seed\":\"fed", "\"seed\":\"xed", "seed"},
	{"\"max_rate\":500", "\"max_rate\":-1", "max_rate"},
	{"\"max_rate\":500", "\"max_rate\":1e300", "max_rate"},
	{"\"ports\":\"1-20", "\"ports\":\"0-20", "ports"},
	{"\"ports\":\"1-20", "\"ports\":\"1-21", "replies"},
	{"\"pass\":2", "\"pass\":48", "pass"},
	{"\"place\":55", "\"place\":81", "place"},
	{"\"rate\":400.000", "\"rate\":0", "rate"},
	{"{\"host\":2", "{\"host\":3", "host"},
	{"{\"host\":2", "{\"host\":0", "host"}, /* which is done */
	{"{\"host\":2", "{\"host\":1", "host"}, /* twice */
	{"\"kept\":[5,6]", "\"kept\":[5]", "kept"},
	{"\"lost\":[1,0]", "\"lost\":[1,4000000000]", "lost"},
	{"\"expected\":0.5", "\"expected\":-0.5", "expected"},
	{"\"trouble\":\"lossy\"", "\"trouble\":\"gone\"", "trouble"},
	{"192.0.2.2", "192.0.2.1", "address"},
	{"192.0.2.2", "192.0.2.x", "address"},
	{"\"loss\":0.25", "\"loss\":1.25", "loss"},
	{"\"replies\":\"", "\"replies\":\"-", "replies"},
	{"\"replies\":\"", "\"replies\":\"x", "replies"},
	{"\"replies\":\"", "\"replies\":\"R99999999999999999999", "replies"},
	{"\"replies\":\"", "\"replies\":\"R0", "replies"},
	{"\"hosts\":[\n{\"address\"", "\"others\":[\n{\"address\"", "hosts"},
};

static void what_cannot_be_is_told(void **unused)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct scan cleanup_call(scan_done) s = {0};

	(void)unused;
	make(&s, &text);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		const char *at = strstr(buf_text(&text), changes[i].from);
		struct buf cleanup_call(buf_done) changed = {0};
		struct scan cleanup_call(scan_done) copy = {0};
		struct err e;

		assert_non_null(at);
		buf_add(&changed, text.data, (size_t)(at - text.data));
		buf_add_text(&changed, changes[i].to);
		buf_add_text(&changed, at + strlen(changes[i].from));
		if (parse(changed.data, changed.len, &copy, &e) != -EINVAL)
			fail_msg("%s is taken", changes[i].to);
		if (!strstr(e.msg, changes[i].said))
			fail_msg("%s: %s", changes[i].to, e.msg);
	}
}

static void foreign_files_are_refused(void **unused)
{
	static const char *const foreign[] = {"",
					      "[]",
					      "1",
					      "null",
					      "{}",
					      "<?xml version=\"1.0\"?>",
					      "{\"schema\":\"portero.scan/1\",\"hosts\":[]}"};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		struct scan cleanup_call(scan_done) copy = {0};
		struct err e;

		assert_int_equal(parse(foreign[i], strlen(foreign[i]), &copy, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "state.json is no scan that portero has saved"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(known_services_are_read),
		cmocka_unit_test(cut_off_services_are_asked_again),
		cmocka_unit_test(services_that_cannot_be_are_told),
		cmocka_unit_test(no_part_of_it_is_taken),
		cmocka_unit_test(what_cannot_be_is_told),
		cmocka_unit_test(foreign_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
