/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/nl.h"
#include "base/buf.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/nla.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum {
	ATTEMPTS = 8,
	RECEIVE_SIZE = 65536, /* the kernel fills at most 32 KiB of it at a time */
	PATIENCE_S = 10,      /* the kernel answers at once; if it ever does not, say so */
	STRANGER_LIMIT = 1024,
};

int nl_open(struct nl *n, int protocol, struct err *e)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};

	n->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	if (!n->socket)
		return err_set(e, -errno, _("cannot open a netlink socket: %s"), strerror(errno));
	setsockopt(mnl_socket_get_fd(n->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = -errno;

		nl_close(n);
		return err_set(e, code, _("cannot bind a netlink socket: %s"), strerror(-code));
	}
	n->seq = (uint32_t)time(NULL);
	return 0;
}

void nl_close(struct nl *n)
{
	if (n->socket)
		mnl_socket_close(n->socket);
	n->socket = NULL;
}

struct delivery {
	const struct nl_dump_ops *ops;
	int error;
};

static int deliver(const struct nlmsghdr *header, void *context)
{
	struct delivery *d = context;

	d->error = d->ops->message(header->nlmsg_type, mnl_nlmsg_get_payload(header),
				   mnl_nlmsg_get_payload_len(header), d->ops->context);
	return d->error < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/*
 * NLMSG_ERROR begins with the error. A dump that fails once it has begun says so at the beginning
 * of its NLMSG_DONE, where libmnl does not look: unread, "this kernel has no such table" would pass
 * for "the table is empty".
 */
static int take_end(const struct nlmsghdr *header, void *context)
{
	struct delivery *d = context;
	int error = 0;

	if (mnl_nlmsg_get_payload_len(header) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(header), sizeof(error));
	d->error = error < 0 ? error : 0;
	return d->error < 0 ? MNL_CB_ERROR : MNL_CB_STOP;
}

/*
 * Takes the NLM_F_DUMP_INTR flag off every message, because libmnl would stop at it and leave the
 * rest of the dump in the socket, to be mistaken for the answer to the next request.
 */
static bool clear_interrupted(void *room, size_t got)
{
	struct nlmsghdr *header = room;
	int left = (int)got;
	bool interrupted = false;

	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		if (header->nlmsg_flags & NLM_F_DUMP_INTR)
			interrupted = true;
		header->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

/*
 * The next datagram of the kernel. The root of a network namespace may send to the socket too, and
 * sees its number and the sequence of the dump: what a process sent is dropped, or a container
 * could tell of sockets that there are not, and end the dump before its own.
 */
static ssize_t receive(const struct nl *n, void *room)
{
	for (int strangers = 0; strangers < STRANGER_LIMIT;) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof(from);
		ssize_t got = recvfrom(mnl_socket_get_fd(n->socket), room, RECEIVE_SIZE, MSG_TRUNC,
				       (struct sockaddr *)&from, &len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (len == sizeof(from) && from.nl_pid == 0)
			return got > RECEIVE_SIZE ? -EMSGSIZE : got;
		strangers++;
	}
	return -EIO;
}

/*
 * One attempt: 0, 1 (interrupted) or a negative errno. The answer ends with NLMSG_DONE, or the
 * acknowledgement that the flags ask for.
 */
static int ask_once(struct nl *n, struct nlmsghdr *request, uint16_t flags,
		    const struct nl_dump_ops *ops, void *room)
{
	mnl_cb_t control[NLMSG_DONE + 1] = {[NLMSG_ERROR] = take_end, [NLMSG_DONE] = take_end};
	struct delivery d = {.ops = ops};
	uint32_t port = mnl_socket_get_portid(n->socket);
	int r = MNL_CB_OK;
	bool interrupted = false;

	request->nlmsg_seq = ++n->seq;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	if (mnl_socket_sendto(n->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (r == MNL_CB_OK) {
		ssize_t got = receive(n, room);

		if (got < 0)
			return (int)got;
		interrupted |= clear_interrupted(room, (size_t)got);
		r = mnl_cb_run2(room, (size_t)got, n->seq, port, deliver, &d, control,
				ARRAY_LEN(control));
	}
	if (r == MNL_CB_ERROR)
		return d.error < 0 ? d.error : -errno;
	return interrupted;
}

int nl_dump(struct nl *n, struct nlmsghdr *request, const struct nl_dump_ops *ops, struct err *e)
{
	void cleanup_free *room = malloc(RECEIVE_SIZE);
	int r = 1;

	if (!room)
		return err_set(e, -ENOMEM, _("out of memory"));
	for (int i = 0; i < ATTEMPTS && r == 1; i++) {
		ops->restart(ops->context);
		r = ask_once(n, request, NLM_F_DUMP, ops, room);
	}
	if (r < 0)
		return err_set(e, r, _("the kernel's answer could not be read: %s"), strerror(-r));
	return r;
}

int nl_get(struct nl *n, struct nlmsghdr *request, const struct nl_dump_ops *ops, struct err *e)
{
	void cleanup_free *room = malloc(RECEIVE_SIZE);
	int r;

	if (!room)
		return err_set(e, -ENOMEM, _("out of memory"));
	r = ask_once(n, request, NLM_F_ACK, ops, room);
	if (r < 0)
		return err_set(e, r, _("the kernel's answer could not be read: %s"), strerror(-r));
	return 0;
}

/* --- messages that change something --------------------------------------------------------------
 */

/* nf_tables' BATCH_BEGIN and BATCH_END are the only ones of its types that are this small. */
static bool is_bracket(uint16_t type)
{
	return type == NLMSG_MIN_TYPE || type == NLMSG_MIN_TYPE + 1;
}

struct sending {
	uint32_t first_seq;
	size_t count, unanswered;
	int refusals;
	nl_refused *refused;
	void *context;
};

/* Numbers the messages; returns -EINVAL when the buffer is not a row of whole messages. */
static int prepare(struct nl *n, struct buf *messages, struct sending *s)
{
	size_t at = 0;

	s->first_seq = n->seq + 1;
	while (at + sizeof(struct nlmsghdr) <= messages->len) {
		struct nlmsghdr *header = (void *)(messages->data + at);

		if (header->nlmsg_len < sizeof(*header) || header->nlmsg_len > messages->len - at)
			return -EINVAL;
		header->nlmsg_seq = ++n->seq;
		header->nlmsg_flags |= NLM_F_REQUEST;
		if (!is_bracket(header->nlmsg_type)) {
			header->nlmsg_flags |= NLM_F_ACK;
			s->unanswered++;
		}
		s->count++;
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
	return at >= messages->len ? 0 : -EINVAL;
}

/* With room for what is sent, and for an answer to each. */
static int make_room(struct nl *n, const struct buf *messages, const struct sending *s)
{
	int fd = mnl_socket_get_fd(n->socket), yes = 1;
	size_t answers = (s->count + 1) * 1024 + RECEIVE_SIZE, bytes = messages->len + RECEIVE_SIZE;
	int send_size = (int)bytes,
	    receive_size = answers > NL_SEND_LIMIT ? NL_SEND_LIMIT : (int)answers;

	if (bytes > NL_SEND_LIMIT)
		return -EMSGSIZE;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_size, sizeof(send_size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_size, sizeof(receive_size));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof(yes));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	return 0;
}

static void take_answer(const struct nlmsghdr *header, struct sending *s)
{
	struct cur c = cur_init(mnl_nlmsg_get_payload(header), mnl_nlmsg_get_payload_len(header)),
		   text;
	size_t index = header->nlmsg_seq - s->first_seq;
	struct nlmsgerr answer;
	char reason[256] = "";

	cur_read(&c, &answer, sizeof(answer));
	if (!c.ok || index >= s->count)
		return;
	if (s->unanswered)
		s->unanswered--;
	if (answer.error == 0)
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		cur_take(&c, NLMSG_ALIGN(answer.msg.nlmsg_len) - sizeof(answer.msg));
	if (header->nlmsg_flags & NLM_F_ACK_TLVS && nla_find(c, NLMSGERR_ATTR_MSG, &text))
		nla_string(text, reason, sizeof(reason));
	s->refusals++;
	if (s->refused)
		s->refused(index, -answer.error, reason, s->context);
}

/* The kernel answered while it took the messages: what is not there now will not come. */
static int take_answers(struct nl *n, struct sending *s)
{
	void cleanup_free *room = malloc(RECEIVE_SIZE);
	ssize_t got;

	if (!room)
		return -ENOMEM;
	for (;;) {
		const struct nlmsghdr *header = room;
		int left;

		got = recv(mnl_socket_get_fd(n->socket), room, RECEIVE_SIZE, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (left = (int)got; mnl_nlmsg_ok(header, left);
		     header = mnl_nlmsg_next(header, &left))
			if (header->nlmsg_type == NLMSG_ERROR)
				take_answer(header, s);
	}
}

int nl_send(struct nl *n, struct buf *messages, nl_refused *refused, void *context, struct err *e)
{
	struct sending s = {.refused = refused, .context = context};
	int r;

	if (messages->failed)
		return err_set(e, -ENOMEM, _("out of memory"));
	if (messages->len == 0)
		return 0;
	r = prepare(n, messages, &s);
	if (r == 0)
		r = make_room(n, messages, &s);
	if (r == 0 && mnl_socket_sendto(n->socket, messages->data, messages->len) < 0)
		r = -errno;
	if (r == 0)
		r = take_answers(n, &s);
	if (r < 0)
		return err_set(e, r, _("the kernel did not take a netlink message: %s"),
			       strerror(-r));
	/* of a batch that it refused, the kernel need not answer more than what was wrong */
	if (s.unanswered && s.refusals == 0)
		return err_set(e, -EIO, _("the kernel did not answer a netlink message"));
	return s.refusals;
}

struct refusal {
	int error;
	char reason[256];
};

static void keep_refusal(size_t index, int error, const char *reason, void *context)
{
	struct refusal *kept = context;

	(void)index;
	kept->error = error;
	snprintf(kept->reason, sizeof(kept->reason), "%s", reason);
}

int nl_request(struct nl *n, struct buf *message, const char *what, struct err *e)
{
	struct refusal refusal = {0};
	int r = nl_send(n, message, keep_refusal, &refusal, e);

	if (r <= 0)
		return r;
	return err_set(e, -refusal.error, "%s: %s%s%s", what, strerror(refusal.error),
		       refusal.reason[0] ? ": " : "", refusal.reason);
}
