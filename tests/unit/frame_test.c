/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame: packets as scapy makes them, what Linux answers to them, cut off everywhere. */
#include "observe/frame.h"
#include "unit.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { COOKIE = 0x12345678 };

static struct recorded_list frames;

static int load(void **state)
{
	(void)state;
	recorded_load(&frames, "frames.hex");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	recorded_done(&frames);
	return 0;
}

static struct address parse(const char *text)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	assert_int_equal(inet_pton(a.family, text, a.bytes), 1);
	return a;
}

static struct frame_knock make_knock(enum proto proto, bool ip6)
{
	return (struct frame_knock){
		.proto = proto,
		.source = parse(ip6 ? "2001:db8:9::7" : "198.51.100.7"),
		.destination = parse(ip6 ? "2001:db8::1" : "192.0.2.1"),
		.source_port = 40000,
		.destination_port = 443,
		.cookie = COOKIE,
		.ethernet = true,
		.source_mac = {2, 'p', 'o', 'r', 't', 1},
		.destination_mac = {2, 0, 0, 0, 0, 1},
	};
}

static void encodes_as_scapy_does(void **state)
{
	static const struct {
		const char *name;
		enum proto proto;
		bool ip6;
	} cases[] = {{"sent-syn4", PROTO_TCP, false},
		     {"sent-syn6", PROTO_TCP, true},
		     {"sent-udp4", PROTO_UDP, false},
		     {"sent-udp6", PROTO_UDP, true}};
	uint8_t bytes[FRAME_LIMIT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct recorded *want = recorded_find(&frames, cases[i].name);
		struct frame_knock knock = make_knock(cases[i].proto, cases[i].ip6);

		assert_int_equal(frame_encode(&knock, bytes), want->len);
		assert_memory_equal(bytes, want->bytes, want->len);
		knock.ethernet = false;
		assert_int_equal(frame_encode(&knock, bytes), want->len - FRAME_ETHERNET_LEN);
		assert_memory_equal(bytes, want->bytes + FRAME_ETHERNET_LEN,
				    want->len - FRAME_ETHERNET_LEN);
	}
}

/* RFC 1071 over what it covers, by the book. */
static uint16_t checksum(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* A sum over all with its checksum is 0xffff, whatever is in it. UDP never has a checksum of 0. */
static void checksums_are_right_for_every_port_and_cookie(void **state)
{
	uint8_t bytes[FRAME_LIMIT];

	(void)state;
	for (uint32_t i = 0; i < 4 * 65536; i++) {
		bool ip6 = i & 1, tcp = i & 2;
		size_t ip_len = ip6 ? 40 : 20, pseudo = ip6 ? 8 : 12, pseudo_len = ip6 ? 32 : 8,
		       len;
		struct frame_knock knock = make_knock(tcp ? PROTO_TCP : PROTO_UDP, ip6);

		knock.destination_port = (uint16_t)(i >> 2);
		knock.cookie = i * 2654435761U;
		knock.ethernet = false;
		len = (size_t)frame_encode(&knock, bytes) - ip_len;
		assert_int_equal(checksum(bytes + ip_len, len,
					  checksum(bytes + pseudo, pseudo_len,
						   (uint32_t)len + (tcp ? 6 : 17))),
				 0xffff);
		assert_true(ip6 || checksum(bytes, ip_len, 0) == 0xffff);
		assert_true(tcp || bytes[ip_len + 6] || bytes[ip_len + 7]);
	}
}

static void encodes_only_what_it_knows(void **state)
{
	struct frame_knock knock = make_knock(PROTO_SCTP, false);
	uint8_t bytes[FRAME_LIMIT];

	(void)state;
	assert_int_equal(frame_encode(&knock, bytes), -EINVAL);
	knock = make_knock(PROTO_TCP, false);
	knock.destination = parse("::1");
	assert_int_equal(frame_encode(&knock, bytes), -EINVAL);
	knock.source.family = knock.destination.family = 0;
	assert_int_equal(frame_encode(&knock, bytes), -EINVAL);
}

/* Decodes a copy that ends where its memory ends; *ret stays as it is unless it succeeds. */
static int decode(const uint8_t *bytes, size_t len, struct frame_seen *ret)
{
	void *copy = unit_copy(bytes, len);
	struct frame_seen got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	r = frame_decode_ethernet(copy, len, &got);
	free(copy);
	assert_true(r == 0 || r == -EBADMSG);
	if (r == 0)
		*ret = got;
	else
		assert_memory_equal(&got, &before, sizeof(got));
	return r;
}

struct expected {
	const char *name;
	enum frame_what what;
	enum proto proto;
	bool refusal;
	uint16_t source_port, destination_port;
	uint32_t cookie; /* 0: none */
	uint8_t icmp_type, icmp_code;
	size_t enough; /* so many bytes of it are */
};

static const struct expected expectations[] = {
	{"sent-syn4", FRAME_SYN, PROTO_TCP, false, 40000, 443, COOKIE, 0, 0, 54},
	{"sent-syn6", FRAME_SYN, PROTO_TCP, false, 40000, 443, COOKIE, 0, 0, 74},
	{"vlan4", FRAME_SYN, PROTO_TCP, false, 40000, 443, COOKIE, 0, 0, 58},
	{"sent-udp4", FRAME_UDP, PROTO_UDP, false, 40000, 443, COOKIE, 0, 0, 42},
	{"sent-udp6", FRAME_UDP, PROTO_UDP, false, 40000, 443, COOKIE, 0, 0, 62},
	{"reset4", FRAME_RST, PROTO_TCP, true, 23, 40000, COOKIE, 0, 0, 54},
	{"reset6", FRAME_RST, PROTO_TCP, true, 23, 40000, COOKIE, 0, 0, 74},
	{"syn-ack4", FRAME_SYN_ACK, PROTO_TCP, false, 443, 40000, COOKIE, 0, 0, 54},
	{"unreachable4", FRAME_ICMP_ERROR, PROTO_TCP, true, 40000, 24, COOKIE, 3, 13, 70},
	{"unreachable6", FRAME_ICMP_ERROR, PROTO_TCP, true, 40000, 24, COOKIE, 1, 1, 110},
	{"udp-unreachable4", FRAME_ICMP_ERROR, PROTO_UDP, true, 40000, 100, COOKIE, 3, 3, 70},
	{"udp-unreachable6", FRAME_ICMP_ERROR, PROTO_UDP, true, 40000, 100, COOKIE, 1, 4, 110},
	{"time-exceeded4", FRAME_ICMP_ERROR, PROTO_TCP, false, 40000, 443, COOKIE, 11, 0, 70},
	{"redirect4", FRAME_ICMP_ERROR, PROTO_TCP, false, 40000, 443, COOKIE, 5, 1, 70},
	{"frag-needed4", FRAME_ICMP_ERROR, PROTO_TCP, false, 40000, 443, COOKIE, 3, 4, 70},
	{"too-big6", FRAME_ICMP_ERROR, PROTO_TCP, false, 40000, 443, COOKIE, 2, 0, 110},
	{"echo4", FRAME_OTHER, PROTO_COUNT, false, 0, 0, 0, 0, 0, 42},
	{"options4", FRAME_SYN, PROTO_TCP, false, 7, 9, 77, 0, 0, 58},
	{"extensions6", FRAME_UDP, PROTO_UDP, false, 7, 9, 77, 0, 0, 94},
	{"later-fragment4", FRAME_OTHER, PROTO_COUNT, false, 0, 0, 0, 0, 0, 34},
	{"later-fragment6", FRAME_OTHER, PROTO_COUNT, false, 0, 0, 0, 0, 0, 62},
};

static void assert_seen(const struct expected *x, const struct frame_seen *seen)
{
	assert_int_equal(seen->what, x->what);
	assert_int_equal(seen->proto, x->proto);
	assert_int_equal(seen->source_port, x->source_port);
	assert_int_equal(seen->destination_port, x->destination_port);
	assert_int_equal(seen->icmp_type, x->icmp_type);
	assert_int_equal(seen->icmp_code, x->icmp_code);
	assert_int_equal(frame_is_refusal(seen), x->refusal);
}

static void decodes_whole_and_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		const struct expected *x = &expectations[i];
		const struct recorded *frame = recorded_find(&frames, x->name);
		struct frame_seen seen;

		for (size_t len = 0; len <= frame->len; len++) {
			int r = decode(frame->bytes, len, &seen);

			assert_int_equal(r, len < x->enough ? -EBADMSG : 0);
			if (r == 0)
				assert_seen(x, &seen);
		}
		assert_int_equal(seen.has_cookie, x->cookie != 0);
		assert_int_equal(seen.cookie, x->cookie);
	}
}

static void an_error_has_both_pairs_of_addresses(void **state)
{
	const struct recorded *frame = recorded_find(&frames, "udp-unreachable6");
	struct address outside = parse("2001:db8:9::7"), host = parse("2001:db8::1");
	struct frame_seen seen;

	(void)state;
	assert_int_equal(decode(frame->bytes, frame->len, &seen), 0);
	assert_true(address_equal(&seen.source, &host));
	assert_true(address_equal(&seen.destination, &outside));
	assert_true(address_equal(&seen.quoted_source, &outside));
	assert_true(address_equal(&seen.quoted_destination, &host));
}

static void only_ip_is_decoded(void **state)
{
	const struct recorded *arp = recorded_find(&frames, "arp");
	uint8_t short_header[20] = {0x44}, version5[20] = {0x55};
	struct frame_seen seen;

	(void)state;
	assert_int_equal(decode(arp->bytes, arp->len, &seen), -EBADMSG);
	assert_int_equal(frame_decode(short_header, 20, &seen), -EBADMSG);
	assert_int_equal(frame_decode(version5, 20, &seen), -EBADMSG);
}

/* A payload that is not ours has no cookie, whatever its bytes. */
static void a_strange_payload_has_no_cookie(void **state)
{
	const struct recorded *frame = recorded_find(&frames, "sent-udp4");
	uint8_t bytes[FRAME_LIMIT];
	struct frame_seen seen;

	(void)state;
	memcpy(bytes, frame->bytes, frame->len);
	bytes[42] ^= 1;
	assert_int_equal(decode(bytes, frame->len, &seen), 0);
	assert_false(seen.has_cookie);
	assert_int_equal(seen.cookie, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodes_as_scapy_does),
		cmocka_unit_test(checksums_are_right_for_every_port_and_cookie),
		cmocka_unit_test(encodes_only_what_it_knows),
		cmocka_unit_test(decodes_whole_and_cut),
		cmocka_unit_test(an_error_has_both_pairs_of_addresses),
		cmocka_unit_test(only_ip_is_decoded),
		cmocka_unit_test(a_strange_payload_has_no_cookie),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
