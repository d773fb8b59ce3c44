/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the oracle share; main.c says what it is. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PORTS = 65536,
	FRAME_ROOM = 128, /* of a frame that is sent */
	ANSWERED = 0x80,  /* in the first byte of a datagram: an answer; two of us would go on for
			     ever */
};

struct address {
	int family;
	uint8_t bytes[16];
};

enum answer { SILENCE, ACCEPT, REJECT };

struct scan {
	int fd;	 /* sees what comes in on the link */
	int raw; /* >= 0: probes are sent to oneself by this raw socket, not on a link */
	uint8_t own_mac[6], host_mac[6];
	uint8_t to_mac[6]; /* the host's, or that of many */
	struct address from, to;
	uint16_t sport;
	uint32_t cookie; /* of this run */
	bool udp;
	int tries; /* of what is silent */
	bool wanted[PORTS];
	enum answer answers[PORTS];
	uint32_t rst, icmp, sent;
};

_Noreturn void die(const char *what); /* with the reason that is in errno */
_Noreturn void die_of_input(const char *what);
int64_t now_ms(void);

/* frames.c: complete frames with the probe of a port, or the RST that ends it; return the length.
 */
size_t put_tcp(const struct scan *s, uint8_t *out, uint16_t port, bool rst);
size_t put_udp(const struct scan *s, uint8_t *out, uint16_t port);
/*
 * Where the probe of a port comes from: one source port for all, but for those which would make two
 * probes of a machine to itself look like one connection.
 */
uint16_t sport_of(const struct scan *s, uint16_t port);
/* Ethernet and IP headers only. */
size_t put_heads(const struct scan *s, uint8_t *out, uint8_t protocol, size_t payload,
		 const struct address *to, const uint8_t *to_mac, uint8_t hops);
uint16_t checksum(const struct address *from, const struct address *to, uint8_t protocol,
		  const void *data, size_t len);
size_t address_len(int family);
/* What the sequence number, or the payload, of a probe is: it tells the port, whatever NAT does. */
uint32_t cookie_of(const struct scan *s, uint16_t port);

/* answers.c: takes what came in on the link. */
void take_frame(struct scan *s, const uint8_t *frame, size_t len);
void send_frame(const struct scan *s, const void *frame, size_t len);

int run_listen(const bool *wanted);
int run_scan(struct scan *s, const char *iface);
int run_many(const char *iface); /* NULL: all */
/* One probe to each wanted port that is still silent. */
unsigned scan_try(struct scan *s);
void scan_print(const struct scan *s); /* the intervals, as JSON without brackets */

void parse_ports(const char *text, bool *wanted);
void parse_address(const char *text, struct address *ret);
void parse_mac(const char *text, uint8_t *ret);
