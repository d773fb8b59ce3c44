/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipset_messages: an ipset_image in the form that rule_constants reads. Pure.
 */
#pragma once

#include "base/buf.h"
#include "observe/ipset_image.h"
#include "observe/rule_constants.h"

struct ipset_list {
	struct buf bytes;
	struct ipset_message *items; /* in bytes */
	struct ipset_messages messages;
};

/* 0 or -ENOMEM. Ended with ipset_list_done() in every case. */
int ipset_list_build(const struct ipset_image *image, struct ipset_list *ret);
void ipset_list_done(struct ipset_list *list);
