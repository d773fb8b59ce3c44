/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: what a person declared: which port is to be open, for which program, to whom, why and
 * until when. Everything that no opening lets in is to be closed. Plain data, made by
 * decide/policy_parse; no I/O. Strings are as they came, not escaped.
 */
#pragma once

#include "base/map.h"
#include "model/port.h"
#include "model/reach.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POLICY_OPENING_LIMIT = 20000,
	POLICY_SOURCE_LIMIT = 200000,  /* of all openings; so also for ports and interfaces */
	POLICY_FILE_LIMIT = 8 << 20,   /* bytes of one file */
	POLICY_FILES_LIMIT = 20000,    /* files of a folder */
	POLICY_TOTAL_LIMIT = 64 << 20, /* bytes of all of them */
	POLICY_TEXT_LIMIT = 512,       /* bytes of why, owner, program, ... */
};

/* Where something stands, for people: lines and columns count from 1; line 0: nowhere. */
struct policy_place {
	uint32_t file_str;
	uint32_t line, column;
};

/* What becomes of a new packet to a port that no opening lets in. */
enum undeclared {
	UNDECLARED_DROP,    /* silence */
	UNDECLARED_REJECT,  /* a refusal */
	UNDECLARED_OBSERVE, /* it is counted, and let in: to try a policy */
};

enum guard_mode { GUARD_OFF, GUARD_OBSERVE, GUARD_ENFORCE };

struct policy_settings {
	enum undeclared undeclared;
	enum guard_mode guard;
	bool deny_loopback;   /* the guard judges also who binds to a loopback address */
	bool allow_ephemeral; /* undeclared, on a port that the kernel chose: not the guard's matter
			       */
	bool drop_echo;	      /* ICMP and ICMPv6 echo requests are not answered */
	uint32_t first_protected, protected_count; /* in ports[]: never closed without --force */
	/* where each is given; line 0: nowhere, so it has its standard value */
	struct policy_place undeclared_place, guard_place, echo_place, protect_place,
		loopback_place, ephemeral_place;
};

/* Who may come. A class is all of its addresses: SOURCE_INTERNET everybody; SOURCE_PRIVATE RFC
 * 1918, 6598 and 4193; SOURCE_LINK the networks that the machine is attached to, at the interface
 * where they are; SOURCE_HOST the machine itself, which no policy keeps out. */
struct policy_source {
	enum source_class class; /* SOURCE_LISTED: the network below */
	struct address network;	 /* its bits behind the prefix are zero */
	uint8_t prefix_len;
	struct policy_place place;
};

/* One permission. A packet gets in when any opening lets it in. */
struct opening {
	uint32_t first_port, port_count;	   /* in ports[]; at least one */
	uint32_t first_source, source_count;	   /* in sources[]; at least one */
	uint32_t first_interface, interface_count; /* in interfaces[]; none: every interface */
	uint32_t rate_count;   /* new connections of one source (IPv6: of one /64); 0: any number */
	uint32_t rate_seconds; /* ... in so many: 1, 60, 3600, 86400 */
	int64_t until_s;       /* seconds since the epoch, when it ends; 0: never */
	/* who may listen; all that are given (not 0) must match; none: anybody. A unit has its
	 * suffix, a user is a name or a number */
	uint32_t program_str, unit_str, user_str, container_str;
	uint32_t why_str, owner_str;
	struct policy_place place; /* of the opening itself */
};

struct policy {
	struct strpool strings;
	struct policy_settings settings;
	struct opening *openings; /* in the order of the files, and in them */
	size_t opening_count, opening_cap;
	struct port_range *ports; /* any_proto is false */
	size_t port_count, port_cap;
	struct policy_source *sources;
	size_t source_count, source_cap;
	uint32_t *interfaces; /* names, as strings; the last character may be '*' */
	size_t interface_count, interface_cap;
	uint32_t file_count; /* files that were read */
};

void policy_done(struct policy *p);
const char *policy_text(const struct policy *p, uint32_t str);

/* Append one, zeroed; valid until the next append; NULL when out of memory. */
struct opening *policy_add_opening(struct policy *p);
struct port_range *policy_add_port(struct policy *p);
struct policy_source *policy_add_source(struct policy *p);
/* 0 or -ENOMEM */
int policy_add_interface(struct policy *p, const char *name);

/* Has it ended? One whose ports are protected never ends for them: see policy_match. */
bool opening_is_over(const struct opening *o, int64_t now_s);
bool opening_has_port(const struct policy *p, const struct opening *o, uint16_t port,
		      enum proto proto);
bool policy_protects(const struct policy *p, uint16_t port, enum proto proto);
/* "drop", "reject", "observe" */
const char *undeclared_id(enum undeclared undeclared);
/* "off", "observe", "enforce" */
const char *guard_mode_id(enum guard_mode mode);
