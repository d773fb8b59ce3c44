/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protocols: does a protocol that was heard on a port belong to the program that listens there, and
 * to the port's number? Knowledge of data/protocols.tsv, compiled in; no I/O. Only what is beyond
 * dispute is said: most programs may speak anything, and most numbers stand for nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct protocol_row {
	const char *service;   /* "submission", as in data/programs.tsv */
	const char *protocols; /* "smtp"; as data/probes/ has them, by commas; "": none is known */
	const char *ports;     /* "587"; of TCP, by commas; "": none */
};

extern const struct protocol_row protocols_rows[];
extern const unsigned protocols_row_count;

/*
 * Do these contradict each other? Then *ret_service is what should speak there (a static string):
 * "ssh" for the program sshd, "redis" for the number 6379/tcp. False, and *ret_service is left
 * alone, where the protocol, the program (its basename, with or without a version) or the number is
 * not known well enough.
 */
bool protocols_contradict_program(const char *protocol, const char *program,
				  const char **ret_service);
bool protocols_contradict_port(const char *protocol, uint16_t port, const char **ret_service);
