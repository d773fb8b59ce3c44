/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener_notes: what is worth a remark about a listener. Pure.
 */
#pragma once

#include "decide/listeners.h"

/* The notes of a listener as bits (1 << enum note). */
uint32_t listener_notes(const struct snapshot *s, const struct services *services,
			const struct listener_list *list, const struct listener *l);

/* What this site or IANA calls the number; NULL when nobody gave it a name. */
const char *listener_service_name(const struct services *services, uint16_t port, enum proto proto);

/* The brief text of a note that needs no argument, not translated; NULL: ask note_format(). */
const char *note_brief(enum note note);

enum { NOTE_TEXT_SIZE = 256 };

/* A sentence for the note, translated; `brief` for the table. Escape it: it may hold names. */
void note_format(const struct snapshot *s, const struct services *services,
		 const struct listener *l, enum note note, bool brief, char text[NOTE_TEXT_SIZE]);
