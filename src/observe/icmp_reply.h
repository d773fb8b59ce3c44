/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmp_reply: what the code of an ICMP "destination unreachable" says of the port that was asked
 * (RFC 792 and 1812; RFC 4443). Pure.
 */
#pragma once

#include "model/scan.h"

/* SCAN_UNSURE: it says nothing (too long for the way). */
enum scan_reply icmp_reply(bool ip6, unsigned code);
