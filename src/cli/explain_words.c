/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/explain_words.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "observe/nft_image.h"

#include <linux/netfilter.h>
#include <string.h>

void explain_words_str(const struct view *v, const struct explanation *x, uint32_t str,
		       struct buf *out)
{
	const char *text = reach_text(&x->reach, str);

	text_escape(out, text, strlen(text), v->ascii);
}

static void add_address(const struct address *a, struct buf *out)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(a, text);
	buf_add_text(out, text);
}

void explain_words_packet(const struct view *v, const struct explanation *x, struct buf *out)
{
	buf_printf(out, _("A new %s packet from "), proto_name(x->flow.proto));
	add_address(&x->flow.source, out);
	if (x->in_str) {
		buf_add_text(out, _(" by "));
		explain_words_str(v, x, x->in_str, out);
	} else {
		buf_add_text(out, _(", sent by this machine,"));
	}
	buf_add_text(out, _(" to "));
	add_address(&x->flow.destination, out);
	buf_printf(out, _(" port %u"), x->port);
}

static void add_arrival(const struct view *v, const struct explanation *x, struct buf *out)
{
	if (x->forwarded)
		buf_add_text(out, _(", and sent on"));
	if (x->nat) {
		buf_add_text(out, _(" to "));
		add_address(&x->target, out);
		buf_printf(out, _(" port %u"), x->target_port);
	}
	if (x->several)
		buf_add_text(out, _(" or elsewhere"));
	if (x->out_str) {
		buf_add_text(out, _(", out by "));
		explain_words_str(v, x, x->out_str, out);
	}
}

static void add_why(const struct view *v, const struct explanation *x, struct buf *out)
{
	if (!x->why_str)
		return;
	buf_add_text(out, ": ");
	explain_words_str(v, x, x->why_str, out);
}

static void add_reply(const struct explanation *x, struct buf *out)
{
	switch (x->reply) {
	case REPLY_DROPPED:
		buf_add_text(out, _("is let in, but the machine's own rules drop its answer"));
		break;
	case REPLY_NO_ROUTE:
		buf_add_text(out, _("is let in, but no route leads the machine's answer back"));
		break;
	case REPLY_SOME:
		buf_add_text(out, _("is let in, but the machine's own rules let its answer out to "
				    "some ports of the sender only"));
		break;
	default:
		buf_add_text(out, _("is let in, but the machine does not answer it, and why is not "
				    "known"));
		break;
	}
}

enum listener_at explain_words_listener(const struct view *v, const struct explanation *x)
{
	const struct address *to = x->target.family ? &x->target : &x->flow.destination;

	if (x->verdict != VERDICT_ACCEPT || x->reply || x->forwarded || x->several)
		return LISTENER_AT_UNKNOWN;
	return listener_at(&v->snapshot, &v->list, x->flow.proto,
			   x->target.family ? x->target_port : x->port, &x->flow.source, to);
}

bool explain_words_is_refusal(const struct explanation *x, uint32_t index)
{
	return index == x->decides && x->verdict == VERDICT_REJECT && !x->steps[index].reply &&
	       x->steps[index].verdict == TRACE_DROP;
}

void explain_words_verdict(const struct view *v, const struct explanation *x, struct buf *out)
{
	bool by_rule = x->decides != EXPLAIN_NONE && x->steps[x->decides].verdict == TRACE_DROP;

	if (x->reply) {
		add_reply(x, out);
		return;
	}
	switch (x->verdict) {
	case VERDICT_ACCEPT:
		buf_add_text(out, _("is let in"));
		add_arrival(v, x, out);
		if (explain_words_listener(v, x) == LISTENER_AT_NOBODY)
			buf_add_text(out, _(", where nobody listens: the port is closed"));
		break;
	case VERDICT_DROP:
		buf_add_text(out, by_rule ? _("is dropped, without an answer")
					  : _("is dropped by the kernel's routing, not by a rule: "
					      "the reverse path filter, no route, or an address "
					      "that cannot come in there"));
		break;
	case VERDICT_REJECT:
		buf_add_text(out, by_rule ? _("is refused")
					  : _("is refused by the kernel's routing, not by a rule"));
		break;
	case VERDICT_RATE_LIMITED:
		buf_add_text(out, _("is let in at times, and at others not"));
		add_why(v, x, out);
		break;
	case VERDICT_UNKNOWN:
	case VERDICT_COUNT:
		buf_add_text(out, _("may get through or not, which cannot be told"));
		add_why(v, x, out);
		break;
	}
}

void explain_words_place(const struct view *v, const struct explanation *x,
			 const struct explain_step *s, struct buf *out)
{
	if (s->legacy)
		buf_add_text(out,
			     s->family == NFPROTO_IPV6 ? "ip6tables-legacy" : "iptables-legacy");
	else
		buf_add_text(out, nft_family_name(s->family));
	buf_add_char(out, ' ');
	explain_words_str(v, x, s->table_str, out);
	buf_add_char(out, ' ');
	explain_words_str(v, x, s->chain_str, out);
	if (s->policy)
		buf_add_text(out, _(", its policy"));
	else if (s->number)
		buf_printf(out, _(", rule %u"), s->number);
	if (s->handle)
		buf_printf(out, _(" (handle %llu)"), (unsigned long long)s->handle);
}

const char *explain_words_hook(const struct explain_step *s)
{
	static const char *const names[] = {"prerouting", "input", "forward", "output",
					    "postrouting"};

	if (s->family == NFPROTO_NETDEV)
		return "ingress";
	return s->hook < ARRAY_LEN(names) ? names[s->hook] : "?";
}
