/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_judge.h"
#include "base/mem.h"

#include <string.h>

enum {
	QUIET_MS = 50,	  /* silence after which an answer is whole */
	UNTIL_MS = 500,	  /* the same where a request says how its answer ends */
	ANSWER_MS = 3000, /* for the whole of an answer, whoever sends it byte by byte */
	TLS_ALERT = 21,	  /* RFC 8446, 5.1 */
};

static const struct probe_request *request_of(const struct talk *t)
{
	return t->event >= 0 ? &t->course.probes->requests[t->event] : NULL;
}

bool service_judge_is_whole(struct talk *t, int64_t now_ms)
{
	const struct probe_request *q = request_of(t);
	struct service_matcher *matcher = t->tools->matcher;
	const struct probe_match *m;
	int64_t latest = t->asked_ms + t->wait_ms + ANSWER_MS;

	if (t->answer.len >= SERVICE_ANSWER_LIMIT || t->wire.target->udp)
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

static bool repeats(const struct talk *t, const struct buf *request)
{
	return request->len >= 4 && t->answer.len == request->len &&
	       memcmp(t->answer.data, request->data, request->len) == 0;
}

/* Is it what was sent, over UDP perhaps with an earlier request on the same socket? */
static bool is_echo(const struct talk *t)
{
	const struct probes *p = t->course.probes;
	struct buf cleanup_call(buf_done) request = {0};
	bool found = repeats(t, &t->request);

	for (size_t i = 0; t->wire.target->udp && !found && i < p->request_count; i++)
		if (t->course.asked[i]) {
			service_wire_fill_in(&t->wire, p->requests[i].send, &request);
			found = !request.failed && repeats(t, &request);
		}
	return found;
}

static enum service_verdict no_match(struct talk *t)
{
	const uint8_t *b = (const uint8_t *)t->answer.data;

	if (t->answer.len >= 7 && b[0] == TLS_ALERT && b[1] == 3 &&
	    service_course_hint(&t->course, PROBE_TLS))
		return SERVICE_ASK_ANEW;
	if (is_echo(t)) {
		service_text(t->found.protocol, sizeof(t->found.protocol), "echo", 4);
		t->found.confidence = 0.95;
		return SERVICE_CONCLUDE;
	}
	remember_answer(t);
	return SERVICE_ASK_ANEW;
}

/*
 * Who closes whatever comes, and before anything came, is not asked everything; nor is who takes no
 * connection, as each stays in its queue.
 */
static enum service_verdict no_answer(struct talk *t, bool closed)
{
	if (closed)
		service_course_hang_up(&t->course, t->event);
	t->closed_unasked |= closed && !t->sent;
	t->hung_up = closed ? t->hung_up + 1 : 0;
	if (t->untaken)
		service_course_doubt(&t->course);
	if ((t->closed_unasked && t->hung_up >= SERVICE_HUNG_UP_LIMIT) ||
	    t->untaken >= SERVICE_UNTAKEN_LIMIT)
		return SERVICE_CONCLUDE;
	return !closed && t->event == PROBE_GREETING ? SERVICE_ASK_HERE : SERVICE_ASK_ANEW;
}

/*
 * What fits the answer. Over UDP it may be a late one to what was asked before on the same socket:
 * then `event` becomes that.
 */
static const struct probe_match *find_match(struct talk *t)
{
	struct service_matcher *matcher = t->tools->matcher;
	const struct probe_match *m =
		service_find(matcher, t->event, t->answer.data, t->answer.len);
	int event = t->event;

	if (!t->wire.target->udp || repeats(t, &t->request))
		return m;
	/* what goes to SNMP's engine looks like what comes from it */
	if (is_echo(t))
		return NULL;
	for (int i = 0; i < (int)matcher->probes->request_count && (!m || m->weak); i++) {
		const struct probe_match *late = NULL;

		if (t->course.asked[i] && i != event)
			late = service_find(matcher, i, t->answer.data, t->answer.len);
		if (late && (!m || !late->weak)) {
			m = late;
			t->event = i;
		}
	}
	return m;
}

enum service_verdict service_judge(struct talk *t, bool closed)
{
	struct service_matcher *matcher = t->tools->matcher;
	const struct probe_match *m;
	bool hint;

	if (!t->answer.len)
		return no_answer(t, closed);
	t->course.heard = true;
	t->hung_up = 0;
	m = find_match(t);
	service_course_settle(&t->course, t->event);
	service_take_notes(matcher, t->event, t->answer.data, t->answer.len, &t->found);
	if (!m)
		return no_match(t);
	hint = m->then != PROBE_NONE && service_course_hint(&t->course, m->then);
	/* who wants TLS first says more inside it */
	if (!m->weak && !(hint && m->then == PROBE_TLS)) {
		service_take(matcher, m, t->answer.data, t->answer.len, &t->found);
		if (!t->file)
			t->file = &t->course.probes->files[m->file];
	} else if (!*t->weak.protocol) {
		service_take(matcher, m, t->answer.data, t->answer.len, &t->weak);
	}
	return hint && !closed && t->event == PROBE_GREETING && m->then != PROBE_TLS
		       ? SERVICE_ASK_HERE
		       : SERVICE_ASK_ANEW;
}
