/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
	ANSWER_LIMIT = 64 << 10, /* bytes; more says nothing new */
	CONNECT_MS = 3000,
	QUIET_MS = 50,	  /* silence after which an answer is whole */
	REFUSAL_MS = 100, /* the same for a step of STARTTLS */
	UNTIL_MS = 500,	  /* the same where a request says how its answer ends */
	ANSWER_MS = 3000, /* for the whole of an answer, whoever sends it byte by byte */
	HUNG_UP_LIMIT = 3,
	TLS_ALERT = 21, /* RFC 8446, 5.1 */
};

static void go_on(struct talk *t, bool keep, int64_t now_ms);
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

/* The request's bytes, with the address in the place of "$host". */
static void write_request(struct talk *t, struct probe_bytes from)
{
	static const char host[] = "$host";
	const size_t host_len = sizeof(host) - 1;
	const struct service_target *target = t->wire.target;
	bool v6 = target->address.any.sa_family == AF_INET6;
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(target->address.any.sa_family,
		  v6 ? (const void *)&target->address.v6.sin6_addr
		     : (const void *)&target->address.v4.sin_addr,
		  address, sizeof(address));
	buf_clear(&t->request);
	for (size_t i = 0; i < from.len; i++)
		if (from.len - i >= host_len && memcmp(from.bytes + i, host, host_len) == 0) {
			buf_printf(&t->request, v6 ? "[%s]" : "%s", address);
			i += host_len - 1;
		} else {
			buf_add_char(&t->request, from.bytes[i]);
		}
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
	t->greeted = false;
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

/* No connection: at first, nobody is there; later it may be that too many were made. */
static void refused(struct talk *t, int64_t now_ms)
{
	if (t->found.connections == 1 || ++t->hung_up >= HUNG_UP_LIMIT)
		conclude_refused(t, now_ms);
	else
		go_on(t, false, now_ms);
}

/* A text that no pattern fits, for whoever writes one. */
static void remember_answer(struct talk *t)
{
	const struct probe_request *q = request_of(t);
	const char *asked = q ? q->name : "greeting";

	if (t->found.answer_len)
		return;
	service_text(t->found.asked, sizeof(t->found.asked), asked, strlen(asked));
	t->found.answer_len =
		(uint32_t)(t->answer.len < sizeof(t->found.answer) ? t->answer.len
								   : sizeof(t->found.answer));
	memcpy(t->found.answer, t->answer.data, t->found.answer_len);
}

static void no_match(struct talk *t, int64_t now_ms)
{
	const uint8_t *b = (const uint8_t *)t->answer.data;

	if (t->answer.len >= 7 && b[0] == TLS_ALERT && b[1] == 3 &&
	    service_course_hint(&t->course, PROBE_TLS)) {
		go_on(t, false, now_ms);
		return;
	}
	if (t->request.len >= 4 && t->answer.len == t->request.len &&
	    memcmp(b, t->request.data, t->answer.len) == 0) {
		service_text(t->found.protocol, sizeof(t->found.protocol), "echo", 4);
		t->found.confidence = 0.95;
		conclude(t, now_ms);
		return;
	}
	remember_answer(t);
	go_on(t, false, now_ms);
}

/* Who closes whatever comes, and before anything came, is not asked everything. */
static void no_answer(struct talk *t, bool closed, int64_t now_ms)
{
	if (closed)
		service_course_hang_up(&t->course, t->event);
	t->closed_unasked |= closed && !t->sent;
	t->hung_up = closed ? t->hung_up + 1 : 0;
	if (t->closed_unasked && t->hung_up >= HUNG_UP_LIMIT)
		conclude(t, now_ms);
	else
		go_on(t, !closed && t->event == PROBE_GREETING, now_ms);
}

/* The answer is whole, or there is none. */
static void judge(struct talk *t, bool closed, int64_t now_ms)
{
	struct service_matcher *matcher = t->tools->matcher;
	const struct probe_match *m;
	bool hint;

	if (!t->answer.len) {
		no_answer(t, closed, now_ms);
		return;
	}
	t->course.heard = true;
	service_course_settle(&t->course, t->event);
	t->hung_up = 0;
	service_take_notes(matcher, t->event, t->answer.data, t->answer.len, &t->found);
	m = service_find(matcher, t->event, t->answer.data, t->answer.len);
	if (!m) {
		no_match(t, now_ms);
		return;
	}
	hint = m->then != PROBE_NONE && service_course_hint(&t->course, m->then);
	/* who wants TLS first says more inside it */
	if (!m->weak && !(hint && m->then == PROBE_TLS)) {
		service_take(matcher, m, t->answer.data, t->answer.len, &t->found);
		if (!t->file)
			t->file = &t->course.probes->files[m->file];
	} else if (!*t->weak.protocol) {
		service_take(matcher, m, t->answer.data, t->answer.len, &t->weak);
	}
	go_on(t, hint && !closed && t->event == PROBE_GREETING && m->then != PROBE_TLS, now_ms);
}

/* The next question, or the end. `keep`: on this connection, on which nothing was asked yet. */
static void go_on(struct talk *t, bool keep, int64_t now_ms)
{
	if (*t->found.protocol && !t->course.hint_count) {
		conclude(t, now_ms);
		return;
	}
	if (now_ms >= t->end_ms) {
		conclude(t, now_ms);
		return;
	}
	t->event = service_course_next(&t->course, &t->wait_ms);
	if (t->event == PROBE_NONE)
		conclude(t, now_ms);
	else if (!keep || t->wire.fd < 0)
		open_connection(t, now_ms);
	else if (t->event == PROBE_TLS)
		start_shaking(t, now_ms);
	else
		start_asking(t, now_ms);
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
	       over_time			 ? SERVICE_OUT_OF_TIME
	       : t->course.heard		 ? SERVICE_UNNAMED
	       : t->closed_unasked && t->hung_up ? SERVICE_HUNG_UP
						 : SERVICE_SILENT,
	       now_ms);
}

static void shake_hands(struct talk *t, bool over, int64_t now_ms)
{
	int result, why;

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
	if (result == 1) {
		service_tls_look(t->wire.ssl, &t->found.tls);
		t->found.tls.inside = t->step != 0;
	}
	if (t->step) {
		finish(t, SERVICE_NAMED, now_ms);
	} else if (result != 1) {
		no_answer(t, !over, now_ms);
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

/* Is enough of it there to decide? Otherwise due_ms is moved to when it is taken as whole. */
static bool is_whole(struct talk *t, int64_t now_ms)
{
	const struct probe_request *q = request_of(t);
	struct service_matcher *matcher = t->tools->matcher;
	const struct probe_match *m;
	int64_t latest = t->asked_ms + t->wait_ms + ANSWER_MS;

	if (t->answer.len >= ANSWER_LIMIT || t->wire.target->udp)
		return true;
	if (q && q->until) {
		t->due_ms = now_ms + UNTIL_MS;
		if (service_fits(matcher, q->until, t->answer.data, t->answer.len))
			return true;
	} else {
		t->due_ms = now_ms + QUIET_MS + 2 * t->course.round_trip_ms;
		m = service_find(matcher, t->event, t->answer.data, t->answer.len);
		if (m && !m->weak && m->says.version)
			return true;
	}
	if (t->due_ms > latest)
		t->due_ms = latest;
	return false;
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

	while (t->answer.len < ANSWER_LIMIT &&
	       (n = service_wire_get(&t->wire, bytes, sizeof(bytes))) > 0) {
		came = true;
		buf_add(&t->answer, bytes, (size_t)n);
		if (t->wire.target->udp)
			break;
	}
	t->greeted |= came;
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
	} else if (n < 0 || (came && is_whole(t, now_ms))) {
		judge(t, n < 0, now_ms);
	}
}

static void time_is_over(struct talk *t, int64_t now_ms)
{
	if (t->wire.target->udp && !t->resent && !t->answer.len) {
		t->resent = true;
		t->sent = 0;
		t->due_ms = now_ms + t->wait_ms;
		wait_for(t, TALK_ASKING, POLLOUT);
	} else if (t->step) {
		finish(t, SERVICE_NAMED, now_ms);
	} else if (t->held) {
		t->due_ms = now_ms + t->wait_ms;
		stop_holding(t);
	} else {
		judge(t, false, now_ms);
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
			refused(t, now_ms);
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
