/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

/* RFC 7301: one name, with its length before it */
static const unsigned char http_1_1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

SSL_CTX *service_tls_context(struct err *e)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context) {
		err_set(e, -ENOMEM, "OpenSSL cannot be used: %s",
			ERR_reason_error_string(ERR_get_error()));
		return NULL;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(context, 64 << 10);
	SSL_CTX_set_cipher_list(context, "ALL");
	SSL_CTX_set_alpn_protos(context, http_1_1, sizeof(http_1_1));
	return context;
}

SSL *service_tls_new(SSL_CTX *context, int fd)
{
	SSL *ssl = SSL_new(context);

	if (!ssl || !SSL_set_fd(ssl, fd)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

/* The last common name, as UTF-8. */
static void take_name(const X509_NAME *name, char *to, size_t size)
{
	const X509_NAME_ENTRY *entry;
	unsigned char *utf8 = NULL;
	int at = -1, next, len;

	while ((next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0)
		at = next;
	entry = at >= 0 ? X509_NAME_get_entry(name, at) : NULL;
	len = entry ? ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry)) : -1;
	if (len >= 0)
		service_text(to, size, utf8, (size_t)len);
	OPENSSL_free(utf8);
}

/* Adds one of the certificate's names, when there is room for the whole of it. */
static void add_name(char *to, size_t size, const void *bytes, size_t len)
{
	size_t used = strlen(to);

	if (!len || used + len + 3 > size)
		return;
	if (used) {
		memcpy(to + used, ", ", 3);
		used += 2;
	}
	service_text(to + used, size - used, bytes, len);
}

static void add_address(char *to, size_t size, const ASN1_OCTET_STRING *ip)
{
	char text[INET6_ADDRSTRLEN] = "";
	int len = ASN1_STRING_length(ip);

	if (len != 4 && len != 16)
		return;
	inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text));
	add_name(to, size, text, strlen(text));
}

static void take_names(const X509 *cert, char *to, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_DNS)
			add_name(to, size, ASN1_STRING_get0_data(n->d.dNSName),
				 (size_t)ASN1_STRING_length(n->d.dNSName));
		else if (n->type == GEN_IPADD)
			add_address(to, size, n->d.iPAddress);
	}
	GENERAL_NAMES_free(names);
}

static void take_key(const X509 *cert, char *to, size_t size)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	const char *name = key ? EVP_PKEY_get0_type_name(key) : NULL;

	if (name)
		snprintf(to, size, "%s %d", name, EVP_PKEY_get_bits(key));
}

void service_tls_look(SSL *ssl, struct service_tls *to)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	X509 *cert = SSL_get1_peer_certificate(ssl);
	struct tm t;

	to->spoken = 1;
	snprintf(to->version, sizeof(to->version), "%s", SSL_get_version(ssl));
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	service_text(to->alpn, sizeof(to->alpn), alpn, alpn_len);
	if (!cert)
		return;
	take_name(X509_get_subject_name(cert), to->subject, sizeof(to->subject));
	take_name(X509_get_issuer_name(cert), to->issuer, sizeof(to->issuer));
	take_names(cert, to->names, sizeof(to->names));
	take_key(cert, to->key, sizeof(to->key));
	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &t))
		strftime(to->not_after, sizeof(to->not_after), "%Y-%m-%dT%H:%M:%SZ", &t);
	to->self_signed = (X509_get_extension_flags(cert) & EXFLAG_SS) != 0;
	X509_free(cert);
}
