/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_iter: who holds which socket, asked of the kernel by a BPF iterator over all tasks' files.
 * It sees every network namespace and every process at once. Needs CAP_BPF and CAP_PERFMON (or
 * CAP_SYS_ADMIN), BTF and Linux 5.12. Where it is refused, sock_proc is the fallback.
 *
 * Three programs are tried: task_walk (Linux 6.2, fast), then task_file as a light skeleton (5.17:
 * the kernel does the CO-RE relocations) and as an ordinary one (parsing the kernel's BTF in user
 * space, some 50 ms; a kernel in lockdown's confidentiality mode takes only this, as the loader of
 * the others calls bpf_probe_read_kernel). task_file is also run where task_walk says that a
 * process has too many sockets.
 */
#pragma once

#include "base/err.h"
#include "bpf/task_file_abi.h"

#include <stdbool.h>
#include <stddef.h>

struct sock_iter;

/* Which of the programs gave the answer. */
enum sock_iter_way { SOCK_ITER_NONE, SOCK_ITER_WALK, SOCK_ITER_LIGHT, SOCK_ITER_FULL };

/*
 * Starts loading and running the iterator in a thread of its own. NULL when out of memory or
 * threads. Must be ended with sock_iter_free().
 */
struct sock_iter *sock_iter_start(void);

/*
 * Waits for the pass to end. Returns the number of records, with *ret owned by the iterator until
 * the next pass; or a negative errno with a sentence.
 */
long sock_iter_wait(struct sock_iter *it, const struct task_file_record **ret, struct err *e);

/* Runs one more pass with the program that is loaded. As sock_iter_wait(). */
long sock_iter_again(struct sock_iter *it, const struct task_file_record **ret, struct err *e);

/* Of the last pass. */
enum sock_iter_way sock_iter_way(const struct sock_iter *it);

/* What doctor calls it: the name of the program. */
const char *sock_iter_way_name(enum sock_iter_way way);

void sock_iter_free(struct sock_iter *it);
