/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/icmp_reply.h"

enum scan_reply icmp_reply(bool ip6, unsigned code)
{
	switch (code) {
	case 1:
		return ip6 ? SCAN_PROHIBITED : SCAN_HOST_UNREACH;
	case 3:
		return ip6 ? SCAN_HOST_UNREACH : SCAN_PORT_UNREACH;
	case 4: /* of IPv4: too long for the way, which says nothing */
		return ip6 ? SCAN_PORT_UNREACH : SCAN_UNSURE;
	case 9:
	case 10:
	case 13:
		return ip6 ? SCAN_OTHER_UNREACH : SCAN_PROHIBITED;
	default:
		return SCAN_OTHER_UNREACH;
	}
}
