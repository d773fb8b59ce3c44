/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_tls: TLS as a client that trusts nobody, and only looks: what was agreed on, and whose
 * certificate was shown (OpenSSL). All that comes is a stranger's.
 */
#pragma once

#include "base/err.h"
#include "model/service.h"

#include <openssl/ssl.h>

/* Old versions and weak ciphers too: whoever still speaks them is to be found. NULL: *e says why.
 */
SSL_CTX *service_tls_context(struct err *e);

/* A connection over the descriptor, before its handshake; NULL: no memory. SSL_free() ends it. */
SSL *service_tls_new(SSL_CTX *context, int fd);

/* After the handshake: fills *to. */
void service_tls_look(SSL *ssl, struct service_tls *to);
