/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_marks: what the guard in the kernel says of single listeners: who it has seen open them,
 * and whether it lets packets through to them. Read, not changed. The judgement repeats the one of
 * guard.bpf.c (judge_packet), on the same maps.
 */
#pragma once

#include "bpf/guard_abi.h"
#include "enforce/guard_kernel.h"

#include <stdbool.h>
#include <stdint.h>

enum guard_judgement {
	GUARD_NOT_KNOWN, /* no guard, or it has no mark of this socket */
	GUARD_LET_BE,	 /* anybody may have the port, or it is not judged */
	GUARD_BOUND,	 /* it is the program that the port is for */
	GUARD_CUT_OFF,	 /* it is not: with GUARD_ABI_ENFORCE no packet gets there */
};

struct guard_marks {
	struct guard_kernel k;
	bool there;	     /* and packets pass through it */
	uint32_t program_id; /* of the program that they pass through */
	struct guard_config config;
	uint32_t half;
	uint64_t now_ns;	    /* boot clock */
	struct guard_socket *seeds; /* of sockets that are older than the guard */
	size_t seed_count;
	char cgroup[4096]; /* path of the guarded one; "": the root */
};

/* 0, also when there is no guard; or a negative errno with a sentence. */
int guard_marks_open(const struct guard_place *place, struct guard_marks *m, struct err *e);
void guard_marks_close(struct guard_marks *m);

/* A listener: one of its processes has it as `fd`. */
struct guard_listener {
	uint32_t pid;
	int fd;
	uint16_t port;
	uint8_t proto;	 /* IPPROTO_TCP, IPPROTO_UDP */
	bool loopback;	 /* bound to a loopback address */
	uint64_t cgroup; /* id of the socket's cgroup; 0: not known */
};

/* *ret_mark is set unless GUARD_NOT_KNOWN is returned. */
enum guard_judgement guard_marks_judge(const struct guard_marks *m, const struct guard_listener *l,
				       struct guard_socket *ret_mark);
/* Has anybody a right to that port? Else it is let be on the machine itself. */
bool guard_marks_is_declared(const struct guard_marks *m, uint16_t port, uint8_t proto);
