/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nflog_fuzz: any bytes as a logged packet, and what that says about a batch of packets. Besides
 * memory errors, it looks for a packet outside of the message, and for answers that are counted
 * wrong.
 */
#include "observe/twin_answers.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 4 };

static void answer(const struct nflog_message *m, enum proto proto)
{
	struct outcome outcomes[COUNT];
	struct met_doubts met = {0};
	struct answer_batch batch = {.proto = proto,
				     .first_cookie = 0x12345678 - 1,
				     .count = COUNT,
				     .open = COUNT,
				     .outcomes = outcomes,
				     .met = &met};
	size_t open = 0;

	for (size_t i = 0; i < COUNT; i++)
		outcomes[i] = (struct outcome){.verdict = VERDICT_DROP};
	twin_answers_take_logged(m, &batch);
	for (size_t i = 0; i < COUNT; i++)
		open += outcomes[i].verdict == VERDICT_DROP;
	if (open != batch.open || open + 1 < COUNT || met.count > 1)
		abort();
	if (met.count == 1 && (met.items[0].index >= COUNT || met.items[0].doubt >= 256))
		abort();
	met_doubts_done(&met);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nflog_message m;

	if (nflog_decode(data, size, &m) < 0)
		return 0;
	if (!memchr(m.prefix, '\0', sizeof(m.prefix)) || m.packet.left > size)
		abort();
	answer(&m, PROTO_TCP);
	answer(&m, PROTO_UDP);
	return 0;
}
