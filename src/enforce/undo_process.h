/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * undo_process: the process that waits beside everything else and takes a change back that nobody
 * confirms. It is `portero rollback --when-due`, in a session of its own, without a terminal and
 * without open files; where systemd is the machine's, a unit of its own, so that it is not ended
 * with the session (logind, KillUserProcesses) or the service that made the change. There is one
 * for each state folder: as long as it lives it has the lock of STATE_DIR/undo.lock.
 */
#pragma once

#include "enforce/states.h"

#include <stdbool.h>

/*
 * Starts one, unless there is one, and returns when it is there and has taken its lock. The lock of
 * the state folder is ours, which keeps one that is about to end from passing for alive. 0, or a
 * negative errno with a sentence.
 */
int undo_process_start(const struct states *s, struct err *e);
bool undo_process_is_alive(const struct states *s);

/*
 * What `portero rollback --when-due` does: waits while something is pending, and undoes it when its
 * time is over. If that fails, it tries again, for as long as the change is pending. Returns 0 when
 * nothing is pending any more (also when there is another such process), or a negative errno with a
 * sentence.
 */
int undo_process_run(const char *dir, struct err *e);
