/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame_fuzz: any bytes as a packet, with Ethernet's header and without. Besides memory errors, it
 * looks for a cookie of nothing, and for a packet of ours that is not decoded as it was encoded.
 */
#include "observe/frame.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct frame_seen *seen)
{
	if (seen->source.family != AF_INET && seen->source.family != AF_INET6)
		abort();
	if (seen->has_cookie && seen->proto != PROTO_TCP && seen->proto != PROTO_UDP)
		abort();
	if (seen->what == FRAME_OTHER && (seen->has_cookie || frame_is_refusal(seen)))
		abort();
}

/* The bytes as what is to be sent. */
static void round_trip(const uint8_t *data)
{
	struct frame_knock knock = {.proto = data[0] & 1 ? PROTO_TCP : PROTO_UDP,
				    .ethernet = data[0] & 2};
	struct frame_seen seen;
	uint8_t bytes[FRAME_LIMIT];
	int len;

	knock.source.family = knock.destination.family = data[0] & 4 ? AF_INET6 : AF_INET;
	memcpy(knock.source.bytes, data + 1, data[0] & 4 ? 16 : 4);
	memcpy(knock.destination.bytes, data + 17, data[0] & 4 ? 16 : 4);
	memcpy(&knock.cookie, data + 33, sizeof(knock.cookie));
	memcpy(&knock.source_port, data + 37, sizeof(knock.source_port));
	memcpy(&knock.destination_port, data + 39, sizeof(knock.destination_port));
	len = frame_encode(&knock, bytes);
	if (len < 0 || (knock.ethernet ? frame_decode_ethernet(bytes, (size_t)len, &seen)
				       : frame_decode(bytes, (size_t)len, &seen)) < 0)
		abort();
	if (seen.proto != knock.proto || !seen.has_cookie || seen.cookie != knock.cookie ||
	    seen.source_port != knock.source_port ||
	    seen.destination_port != knock.destination_port ||
	    !address_equal(&seen.source, &knock.source) ||
	    !address_equal(&seen.destination, &knock.destination))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_seen seen;

	if (frame_decode(data, size, &seen) == 0)
		check(&seen);
	if (frame_decode_ethernet(data, size, &seen) == 0)
		check(&seen);
	if (size >= 41)
		round_trip(data);
	return 0;
}
