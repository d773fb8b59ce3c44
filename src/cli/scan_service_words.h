/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_service_words: what speaks on a port, as a person reads it. The texts are a stranger's: they
 * must be escaped before they are shown.
 */
#pragma once

#include "base/buf.h"
#include "model/service.h"

/* "http", "http/tls" (TLS before anything else), "http?" (not sure); nothing when it has no name.
 */
void scan_service_words_name(const struct service *s, struct buf *out);
/* "nginx 1.22.1", or nothing. */
void scan_service_words_version(const struct service *s, struct buf *out);
/* What else it said, or why it has no name. */
void scan_service_words_extra(const struct service *s, struct buf *out);
/* "ssh OpenSSH 9.2p1", "http/tls"; or why it has no name. Never nothing. */
void scan_service_words_brief(const struct service *s, struct buf *out);
