/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash: runs a program, and kills it at its Nth system call: `crash N PROGRAM ARGUMENT...`. What
 * it started lives on. Exit code: 0 it ended before; 1 it ended before, and failed; 9 it was
 * killed; 77 there is no ptrace here.
 */
#include "../../unit/crash.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
	struct crash crash = {0};
	pid_t pid;
	int end;

	if (argc < 3)
		return 2;
	crash.at = (unsigned)strtoul(argv[1], NULL, 10);
	pid = fork();
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(99);
		raise(SIGSTOP);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	end = pid < 0 ? CRASH_UNABLE : crash_follow(pid, &crash);
	return end == CRASH_THROUGH ? 0 : end == CRASH_KILLED ? 9 : end == CRASH_UNABLE ? 77 : 1;
}
