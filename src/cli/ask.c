/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/ask.h"
#include "base/i18n.h"
#include "cli/command.h"

#include <stddef.h>

static int read_address(const char *text, const char *option, struct address *ret)
{
	if (!text)
		return 0;
	if (address_parse(text, ret) < 0)
		return command_fail(_("--%s: '%.64s' is no IP address, such as 198.51.100.7 or "
				      "2001:db8::7"),
				    option, text);
	return 0;
}

int ask_read(const struct options *o, struct reach_options *ask)
{
	int code = read_address(o->from, "from", &ask->from);

	if (code == 0)
		code = read_address(o->to, "to", &ask->to);
	if (code)
		return code;
	if (o->from && o->to && ask->from.family != ask->to.family)
		return command_fail(_("--from and --to are of different families: %s, %s"), o->from,
				    o->to);
	ask->in = o->in;
	ask->families = (uint8_t)((o->ipv4 ? 1 : 0) | (o->ipv6 ? 2 : 0));
	return 0;
}
