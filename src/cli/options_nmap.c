/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/options_nmap.h"
#include "base/i18n.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define STEALTH                                                                                    \
	N_("portero does not scan by odd packets (-sN, -sF, -sX, -sM, -sA, -sW, -sI): -sS tells "  \
	   "open, closed and filtered")
#define HIDING N_("portero does not hide who asks: no decoys, fragments or foreign addresses")
#define ALIVE                                                                                      \
	N_("portero does not look who is there without asking ports: -F asks the 100 likeliest")

/* "*" at the end: whatever follows. */
static const struct {
	const char *text, *why;
} lacking[] = {
	{"sN", STEALTH},
	{"sF", STEALTH},
	{"sX", STEALTH},
	{"sM", STEALTH},
	{"sA", STEALTH},
	{"sW", STEALTH},
	{"sI", STEALTH},
	{"sO", N_("portero does not scan for IP protocols: only for ports of TCP and UDP")},
	{"sY", N_("portero does not scan SCTP: only TCP, and with -sU UDP")},
	{"sZ", N_("portero does not scan SCTP: only TCP, and with -sU UDP")},
	{"sn", ALIVE},
	{"sP", ALIVE},
	{"sL", ALIVE},
	{"PS*", ALIVE},
	{"PA*", ALIVE},
	{"PU*", ALIVE},
	{"PE", ALIVE},
	{"PP", ALIVE},
	{"PM", ALIVE},
	{"PR", ALIVE},
	{"sC", N_("portero does not run scripts: -sV asks open ports what speaks there")},
	{"O",
	 N_("portero does not guess operating systems: -sV shows what services say of theirs")},
	{"A", N_("portero does not do all of nmap's -A: say -sV; it guesses no operating systems, "
		 "runs no scripts, traces no routes")},
	{"D*", HIDING},
	{"S*", HIDING},
	{"f", HIDING},
	{"iR*", N_("portero does not scan strangers by chance: name the targets")},
};

static bool is_that(const char *text, const char *entry)
{
	size_t len = strlen(entry);

	return entry[len - 1] == '*' ? strncmp(text, entry, len - 1) == 0
				     : strcmp(text, entry) == 0;
}

const char *options_nmap_lacks(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
		if (is_that(text, lacking[i].text))
			return lacking[i].why;
	return NULL;
}
