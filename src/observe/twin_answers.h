/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_answers: what the kernel's answers to a batch of packets mean: a log message of a sink, of a
 * recorder, or a packet that came back. Cookies tell which packet each is about: those of a batch
 * follow one another. Pure.
 */
#pragma once

#include "model/reach.h"
#include "observe/frame.h"
#include "observe/nflog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Doubts that packets met, in the order of meeting for each. */
struct met_doubt {
	uint32_t index; /* of the port in twin_probe()'s array */
	uint16_t doubt;
};
struct met_doubts {
	struct met_doubt *items;
	size_t count, cap;
};
void met_doubts_done(struct met_doubts *met);

/*
 * Packets that were sent. Their outcomes begin as VERDICT_DROP, which the first answer changes, or
 * as VERDICT_UNKNOWN (not sent), which nothing does.
 */
struct answer_batch {
	enum proto proto;
	uint32_t first_cookie;
	size_t count, open; /* open: are still without an answer */
	struct outcome *outcomes;
	uint32_t first_index;	/* in the caller's array, for met */
	struct met_doubts *met; /* NULL: doubts are not wanted */
	bool replied;		/* answers of the machine are looked for */
};

/* 0; -ENOMEM; -EBADMSG: a recorder's message with something else than a doubt. `context` is the
 * batch (see nflog_read). Messages about other packets are passed over. */
int twin_answers_take_logged(const struct nflog_message *message, void *context);
/* A packet that left the twin. */
void twin_answers_take_packet(struct answer_batch *b, const struct frame_seen *seen);
