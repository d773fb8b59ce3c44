/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/guard_words.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static const char *sentence(enum guard_fault fault)
{
	switch (fault) {
	case GUARD_FAULT_ABSENT:
		return _("the guard is not there any more, or never was: no program is kept from a "
			 "port (portero restore puts it up)");
	case GUARD_FAULT_DETACHED:
		return _("somebody detached the guard's program %s: it refuses nothing (portero "
			 "restore attaches it again)");
	case GUARD_FAULT_UNPINNED:
		return _(
			"the guard's program %s is not pinned: it refuses nothing (portero restore "
			"puts it up)");
	case GUARD_FAULT_FOREIGN:
		return _("in the place of the guard's program %s is another one (portero restore "
			 "puts "
			 "it right)");
	case GUARD_FAULT_MAPS:
		return _("the guard's rules in the kernel are not those that were applied (portero "
			 "restore puts them right)");
	case GUARD_FAULT_MAP_GONE:
		return _("the pin of the guard's map %s is gone: what is attached goes on by it, "
			 "and nobody can look at it or change it any more (portero guard refresh "
			 "puts a whole guard in its place, portero guard off takes it away)");
	case GUARD_FAULT_VERSION:
		return _("the guard that is there is of another version of portero, which cannot "
			 "look at its rules (portero guard refresh puts this one's in its place)");
	case GUARD_FAULT_ELSEWHERE:
		return _("the guard that is there guards another network namespace, not this one");
	case GUARD_FAULT_UNFINISHED:
		return _("somebody is putting a new guard in the place of this one, or was killed "
			 "meanwhile: until that is ended, both refuse (portero guard refresh ends "
			 "it)");
	case GUARD_FAULT_CLOCK:
		return _("the clock was set since the guard got its rules: openings with an end "
			 "(until) end at another time for it than for the firewall (portero guard "
			 "refresh)");
	case GUARD_FAULT_PROGRAM_MISSING:
		return _("%s is not there: nobody can have its ports until it is (portero guard "
			 "refresh)");
	case GUARD_FAULT_PROGRAM_CHANGED:
		return _("%s is another program than the one that was accepted, and gets no port: "
			 "if "
			 "that is meant, portero guard accept it");
	case GUARD_FAULT_PROGRAM_TOUCHED:
		return _("%s has the content that was accepted, but its file was replaced or "
			 "touched: "
			 "it gets no port until portero guard refresh");
	case GUARD_FAULT_USER_UNKNOWN:
		return _("there is no user %s: nobody can have the ports that are declared for it");
	case GUARD_FAULT_COUNT:
		break;
	}
	return "";
}

void guard_words_fault(const struct guard_check_fault *fault, char *text, size_t size)
{
	struct buf cleanup_call(buf_done) subject = {0};

	text_escape(&subject, fault->subject, strlen(fault->subject), true);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	snprintf(text, size, sentence(fault->kind), buf_text(&subject));
#pragma GCC diagnostic pop
}

const char *guard_words_severity(enum guard_fault fault)
{
	return guard_fault_is_tampering(fault) ? "critical" : "high";
}

void guard_words_print_faults(const struct guard_check *c, FILE *out)
{
	char text[1024];

	for (size_t i = 0; i < c->fault_count; i++) {
		guard_words_fault(&c->faults[i], text, sizeof(text));
		fprintf(out, "%s: %s\n",
			guard_fault_is_tampering(c->faults[i].kind) ? _("critical") : _("high"),
			text);
	}
	if (c->fault_total > c->fault_count)
		fprintf(out,
			ngettext("... and %zu more\n", "... and %zu more\n",
				 c->fault_total - c->fault_count),
			c->fault_total - c->fault_count);
}

const char *guard_words_without(enum guard_part part)
{
	switch (part) {
	case GUARD_PART_SEED:
		return _("sockets that are older than the guard are let be until they are closed");
	case GUARD_PART_RELEASE:
		return _("nobody tells when a listener is closed");
	case GUARD_PART_CREATE:
		return _("raw sockets are not told");
	case GUARD_PART_LSM_LISTEN:
		return _("listeners for SCTP and DCCP are not refused, those for vsock not told");
	case GUARD_PART_LSM_CREATE:
		return _("packet and XDP sockets are not told");
	default:
		return "";
	}
}

void guard_words_print_weaker(const struct guard_check *c, FILE *out)
{
	unsigned without = c->absent | (c->is_seeded ? 0 : 1u << GUARD_PART_SEED);

	if (!c->there || !c->whole)
		return;
	for (unsigned part = 0; part < GUARD_PART_COUNT; part++)
		if (without & 1u << part)
			fprintf(out, _("weaker here: %s\n"),
				guard_words_without((enum guard_part)part));
}
