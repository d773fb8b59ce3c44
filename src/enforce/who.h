/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * who: the person behind this process, as far as the machine knows: for the log and for states.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

enum { WHO_SIZE = 128 };

/* Escaped texts (base/text); "" where it is not known. */
struct who {
	uid_t uid;		 /* that this process runs as */
	char user[WHO_SIZE];	 /* its name */
	char login[WHO_SIZE];	 /* who logged in: SUDO_USER, else the audit login uid */
	char terminal[WHO_SIZE]; /* "pts/3" */
	char from[WHO_SIZE];	 /* address of the SSH client */
};

/* Never fails: what cannot be found out is "". */
void who_look(struct who *w);
/* "ana (root) pts/3 192.0.2.7": what of it is known; no words, so in no language. */
void who_format(const struct who *w, char *text, size_t size);

/* As JSON {"uid", "user", "login", "terminal", "from"}; a new reference, or NULL. */
json_t *who_pack(const struct who *w);
/* What is not in it, or of another type, is "". */
void who_unpack(struct who *w, const json_t *packed);
