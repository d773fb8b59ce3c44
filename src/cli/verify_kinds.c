/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/verify_kinds.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "cli/scan_service_words.h"

static const struct {
	const char *word, *text;
} kinds[VERIFY_KIND_COUNT] = {
	[VERIFY_GHOST] = {N_("ghost"),
			  N_("ghost: it answers, and nobody is known to listen. Something hides a "
			     "listener, or answers in its place.")},
	[VERIFY_BELIEVED_CLOSED] =
		{N_("believed closed"),
		 N_("believed closed: it answers, although the rules keep this packet out. Either "
		    "something answers before the rules do (a program with a packet socket, XDP), "
		    "or portero's picture of the firewall is wrong here: then report it.")},
	[VERIFY_SHADOWED] =
		{N_("shadowed"),
		 N_("shadowed: somebody listens, and the rules let it in, yet it does not answer. "
		    "Something on the way drops it, or the listener's queue is full.")},
	[VERIFY_IMPOSTOR] =
		{N_("impostor"),
		 N_("impostor: it speaks another protocol than its program, or its number, stands "
		    "for. Something uses the name or the number of another. If it is meant to be "
		    "on that number, say so in the policy: an opening that names its program, "
		    "unit or container.")},
	[VERIFY_MIDDLEBOX] =
		{N_("middlebox"),
		 N_("middlebox: nearly every port of the address answers, whoever listens. What "
		    "answers is not this machine's programs.")},
};

const char *verify_kinds_word(enum verify_kind kind)
{
	return _(kinds[kind].word);
}

const char *verify_kinds_meaning(enum verify_kind kind)
{
	return _(kinds[kind].text);
}

void verify_kinds_impostor(enum impostor of, const char *expected, const struct service *heard,
			   struct buf *out)
{
	struct buf cleanup_call(buf_done) name = {0};

	scan_service_words_name(heard, &name);
	buf_printf(out,
		   of == IMPOSTOR_PROGRAM ? _("its program never speaks anything but %s, and there "
					      "it speaks %s.")
					  : _("the number stands for %s, and what speaks there is "
					      "%s."),
		   expected, buf_text(&name));
}
