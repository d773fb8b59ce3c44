/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * legacy_image: the tables of iptables-legacy and ip6tables-legacy of one network namespace, as the
 * kernel's own blobs: read from the machine, loaded into a twin, compared there. What must be
 * changed on the way is legacy_rewrite's business. No tool is run. Changes nothing but the twin:
 * a table that is not registered is never asked for, since asking would register it. Sizes and
 * offsets in the blobs are in the machine's byte order.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "observe/doubts.h"
#include "observe/legacy_walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEGACY_TABLE_LIMIT = 16 };

struct legacy_image {
	struct buf bytes; /* the entries of all tables, as IPT_SO_GET_ENTRIES gave them */
	struct legacy_table tables[LEGACY_TABLE_LIMIT];
	size_t count;	    /* IPv4's tables first, then IPv6's; each family's in path order */
	uint32_t arp_rules; /* rules in arptables-legacy: not mirrored, only told */
	/* bits: ipsets that a SET target changes; set by legacy_rewrite_find */
	uint64_t changed_sets[65536 / 64];
	bool changing; /* it changed during every attempt: the last one's blobs */
};

/*
 * Two sockets by which the tables of a namespace are read and written; they stay with the
 * namespace in which they were opened. ipv6 is -1 on a machine without IPv6.
 */
struct legacy_sockets {
	int ipv4, ipv6;
};
int legacy_open(struct legacy_sockets *s, struct err *e);
void legacy_close(struct legacy_sockets *s);

/*
 * Reads all tables of the namespace that the calling thread is in (by /proc/thread-self/net; needs
 * CAP_NET_ADMIN there). An empty image when the kernel has no such tables. 0; -EPERM; -EBADMSG when
 * the kernel gave what is no table; other negative errnos. `image` must be zero or done.
 */
int legacy_image_read(struct legacy_image *image, struct err *e);
void legacy_image_done(struct legacy_image *image);
const uint8_t *legacy_image_blob(const struct legacy_image *image, const struct legacy_table *t);

/* Of all that decides about packets: equal while nothing was changed. Counters do not matter. */
uint64_t legacy_image_fingerprint(const struct legacy_image *image);

/* What became of a table that was loaded. */
struct legacy_report {
	struct {
		int error;	      /* 0, or the negative errno of why it is not there */
		bool different;	      /* what the kernel has is not what was sent */
	} tables[LEGACY_TABLE_LIMIT]; /* of the image, in its order */
	size_t failed;		      /* how many have one of both */
};

/*
 * Learns which rules the kernel refuses in the twin (an extension it does not know there, an object
 * that they name), and notes them in image->tables[].refused: legacy_rewrite then makes STOP doubts
 * of them. To be called once before legacy_rewrite_find; leaves tables behind that the next load
 * replaces. 0, or a negative errno when a table cannot be loaded whatever is left out.
 */
int legacy_image_try(struct legacy_image *image, const struct legacy_sockets *twin, struct err *e);

/*
 * Loads every table, rewritten (legacy_rewrite), into the twin, and compares it there. A table that
 * cannot be loaded is told in the report and does not stop the others. 0, or a negative errno when
 * nothing could be done at all (out of memory, no sockets).
 */
int legacy_image_load(const struct legacy_image *image, const struct legacy_sockets *twin,
		      const struct assignment *assignment, struct legacy_report *ret,
		      struct err *e);
