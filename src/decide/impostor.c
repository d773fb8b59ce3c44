/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/impostor.h"
#include "base/text.h"
#include "decide/policy_rows.h"
#include "model/programs.h"
#include "model/protocols.h"

#include <string.h>

/* What a pattern without a product is sure of; who is less sure accuses nobody. */
#define SURE 0.8

const char *impostor_id(enum impostor of)
{
	static const char *const ids[IMPOSTOR_COUNT] = {
		[IMPOSTOR_PROGRAM] = "program", [IMPOSTOR_NUMBER] = "number"};

	return ids[of];
}

/*
 * A session of a real sshd listens for its user's tunnels (ssh -R), which speak anything; its title
 * is "sshd: ana@pts/0", that of the server has "[listener]". A title is whatever a process likes,
 * so one whose program no package has is not believed.
 */
static bool is_tunnel(const struct snapshot *s, const struct process_info *p, const char *program)
{
	const char *title = snapshot_text(s, p->cmdline_str);

	return strcmp(program, "sshd") == 0 && strncmp(title, "sshd: ", 6) == 0 &&
	       !strstr(title, "[listener]") && p->packaged != STATE_NO;
}

/*
 * By the program's file; where that may be anything (a script's interpreter), by the name that the
 * process gives itself.
 */
static bool contradicts_program(const struct impostor_case *c, const char **ret_service)
{
	const struct snapshot *s = c->snapshot;
	const struct process_info *p;
	const char *program, *name;

	if (!c->listener || c->listener->owner == SNAPSHOT_NONE)
		return false;
	p = &s->processes[c->listener->owner];
	program = text_base_name(snapshot_text(s, p->program_str));
	name = snapshot_text(s, p->comm_str);
	if (p->is_manager || is_tunnel(s, p, program))
		return false;
	if (protocols_contradict_program(c->service->protocol, program, ret_service))
		return true;
	return programs_run_scripts(program) &&
	       protocols_contradict_program(c->service->protocol, name, ret_service);
}

static bool is_declared(const struct impostor_case *c)
{
	return c->policy && c->listener &&
	       policy_names_owner(c->policy, c->snapshot, c->listener, c->port, PROTO_TCP,
				  c->now_s);
}

enum impostor impostor_judge(const struct impostor_case *c, const char **ret_service)
{
	const struct service *s = c->service;

	if (!s || s->end != SERVICE_NAMED || s->confidence < SURE)
		return IMPOSTOR_NONE;
	if (contradicts_program(c, ret_service))
		return IMPOSTOR_PROGRAM;
	if (!is_declared(c) && protocols_contradict_port(s->protocol, c->port, ret_service))
		return IMPOSTOR_NUMBER;
	return IMPOSTOR_NONE;
}
