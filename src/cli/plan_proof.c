/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/plan_proof.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/reach_words.h"

#include <stdio.h>

enum { DIFFERENCES_SHOWN = 8 };

static void say_packet(const struct planned *p, const struct policy_packet_seen *seen,
		       struct buf *out)
{
	const struct flow *f = &seen->flow;
	const char *name = snapshot_interface_name(&p->now.snapshot, 0, f->ifindex);
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE];

	address_format(&f->source, from);
	address_format(&f->destination, to);
	buf_printf(out, _("%u/%s from %s by %s to %s"), seen->port, proto_name(f->proto), from,
		   name ? name : "lo", to);
}

void plan_proof_print_unsure(const struct planned *p)
{
	const struct policy_verify *v = &p->verify;

	if (v->unknown)
		view_print_line(&p->now,
				ngettext("Of %zu packet, nobody can tell whether it gets what the "
					 "policy says:",
					 "Of %zu packets, nobody can tell whether they get what "
					 "the policy says:",
					 v->unknown),
				v->unknown);
	for (size_t i = 0; i < v->unsure_count; i++) {
		const struct policy_unsure *u = &v->unsure[i];
		struct buf cleanup_call(buf_done) packet = {0};
		struct buf cleanup_call(buf_done) text = {0};
		struct buf cleanup_call(buf_done) safe = {0};

		say_packet(p, &u->first, &packet);
		buf_printf(&text, ngettext("%zu: %s (%s)", "%zu, as %s (%s)", u->count), u->count,
			   buf_text(&packet), strpool_get(&v->texts, u->why_str));
		text_escape_message(&safe, buf_text(&text));
		view_print_line(&p->now, "  %s", buf_text(&safe));
	}
}

static void print_difference(const struct planned *p, const struct policy_packet_seen *seen)
{
	struct buf cleanup_call(buf_done) packet = {0};
	struct buf cleanup_call(buf_done) text = {0};
	struct buf cleanup_call(buf_done) safe = {0};

	say_packet(p, seen, &packet);
	buf_printf(&text,
		   _("%s: the policy says %s, the kernel would say %s (without the policy: %s)"),
		   buf_text(&packet), seen->wanted == POLICY_CLOSED ? _("closed") : _("let in"),
		   reach_words_verdict(seen->verdict), reach_words_verdict(seen->without));
	text_escape_message(&safe, buf_text(&text));
	fprintf(stderr, "  %s\n", buf_text(&safe));
}

void plan_proof_print_refusal(const struct planned *p)
{
	const struct policy_verify *v = &p->verify;

	fflush(stdout);
	if (v->diverged || v->asked != v->seen_count) {
		fprintf(stderr, "%s\n",
			_("portero: refused: the machine changed while the new rules were tried; "
			  "try again"));
		return;
	}
	fprintf(stderr, "%s\n",
		_("portero: refused: tried in a copy of this machine, the new rules do not do what "
		  "the policy says. Nothing was changed. Packets that differ:"));
	for (size_t i = 0; i < v->difference_count && i < DIFFERENCES_SHOWN; i++)
		print_difference(p, &v->differences[i]);
	if (v->difference_count > DIFFERENCES_SHOWN)
		fprintf(stderr, _("  ... and %zu more\n"), v->difference_count - DIFFERENCES_SHOWN);
}
