/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/service_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t address_len(const struct service_target *t)
{
	return t->address.any.sa_family == AF_INET6 ? sizeof(t->address.v6) : sizeof(t->address.v4);
}

void service_wire_close(struct service_wire *w)
{
	SSL_free(w->ssl);
	w->ssl = NULL;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

int service_wire_half_close(struct service_wire *w)
{
	return shutdown(w->fd, SHUT_WR) < 0 ? -errno : 0;
}

int service_wire_open(struct service_wire *w)
{
	const struct service_target *t = w->target;
	int family = t->address.any.sa_family, on = 1;

	service_wire_close(w);
	w->fd = socket(family, (t->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0);
	if (w->fd < 0)
		return -errno;
	if (t->udp) {
		/* it may answer from another port (TFTP): not connected, but told of refusals */
		setsockopt(w->fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
			   family == AF_INET6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on));
		return 0;
	}
	if (connect(w->fd, &t->address.any, address_len(t)) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

void service_wire_fill_in(const struct service_wire *w, struct probe_bytes request, struct buf *out)
{
	static const char host[] = "$host";
	const size_t host_len = sizeof(host) - 1;
	const struct service_target *target = w->target;
	bool v6 = target->address.any.sa_family == AF_INET6;
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(target->address.any.sa_family,
		  v6 ? (const void *)&target->address.v6.sin6_addr
		     : (const void *)&target->address.v4.sin_addr,
		  address, sizeof(address));
	buf_clear(out);
	for (size_t i = 0; i < request.len; i++)
		if (request.len - i >= host_len && memcmp(request.bytes + i, host, host_len) == 0) {
			buf_printf(out, v6 ? "[%s]" : "%s", address);
			i += host_len - 1;
		} else {
			buf_add_char(out, request.bytes[i]);
		}
}

ssize_t service_wire_put(struct service_wire *w, const void *bytes, size_t len)
{
	const struct service_target *t = w->target;
	ssize_t n;

	if (w->ssl) {
		ERR_clear_error();
		n = SSL_write(w->ssl, bytes, (int)len);
		if (n > 0)
			return n;
		return SSL_get_error(w->ssl, (int)n) == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	if (t->udp)
		n = sendto(w->fd, bytes, len, MSG_NOSIGNAL, &t->address.any, address_len(t));
	else
		n = send(w->fd, bytes, len, MSG_NOSIGNAL);
	return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

bool service_target_has(const struct service_target *t, const struct sockaddr *address)
{
	if (address->sa_family != t->address.any.sa_family)
		return false;
	if (address->sa_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr ==
		       t->address.v4.sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr, &t->address.v6.sin6_addr,
		      sizeof(struct in6_addr)) == 0;
}

ssize_t service_wire_get(struct service_wire *w, void *bytes, size_t len)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} from = {.room = {0}};
	socklen_t from_len = sizeof(from);
	ssize_t n;

	if (w->ssl) {
		int why;

		ERR_clear_error();
		n = SSL_read(w->ssl, bytes, (int)len);
		if (n > 0)
			return n;
		why = SSL_get_error(w->ssl, (int)n);
		return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	n = recvfrom(w->fd, bytes, len, 0, &from.any, &from_len);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	if (w->target->udp)
		return service_target_has(w->target, &from.any) ? n : 0;
	return n ? n : -1;
}
