/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_explain.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/explain_remedy.h"
#include "cli/explain_words.h"
#include "cli/json.h"
#include "observe/nft_image.h"

#include <string.h>

static json_t *safe(const char *text)
{
	struct buf cleanup_call(buf_done) out = {0};

	if (!text[0])
		return json_null();
	text_escape(&out, text, strlen(text), false);
	return json_string(buf_text(&out));
}

static json_t *step_json(const struct explanation *x, uint32_t index)
{
	static const char *const verdicts[] = {
		[TRACE_CONTINUE] = "continue", [TRACE_ACCEPT] = "accept", [TRACE_DROP] = "drop",
		[TRACE_JUMP] = "jump",	       [TRACE_GOTO] = "goto",	  [TRACE_BACK] = "return",
		[TRACE_OTHER] = "other",
	};
	const struct explain_step *s;

	if (index == EXPLAIN_NONE)
		return json_null();
	s = &x->steps[index];
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:s, s:o, s:o, s:s}", "hook",
			 explain_words_hook(s), "family", nft_family_name(s->family), "table",
			 safe(reach_text(&x->reach, s->table_str)), "chain",
			 safe(reach_text(&x->reach, s->chain_str)), "handle",
			 s->handle ? json_integer((json_int_t)s->handle) : json_null(), "number",
			 s->number ? json_integer(s->number) : json_null(), "policy", s->policy,
			 "reply", s->reply, "verdict",
			 explain_words_is_refusal(x, index) ? "reject" : verdicts[s->verdict],
			 "target", safe(reach_text(&x->reach, s->target_str)), "rule",
			 safe(reach_text(&x->reach, s->rule_str)), "tables",
			 s->legacy ? "legacy" : "nf_tables");
}

static json_t *rule_json(const struct explanation *x, uint32_t index)
{
	struct buf cleanup_call(buf_done) remedy = {0};
	json_t *o = step_json(x, index);

	if (index == EXPLAIN_NONE)
		return o;
	explain_remedy(x, index, &remedy);
	json_object_set_new(o, "front_end",
			    x->steps[index].front_end ? json_string(x->steps[index].front_end->id)
						      : json_string("hand"));
	json_object_set_new(o, "remedy", remedy.len ? json_string(buf_text(&remedy)) : json_null());
	return o;
}

static json_t *packet_json(const struct explanation *x)
{
	char source[ADDRESS_TEXT_SIZE], destination[ADDRESS_TEXT_SIZE];

	address_format(&x->flow.source, source);
	address_format(&x->flow.destination, destination);
	return json_pack("{s:s, s:s, s:s, s:i, s:o}", "proto", proto_name(x->flow.proto), "source",
			 source, "destination", destination, "port", x->port, "interface",
			 safe(reach_text(&x->reach, x->in_str)));
}

static json_t *target_json(const struct explanation *x)
{
	char target[ADDRESS_TEXT_SIZE];

	if (!x->target.family)
		return json_null();
	address_format(&x->target, target);
	return json_pack("{s:s, s:i, s:b, s:b, s:o}", "address", target, "port", x->target_port,
			 "forwarded", x->forwarded, "several", x->several, "interface",
			 safe(reach_text(&x->reach, x->out_str)));
}

static json_t *listens_json(enum listener_at at)
{
	return at == LISTENER_AT_UNKNOWN ? json_null() : json_boolean(at == LISTENER_AT_SOMEBODY);
}

static json_t *gaps_json(const struct explanation *x)
{
	json_t *missing = json_array();

	for (size_t i = 0; i < x->reach.gap_count; i++) {
		const struct reach_gap *gap = &x->reach.gaps[i];

		json_array_append_new(missing,
				      json_pack("{s:o, s:o, s:o}", "what",
						safe(reach_text(&x->reach, gap->what_str)), "why",
						safe(reach_text(&x->reach, gap->why_str)), "remedy",
						safe(reach_text(&x->reach, gap->remedy_str))));
	}
	return missing;
}

int json_explain_print(const struct view *v, const struct explanation *x)
{
	struct buf cleanup_call(buf_done) answer = {0};
	json_t *root = json_heading(v, "portero.explain/1"), *path = json_array();

	if (x->reach.available) {
		explain_words_packet(v, x, &answer);
		buf_add_char(&answer, ' ');
		explain_words_verdict(v, x, &answer);
		if (x->decides != EXPLAIN_NONE) {
			buf_add_text(&answer, "; decided by ");
			explain_words_place(v, x, &x->steps[x->decides], &answer);
		}
		buf_add_char(&answer, '.');
	}
	for (uint32_t i = 0; i < x->step_count; i++)
		json_array_append_new(path, step_json(x, i));
	json_object_del(root, "views");
	json_object_set_new(root, "complete", json_boolean(x->reach.complete));
	json_object_set_new(root, "missing", gaps_json(x));
	json_object_set_new(root, "verdict", json_string(verdict_id(x->verdict)));
	json_object_set_new(root, "answer", safe(buf_text(&answer)));
	json_object_set_new(root, "why", safe(reach_text(&x->reach, x->why_str)));
	json_object_set_new(root, "packet", packet_json(x));
	json_object_set_new(root, "chosen",
			    json_pack("{s:b, s:b, s:b}", "source", x->chose_from, "interface",
				      x->chose_in, "destination", x->chose_to));
	json_object_set_new(root, "arrives", target_json(x));
	json_object_set_new(root, "listens", listens_json(explain_words_listener(v, x)));
	json_object_set_new(root, "decided_by", rule_json(x, x->decides));
	json_object_set_new(root, "translated_by", rule_json(x, x->translates));
	json_object_set_new(root, "path", path);
	return json_print(root);
}
