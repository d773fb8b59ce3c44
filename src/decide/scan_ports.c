/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/scan_ports.h"
#include "base/i18n.h"
#include "base/text.h"
#include "model/registry.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

enum { LAST_PORT = 65535, NAME_SIZE = 64 };

static int bad_ports(const char *text, struct err *e)
{
	return err_set(e, -EINVAL,
		       _("'%.64s' are no ports: write 22,80,8000-8100 (1 to 65535), names of "
			 "services, or - for all"),
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

/* --- names -------------------------------------------------------------------------------------
 */

/* A service's name, or a pattern of some: not of numbers alone, which are mistyped. */
static bool is_name(const char *text, size_t len)
{
	bool letter = false;

	for (size_t i = 0; i < len; i++) {
		bool is_letter = (text[i] >= 'a' && text[i] <= 'z') ||
				 (text[i] >= 'A' && text[i] <= 'Z') || text[i] == '*' ||
				 text[i] == '?';

		if (!is_letter && !(text[i] >= '0' && text[i] <= '9') && !strchr("-_.+", text[i]))
			return false;
		letter |= is_letter;
	}
	return letter && len < NAME_SIZE;
}

static bool fits(const char *pattern, const char *name)
{
	return name && fnmatch(pattern, name, FNM_NOESCAPE | FNM_CASEFOLD) == 0;
}

/* By the site's names and by the registry's: whoever means the service means both. */
static bool is_called(const struct services *names, uint16_t port, enum proto proto,
		      const char *pattern)
{
	struct registry_entry entry;

	if (names && (fits(pattern, services_name(names, port, proto)) ||
		      services_has_alias(names, port, proto, pattern)))
		return true;
	return registry_find(port, proto, &entry) && fits(pattern, entry.name);
}

static bool mark_called(const struct services *names, enum proto proto, const char *pattern,
			uint8_t wanted[LAST_PORT + 1])
{
	bool any = false;

	for (unsigned port = 1; port <= LAST_PORT; port++) {
		if (!is_called(names, (uint16_t)port, proto, pattern))
			continue;
		wanted[port] = any = true;
	}
	return any;
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

/* A text that is being read; now: which protocols its next part is for. */
struct reading {
	const char *text;
	bool tcp, udp, now_tcp, now_udp;
	const struct services *names;
	struct wanted *wanted;
	struct err *e;
};

static int mark_name(const struct reading *r, const char *part, size_t len)
{
	char pattern[NAME_SIZE] = "";
	bool any = false;

	memcpy(pattern, part, len);
	if (r->now_tcp)
		any |= mark_called(r->names, PROTO_TCP, pattern, r->wanted->tcp);
	if (r->now_udp)
		any |= mark_called(r->names, PROTO_UDP, pattern, r->wanted->udp);
	if (any)
		return 0;
	return err_set(r->e, -EINVAL,
		       _("no service of %s is called '%.64s', in /etc/services or by IANA"),
		       !r->now_udp   ? "TCP"
		       : !r->now_tcp ? "UDP"
				     : "TCP or UDP",
		       pattern);
}

static int mark_one(const struct reading *r, const char *part, size_t len)
{
	uint64_t first, last;

	if (parse_part(part, len, &first, &last) < 0)
		return is_name(part, len) ? mark_name(r, part, len) : bad_ports(part, r->e);
	if (r->now_tcp)
		memset(r->wanted->tcp + first, 1, last - first + 1);
	if (r->now_udp)
		memset(r->wanted->udp + first, 1, last - first + 1);
	return 0;
}

static int mark_protos(struct reading *r)
{
	r->now_tcp = r->tcp;
	r->now_udp = r->udp;
	for (const char *at = r->text;;) {
		size_t len;
		int error;

		at += read_letter(at, &r->now_tcp, &r->now_udp);
		len = strcspn(at, ",");
		if ((r->now_tcp && !r->tcp) || (r->now_udp && !r->udp))
			return err_set(r->e, -EINVAL,
				       _("'%.64s' names ports of %s, which is not asked: use %s"),
				       r->text, r->now_udp ? "UDP" : "TCP",
				       r->now_udp ? "-sU" : "-sS");
		error = mark_one(r, at, len);
		if (error < 0 || !at[len])
			return error;
		at += len + 1;
	}
}

int scan_ports_parse_protos(const char *text, bool tcp, bool udp, const struct services *names,
			    struct scan_ports *ret, struct err *e)
{
	struct wanted wanted = {0};
	struct reading reading = {
		.text = text, .tcp = tcp, .udp = udp, .names = names, .wanted = &wanted, .e = e};
	int r = text ? mark_protos(&reading) : 0;

	if (r < 0)
		return r;
	if (!text && tcp)
		memset(wanted.tcp + 1, 1, LAST_PORT);
	if (!text && udp)
		mark_parts(scan_ports_usual_udp, strlen(scan_ports_usual_udp), wanted.udp);
	ret->tcp_count = (size_t)list_marked(wanted.tcp, ret->tcp);
	ret->udp_count = (size_t)list_marked(wanted.udp, ret->udp);
	if ((tcp && !ret->tcp_count) || (udp && !ret->udp_count))
		return err_set(e, -EINVAL, _("'%.64s' names no port of %s"), text,
			       tcp && !ret->tcp_count ? "TCP" : "UDP");
	return 0;
}
