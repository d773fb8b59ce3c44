/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipset_image: all ipsets of one network namespace, as the kernel's own netlink attributes: read
 * from the machine, loaded into a twin with the same indexes, compared there. Rules hold a set's
 * index, not its name: with another index they would look into another set. Changes nothing but
 * the twin. Needs Linux 4.20 (protocol 7, which tells indexes).
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl;

enum {
	IPSET_NAME = 32,	  /* of a set or type, with its NUL */
	IPSET_COUNT_LIMIT = 4096, /* sets; also the highest index that can be copied */
};

struct ipset_set {
	char name[IPSET_NAME];
	char type[IPSET_NAME]; /* "hash:ip", ... */
	uint8_t family, revision;
	uint16_t index;
	uint32_t header_offset, header_len; /* in bytes: attributes to create it with */
	uint32_t element_count;
	uint64_t fingerprint; /* of all but counters and how long elements will stay */
};

/* A piece of a set's elements: nested IPSET_ATTR_DATA attributes, one for each element. */
struct ipset_chunk {
	uint32_t set; /* index into sets */
	uint32_t offset, len;
};

struct ipset_image {
	struct buf bytes;
	struct ipset_set *sets; /* in the order of the dump: those that hold other sets last */
	size_t count, cap;
	struct ipset_chunk *chunks; /* in the order of the dump */
	size_t chunk_count, chunk_cap;
	bool changing; /* it changed during every attempt: what the last one gave */
};

/*
 * Reads all sets of the namespace in which `n` (NETLINK_NETFILTER) was opened. An empty image on a
 * kernel without ipsets, which is not asked: asking would load a module. 0 or a negative errno.
 * `image` must be zero or done.
 */
int ipset_image_read(struct ipset_image *image, struct nl *n, struct err *e);
void ipset_image_done(struct ipset_image *image);
uint64_t ipset_image_fingerprint(const struct ipset_image *image);

/*
 * Creates the sets in a twin that has none yet, with their indexes and elements, and compares.
 * Returns 0; or how many sets are not as they should be, with a sentence about the first; or a
 * negative errno, and then the twin has no sets at all: rules that name one cannot be loaded there.
 */
int ipset_image_load(const struct ipset_image *image, struct nl *twin, struct err *e);

/* One reading, which may have met a change; and the head of a message to ipset. For ipset_load. */
int ipset_image_read_once(struct ipset_image *image, struct nl *n, struct err *e);
size_t ipset_message_begin(struct buf *b, uint8_t command, uint16_t flags, const char *name);

/* Takes one message of a dump (what follows nlmsghdr). 0, -EBADMSG, -ENOMEM, -E2BIG. */
int ipset_image_take(struct ipset_image *image, const void *payload, size_t len);
