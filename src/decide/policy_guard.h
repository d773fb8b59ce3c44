/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_guard: what the guard is to enforce, from a policy: which program may have which port. The
 * sources of openings are no matter of the guard's: who may come in is the firewall's. Pure.
 *
 * - Each tcp and udp port of an opening is for whom the opening names, until it ends. Openings that
 *   have ended are for nobody.
 * - A protected port is anybody's, whatever openings say: what keeps a person from the machine is
 *   no protection. So are the ports of DHCP clients (68/udp, 546/udp), whose answers the ruleset
 *   lets in without an opening as well (decide/policy_ruleset).
 */
#pragma once

#include "model/guard.h"
#include "model/policy.h"

#include <stdint.h>

/*
 * `proxies`: bits 1 << index of those of model/port_proxies that may have the ports of openings
 * which name a container, besides the container itself.
 * 0 or -ENOMEM. *ret, which is written on success only, is ended with guard_rules_done(). No owner
 * is there twice; the grants are sorted by owner, protocol and port, and those of one owner neither
 * overlap nor touch. Also made when the guard is off.
 */
int policy_guard_make(const struct policy *p, uint32_t proxies, int64_t now_s,
		      struct guard_rules *ret);
