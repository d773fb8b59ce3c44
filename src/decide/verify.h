/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: what a look from outside found x what is known inside: who listens, and what the firewall
 * does with a packet of the one who looked. Where they disagree, one of them is wrong. Pure.
 */
#pragma once

#include "decide/impostor.h"
#include "decide/reach_join.h"
#include "model/scan.h"

enum verify_kind {
	VERIFY_GHOST,		/* it answers outside, and inside nobody is known to listen */
	VERIFY_BELIEVED_CLOSED, /* it answers, although the rules keep this packet out */
	/* somebody listens and is let in, and outside it is not open; of UDP: it is refused */
	VERIFY_SHADOWED,
	VERIFY_IMPOSTOR,  /* another protocol than its program's or its number's */
	VERIFY_MIDDLEBOX, /* of an address: nearly all ports answer, whoever listens */
	VERIFY_KIND_COUNT,
};
const char *verify_kind_id(enum verify_kind kind); /* "ghost", ...: in JSON */

struct verify_difference {
	enum verify_kind kind;
	struct address address;
	uint16_t port;	       /* 0: of the address as a whole */
	enum verdict verdict;  /* what becomes of the visitor's packet, as the rules say */
	enum scan_reply reply; /* what came back */
	bool listens;	       /* somebody does, inside */
	uint32_t owner;	       /* ... in processes[] of the snapshot, or SNAPSHOT_NONE */
	/* what speaks there, of the scan; NULL: nobody asked */
	const struct service *service;
	enum impostor impostor; /* of that kind: what is contradicted, */
	const char *expected;	/* and the service that should be there; else NULL */
};

enum { VERIFY_TOLD = 64 };

/* A port of which both sides are not known, and what they say. */
struct verify_port {
	struct address address;
	uint16_t port;
	enum scan_reply reply;
	enum verdict verdict; /* of the rules */
	bool listens;
	char program[128]; /* the end of its path; "": not known, or nobody */
};

struct verify_ports {
	struct verify_port first[VERIFY_TOLD];
	size_t count; /* of all */
};

struct verify {
	struct verify_difference *differences;
	size_t count, cap;
	/* of UDP, those that kept silent, which says neither yes nor no; not those that the rules
	 * keep the one who looked from, while nobody is bound there */
	struct verify_ports silents;
	struct verify_ports unsures; /* the others of unsure_inside */
	size_t silent_kept_out; /* UDP: silent, the rules drop or refuse it, and nobody is bound */
	size_t open;		/* ports that are open on both sides */
	size_t not_open;	/* ... on neither */
	size_t silent;		/* UDP: inside open; silence outside says neither yes nor no */
	/* ports of which one side cannot say whether they are open: the inside, the outside */
	size_t unsure_inside, unsure_outside;
};

/* What the inside says of packets of the one who looked, to the address that was looked at. */
struct verify_inside {
	const struct snapshot *snapshot; /* with command lines, if the scan has services */
	const struct policy *policy;	 /* NULL: there is none */
	int64_t now_s;
	const struct listener_list *list;
	const struct reach *reach;
	const struct reach_join *join; /* of both */
	bool guarded;		       /* a guard may keep packets from a listener, too */
	bool partial; /* chosen ports were asked: they say nothing of the address as a whole */
};

/*
 * Compares one address. Appends to *ret (zeroed by the caller, who ends it with verify_done() in
 * every case); what it says of services lives as long as the scan. 0 or -ENOMEM.
 */
int verify_compare(const struct verify_inside *inside, const struct scan *scan,
		   const struct scan_host *host, struct verify *ret);
void verify_done(struct verify *v);
/* The difference of the same kind at the same port; NULL: there is none. */
const struct verify_difference *verify_find(const struct verify *v,
					    const struct verify_difference *d);
