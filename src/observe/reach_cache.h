/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach_cache: keeps the answers about a machine, so that one on which nothing changed is not asked
 * again. Only a helper: where it cannot be read or written, or holds nonsense, the answers are
 * found anew, and nobody is told. A file is believed only if portero's own user wrote it.
 */
#pragma once

#include "model/reach.h"
#include "observe/reach.h"

#include <stdbool.h>
#include <stdint.h>

struct mirror;

enum { REACH_CACHE_FILES = 16 }; /* of which the one that was used last is the last to go */

/*
 * A number for all that decides the answers: what was asked, what `m` has read (mirror_read and
 * mirror_look), the listeners and addresses of the snapshot (of the namespaces that are directly
 * behind this one, and by which interfaces), the namespace, portero itself, and the
 * language of its sentences. Never 0; 0: it cannot be told, do not use the cache.
 */
uint64_t reach_cache_key(const struct mirror *m, const struct reach_options *options);
/* True: *ret (zeroed before) has the answers. False: it is zeroed again. */
bool reach_cache_load(const char *dir, uint64_t key, struct reach *ret);
/* Makes `dir` (0700) when it is missing, but not those above it. */
void reach_cache_save(const char *dir, uint64_t key, const struct reach *r);
