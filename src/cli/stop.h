/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stop: Ctrl-C (SIGINT, SIGTERM) as a wish to end soon, and to tell what is known by then.
 */
#pragma once

#include <signal.h>

/*
 * From now on the first of these signals only makes the flag true that is returned; the second ends
 * the process, since whoever presses Ctrl-C again means it.
 */
const volatile sig_atomic_t *stop_catch(void);
