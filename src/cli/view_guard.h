/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * view_guard: what the guard makes of the listeners of a view: is a port bound to its program, is
 * somebody else there who is cut off?
 */
#pragma once

#include "cli/view.h"
#include "enforce/guard_marks.h"

/*
 * Opens the guard of the state folder, if there is one, before reach is asked: its own program is
 * no obstacle then. What cannot be read becomes a gap.
 */
void view_guard_take(struct view *v);
void view_guard_done(struct view *v);
/* What the firewall lets in, and the guard keeps from the listener, is filtered. */
void view_guard_apply(struct view *v);

/* Of all listeners of a row the worst. *ret_mark (may be NULL) is of the one that is judged by. */
enum guard_judgement view_guard_judge(const struct view *v, const struct port_row *row,
				      struct guard_socket *ret_mark);
/* "guarded", "impostor", "observed"...: in JSON; NULL: no guard, or it does not judge the port */
const char *view_guard_id(const struct view *v, const struct port_row *row);
/* Does the guard keep packets from the row's listeners? */
bool view_guard_cuts_off(const struct view *v, const struct port_row *row);
/* Who the guard has seen open it: "/usr/sbin/nginx ..., pid 12"; appended. */
void view_guard_identity(const struct view *v, const struct port_row *row, struct buf *out);
