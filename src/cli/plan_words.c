/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/plan_words.h"
#include "base/i18n.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/explain_remedy.h"
#include "cli/explain_words.h"
#include "cli/plan_proof.h"
#include "cli/reach_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOSING_SHOWN = 4,
	STAYS_SHOWN = 24,
	HOLES_SHOWN = 6,
	DIFFERENCES_SHOWN = 8,
	LABEL_COLUMN = 11
};

/* --- pieces -------------------------------------------------------------------------------------
 */

/* The row as it is now, or, of one that is new, as it will be; and the view that it is of. */
static const struct port_row *row_of(const struct planned *p, const struct plan_row *row,
				     const struct view **ret)
{
	bool is_new = row->before == PLAN_NONE;

	*ret = is_new ? &p->after : &p->now;
	return &(*ret)->list.rows[is_new ? row->after : row->before];
}

void plan_words_place(const struct planned *p, uint32_t opening, struct buf *out)
{
	const struct policy_place *place = &p->policy.openings[opening].place;
	const char *file = policy_text(&p->policy, place->file_str);
	const char *slash = strrchr(file, '/');

	file = slash ? slash + 1 : file;
	text_escape(out, file, strlen(file), p->now.ascii);
	buf_printf(out, ":%u", place->line);
}

static const char *declared_word(enum declared declared)
{
	static const char *const words[DECLARED_COUNT] = {
		[DECLARED_NO_POLICY] = "",
		[DECLARED_LOCAL] = N_("for this machine only"),
		[DECLARED_YES] = N_("declared"),
		[DECLARED_NO] = N_("undeclared"),
		[DECLARED_OTHER] = N_("declared for another program"),
		[DECLARED_UNKNOWN] = N_("declared, but who listens is not known"),
	};

	return words[declared][0] ? _(words[declared]) : "";
}

void plan_words_why(const struct planned *p, const struct plan_row *row, struct buf *out)
{
	const char *why;

	buf_add_text(out, declared_word(row->declared));
	if (row->opening == POLICY_NO_OPENING)
		return;
	why = policy_text(&p->policy, p->policy.openings[row->opening].why_str);
	buf_add_text(out, " (");
	plan_words_place(p, row->opening, out);
	buf_add_text(out, why[0] ? ": " : "");
	text_escape(out, why, strlen(why), p->now.ascii);
	buf_add_char(out, ')');
}

/* "open: internet via eth0; limited: 10.0.0.0/8 via eth0", or how it is closed. */
static void add_side(const struct view *v, uint32_t index, struct buf *out)
{
	static const enum verdict shown[] = {VERDICT_ACCEPT, VERDICT_RATE_LIMITED, VERDICT_UNKNOWN};
	const struct port_row *row = index == PLAN_NONE ? NULL : &v->list.rows[index];
	size_t start = out->len;

	for (size_t i = 0; row && i < ARRAY_LEN(shown); i++) {
		struct buf cleanup_call(buf_done) who = {0};

		reach_words_ways(v, row, shown[i], &who);
		if (!who.len)
			continue;
		buf_printf(out, "%s%s: %s", out->len > start ? "; " : "",
			   reach_words_verdict(shown[i]), buf_text(&who));
	}
	if (out->len == start)
		buf_add_text(out, row ? reach_words_state(row->reach.state)
				      : reach_words_state(PORT_FILTERED));
}

/* Groups that differ in their family only are told once. */
static void add_groups(const struct planned *p, const struct view *v, uint32_t first,
		       uint32_t count, struct buf *out)
{
	const struct plan_group *groups = &p->plan.groups[first];

	for (uint32_t i = 0; i < count; i++) {
		const struct plan_group *g = &groups[i];
		const char *name = snapshot_interface_name(&p->now.snapshot, 0, g->ifindex);
		uint8_t families = 0;
		bool told = false;

		for (uint32_t k = 0; k < count; k++) {
			if (groups[k].class != g->class || groups[k].ifindex != g->ifindex)
				continue;
			told |= k < i;
			families |= groups[k].family;
		}
		if (told)
			continue;
		buf_printf(out, "%s%s%s", i ? ", " : "", reach_words_class(g->class), _(" via "));
		text_escape(out, name ? name : "?", strlen(name ? name : "?"), v->ascii);
		if (families != (FAMILY_IPV4 | FAMILY_IPV6))
			buf_printf(out, " (%s)", families == FAMILY_IPV4 ? "IPv4" : "IPv6");
	}
}

/* May it connect again? By whichever interface it comes. */
bool plan_words_may_come(const struct planned *p, const struct connection_info *c)
{
	struct policy_packet packet = {.source = c->peer, .proto = c->proto, .port = c->local_port};
	const struct snapshot *s = &p->now.snapshot;
	uint32_t opening;

	address_unmap(&packet.source);
	if (address_is_loopback(&packet.source))
		return true;
	for (size_t i = 0; i < s->interface_count; i++) {
		packet.ifname = snapshot_text(s, s->interfaces[i].name_str);
		if (s->interfaces[i].netns == 0 && !s->interfaces[i].loopback &&
		    policy_match(&p->policy, &p->links, &packet, p->now_s, &opening) !=
			    POLICY_CLOSED)
			return true;
	}
	return false;
}

size_t plan_words_losing(const struct planned *p, const struct plan_row *row, struct address *ret,
			 size_t limit)
{
	struct map cleanup_call(map_done) known = {0};
	const struct snapshot *s = &p->now.snapshot;
	const struct view *v;
	const struct port_row *port = row_of(p, row, &v);

	for (size_t i = 0; i < s->connection_count; i++) {
		const struct connection_info *c = &s->connections[i];
		uint32_t found;
		uint64_t key;

		if (c->netns != 0 || c->proto != port->proto || c->local_port != port->port ||
		    plan_words_may_come(p, c))
			continue;
		key = map_hash_bytes(c->peer.bytes, sizeof(c->peer.bytes));
		if (map_get(&known, key, &found))
			continue;
		if (known.count < limit)
			ret[known.count] = c->peer;
		if (map_set(&known, key, 0) < 0)
			break;
	}
	return known.count;
}

/* --- the changes --------------------------------------------------------------------------------
 */

static void print_field(const struct planned *p, const char *label, const struct buf *text)
{
	size_t width = text_width(label);

	printf("    %s%*s", label, (int)(width < LABEL_COLUMN - 4 ? LABEL_COLUMN - 4 - width : 1),
	       "");
	view_print_indented(&p->now, LABEL_COLUMN, buf_text(text));
}

static void print_loses(const struct planned *p, const struct plan_row *row, const struct view *v)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct address peers[LOSING_SHOWN];
	size_t count = plan_words_losing(p, row, peers, LOSING_SHOWN);

	add_groups(p, v, row->first_lost, row->lost_count, &text);
	if (count)
		buf_printf(&text,
			   ngettext("%sconnected now, and could not again: %zu address: ",
				    "%sconnected now, and could not again: %zu addresses: ", count),
			   text.len ? "; " : "", count);
	for (size_t i = 0; i < count && i < LOSING_SHOWN; i++) {
		char address[ADDRESS_TEXT_SIZE];

		address_unmap(&peers[i]);
		address_format(&peers[i], address);
		buf_printf(&text, "%s%s", i ? ", " : "", address);
	}
	if (count > LOSING_SHOWN)
		buf_add_text(&text, ", ...");
	if (text.len)
		print_field(p, _("loses"), &text);
}

static void print_heading(const struct planned *p, const struct plan_row *row)
{
	static const struct {
		char sign;
		const char *color;
	} looks[PLAN_KIND_COUNT] = {
		[PLAN_CLOSES] = {'-', "31"},  [PLAN_NARROWS] = {'~', "33"},
		[PLAN_CHANGES] = {'~', "33"}, [PLAN_WIDENS] = {'+', "32"},
		[PLAN_OPENS] = {'+', "32"},   [PLAN_STAYS] = {'=', "0"},
	};
	struct buf cleanup_call(buf_done) text = {0};
	const struct view *v;
	const struct port_row *port = row_of(p, row, &v);

	buf_printf(&text, "%c ", looks[row->kind].sign);
	view_port(port, &text);
	buf_add_text(&text, "  ");
	view_program(v, port, true, &text);
	buf_add_text(&text, "  ");
	plan_words_why(p, row, &text);
	if (p->now.colored)
		printf("\033[%sm%s\033[0m\n", looks[row->kind].color, buf_text(&text));
	else
		printf("%s\n", buf_text(&text));
}

static void print_change(const struct planned *p, const struct plan_row *row)
{
	struct buf cleanup_call(buf_done) now = {0};
	struct buf cleanup_call(buf_done) after = {0};
	struct buf cleanup_call(buf_done) gains = {0};
	const struct view *v;

	row_of(p, row, &v);
	print_heading(p, row);
	add_side(&p->now, row->before, &now);
	print_field(p, _("now"), &now);
	add_side(&p->after, row->after, &after);
	print_field(p, _("then"), &after);
	print_loses(p, row, v);
	add_groups(p, v, row->first_gained, row->gained_count, &gains);
	if (gains.len)
		print_field(p, _("gains"), &gains);
}

/* Those that others reach, and that keep what they have. */
static void print_stays(const struct planned *p)
{
	struct buf cleanup_call(buf_done) text = {0};
	size_t count = 0;

	for (size_t i = 0; i < p->plan.row_count; i++) {
		const struct plan_row *row = &p->plan.rows[i];
		const struct view *v;
		const struct port_row *port = row_of(p, row, &v);

		if (row->kind != PLAN_STAYS || port->reach.state != PORT_OPEN ||
		    port->reach.widest == SOURCE_HOST)
			continue;
		if (count < STAYS_SHOWN) {
			buf_add_text(&text, count ? ", " : "");
			view_port(port, &text);
		}
		count++;
	}
	if (count)
		view_print_line(&p->now,
				ngettext("%zu open port stays as it is: %s%s",
					 "%zu open ports stay as they are: %s%s", count),
				count, buf_text(&text), count > STAYS_SHOWN ? ", ..." : "");
}

/* Those that are left: a few that everybody should know. */
static void add_holes(const struct reach_join *j, struct buf *out)
{
	if (j->hole_count == 0 || j->hole_count > HOLES_SHOWN)
		return;
	for (size_t i = 0; i < j->hole_count; i++) {
		const struct port_span span = {j->holes[i].first, j->holes[i].last};

		buf_add_text(out, i ? ", " : " (");
		reach_words_spans(&span, 1, 1, out);
		buf_printf(out, "/%s", proto_name(j->holes[i].proto));
	}
	buf_add_char(out, ')');
}

static void print_holes(const struct planned *p)
{
	struct buf cleanup_call(buf_done) before = {0};
	struct buf cleanup_call(buf_done) after = {0};
	struct buf cleanup_call(buf_done) left = {0};

	if (p->plan.holes_before == p->plan.holes_after)
		return;
	view_number(p->plan.holes_before, &before);
	view_number(p->plan.holes_after, &after);
	add_holes(&p->after.join, &left);
	view_print_line(&p->now,
			_("Ports on which nobody listens, and that are let in from outside: %s "
			  "now, %s then%s."),
			buf_text(&before), buf_text(&after), buf_text(&left));
}

void plan_words_print(const struct planned *p)
{
	size_t changes = p->plan.row_count - p->plan.counts[PLAN_STAYS];

	for (size_t i = 0; i < p->plan.row_count; i++)
		if (p->plan.rows[i].kind != PLAN_STAYS)
			print_change(p, &p->plan.rows[i]);
	if (changes)
		putchar('\n');
	print_holes(p);
	print_stays(p);
	if (!planned_changes(p) && planned_is_proved(p))
		view_print_line(&p->now, "%s",
				_("Nothing to do: the policy is applied, and the machine is as it "
				  "says."));
	else if (planned_changes(p) && !changes && p->plan.holes_before == p->plan.holes_after)
		view_print_line(&p->now, "%s",
				p->has_table
					? _("Nobody's access changes; portero's rules in the "
					    "kernel are not those of this policy.")
					: _("Nobody's access changes; portero's rules are not in "
					    "the kernel yet."));
}

/* --- remarks ------------------------------------------------------------------------------------
 */

static void print_missing(const struct planned *p)
{
	for (uint32_t i = 0; i < p->policy.opening_count; i++) {
		const struct opening *o = &p->policy.openings[i];
		struct buf cleanup_call(buf_done) place = {0};
		const struct port_range *first = &p->policy.ports[o->first_port];

		if (!planned_is_missing(p, i))
			continue;
		plan_words_place(p, i, &place);
		view_print_line(&p->now, _("%s: %u/%s is declared, but nobody listens there."),
				buf_text(&place), first->first, proto_name(first->proto));
	}
}

/* What becomes of who listens on a port that is declared for another program. */
static const char *fate_of_other(const struct planned *p)
{
	switch (p->policy.settings.guard) {
	case GUARD_ENFORCE:
		return _("The guard cuts it off.");
	case GUARD_OBSERVE:
		return _("The guard only observes, and lets it be.");
	case GUARD_OFF:
		break;
	}
	return _("The firewall cannot tell programs apart: it lets in.");
}

static void print_others(const struct planned *p)
{
	for (size_t i = 0; i < p->plan.row_count; i++) {
		const struct plan_row *row = &p->plan.rows[i];
		struct buf cleanup_call(buf_done) place = {0};
		struct buf cleanup_call(buf_done) port = {0};
		struct buf cleanup_call(buf_done) program = {0};
		const struct view *v;

		if (row->declared != DECLARED_OTHER)
			continue;
		view_port(row_of(p, row, &v), &port);
		view_program(v, row_of(p, row, &v), true, &program);
		plan_words_place(p, row->opening, &place);
		view_print_line(&p->now,
				_("%s: %s is declared for another program than %s, which listens. "
				  "%s"),
				buf_text(&place), buf_text(&port), buf_text(&program),
				fate_of_other(p));
	}
}

static void print_blocked(const struct planned *p, const struct planned_blocked *b)
{
	struct buf cleanup_call(buf_done) text = {0};
	struct buf cleanup_call(buf_done) remedy = {0};
	const struct explanation *x = &b->explanation;

	plan_words_place(p, b->opening, &text);
	buf_add_text(&text, b->wholly ? _(": stays closed, since other rules keep it so: ")
				      : _(": some of it stays closed by other rules: "));
	explain_words_packet(&p->now, x, &text);
	buf_add_char(&text, ' ');
	explain_words_verdict(&p->now, x, &text);
	if (x->decides != EXPLAIN_NONE) {
		const struct explain_step *step = &x->steps[x->decides];

		buf_add_text(&text, " (");
		explain_words_place(&p->now, x, step, &text);
		if (step->front_end)
			buf_printf(&text, ", %s", step->front_end->name);
		buf_add_char(&text, ')');
		explain_remedy(x, explain_remedy_step(x), &remedy);
	}
	if (remedy.len)
		buf_printf(&text, _(". To open it: %s"), buf_text(&remedy));
	view_print_line(&p->now, "%s", buf_text(&text));
}

/* Listeners of containers that are reached at their own addresses, by routing. */
static void print_behind(const struct planned *p)
{
	for (size_t i = 0; i < p->now.behind_count; i++) {
		const struct port_row *row = &p->now.behind[i];
		struct buf cleanup_call(buf_done) port = {0};
		struct buf cleanup_call(buf_done) place = {0};

		view_port(row, &port);
		view_netns_name(&p->now, row->netns, &place);
		view_print_line(&p->now,
				_("%s of %s is reached at its own address, by routing through "
				  "this machine: that is no port of this machine, and no policy "
				  "closes it."),
				buf_text(&port), buf_text(&place));
	}
}

void plan_words_print_remarks(const struct planned *p)
{
	print_missing(p);
	print_others(p);
	for (size_t i = 0; i < p->blocked_count; i++)
		print_blocked(p, &p->blocked[i]);
	if (p->blocked_total > p->blocked_count)
		view_print_line(&p->now,
				ngettext("%zu more opening is kept closed by other rules.",
					 "%zu more openings are kept closed by other rules.",
					 p->blocked_total - p->blocked_count),
				p->blocked_total - p->blocked_count);
	print_behind(p);
	for (size_t i = 0; i < p->after.reach.gap_count; i++)
		view_print_line(&p->now, _("Not tried in the twin: %s: %s."),
				reach_text(&p->after.reach, p->after.reach.gaps[i].what_str),
				reach_text(&p->after.reach, p->after.reach.gaps[i].why_str));
	plan_proof_print_unsure(p);
}
