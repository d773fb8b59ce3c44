/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port: a port number with its protocol, ranges of them, and addresses. Ports are in host byte
 * order everywhere but in frame and netlink code.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proto {
	PROTO_TCP, /* MPTCP listeners count as tcp: that is what a client connects with */
	PROTO_UDP,
	PROTO_UDPLITE,
	PROTO_SCTP,
	PROTO_DCCP,
	PROTO_COUNT,
};

const char *proto_name(enum proto proto); /* "tcp", ... never NULL */
/* 0, or -EINVAL when name[0..len), is no protocol. */
int proto_parse(const char *name, size_t len, enum proto *ret);

/* A range of ports of one protocol or of all: what "443/tcp", "8000-8100/udp" and "53" mean. */
struct port_range {
	uint16_t first, last; /* 1-65535, first <= last */
	bool any_proto;	      /* no protocol was given */
	enum proto proto;
};

/*
 * True when the text is meant as a port (digits, '-' and ',', then the end or a '/'; or "/tcp"; or
 * an address with a port, as in *:80), right or wrong: then port_range_parse decides. "9p", "nginx"
 * and "/usr/sbin/nginx" are not.
 */
bool port_range_looks_like(const char *text);
/* Parses "443/tcp", "1-1024", "53". 0, or -EINVAL with a sentence in *e. *ret only on success. */
int port_range_parse(const char *text, struct port_range *ret, struct err *e);
bool port_range_has(const struct port_range *range, uint16_t port, enum proto proto);

enum port_class { PORT_SYSTEM, PORT_USER, PORT_DYNAMIC };
/* RFC 6335 section 6: system 0-1023, user 1024-49151, dynamic 49152-65535. */
enum port_class port_class(uint16_t port);
const char *port_class_name(enum port_class class); /* "system", ... */

/* An IP address. IPv4 uses the first four bytes; network byte order. */
struct address {
	uint8_t family; /* AF_INET, AF_INET6, or 0: none */
	uint8_t bytes[16];
};

enum { ADDRESS_TEXT_SIZE = 46 };
void address_format(const struct address *a, char text[ADDRESS_TEXT_SIZE]);
/* "10.0.0.1", "2001:db8::1". 0 or -EINVAL; *ret on success only. */
int address_parse(const char *text, struct address *ret);
size_t address_len(const struct address *a); /* bytes: 4 or 16 */
bool address_is_any(const struct address *a);
bool address_is_loopback(const struct address *a); /* 127/8, ::1 */
bool address_is_multicast(const struct address *a);
bool address_is_link_local(const struct address *a); /* fe80::/10 */
bool address_equal(const struct address *a, const struct address *b);
/* ::ffff:a.b.c.d becomes a.b.c.d; true when it was one. */
bool address_unmap(struct address *a);
/* Do the first `bits` bits agree (all, when there are fewer)? */
bool address_in_network(const struct address *a, const struct address *network, unsigned bits);
/* The first `bits` bits of *a, the rest zero. */
struct address address_network(const struct address *a, unsigned bits);
