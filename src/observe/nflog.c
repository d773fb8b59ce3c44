/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "observe/nflog.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"
#include "observe/doubts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	RECEIVE_BUFFER = 16 << 20,
	/* more messages than a batch of packets makes: the kernel keeps them until it is asked */
	QUEUE_LIMIT = 1 << 20,
	/* the kernel collects messages in rooms of this size, and sends those that are full */
	KERNEL_ROOM_LEN = 16 << 10,
	ROOM_LEN = 32 << 10,
};

struct nflog_room {
	/* what makes the kernel send all that it has collected: the groups are given up and bound
	 * again */
	struct buf flush;
	_Alignas(NLMSG_ALIGNTO) char bytes[ROOM_LEN];
};

static void take_attribute(uint16_t type, struct cur value, struct nflog_message *m)
{
	struct nfulnl_msg_packet_hdr header;
	size_t len;

	switch (type) {
	case NFULA_PACKET_HDR:
		cur_read(&value, &header, sizeof(header));
		m->hook = header.hook;
		break;
	case NFULA_PREFIX:
		len = strnlen((const char *)value.at, value.left);
		len = len < sizeof(m->prefix) ? len : sizeof(m->prefix) - 1;
		memcpy(m->prefix, value.at, len);
		m->prefix[len] = '\0';
		break;
	case NFULA_IFINDEX_INDEV:
		m->in_ifindex = (uint32_t)nla_number_be(value);
		break;
	case NFULA_IFINDEX_OUTDEV:
		m->out_ifindex = (uint32_t)nla_number_be(value);
		break;
	case NFULA_MARK:
		m->mark = (uint32_t)nla_number_be(value);
		break;
	case NFULA_PAYLOAD:
		m->packet = value;
		break;
	default:
		break;
	}
}

int nflog_decode(const void *payload, size_t len, struct nflog_message *ret)
{
	struct cur c = cur_init(payload, len), value;
	struct nflog_message m = {.packet = cur_init(payload, 0)};
	struct nfgenmsg header;
	uint16_t type;

	cur_read(&c, &header, sizeof(header));
	m.family = header.nfgen_family;
	m.group = ntohs(header.res_id);
	while (nla_next(&c, &type, &value))
		take_attribute(type, value, &m);
	if (!c.ok)
		return -EBADMSG;
	*ret = m;
	return 0;
}

/* --- the socket ----------------------------------------------------------------------------------
 */

static void add_unbind(struct buf *b, uint16_t group)
{
	struct nfgenmsg header = {.res_id = htons(group)};
	struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_UNBIND};
	size_t message = nla_begin_message(b, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
					   NLM_F_REQUEST, &header, sizeof(header));

	nla_put(b, NFULA_CFG_CMD, &command, sizeof(command));
	nla_end_message(b, message);
}

static void add_bind(struct buf *b, uint16_t group)
{
	struct nfgenmsg header = {.res_id = htons(group)};
	struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(NFLOG_COPY_LEN),
					      .copy_mode = NFULNL_COPY_PACKET};
	size_t message = nla_begin_message(b, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
					   NLM_F_REQUEST, &header, sizeof(header));

	nla_put(b, NFULA_CFG_CMD, &command, sizeof(command));
	nla_put(b, NFULA_CFG_MODE, &mode, sizeof(mode));
	nla_put_u32_be(b, NFULA_CFG_NLBUFSIZ, KERNEL_ROOM_LEN);
	nla_put_u32_be(b, NFULA_CFG_QTHRESH, QUEUE_LIMIT);
	nla_end_message(b, message);
}

int nflog_open(struct nflog *log, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	int size = RECEIVE_BUFFER, r;

	*log = (struct nflog){0};
	r = nl_open(&log->nl, NETLINK_NETFILTER, e);
	if (r < 0)
		return r;
	add_bind(&b, GROUP_SINK);
	add_bind(&b, GROUP_RECORDER);
	r = nl_request(&log->nl, &b, _("cannot listen to an NFLOG group"), e);
	log->room = r < 0 ? NULL : calloc(1, sizeof(*log->room));
	if (!log->room) {
		nflog_close(log);
		return r < 0 ? r : err_set(e, -ENOMEM, _("out of memory"));
	}
	add_unbind(&log->room->flush, GROUP_SINK);
	add_unbind(&log->room->flush, GROUP_RECORDER);
	add_bind(&log->room->flush, GROUP_SINK);
	add_bind(&log->room->flush, GROUP_RECORDER);
	setsockopt(mnl_socket_get_fd(log->nl.socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		   sizeof(size));
	if (log->room->flush.failed) {
		nflog_close(log);
		return err_set(e, -ENOMEM, _("out of memory"));
	}
	return 0;
}

void nflog_close(struct nflog *log)
{
	nl_close(&log->nl);
	if (log->room)
		buf_done(&log->room->flush);
	free(log->room);
	log->room = NULL;
}

/* The kernel's answer to a message that it refused. */
static int refusal(const struct nlmsghdr *header)
{
	struct cur c = cur_init(mnl_nlmsg_get_payload(header), mnl_nlmsg_get_payload_len(header));
	int error;

	cur_read(&c, &error, sizeof(error));
	return c.ok && error <= 0 ? error : -EBADMSG;
}

/* The messages of one datagram. */
static int take_datagram(const void *bytes, size_t len, nflog_take *take, void *context)
{
	const struct nlmsghdr *header = bytes;
	int left = (int)len, r = 0;
	struct nflog_message m;

	for (; r == 0 && mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		if (header->nlmsg_type == NLMSG_ERROR)
			r = refusal(header);
		if (header->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
			continue;
		r = nflog_decode(mnl_nlmsg_get_payload(header), mnl_nlmsg_get_payload_len(header),
				 &m);
		if (r == 0)
			r = take(&m, context);
	}
	return r;
}

/* 1: there may be more; 0: there is no more. */
static int read_some(struct nflog *log, nflog_take *take, void *context)
{
	ssize_t got = recv(mnl_socket_get_fd(log->nl.socket), log->room->bytes, ROOM_LEN,
			   MSG_DONTWAIT | MSG_TRUNC);
	int r;

	if (got < 0)
		return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -errno;
	if (got > ROOM_LEN)
		return -EMSGSIZE;
	r = take_datagram(log->room->bytes, (size_t)got, take, context);
	return r < 0 ? r : 1;
}

int nflog_read(struct nflog *log, nflog_take *take, void *context, struct err *e)
{
	int r = 1;

	if (send(mnl_socket_get_fd(log->nl.socket), log->room->flush.data, log->room->flush.len,
		 0) < 0)
		r = -errno;
	while (r > 0)
		r = read_some(log, take, context);
	if (r == -ENOBUFS)
		return err_set(e, r,
			       _("the kernel's messages about packets came faster than they "
				 "could be read, and some were lost"));
	if (r < 0)
		return err_set(e, r, _("cannot read the kernel's messages about packets: %s"),
			       strerror(-r));
	return 0;
}
