/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * twin_trace: one packet's way through the rules of a twin, step by step: what explains a verdict.
 * It loads a table that switches tracing on for every packet, asks, and takes it away again.
 */
#pragma once

#include "base/err.h"
#include "model/reach.h"
#include "observe/trace_steps.h"

struct twin_probe;

#define TWIN_TRACE_TABLE "portero_trace"

struct trace {
	struct outcome outcome;
	struct trace_step *steps; /* of the packet that was sent, and of its answer when the flow is
				   * `replied`; not of portero's own tables */
	size_t count, cap;
};

/*
 * Sends one packet of the flow to the port. 0 or a negative errno; trace_done() either way. Handles
 * are those of the twin's rules, hooks and types those of its chains. A ruleset of legacy tables
 * gives no steps. Costs some milliseconds.
 */
int twin_trace(struct twin_probe *p, const struct flow *flow, uint16_t port, struct trace *ret,
	       struct err *e);
void trace_done(struct trace *trace);
