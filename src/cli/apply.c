/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply: makes the policy true, and undoes that by itself unless it is confirmed.
 */
#include "base/i18n.h"
#include "cli/applying.h"
#include "cli/command.h"

int command_apply(const struct options *o)
{
	const struct applying all = {.command = "portero apply"};

	if (o->word_count)
		return command_fail(_("'portero apply' takes no arguments: '%.64s'"), o->words[0]);
	return applying_run(o, &all);
}
