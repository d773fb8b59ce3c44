/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err: what went wrong, as a code for the program and a sentence for the person.
 *
 * Every function that can fail for a reason a person should read takes a `struct err *` as its
 * last parameter. The sentence says what, where, why and what to do. It is translated (gettext)
 * where it is made. It may quote text from outside as it is: who prints it escapes the whole
 * (text_escape_message).
 */
#pragma once

struct err {
	int code;      /* negative errno; 0 when nothing was set */
	char msg[512]; /* one sentence, always terminated; cut, never overrun */
};

/* Fills *e (which may be NULL) and returns `code`, so that callers end with `return err_set(...)`.
 */
int err_set(struct err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
