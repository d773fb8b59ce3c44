/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_talk.h"
#include "observe/service_judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
	CONNECT_MS = 3000,
	REFUSAL_MS = 100, /* silence after which the answer to a step of STARTTLS is whole */
	PARTING_MS = 300, /* to close what was half closed, beside some round trips */
};

static void go_on(struct talk *t, bool here, int64_t now_ms);
static void conclude(struct talk *t, int64_t now_ms);
static void take_step(struct talk *t, int64_t now_ms);

static void finish(struct talk *t, enum service_end end, int64_t now_ms)
{
	service_wire_close(&t->wire);
	t->found.end = *t->found.protocol ? SERVICE_NAMED : end;
	t->found.took_ms = (uint32_t)(now_ms - t->start_ms);
	t->state = TALK_DONE;
}

static bool is_over_tls(const struct talk *t)
{
	return t->course.over == PROBE_OVER_TLS;
}

static const struct probe_request *request_of(const struct talk *t)
{
	return t->event >= 0 ? &t->course.probes->requests[t->event] : NULL;
}

static void wait_for(struct talk *t, enum talk_state state, short events)
{
	t->state = state;
	t->events = events;
}

static void write_request(struct talk *t, struct probe_bytes from)
{
	service_wire_fill_in(&t->wire, from, &t->request);
	t->sent = 0;
}

static void start_asking(struct talk *t, int64_t now_ms)
{
	const struct probe_request *q = request_of(t);

	buf_clear(&t->answer);
	buf_clear(&t->request);
	t->sent = 0;
	t->resent = false;
	if (q)
		write_request(t, q->send);
	t->asked_ms = now_ms;
	t->due_ms = now_ms + t->wait_ms;
	t->held = q && q->after_greeting && !t->greeted;
	if (q && !t->held)
		wait_for(t, TALK_ASKING, POLLOUT);
	else
		wait_for(t, TALK_LISTENING, POLLIN);
}

static void start_shaking(struct talk *t, int64_t now_ms)
{
	t->wire.ssl = service_tls_new(t->tools->tls, t->wire.fd);
	if (!t->wire.ssl) {
		finish(t, SERVICE_OUT_OF_TIME, now_ms);
		return;
	}
	t->due_ms = now_ms + (t->event == PROBE_TLS ? t->wait_ms
						    : PROBE_WAIT_MS + 4 * t->course.round_trip_ms);
	wait_for(t, TALK_SHAKING_HANDS, POLLOUT);
}

static void talk_connected(struct talk *t, int64_t now_ms)
{
	t->course.round_trip_ms = (uint32_t)(now_ms - t->asked_ms);
	if (is_over_tls(t) || t->event == PROBE_TLS)
		start_shaking(t, now_ms);
	else
		start_asking(t, now_ms);
	if (t->step)
		take_step(t, now_ms);
}

static void open_connection(struct talk *t, int64_t now_ms)
{
	int r = service_wire_open(&t->wire);

	if (t->wire.fd < 0) {
		finish(t, SERVICE_OUT_OF_TIME, now_ms);
		return;
	}
	t->asked_ms = now_ms;
	t->greeted = t->parting = false;
	if (t->wire.target->udp) {
		start_asking(t, now_ms);
		return;
	}
	t->found.connections++;
	/* over at once: talk_go() sees the error */
	t->due_ms = now_ms + (r < 0 ? 0 : CONNECT_MS);
	wait_for(t, TALK_CONNECTING, POLLOUT);
}

static void conclude_refused(struct talk *t, int64_t now_ms)
{
	if (t->found.tls.spoken || t->course.heard)
		conclude(t, now_ms);
	else
		finish(t, SERVICE_REFUSED, now_ms);
}

/*
 * No connection: at first, nobody is there; later it may be that too many were made. `dropped`: not
 * even a refusal came, as from a queue that is full.
 */
static void refused(struct talk *t, bool dropped, int64_t now_ms)
{
	if (dropped && t->untaken) {
		t->untaken = SERVICE_UNTAKEN_LIMIT;
		conclude(t, now_ms);
	} else if (t->found.connections == 1 || ++t->hung_up >= SERVICE_HUNG_UP_LIMIT)
		conclude_refused(t, now_ms);
	else
		go_on(t, false, now_ms);
}

/* Over UDP, what was asked before may still be answered; but what is hinted at is asked apart. */
static bool is_asked_here(const struct talk *t, bool here)
{
	return t->wire.fd >= 0 && (here || (t->wire.target->udp && !t->course.hint_count));
}

/* The next question, or the end. `here`: on this connection, on which nothing was asked yet. */
static void go_on(struct talk *t, bool here, int64_t now_ms)
{
	if (*t->found.protocol && !t->course.hint_count) {
		conclude(t, now_ms);
		return;
	}
	if (now_ms >= t->end_ms) {
		conclude(t, now_ms);
		return;
	}
	here = is_asked_here(t, here);
	t->event = service_course_next(&t->course, &t->wait_ms);
	if (t->event == PROBE_NONE)
		conclude(t, now_ms);
	else if (!here)
		open_connection(t, now_ms);
	else if (t->event == PROBE_TLS)
		start_shaking(t, now_ms);
	else
		start_asking(t, now_ms);
}

static void judge(struct talk *t, bool closed, int64_t now_ms)
{
	enum service_verdict verdict = service_judge(t, closed);

	if (verdict == SERVICE_CONCLUDE)
		conclude(t, now_ms);
	else
		go_on(t, verdict == SERVICE_ASK_HERE, now_ms);
}

/* STARTTLS: sends what the next steps have to say, until one waits for an answer. */
static void take_step(struct talk *t, int64_t now_ms)
{
	const struct probe_file *f = t->file;
	const struct probe_step *s = &t->course.probes->steps[f->step + t->step - 1];

	if (s->expect &&
	    !service_fits(t->tools->matcher, s->expect, buf_text(&t->answer), t->answer.len)) {
		/* an answer that stays so is a refusal */
		if (t->answer.len)
			t->due_ms = now_ms + REFUSAL_MS + 2 * t->course.round_trip_ms;
		return;
	}
	buf_clear(&t->answer);
	buf_clear(&t->request);
	t->step++;
	t->due_ms = now_ms + PROBE_WAIT_MS;
	if (s->send.bytes) {
		write_request(t, s->send);
		wait_for(t, TALK_ASKING, POLLOUT);
	} else if (t->step > f->step_count) {
		start_shaking(t, now_ms);
	}
}

static void conclude(struct talk *t, int64_t now_ms)
{
	static const char tls[] = "tls";
	bool over_time = now_ms >= t->end_ms;

	if (t->step) {
		finish(t, SERVICE_NAMED, now_ms);
		return;
	}
	if (!*t->found.protocol && *t->weak.protocol) {
		memcpy(t->found.protocol, t->weak.protocol, sizeof(t->found.protocol));
		memcpy(t->found.product, t->weak.product, sizeof(t->found.product));
		memcpy(t->found.version, t->weak.version, sizeof(t->found.version));
		memcpy(t->found.extra, t->weak.extra, sizeof(t->found.extra));
		t->found.confidence = t->weak.confidence / 2;
	}
	if (t->found.tls.spoken && (!*t->found.protocol || strcmp(t->found.protocol, tls) == 0)) {
		memcpy(t->found.protocol, tls, sizeof(tls));
		t->found.confidence = 0.9;
	}
	if (*t->found.protocol && t->file && t->file->step_count && !is_over_tls(t) && !over_time) {
		t->step = 1;
		t->event = PROBE_GREETING;
		t->wait_ms = PROBE_WAIT_MS;
		open_connection(t, now_ms);
		return;
	}
	finish(t,
	       over_time			     ? SERVICE_OUT_OF_TIME
	       : t->course.heard		     ? SERVICE_UNNAMED
	       : t->untaken >= SERVICE_UNTAKEN_LIMIT ? SERVICE_UNRESPONSIVE
	       : t->closed_unasked && t->hung_up     ? SERVICE_HUNG_UP
						     : SERVICE_SILENT,
	       now_ms);
}

/* Has the server shown on this connection that it took it? */
static bool is_taken(const struct talk *t)
{
	return t->greeted || (t->wire.ssl && SSL_get_state(t->wire.ssl) > TLS_ST_CW_CLNT_HELLO);
}

/*
 * The time is over. A connection stays in the server's queue until accept() takes it, even when it
 * was reset; so it is seen first if the server took this one: whoever did closes it as well.
 */
static void part(struct talk *t, int64_t now_ms)
{
	if (t->wire.target->udp || t->event == PROBE_GREETING || is_taken(t) ||
	    service_wire_half_close(&t->wire) < 0) {
		judge(t, false, now_ms);
		return;
	}
	t->parting = true;
	t->due_ms = now_ms + PARTING_MS + 4 * t->course.round_trip_ms;
	wait_for(t, t->state == TALK_SHAKING_HANDS ? t->state : TALK_LISTENING, POLLIN);
}

static void shake_hands(struct talk *t, bool over, int64_t now_ms)
{
	int result, why;

	if (t->parting) {
		t->untaken = over ? t->untaken + 1 : 0;
		judge(t, false, now_ms);
		return;
	}
	ERR_clear_error();
	result = over ? -1 : SSL_do_handshake(t->wire.ssl);
	why = over ? SSL_ERROR_SSL : SSL_get_error(t->wire.ssl, result);
	if (result != 1 && (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)) {
		t->events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		/* who has begun to answer may take its time */
		if (SSL_get_state(t->wire.ssl) > TLS_ST_CW_CLNT_HELLO)
			t->due_ms = t->asked_ms + PROBE_WAIT_MS + 4 * t->course.round_trip_ms;
		return;
	}
	if (!over)
		t->untaken = 0;
	if (result == 1) {
		service_tls_look(t->wire.ssl, &t->found.tls);
		t->found.tls.inside = t->step != 0;
	}
	if (t->step) {
		finish(t, SERVICE_NAMED, now_ms);
	} else if (over) {
		part(t, now_ms);
	} else if (result != 1) {
		judge(t, true, now_ms);
	} else if (t->event == PROBE_TLS) {
		service_course_enter_tls(&t->course);
		go_on(t, true, now_ms);
	} else {
		start_asking(t, now_ms);
	}
}

static void ask(struct talk *t, int64_t now_ms)
{
	while (t->sent < t->request.len) {
		ssize_t n = service_wire_put(&t->wire, t->request.data + t->sent,
					     t->request.len - t->sent);

		if (n == 0)
			return;
		if (n < 0 && t->wire.target->udp) {
			finish(t, t->course.heard ? SERVICE_UNNAMED : SERVICE_REFUSED, now_ms);
			return;
		}
		if (n < 0)
			break; /* it may have said why before it closed */
		t->sent += (size_t)n;
	}
	wait_for(t, TALK_LISTENING, POLLIN);
	if (t->step > 1 && t->step > t->file->step_count)
		start_shaking(t, now_ms);
}

/* The server greeted, or had the time to: now the request goes. */
static void stop_holding(struct talk *t)
{
	buf_clear(&t->answer);
	t->held = false;
	wait_for(t, TALK_ASKING, POLLOUT);
}

static void listen_to(struct talk *t, int64_t now_ms)
{
	char bytes[8192];
	ssize_t n = 0;
	bool came = false;

	while (t->answer.len < SERVICE_ANSWER_LIMIT &&
	       (n = service_wire_get(&t->wire, bytes, sizeof(bytes))) > 0) {
		came = true;
		buf_add(&t->answer, bytes, (size_t)n);
		if (t->wire.target->udp)
			break;
	}
	t->greeted |= came;
	if (came || n < 0)
		t->untaken = 0;
	if (t->answer.failed) {
		finish(t, SERVICE_OUT_OF_TIME, now_ms);
	} else if (t->step) {
		if (n < 0)
			finish(t, SERVICE_NAMED, now_ms);
		else if (came && t->step <= t->file->step_count)
			take_step(t, now_ms);
	} else if (n < 0 && t->wire.target->udp && !came) {
		finish(t, t->course.heard ? SERVICE_UNNAMED : SERVICE_REFUSED, now_ms);
	} else if (n >= 0 && came && t->held) {
		stop_holding(t);
	} else if (n < 0 || (came && service_judge_is_whole(t, now_ms))) {
		judge(t, n < 0 && !t->parting, now_ms);
	}
}

static void time_is_over(struct talk *t, int64_t now_ms)
{
	if (service_course_asks_twice(&t->course, t->event) && !t->resent && !t->answer.len) {
		t->resent = true;
		t->sent = 0;
		t->due_ms = now_ms + t->wait_ms;
		wait_for(t, TALK_ASKING, POLLOUT);
	} else if (t->step) {
		finish(t, SERVICE_NAMED, now_ms);
	} else if (t->held) {
		t->due_ms = now_ms + t->wait_ms;
		stop_holding(t);
	} else if (t->parting && !t->greeted) {
		t->untaken++;
		judge(t, false, now_ms);
	} else {
		part(t, now_ms);
	}
}

void talk_go(struct talk *t, short ready, int64_t now_ms)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (now_ms >= t->end_ms) {
		conclude(t, now_ms);
		return;
	}
	switch (t->state) {
	case TALK_CONNECTING:
		getsockopt(t->wire.fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error || !ready)
			refused(t, !ready, now_ms);
		else
			talk_connected(t, now_ms);
		break;
	case TALK_SHAKING_HANDS:
		shake_hands(t, !ready, now_ms);
		break;
	case TALK_ASKING:
		if (ready)
			ask(t, now_ms);
		else
			time_is_over(t, now_ms);
		break;
	case TALK_LISTENING:
		if (ready)
			listen_to(t, now_ms);
		else
			time_is_over(t, now_ms);
		break;
	case TALK_DONE:
		break;
	}
}

int talk_begin(struct talk *t, const struct talk_tools *tools, const struct service_target *target,
	       int64_t now_ms, int64_t end_ms)
{
	uint16_t port =
		ntohs(target->address.any.sa_family == AF_INET6 ? target->address.v6.sin6_port
								: target->address.v4.sin_port);
	int r;

	*t = (struct talk){
		.tools = tools, .wire = {target, -1, NULL}, .start_ms = now_ms, .end_ms = end_ms};
	r = service_course_init(&t->course, tools->matcher->probes, port,
				target->udp ? PROBE_OVER_UDP : PROBE_OVER_TCP);
	if (r < 0)
		return r;
	t->course.round_trip_ms = target->rtt_ms;
	go_on(t, false, now_ms);
	return 0;
}

void talk_done(struct talk *t)
{
	service_wire_close(&t->wire);
	service_course_done(&t->course);
	buf_done(&t->request);
	buf_done(&t->answer);
}
