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
	ROOM_LEN = 1024,
	RECEIVE_BUFFER = 16 << 20,
	/* what the kernel reserves for a message before it knows its length; its own page for each
	 * would cost time and fill the socket's buffer */
	KERNEL_ROOM_LEN = 512,
};

struct nflog_rooms {
	struct mmsghdr headers[NFLOG_BATCH];
	struct iovec vectors[NFLOG_BATCH];
	_Alignas(NLMSG_ALIGNTO) char bytes[NFLOG_BATCH][ROOM_LEN];
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

static int bind_group(struct nl *n, uint16_t group, struct err *e)
{
	struct buf cleanup_call(buf_done) b = {0};
	struct nfgenmsg header = {.res_id = htons(group)};
	struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(NFLOG_COPY_LEN),
					      .copy_mode = NFULNL_COPY_PACKET};
	size_t message = nla_begin_message(&b, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, 0,
					   &header, sizeof(header));

	nla_put(&b, NFULA_CFG_CMD, &command, sizeof(command));
	nla_put(&b, NFULA_CFG_MODE, &mode, sizeof(mode));
	nla_put_u32_be(&b, NFULA_CFG_NLBUFSIZ, KERNEL_ROOM_LEN);
	/* each message at once: when the packet was written, its message is there */
	nla_put_u32_be(&b, NFULA_CFG_QTHRESH, 1);
	nla_end_message(&b, message);
	return nl_request(n, &b, _("cannot listen to an NFLOG group"), e);
}

static struct nflog_rooms *make_rooms(void)
{
	struct nflog_rooms *rooms = calloc(1, sizeof(*rooms));

	for (size_t i = 0; rooms && i < NFLOG_BATCH; i++) {
		rooms->vectors[i] =
			(struct iovec){.iov_base = rooms->bytes[i], .iov_len = ROOM_LEN};
		rooms->headers[i].msg_hdr =
			(struct msghdr){.msg_iov = &rooms->vectors[i], .msg_iovlen = 1};
	}
	return rooms;
}

int nflog_open(struct nflog *log, struct err *e)
{
	int size = RECEIVE_BUFFER, r;

	*log = (struct nflog){0};
	r = nl_open(&log->nl, NETLINK_NETFILTER, e);
	if (r < 0)
		return r;
	log->rooms = make_rooms();
	r = log->rooms ? 0 : err_set(e, -ENOMEM, _("out of memory"));
	if (r == 0)
		r = bind_group(&log->nl, GROUP_SINK, e);
	if (r == 0)
		r = bind_group(&log->nl, GROUP_RECORDER, e);
	if (r < 0) {
		nflog_close(log);
		return r;
	}
	setsockopt(mnl_socket_get_fd(log->nl.socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
		   sizeof(size));
	return 0;
}

void nflog_close(struct nflog *log)
{
	nl_close(&log->nl);
	free(log->rooms);
	log->rooms = NULL;
}

/* The messages of one datagram. */
static int take_datagram(const struct mmsghdr *got, nflog_take *take, void *context)
{
	const struct nlmsghdr *header = got->msg_hdr.msg_iov->iov_base;
	int left = (int)got->msg_len, r = 0;
	struct nflog_message m;

	if (got->msg_hdr.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	for (; r == 0 && mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		if (header->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
			continue;
		r = nflog_decode(mnl_nlmsg_get_payload(header), mnl_nlmsg_get_payload_len(header),
				 &m);
		if (r == 0)
			r = take(&m, context);
	}
	return r;
}

/* How many datagrams were read; 0: there are none. */
static int read_some(struct nflog *log, nflog_take *take, void *context)
{
	int count = recvmmsg(mnl_socket_get_fd(log->nl.socket), log->rooms->headers, NFLOG_BATCH,
			     MSG_DONTWAIT, NULL);

	if (count < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		int r = take_datagram(&log->rooms->headers[i], take, context);

		if (r < 0)
			return r;
	}
	return count;
}

int nflog_read(struct nflog *log, nflog_take *take, void *context, struct err *e)
{
	int r;

	do
		r = read_some(log, take, context);
	while (r > 0 || r == -EINTR);
	if (r == -ENOBUFS)
		return err_set(e, r,
			       _("the kernel's messages about packets came faster than they "
				 "could be read, and some were lost"));
	if (r < 0)
		return err_set(e, r, _("cannot read the kernel's messages about packets: %s"),
			       strerror(-r));
	return 0;
}
