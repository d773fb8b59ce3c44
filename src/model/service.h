/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service: what speaks on a port, as it was seen from outside. A plain struct without pointers,
 * that may cross a process boundary; every text is terminated, and "" where nothing is known. Texts
 * are what a stranger sent: valid UTF-8 without control characters (service_text()), but nothing
 * more.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SERVICE_NOTE_LIMIT = 8 };

struct service_note {
	char name[24], value[200];
};

struct service_tls {
	uint8_t spoken;	  /* 0 or 1, as another process may have written anything */
	uint8_t inside;	  /* 0 or 1: begun inside the protocol (STARTTLS), not before it */
	char version[16]; /* "TLSv1.3" */
	char alpn[16];
	char subject[128], issuer[128]; /* the certificate's common names */
	char names[256];		/* its DNS names and addresses, ", " between them */
	char not_after[24];		/* 2026-11-26T00:00:00Z */
	char key[32];			/* "RSA 2048" */
	uint8_t self_signed;		/* 0 or 1 */
};

enum service_end {
	SERVICE_NAMED,	      /* known: `protocol` is set */
	SERVICE_UNNAMED,      /* it said something that no pattern fits: `answer` */
	SERVICE_SILENT,	      /* connected, and never said anything */
	SERVICE_HUNG_UP,      /* closes each connection before it says anything */
	SERVICE_UNRESPONSIVE, /* it says nothing, and does not end what was half closed: a server
			       * that hangs does so, and one that takes its time */
	SERVICE_REFUSED,      /* no connection could be made */
	SERVICE_OUT_OF_TIME,
	SERVICE_LOST,	 /* not known: the process that asked it died */
	SERVICE_UNASKED, /* not known: the time was over before */
	SERVICE_END_COUNT,
};

struct service {
	enum service_end end;
	char protocol[32], product[96], version[64], extra[128], host[128], os[32];
	double confidence; /* 0 to 1 */
	struct service_tls tls;
	struct service_note notes[SERVICE_NOTE_LIMIT];
	uint32_t note_count;
	uint32_t took_ms, connections;
	/* the first bytes that no pattern fits, for whoever writes one, and what they answer to */
	char asked[64];
	uint8_t answer[64];
	uint32_t answer_len;
};

/*
 * Copies a stranger's bytes into to[0..size), terminated: what is no printable UTF-8 becomes '?',
 * white space one space; cut at the end of a character.
 */
void service_text(char *to, size_t size, const void *bytes, size_t len);

/* "named", "hung-up", ...: for machines. */
const char *service_end_name(enum service_end end);

/*
 * Makes sure, of a struct that another process filled, that every text is terminated and fit to be
 * shown, and every number within its limits.
 */
void service_check(struct service *s);
