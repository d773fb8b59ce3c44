/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_ports: which ports a person means: numbers, ranges, and names of services. Pure: the site's
 * own names are the caller's to read.
 */
#pragma once

#include "base/err.h"
#include "model/services.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * "22,80,8000-8100", "-1024", "60000-", "-" (all), and no names: ports[] in ascending order, each
 * once. Returns how many, or -EINVAL with a sentence.
 */
int scan_ports_parse(const char *text, uint16_t ports[65535], struct err *e);

/*
 * The ports of UDP that are asked when none is named, a text as above: those whose protocol portero
 * knows a request of (data/probes/), and others that are usual, most of which keep silent. About a
 * hundred, since a Linux host tells of one closed port a second.
 */
extern const char scan_ports_usual_udp[];

/* What -p says of each protocol: "53,U:161,T:22-25"; what stands before any letter is for all. */
struct scan_ports {
	uint16_t tcp[65535], udp[65535]; /* ascending, each once */
	size_t tcp_count, udp_count;
};

/*
 * NULL: all of TCP, the usual ones of UDP. A protocol that is not wanted has none. A part may also
 * be a service's name, "ssh", "http*": all its numbers, by `names` (or NULL) and by the registry.
 * 0; or -EINVAL with a sentence: also when ports are named of a protocol that is not wanted, or
 * none of one that is.
 */
int scan_ports_parse_protos(const char *text, bool tcp, bool udp, const struct services *names,
			    struct scan_ports *ret, struct err *e);
