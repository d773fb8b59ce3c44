/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash: runs a function, or a program, that is killed at its Nth system call, or whose Nth one
 * fails: so that every point where it can be cut short is tried, by counting N up until it comes
 * through. Processes that it starts are not counted, and live on. Over ptrace(2).
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum crash_end {
	CRASH_THROUGH = -1, /* fewer than N system calls: it ended by itself, with exit code 0 */
	CRASH_FAILED = -2,  /* the same, with another one */
	CRASH_KILLED = -3,
	CRASH_UNABLE = -4, /* no ptrace here */
};

/* How to cut it short at system call number `at` (from 1). */
struct crash {
	unsigned at;
	int error; /* 0: kill it; else this errno for the call, if it is one that writes */
};

#if defined(__x86_64__)
#define CRASH_CAN_FAIL 1

/* Calls that a full or broken disk makes fail. */
static inline bool crash_is_write(uint64_t call)
{
	switch (call) {
	case SYS_openat:
	case SYS_mkdirat:
	case SYS_mkdir:
	case SYS_write:
	case SYS_pwrite64:
	case SYS_rename:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_fsync:
	case SYS_syncfs:
	case SYS_fchmod:
	case SYS_fchownat:
		return true;
	default:
		return false;
	}
}

/* At the entry of a call: makes it one that there is not. False: it is to go on as it is. */
static inline bool crash_skip_call(pid_t pid)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0 || !crash_is_write(regs.orig_rax))
		return false;
	regs.orig_rax = (unsigned long long)-1;
	return ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0;
}

static inline void crash_set_result(pid_t pid, int error)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
		return;
	regs.rax = (unsigned long long)-(long long)error;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}
#else
#define CRASH_CAN_FAIL 0

static inline bool crash_skip_call(pid_t pid)
{
	(void)pid;
	return false;
}

static inline void crash_set_result(pid_t pid, int error)
{
	(void)pid;
	(void)error;
}
#endif

/* Follows a child that has called PTRACE_TRACEME and stopped itself. */
static inline int crash_follow(pid_t pid, const struct crash *crash)
{
	unsigned calls = 0;
	bool inside = false, skipped = false;
	int status, signal_no = 0;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return CRASH_UNABLE;
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		return CRASH_UNABLE;
	}
	for (;;) {
		/* one that was killed takes no orders any more */
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal_no);
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			break;
		signal_no = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			signal_no = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		inside = !inside;
		if (!inside && skipped) {
			crash_set_result(pid, crash->error);
			skipped = false;
		}
		if (!inside || ++calls != crash->at)
			continue;
		if (crash->error)
			skipped = crash_skip_call(pid);
		else
			kill(pid, SIGKILL);
	}
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGKILL ? CRASH_KILLED : CRASH_FAILED;
	if (!WIFEXITED(status))
		return CRASH_UNABLE;
	if (WEXITSTATUS(status) != 0)
		return CRASH_FAILED;
	return calls < crash->at ? CRASH_THROUGH : 0;
}

/* Runs work(context) in a child: its result becomes the exit code. enum crash_end, or 0: it came
 * through although the call failed. */
static inline int crash_run(int (*work)(void *context), void *context, const struct crash *crash)
{
	pid_t pid = fork();

	if (pid < 0)
		return CRASH_UNABLE;
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(99);
		raise(SIGSTOP);
		_exit(work(context) < 0 ? 1 : 0);
	}
	return crash_follow(pid, crash);
}
