/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_talk: the conversation with one port, without waiting: connects, asks, gathers answers,
 * begins TLS, and asks again, until it is known what speaks there. One descriptor at a time.
 */
#pragma once

#include "base/buf.h"
#include "observe/service.h"
#include "observe/service_course.h"
#include "observe/service_match.h"
#include "observe/service_tls.h"
#include "observe/service_wire.h"

enum talk_state {
	TALK_CONNECTING,
	TALK_SHAKING_HANDS, /* of TLS */
	TALK_ASKING,	    /* the request is not all sent */
	TALK_LISTENING,
	TALK_DONE,
};

/* What all conversations share. */
struct talk_tools {
	struct service_matcher *matcher;
	SSL_CTX *tls;
};

struct talk {
	const struct talk_tools *tools;
	struct service_wire wire;
	size_t number; /* of the target */
	struct service_course course;
	enum talk_state state;
	short events; /* what poll(2) is to wait for */
	int event;    /* what is being asked */
	uint32_t wait_ms;
	struct buf request, answer;
	size_t sent;
	bool resent;
	bool greeted; /* something came on this connection */
	bool held;    /* the request waits until something came */
	bool parting; /* this side of it is closed */
	int64_t start_ms, asked_ms;
	int64_t end_ms;	     /* it takes no longer */
	int64_t due_ms;	     /* talk_go() at the latest then, or at end_ms */
	size_t step;	     /* STARTTLS: the next step, from 1; 0: it was not begun */
	unsigned hung_up;    /* connections on end that the server closed without a word */
	bool closed_unasked; /* one of them before anything was sent */
	unsigned untaken; /* connections on end of which nothing says that the server took them */
	struct service found, weak;
	const struct probe_file *file; /* whose match named it */
};

/* Begins; talk_done() in every case. 0 or -ENOMEM. */
int talk_begin(struct talk *t, const struct talk_tools *tools, const struct service_target *target,
	       int64_t now_ms, int64_t end_ms);
void talk_done(struct talk *t);

/*
 * Goes on: `ready` is what poll(2) said of wire.fd (0: nothing, the time is over). Afterwards state
 * is TALK_DONE and `found` is complete, or wire.fd, events and due_ms say what to wait for.
 */
void talk_go(struct talk *t, short ready, int64_t now_ms);
