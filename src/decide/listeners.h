/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listeners: from the sockets of a snapshot to what a person thinks in: one row for each port and
 * who listens on it. SO_REUSEPORT groups, worker processes and the two address families fold into
 * one listener. Pure: reads a snapshot, the port registry and the site's service names; no I/O.
 */
#pragma once

#include "model/reach.h"
#include "model/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far the bound address reaches; the order is the order of exposure. */
enum bound {
	BOUND_HOST,	  /* this machine only: loopback */
	BOUND_NETWORK,	  /* one address or interface */
	BOUND_EVERYWHERE, /* any address */
};

enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2 };

/* What is worth a remark. Ids are stable: they stand in the JSON output. */
enum note {
	NOTE_HIDDEN,	 /* a process listens, but the kernel's tables do not show the socket */
	NOTE_NO_PROCESS, /* the kernel's tables have it, no process holds it */
	NOTE_OWNER_UNREADABLE, /* the owner could not be looked at */
	NOTE_PROGRAM_MEMORY,
	NOTE_PROGRAM_DELETED,
	NOTE_PROGRAM_REPLACED,
	NOTE_POSES_AS_KERNEL, /* a program that calls itself like a kernel thread */
	NOTE_OTHER_SERVICE,   /* the number is reserved for another service than the program's */
	NOTE_STRANGER,	      /* the number's service has known programs; this is none of them */
	NOTE_ACTIVATION,      /* systemd listens and starts the service */
	NOTE_SHARED,	      /* processes of several programs hold the socket */
	NOTE_ADDRESS_ABSENT,  /* bound to an address that no interface has */
	NOTE_UDP_MAYBE_CLIENT,
	NOTE_UNPACKAGED,   /* no package owns the program */
	NOTE_UNASSIGNED,   /* IANA has not assigned the number */
	NOTE_BACKLOG_FULL, /* connections wait, and no more may */
	NOTE_DROPS,	   /* a UDP socket lost packets */
	NOTE_MPTCP,
	NOTE_COUNT,
};

/* True when one of the notes (bits 1 << enum note) is something that a person should act on. */
bool notes_are_finding(uint32_t notes);
const char *note_id(enum note note); /* "hidden-listener", ... */

/* One listener: a bound address of a port and who is behind it. */
struct listener {
	uint32_t netns;
	enum proto proto;
	uint16_t port;
	struct address address;
	uint32_t ifindex;
	uint8_t families; /* FAMILY_... that it serves */
	enum bound bound;
	uint32_t network;      /* index into addresses[] of the snapshot that holds the address, or
				  SNAPSHOT_NONE */
	bool absent;	       /* its address is no interface's, nor a broadcast one */
	uint32_t socket;       /* one of its sockets: index into sockets[] */
	uint32_t socket_count; /* more than 1: SO_REUSEPORT */
	uint32_t first_process,
		process_count; /* in process_indexes[] of the list; the owner first */
	uint32_t owner;	       /* index into processes[], or SNAPSHOT_NONE */
	uint32_t activation;   /* index into activations[], or SNAPSHOT_NONE */
	uint32_t backlog_used, backlog_limit, drops; /* summed, except the limit: the largest */
	uint32_t notes;				     /* bits 1 << enum note */
};

/* What becomes of packets to a row; filled in by reach_join. All zero: nobody looked. */
struct port_reach {
	bool looked;
	enum port_state state;
	bool reached;		  /* by whom: widest; false: by nobody */
	enum source_class widest; /* LISTED: only by addresses that the rules mention */
	uint8_t families;	  /* FAMILY_...: those by which the widest class comes in */
	bool rate_limited;  /* of the widest class's packets, some get through and some do not */
	bool wider_unknown; /* a wider class may reach it too: it could not be told */
	uint32_t why_str;   /* of the reach: why something is unknown; 0: nothing to say */
	uint32_t first_way, way_count; /* of the join */
};

/* A port with one owner: a line of the table. Its listeners differ in address only. */
struct port_row {
	uint32_t netns;
	enum proto proto;
	uint16_t port;
	enum bound bound;			 /* the widest of its listeners */
	uint8_t families;			 /* of its listeners that are bound that widely */
	uint32_t first_listener, listener_count; /* in listeners[] */
	uint32_t notes;
	/* its packets are sent on to the listeners, which have another number, or are in another
	 * namespace */
	bool published;
	uint16_t last_port; /* published: this many ports are sent on alike; 0: only `port` */
	struct port_reach reach;
};

struct listener_list {
	struct listener *listeners; /* sorted by row */
	size_t listener_count, listener_cap;
	uint32_t *process_indexes;
	size_t process_index_count, process_index_cap;
	struct port_row *rows; /* the most exposed first: by bound, port, protocol */
	size_t row_count, row_cap;
};

struct services;

struct listener_options {
	const struct services *services; /* the site's names; NULL: only IANA's */
	bool clients;			 /* UDP sockets with a port that the kernel chose too */
	uint8_t families; /* FAMILY_...: only what serves one of these, so that a row's bound is
			     theirs; 0: all */
};

/* 0 or -ENOMEM. Ended with listeners_done() in every case. */
int listeners_build(const struct snapshot *s, const struct listener_options *options,
		    struct listener_list *ret);
void listeners_done(struct listener_list *list);

enum row_order { ORDER_EXPOSURE, ORDER_PORT, ORDER_PROGRAM, ORDER_USER, ORDER_COUNT };
const char *row_order_name(enum row_order order);
void listeners_sort(const struct snapshot *s, struct listener_list *list, enum row_order order);

/* For comparing rows: who can reach the more of them; the same for all when nobody looked. */
unsigned row_exposure(const struct port_row *row);
/* The process a row is shown with: the owner of its first listener, or NULL. */
const struct process_info *row_owner(const struct snapshot *s, const struct listener_list *list,
				     const struct port_row *row);
const char *bound_id(enum bound bound); /* "everywhere", "network", "this-machine" */
