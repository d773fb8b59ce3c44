/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_ring: records that are events and such that are none, and a ring in which they stand. */
#include "base/mem.h"
#include "observe/guard_ring.h"
#include "unit.h"

#include <linux/bpf.h>
#include <netinet/in.h>

enum { PAGE = 4096, SIZE = 4096 };

static struct guard_event listening(void)
{
	struct guard_event e = {.time_ns = 5, .count = 1, .kind = GUARD_EVENT_LISTEN};

	e.family = AF_INET;
	e.proto = IPPROTO_TCP;
	e.port = 443;
	e.home = 1;
	memcpy(e.who.name, "nginx", 6);
	return e;
}

static struct guard_event refused(void)
{
	struct guard_event e = listening();

	e.kind = GUARD_EVENT_PACKET_REFUSED;
	e.reason = GUARD_REASON_OTHER;
	e.enforced = 1;
	return e;
}

static int decode(const void *bytes, size_t len)
{
	void *copy = unit_copy(bytes, len);
	struct guard_event got, before;
	int r;

	memset(&got, 0xa5, sizeof(got));
	before = got;
	r = guard_ring_decode(copy, len, &got);
	free(copy);
	if (r < 0)
		assert_memory_equal(&got, &before, sizeof(got));
	else
		assert_non_null(memchr(got.who.name, '\0', sizeof(got.who.name)));
	return r;
}

static void test_sizes(void **state)
{
	char longer[sizeof(struct guard_event) + 64] = {0};
	struct guard_event e = listening();

	(void)state;
	memcpy(longer, &e, sizeof(e));
	for (size_t len = 0; len <= sizeof(longer); len++)
		assert_int_equal(decode(longer, len), len == sizeof(e) ? 0 : -EBADMSG);
}

#define EXPECT(made, expected, ...)                                                                \
	do {                                                                                       \
		struct guard_event e = made;                                                       \
		__VA_ARGS__;                                                                       \
		assert_int_equal(decode(&e, sizeof(e)), expected);                                 \
	} while (0)

static void test_fields(void **state)
{
	(void)state;
	EXPECT(listening(), 0, );
	EXPECT(refused(), 0, );
	EXPECT(listening(), -EBADMSG, e.kind = 0);
	EXPECT(listening(), -EBADMSG, e.kind = GUARD_EVENT_RAW + 1);
	EXPECT(listening(), -EBADMSG, e.reason = GUARD_REASON_OTHER);
	EXPECT(refused(), -EBADMSG, e.reason = GUARD_REASON_NONE);
	EXPECT(refused(), -EBADMSG, e.reason = GUARD_REASON_UNSEEN + 1);
	EXPECT(refused(), 0, e.kind = GUARD_EVENT_BIND_REFUSED);
	EXPECT(listening(), -EBADMSG, e.family = 0);
	EXPECT(listening(), -EBADMSG, e.family = AF_UNIX);
	EXPECT(listening(), 0, e.family = AF_INET6);
	EXPECT(listening(), -EBADMSG, e.proto = IPPROTO_ICMP);
	EXPECT(listening(), 0, e.proto = IPPROTO_UDPLITE);
	EXPECT(listening(), -EBADMSG, e.port = 0);
	EXPECT(listening(), 0, e.kind = GUARD_EVENT_RAW; e.port = 0; e.proto = IPPROTO_ICMP);
	/* sockets without ports of IP are only told of, and what no policy declares only refused */
	EXPECT(listening(), -EBADMSG, e.family = AF_PACKET);
	EXPECT(listening(), 0, e.kind = GUARD_EVENT_RAW; e.family = AF_PACKET;
	       e.port = e.proto = 0);
	EXPECT(listening(), 0, e.kind = GUARD_EVENT_RAW; e.family = AF_XDP; e.port = e.proto = 0);
	EXPECT(listening(), 0, e.kind = GUARD_EVENT_RAW; e.family = AF_VSOCK; e.port = e.proto = 0);
	EXPECT(listening(), -EBADMSG, e.proto = IPPROTO_SCTP);
	EXPECT(refused(), -EBADMSG, e.proto = IPPROTO_SCTP);
	EXPECT(refused(), 0, e.kind = GUARD_EVENT_BIND_REFUSED; e.proto = IPPROTO_SCTP);
	EXPECT(refused(), 0, e.kind = GUARD_EVENT_BIND_REFUSED; e.proto = IPPROTO_DCCP; e.port = 0);
	EXPECT(listening(), -EBADMSG, e.enforced = 2);
	EXPECT(listening(), -EBADMSG, e.home = 255);
	EXPECT(listening(), -EBADMSG, e.count = 0);
	EXPECT(listening(), -EBADMSG, e.time_ns = 0);
	/* a name without an end gets one */
	EXPECT(listening(), 0, memset(e.who.name, 'x', sizeof(e.who.name)));
}

static void test_any_bytes(void **state)
{
	uint64_t seed = 7, words[sizeof(struct guard_event) / 8];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < ARRAY_LEN(words); k++)
			words[k] = unit_random(&seed);
		decode(words, sizeof(words));
	}
}

/* --- a ring -------------------------------------------------------------------------------------
 */

struct scene {
	struct guard_ring ring;
	unsigned long at; /* where the next record is written */
};

static void begin(struct scene *s, unsigned long at)
{
	*s = (struct scene){.ring = GUARD_RING_CLOSED, .at = at};
	s->ring.page = PAGE;
	s->ring.size = SIZE;
	s->ring.at = at;
	s->ring.consumer = calloc(1, PAGE);
	s->ring.producer = calloc(1, PAGE + 2 * SIZE);
	assert_non_null(s->ring.consumer);
	assert_non_null(s->ring.producer);
	memcpy(s->ring.consumer, &at, sizeof(at));
	memcpy(s->ring.producer, &at, sizeof(at));
}

static void end(struct scene *s)
{
	free(s->ring.consumer);
	free(s->ring.producer);
}

/* The kernel maps the data twice in a row. */
static void put(struct scene *s, size_t at, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;

	for (size_t i = 0; i < len; i++) {
		size_t place = PAGE + (at + i) % SIZE;

		s->ring.producer[place] = s->ring.producer[place + SIZE] = from[i];
	}
}

static void add(struct scene *s, const void *bytes, uint32_t len, uint32_t bits)
{
	uint32_t head[2] = {len | bits, 0};

	put(s, s->at, head, sizeof(head));
	put(s, s->at + sizeof(head), bytes, len < SIZE ? len : 0);
	s->at += (len + sizeof(head) + 7) & ~7ul;
	memcpy(s->ring.producer, &s->at, sizeof(s->at));
}

static unsigned long released(const struct scene *s)
{
	unsigned long at;

	memcpy(&at, s->ring.consumer, sizeof(at));
	return at;
}

static void test_ring(void **state)
{
	struct guard_event e = listening(), got[8];
	struct scene s;

	(void)state;
	begin(&s, 0);
	assert_int_equal(guard_ring_read(&s.ring, got, 8), 0);
	for (uint16_t port = 1; port <= 5; port++) {
		e.port = port;
		add(&s, &e, sizeof(e), 0);
	}
	assert_int_equal(guard_ring_read(&s.ring, got, 2), 2);
	assert_int_equal(got[1].port, 2);
	assert_int_equal(released(&s), 0); /* it is not done with yet */
	guard_ring_release(&s.ring);
	assert_int_equal(released(&s), 2 * (sizeof(e) + 8));
	assert_int_equal(guard_ring_read(&s.ring, got, 8), 3);
	assert_int_equal(got[2].port, 5);
	assert_int_equal(guard_ring_read(&s.ring, got, 8), 0);
	guard_ring_release(&s.ring);
	assert_int_equal(released(&s), s.at);
	assert_int_equal(s.ring.odd, 0);
	end(&s);
}

static void test_ring_odd(void **state)
{
	struct guard_event e = listening(), got[8];
	struct scene s;

	(void)state;
	begin(&s, 0);
	add(&s, &e, sizeof(e) - 1, 0);			 /* cut */
	add(&s, &e, sizeof(e), BPF_RINGBUF_DISCARD_BIT); /* taken back */
	add(&s, &e, 4, 0);				 /* something else */
	add(&s, &e, sizeof(e), 0);			 /* an event */
	add(&s, &e, sizeof(e), BPF_RINGBUF_BUSY_BIT);	 /* is being written */
	add(&s, &e, sizeof(e), 0);
	assert_int_equal(guard_ring_read(&s.ring, got, 8), 1);
	assert_int_equal(s.ring.odd, 2);
	assert_int_equal(guard_ring_read(&s.ring, got, 8), 0);
	end(&s);
}

/* Positions go on for ever, places do not; also where the numbers end. */
static void test_ring_wraps(void **state)
{
	static const unsigned long starts[] = {0, SIZE - 8, SIZE - 120, 0ul - 224, 0ul - 8};
	struct guard_event e = listening(), got[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct scene s;

		begin(&s, starts[i]);
		for (uint16_t port = 1; port <= 100; port++) {
			e.port = port;
			add(&s, &e, sizeof(e), 0);
			assert_int_equal(guard_ring_read(&s.ring, got, 8), 1);
			assert_int_equal(got[0].port, port);
			guard_ring_release(&s.ring);
		}
		assert_int_equal(released(&s), s.at);
		end(&s);
	}
}

static void test_ring_damaged(void **state)
{
	struct guard_event e = listening(), got[8];
	struct scene s;

	(void)state;
	begin(&s, 0);
	add(&s, &e, sizeof(e), 0);
	s.at -= 8; /* the record says that it is longer than what was written */
	memcpy(s.ring.producer, &s.at, sizeof(s.at));
	assert_int_equal(guard_ring_read(&s.ring, got, 8), -EBADMSG);
	end(&s);
	begin(&s, 0);
	add(&s, &e, SIZE + 64, 0);
	assert_int_equal(guard_ring_read(&s.ring, got, 8), -EBADMSG);
	end(&s);
}

/* --- the lock -----------------------------------------------------------------------------------
 */

static uint32_t find(const char *text, uint32_t major, uint32_t minor, uint64_t inode)
{
	size_t len = strlen(text);
	char *copy = unit_copy(text, len);
	uint32_t pid = guard_ring_find_lock(copy, len, major, minor, inode);

	free(copy);
	return pid;
}

static void test_lock(void **state)
{
	static const char locks[] = "1: POSIX  ADVISORY  READ 11 00:2a:77 128 128\n"
				    "2: FLOCK  ADVISORY  WRITE 12 00:2a:7 0 EOF\n"
				    "3: FLOCK  ADVISORY  WRITE 13 00:2a:77 0 EOF\n"
				    "3: -> FLOCK  ADVISORY  WRITE 14 00:2a:78 0 EOF\n"
				    "4: FLOCK  ADVISORY  WRITE 15 100:2a:77 0 EOF\n"
				    "5: FLOCK  ADVISORY  WRITE 0 00:2a:79 0 EOF\n"
				    "6: FLOCK  ADVISORY  WRITE 16 00:2a:80 0 EOF";

	(void)state;
	assert_int_equal(find(locks, 0, 0x2a, 77), 13);
	assert_int_equal(find(locks, 0, 0x2a, 7), 12);
	assert_int_equal(find(locks, 0, 0x2a, 78), 0);
	assert_int_equal(find(locks, 0, 0x2a, 79), 0);
	assert_int_equal(find(locks, 0, 0x2a, 80), 16);
	assert_int_equal(find(locks, 0x100, 0x2a, 77), 15);
	assert_int_equal(find(locks, 8, 1, 77), 0);
	for (size_t len = 0; len < sizeof(locks); len++) {
		char *copy = unit_copy(locks, len);

		guard_ring_find_lock(copy, len, 0, 0x2a, 80);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	     cmocka_unit_test(test_fields),
		cmocka_unit_test(test_any_bytes),    cmocka_unit_test(test_ring),
		cmocka_unit_test(test_ring_odd),     cmocka_unit_test(test_ring_wraps),
		cmocka_unit_test(test_ring_damaged), cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
