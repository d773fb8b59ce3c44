/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/scan_targets.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LAST_PORT = 65535 };

static uint64_t address_key(const struct address *a)
{
	return map_hash_bytes(a, sizeof(*a));
}

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, _("out of memory"));
}

/* Two addresses with the same hash: then all are looked through. */
static bool is_known(const struct scan_targets *t, const struct address *a)
{
	uint32_t at;

	if (!map_get(&t->known, address_key(a), &at))
		return false;
	if (address_equal(&t->items[at], a))
		return true;
	for (size_t i = 0; i < t->count; i++)
		if (address_equal(&t->items[i], a))
			return true;
	return false;
}

int scan_targets_add(struct scan_targets *t, const struct address *a, struct err *e)
{
	if (is_known(t, a))
		return 0;
	if (t->count == SCAN_TARGET_LIMIT)
		return err_set(e, -E2BIG, _("more than %d addresses: scan them in parts"),
			       SCAN_TARGET_LIMIT);
	if (mem_grow(&t->items, &t->cap, t->count + 1, sizeof(*t->items)) < 0 ||
	    map_set(&t->known, address_key(a), (uint32_t)t->count) < 0)
		return out_of_memory(e);
	t->items[t->count++] = *a;
	return 0;
}

/* The address behind; wraps at the end. */
static void step(struct address *a)
{
	for (int i = a->family == AF_INET ? 3 : 15; i >= 0 && ++a->bytes[i] == 0; i--)
		;
}

int scan_targets_add_network(struct scan_targets *t, const struct network *n, struct err *e)
{
	unsigned free_bits = (n->address.family == AF_INET ? 32U : 128U) - n->bits;
	struct address a = n->address;
	int r = 0;

	if (free_bits > 16)
		return err_set(e, -E2BIG, _("more than %d addresses: scan them in parts"),
			       SCAN_TARGET_LIMIT);
	for (uint32_t i = 0; i < 1U << free_bits && r == 0; i++, step(&a))
		r = scan_targets_add(t, &a, e);
	return r;
}

void scan_targets_exclude(struct scan_targets *t, const struct network *n)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++)
		if (!address_in_network(&t->items[i], &n->address, n->bits))
			t->items[kept++] = t->items[i];
	t->count = kept;
}

void scan_targets_done(struct scan_targets *t)
{
	map_done(&t->known);
	free(t->items);
	*t = (struct scan_targets){0};
}

/* --- ports -------------------------------------------------------------------------------------
 */

static int bad_ports(const char *text, struct err *e)
{
	return err_set(e, -EINVAL,
		       _("'%.64s' are no ports: write 22,80,8000-8100 (1 to 65535), or - for all"),
		       text);
}

/* "8000", "8000-8100", "-1024", "60000-", "-" */
static int parse_part(const char *part, size_t len, uint64_t *first, uint64_t *last)
{
	const char *dash = memchr(part, '-', len);
	size_t first_len = dash ? (size_t)(dash - part) : len;

	*first = 1;
	*last = LAST_PORT;
	if ((!dash || first_len) && text_parse_number(part, first_len, LAST_PORT, first) < 0)
		return -EINVAL;
	if (!dash)
		*last = *first;
	else if (first_len + 1 < len &&
		 text_parse_number(dash + 1, len - first_len - 1, LAST_PORT, last) < 0)
		return -EINVAL;
	return *first >= 1 && *first <= *last ? 0 : -EINVAL;
}

/* All parts of the text: true at the numbers that it names. */
static int mark_parts(const char *text, size_t len, uint8_t wanted[LAST_PORT + 1])
{
	for (const char *at = text, *end = text + len;;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t part = (size_t)((comma ? comma : end) - at);
		uint64_t first, last;

		if (parse_part(at, part, &first, &last) < 0)
			return -EINVAL;
		memset(wanted + first, 1, last - first + 1);
		if (!comma)
			return 0;
		at = comma + 1;
	}
}

static int list_marked(const uint8_t wanted[LAST_PORT + 1], uint16_t ports[65535])
{
	int count = 0;

	for (unsigned i = 1; i <= LAST_PORT; i++)
		if (wanted[i])
			ports[count++] = (uint16_t)i;
	return count;
}

int scan_ports_parse(const char *text, uint16_t ports[65535], struct err *e)
{
	uint8_t wanted[LAST_PORT + 1] = {0};

	if (mark_parts(text, strlen(text), wanted) < 0)
		return bad_ports(text, e);
	return list_marked(wanted, ports);
}

/* --- of two protocols ---------------------------------------------------------------------------
 */

const char scan_ports_usual_udp[] = "7,9,13,17,19,37,53,67-69,80,88,111,123,135,137-138,161-162,"
				    "177,323,389,427,443,464,500,514,"
				    "517-518,520-521,546-547,623,626,631,749,853,1161,1194,1337,"
				    "1434,1604,1645-1646,1701,1812-1813,"
				    "1900,2049,2083,3283,3389,3478-3479,3702,4045,4433,4500,4789,"
				    "5060-5061,5335,5349,5351,5353,5355,"
				    "5632,5683-5684,6081,6969,8443,8472,10000-10001,10161,11211,"
				    "17185,19132,20048,26000,27015-27016,"
				    "27960,30718,41641,47808,51820,64738";

struct wanted {
	uint8_t tcp[LAST_PORT + 1], udp[LAST_PORT + 1];
};

/* "U:", "T:": the protocols that what follows is for. Returns the letters' length. */
static size_t read_letter(const char *at, bool *tcp, bool *udp)
{
	if ((at[0] != 'U' && at[0] != 'T') || at[1] != ':')
		return 0;
	*tcp = at[0] == 'T';
	*udp = at[0] == 'U';
	return 2;
}

static int mark_protos(const char *text, bool tcp, bool udp, struct wanted *w, struct err *e)
{
	bool is_tcp = tcp, is_udp = udp;

	for (const char *at = text;;) {
		size_t len;

		at += read_letter(at, &is_tcp, &is_udp);
		len = strcspn(at, ",");
		if ((is_tcp && !tcp) || (is_udp && !udp))
			return err_set(e, -EINVAL,
				       _("'%.64s' names ports of %s, which is not asked: use %s"),
				       text, is_udp ? "UDP" : "TCP", is_udp ? "-sU" : "-sS");
		if ((is_tcp && mark_parts(at, len, w->tcp) < 0) ||
		    (is_udp && mark_parts(at, len, w->udp) < 0))
			return bad_ports(text, e);
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

int scan_ports_parse_protos(const char *text, bool tcp, bool udp, struct scan_ports *ret,
			    struct err *e)
{
	struct wanted wanted = {0};
	int r = 0;

	if (text)
		r = mark_protos(text, tcp, udp, &wanted, e);
	else if (tcp)
		memset(wanted.tcp + 1, 1, LAST_PORT);
	if (!text && udp)
		mark_parts(scan_ports_usual_udp, strlen(scan_ports_usual_udp), wanted.udp);
	if (r < 0)
		return r;
	ret->tcp_count = (size_t)list_marked(wanted.tcp, ret->tcp);
	ret->udp_count = (size_t)list_marked(wanted.udp, ret->udp);
	if ((tcp && !ret->tcp_count) || (udp && !ret->udp_count))
		return err_set(e, -EINVAL, _("'%.64s' names no port of %s"), text,
			       tcp && !ret->tcp_count ? "TCP" : "UDP");
	return 0;
}
