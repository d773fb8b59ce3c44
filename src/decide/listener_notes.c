/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/listener_notes.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/programs.h"
#include "model/registry.h"
#include "model/services.h"

#include <stdio.h>
#include <string.h>

const char *note_id(enum note note)
{
	static const char *const ids[NOTE_COUNT] = {
		[NOTE_HIDDEN] = "hidden-listener",
		[NOTE_NO_PROCESS] = "no-process",
		[NOTE_OWNER_UNREADABLE] = "owner-unreadable",
		[NOTE_PROGRAM_MEMORY] = "program-in-memory",
		[NOTE_PROGRAM_DELETED] = "program-deleted",
		[NOTE_PROGRAM_REPLACED] = "program-replaced",
		[NOTE_POSES_AS_KERNEL] = "poses-as-kernel-thread",
		[NOTE_OTHER_SERVICE] = "reserved-for-other-service",
		[NOTE_STRANGER] = "unexpected-program",
		[NOTE_ACTIVATION] = "socket-activation",
		[NOTE_SHARED] = "shared-socket",
		[NOTE_ADDRESS_ABSENT] = "address-absent",
		[NOTE_UDP_MAYBE_CLIENT] = "maybe-client",
		[NOTE_UNPACKAGED] = "unpackaged",
		[NOTE_UNASSIGNED] = "unassigned-number",
		[NOTE_BACKLOG_FULL] = "backlog-full",
		[NOTE_DROPS] = "drops",
		[NOTE_MPTCP] = "mptcp",
	};

	return ids[note];
}

bool notes_are_finding(uint32_t notes)
{
	return notes & (1u << NOTE_HIDDEN | 1u << NOTE_PROGRAM_MEMORY | 1u << NOTE_PROGRAM_DELETED |
			1u << NOTE_POSES_AS_KERNEL);
}

const char *listener_service_name(const struct services *services, uint16_t port, enum proto proto)
{
	const char *name = services ? services_name(services, port, proto) : NULL;
	struct registry_entry entry;

	if (!name && registry_find(port, proto, &entry))
		name = entry.name;
	return name;
}

static const struct process_info *owner_of(const struct snapshot *s, const struct listener *l)
{
	return l->owner == SNAPSHOT_NONE ? NULL : &s->processes[l->owner];
}

/* The program that a client will reach, for the comparison with the number. */
static const char *serving_program(const struct snapshot *s, const struct listener *l)
{
	const struct process_info *p = owner_of(s, l);

	if (l->activation != SNAPSHOT_NONE && (!p || p->is_manager))
		return text_base_name(snapshot_text(s, s->activations[l->activation].program_str));
	return p ? text_base_name(snapshot_text(s, p->program_str)) : "";
}

static uint32_t number_notes(const struct snapshot *s, const struct services *services,
			     const struct listener *l)
{
	const char *program = serving_program(s, l), *speaks = NULL;
	const char *name = listener_service_name(services, l->port, l->proto);
	struct registry_entry entry;

	if (!name && port_class(l->port) != PORT_DYNAMIC &&
	    !registry_find(l->port, l->proto, &entry))
		return 1u << NOTE_UNASSIGNED;
	if (!program[0])
		return 0;
	switch (programs_fit(program, l->port, l->proto, name, &speaks)) {
	case PROGRAM_FIT_OTHER:
		return 1u << NOTE_OTHER_SERVICE;
	case PROGRAM_FIT_STRANGER:
		return 1u << NOTE_STRANGER;
	case PROGRAM_FIT_YES:
	case PROGRAM_FIT_UNKNOWN:
		break;
	}
	return 0;
}

static bool poses_as_kernel(const struct snapshot *s, const struct process_info *p)
{
	/* beginnings; kdevtmpfsi is a well-known miner */
	static const char *const names[] = {
		"kworker",    "ksoftirqd", "kthreadd",	"migration/", "rcu_",	   "kswapd",
		"khungtaskd", "watchdog/", "cpuhp/",	"irq/",	      "scsi_",	   "jbd2/",
		"kdevtmpfs",  "kauditd",   "kcompactd", "oom_reaper", "khugepaged"};
	const char *comm = snapshot_text(s, p->comm_str);

	if (comm[0] == '[' || p->argv_like_kernel)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (comm[0] == names[i][0] && strncmp(comm, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static uint32_t program_notes(const struct snapshot *s, const struct process_info *p)
{
	uint32_t notes = 0;

	if (p->program_state == PROGRAM_MEMORY)
		notes |= 1u << NOTE_PROGRAM_MEMORY;
	if (p->program_state == PROGRAM_DELETED)
		notes |= 1u << NOTE_PROGRAM_DELETED;
	if (p->program_state == PROGRAM_REPLACED)
		notes |= 1u << NOTE_PROGRAM_REPLACED;
	if (p->program_state != PROGRAM_KERNEL && poses_as_kernel(s, p))
		notes |= 1u << NOTE_POSES_AS_KERNEL;
	if (p->packaged == STATE_NO)
		notes |= 1u << NOTE_UNPACKAGED;
	return notes;
}

static bool is_shared(const struct snapshot *s, const struct listener_list *list,
		      const struct listener *l)
{
	for (uint32_t i = 0; i < l->process_count; i++) {
		const struct process_info *p =
			&s->processes[list->process_indexes[l->first_process + i]];

		if (!p->is_manager && p->program_str != s->processes[l->owner].program_str)
			return true;
	}
	return false;
}

static uint32_t view_notes(const struct snapshot *s, const struct socket_info *socket)
{
	if (socket->holder_count == 0) {
		if (!s->saw_all_processes)
			return 1u << NOTE_OWNER_UNREADABLE;
		return socket->alone_twice ? 1u << NOTE_NO_PROCESS : 0;
	}
	return !(socket->views & VIEW_KERNEL) && socket->alone_twice ? 1u << NOTE_HIDDEN : 0;
}

static uint32_t socket_notes(const struct snapshot *s, const struct listener *l)
{
	const struct socket_info *socket = &s->sockets[l->socket];
	bool is_udp = l->proto == PROTO_UDP || l->proto == PROTO_UDPLITE;
	uint32_t notes = view_notes(s, socket);

	if (l->absent)
		notes |= 1u << NOTE_ADDRESS_ABSENT;
	if (is_udp && socket->explicit_bind == STATE_NO)
		notes |= 1u << NOTE_UDP_MAYBE_CLIENT;
	if (is_udp && socket->explicit_bind == STATE_UNKNOWN && socket->holder_count > 0 &&
	    port_class(l->port) != PORT_SYSTEM)
		notes |= 1u << NOTE_UDP_MAYBE_CLIENT;
	if (l->backlog_limit && l->backlog_used > l->backlog_limit)
		notes |= 1u << NOTE_BACKLOG_FULL;
	/* of TCP it counts each attempt that was given up, too: a port scan makes hundreds */
	if (is_udp && l->drops)
		notes |= 1u << NOTE_DROPS;
	if (socket->mptcp)
		notes |= 1u << NOTE_MPTCP;
	return notes;
}

uint32_t listener_notes(const struct snapshot *s, const struct services *services,
			const struct listener_list *list, const struct listener *l)
{
	const struct process_info *p = owner_of(s, l);
	uint32_t notes = socket_notes(s, l);

	if (!(notes & 1u << NOTE_UDP_MAYBE_CLIENT))
		notes |= number_notes(s, services, l);
	if (p && !(p->is_manager && l->activation != SNAPSHOT_NONE))
		notes |= program_notes(s, p);
	if (p && is_shared(s, list, l))
		notes |= 1u << NOTE_SHARED;
	if (l->activation != SNAPSHOT_NONE)
		notes |= 1u << NOTE_ACTIVATION;
	return notes;
}

/* The texts that need no argument: brief for the table, and whole. */
static const struct {
	const char *brief, *whole;
} texts[NOTE_COUNT] = {
	[NOTE_HIDDEN] =
		{N_("HIDDEN from the kernel's tables"),
		 N_("a process listens here, but the kernel's socket tables do not show it: "
		    "something hides it")},
	[NOTE_NO_PROCESS] = {N_("no process: kernel service, or hidden"),
			     N_("no process holds this socket: a service of the kernel (nfsd, "
				"WireGuard, ...), or something that hides")},
	[NOTE_OWNER_UNREADABLE] = {N_("owner could not be looked at"),
				   N_("who listens could not be looked at")},
	[NOTE_PROGRAM_MEMORY] = {N_("runs from memory, no file"),
				 N_("the program never was a file: it runs from memory (memfd)")},
	[NOTE_PROGRAM_DELETED] = {N_("program file deleted"),
				  N_("the program's file was deleted while it runs")},
	[NOTE_PROGRAM_REPLACED] = {N_("program replaced: restart it"),
				   N_("another file stands at the program's path since it was "
				      "started: an upgrade without a restart")},
	[NOTE_POSES_AS_KERNEL] = {N_("poses as a kernel thread"),
				  N_("it calls itself like a kernel thread, but it is a program")},
	[NOTE_SHARED] = {N_("shared by several programs"),
			 N_("processes of several programs hold this socket")},
	[NOTE_ADDRESS_ABSENT] = {N_("address is on no interface"),
				 N_("no interface has the address it is bound to")},
	[NOTE_UDP_MAYBE_CLIENT] =
		{N_("client? (kernel chose the port)"),
		 N_("the kernel chose the port, or could not tell: probably a client "
		    "waiting for replies, not a service")},
	[NOTE_UNPACKAGED] = {N_("not from a package"), N_("no package owns the program's file")},
	[NOTE_UNASSIGNED] = {N_("unassigned number"),
			     N_("IANA has assigned this number to no service")},
	[NOTE_BACKLOG_FULL] =
		{N_("backlog full"),
		 N_("more connections wait to be accepted than the program asked for")},
	[NOTE_MPTCP] = {N_("MPTCP"), N_("it also accepts Multipath TCP")},
};

const char *note_brief(enum note note)
{
	return texts[note].brief;
}

static void format_number(const struct services *services, const struct snapshot *s,
			  const struct listener *l, enum note note, bool brief, char *text)
{
	const char *name = listener_service_name(services, l->port, l->proto), *speaks = NULL;
	const char *program = serving_program(s, l);

	name = name ? name : "?";
	programs_fit(program, l->port, l->proto, name, &speaks);
	if (brief && note == NOTE_OTHER_SERVICE && speaks)
		snprintf(text, NOTE_TEXT_SIZE, _("speaks %s, not %s"), speaks, name);
	else if (brief)
		snprintf(text, NOTE_TEXT_SIZE, _("unusual program for %s"), name);
	else if (note == NOTE_OTHER_SERVICE && speaks)
		snprintf(text, NOTE_TEXT_SIZE,
			 _("the number is reserved for %s, but %s is known to speak %s"), name,
			 program, speaks);
	else
		snprintf(text, NOTE_TEXT_SIZE,
			 _("the number is reserved for %s, and %s is not among the programs known "
			   "to "
			   "speak it"),
			 name, program);
}

static void format_activation(const struct snapshot *s, const struct listener *l, bool brief,
			      char *text)
{
	const struct activation_info *a = &s->activations[l->activation];
	const char *unit = snapshot_text(s, a->socket_unit_str);

	if (brief)
		snprintf(text, NOTE_TEXT_SIZE, _("socket activation (%s)"), unit);
	else
		snprintf(text, NOTE_TEXT_SIZE,
			 _("%s listens, and starts %s when somebody connects"), unit,
			 snapshot_text(s, a->service_str ? a->service_str : a->program_str));
}

void note_format(const struct snapshot *s, const struct services *services,
		 const struct listener *l, enum note note, bool brief, char text[NOTE_TEXT_SIZE])
{
	switch (note) {
	case NOTE_OTHER_SERVICE:
	case NOTE_STRANGER:
		format_number(services, s, l, note, brief, text);
		break;
	case NOTE_ACTIVATION:
		format_activation(s, l, brief, text);
		break;
	case NOTE_DROPS:
		snprintf(text, NOTE_TEXT_SIZE,
			 ngettext("%u packet dropped", "%u packets dropped", l->drops), l->drops);
		break;
	default:
		snprintf(text, NOTE_TEXT_SIZE, "%s",
			 _(brief ? texts[note].brief : texts[note].whole));
		break;
	}
}
