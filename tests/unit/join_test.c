/* SPDX-License-Identifier: GPL-2.0-or-later */
/* join: what the views say, made up here: agreeing, differing, twice, reused, from elsewhere. */
#include "base/mem.h"
#include "observe/join.h"
#include "unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { LISTEN = 10, CLOSE = 7, LOCK = 8, OWN = 4026531840, BLUE = 4026532001, GREEN = 4026532002 };

struct look {
	struct snapshot s;
	struct join j;
};

static void begin(struct look *l)
{
	*l = (struct look){0};
	snapshot_add_netns(&l->s)->inum = OWN;
	join_init(&l->j, &l->s);
}

static void end(struct look *l)
{
	join_done(&l->j);
	snapshot_done(&l->s);
}

static struct kernel_socket kernel(uint16_t port, uint64_t inode, uint64_t cookie)
{
	return (struct kernel_socket){
		.local = {.family = AF_INET, .bytes = {127, 0, 0, 1}},
		.local_port = port,
		.family = AF_INET,
		.state = LISTEN,
		.inode = inode,
		.cookie = cookie,
		.uid = 33,
		.rqueue = 2,
		.wqueue = 128,
		.mark = 7,
		.drops = 5,
		.cgroup_id = 99,
		.ifindex = 3,
	};
}

static struct task_file_record record(uint16_t port, uint64_t inode, uint64_t cookie)
{
	return (struct task_file_record){
		.cookie = cookie,
		.inode = inode,
		.start_ns = 1000,
		.pid = 100,
		.fd = 3,
		.uid = 33,
		.netns = OWN,
		.task_netns = OWN,
		.family = AF_INET,
		.type = SOCK_STREAM,
		.protocol = IPPROTO_TCP,
		.port = port,
		.state = LISTEN,
		.userlocks = LOCK,
		.address = {127, 0, 0, 1},
		.comm = "nginx",
	};
}

static void test_both_views(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);
	struct task_file_record r = record(80, 1, 11);
	const struct socket_info *socket;

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 1);
	socket = &l.s.sockets[0];
	assert_int_equal(socket->views, VIEW_KERNEL | VIEW_FILES);
	assert_false(join_is_alone(socket));
	assert_int_equal(socket->kind, SOCKET_PORT);
	assert_int_equal(socket->proto, PROTO_TCP);
	assert_int_equal(socket->port, 80);
	assert_int_equal(socket->cookie, 11);
	assert_int_equal(socket->uid, 33);
	assert_int_equal(socket->mark, 7);
	assert_int_equal(socket->drops, 5);
	assert_int_equal(socket->cgroup_id, 99);
	assert_int_equal(socket->ifindex, 3);
	assert_int_equal(socket->backlog_used, 2);
	assert_int_equal(socket->backlog_limit, 128);
	assert_true(address_is_loopback(&socket->address));
	assert_int_equal(socket->holder_count, 1);
	assert_int_equal(l.s.holder_count, 1);
	assert_int_equal(l.s.holders[socket->first_holder].fd, 3);
	assert_int_equal(l.s.process_count, 1);
	assert_int_equal(l.s.processes[0].pid, 100);
	assert_string_equal(snapshot_text(&l.s, l.s.processes[0].comm_str), "nginx");
	end(&l);
}

static void test_one_view_only(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);
	struct task_file_record r = record(81, 2, 12);

	(void)state;
	begin(&l);
	r.ifindex = 4;
	r.v6only = 1;
	r.family = AF_INET6;
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 2);
	assert_int_equal(l.s.sockets[0].views, VIEW_KERNEL);
	assert_int_equal(l.s.sockets[0].holder_count, 0);
	assert_true(join_is_alone(&l.s.sockets[0]));
	assert_int_equal(l.s.sockets[1].views, VIEW_FILES);
	assert_true(join_is_alone(&l.s.sockets[1]));
	assert_int_equal(l.s.sockets[1].port, 81);
	assert_int_equal(l.s.sockets[1].ifindex, 4);
	assert_int_equal(l.s.sockets[1].address.family, AF_INET6);
	assert_int_equal(l.s.sockets[1].address.bytes[0], 127);
	assert_true(l.s.sockets[1].v6only);
	assert_int_equal(l.s.sockets[1].holder_count, 1);
	end(&l);
}

/* A dump that is asked again gives the same socket again: it is replaced, not added. */
static void test_kernel_says_it_twice(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	k.rqueue = 9;
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 1);
	assert_int_equal(l.s.sockets[0].backlog_used, 9);
	end(&l);
}

static void add_recorded(struct look *l, enum sock_table table, const char *name)
{
	struct recorded_list messages;
	const struct recorded *m;
	struct kernel_socket k;

	recorded_load(&messages, "sock_diag.hex");
	m = recorded_find(&messages, name);
	assert_int_equal(sock_decode_inet(m->bytes, m->len, &k), 0);
	join_add_kernel(&l->j, 0, table, &k);
	recorded_done(&messages);
}

static void expect_mptcp_twin(struct look *l)
{
	struct task_file_record r = record(8087, 7979405, 630062);

	r.protocol = IPPROTO_MPTCP;
	join_add_record(&l->j, &r);
	assert_int_equal(join_finish(&l->j), 0);
	assert_int_equal(l->s.socket_count, 1);
	assert_true(l->s.sockets[0].mptcp);
	assert_int_equal(l->s.sockets[0].proto, PROTO_TCP);
	assert_int_equal(l->s.sockets[0].views, VIEW_KERNEL | VIEW_FILES);
	assert_int_equal(l->s.sockets[0].backlog_limit, 3);
	assert_int_equal(l->s.sockets[0].holder_count, 1);
}

/* As recorded: one inode, two cookies. */
static void test_mptcp_twin(void **state)
{
	struct look l;

	(void)state;
	begin(&l);
	add_recorded(&l, TABLE_TCP, "mptcp4-tcp");
	add_recorded(&l, TABLE_MPTCP, "mptcp4-mptcp");
	expect_mptcp_twin(&l);
	end(&l);
}

static void test_mptcp_table_alone(void **state)
{
	struct look l;

	(void)state;
	begin(&l);
	add_recorded(&l, TABLE_MPTCP, "mptcp4-mptcp");
	expect_mptcp_twin(&l);
	end(&l);
}

/* Debian 12's kernel without mptcp_diag.ko: the listener was "hidden", and had a twin. */
static void test_mptcp_without_its_table(void **state)
{
	struct look l;

	(void)state;
	begin(&l);
	add_recorded(&l, TABLE_TCP, "mptcp4-tcp");
	expect_mptcp_twin(&l);
	end(&l);
}

/* The inode was used again between the two looks: two sockets, which must not be mixed. */
static void test_inode_reused(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);
	struct task_file_record r = record(443, 1, 12);

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	join_add_record(&l.j, &r);
	k = kernel(8080, 1, 13);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 3);
	assert_int_equal(l.s.sockets[0].port, 80);
	assert_int_equal(l.s.sockets[0].holder_count, 0);
	assert_int_equal(l.s.sockets[1].port, 443);
	assert_int_equal(l.s.sockets[1].holder_count, 1);
	assert_int_equal(l.s.sockets[2].port, 8080);
	assert_int_equal(l.s.sockets[2].holder_count, 0);
	end(&l);
}

/* A socket has no cookie until somebody asks: the walk may come before the table does. */
static void test_cookie_after_the_walk(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);
	struct task_file_record r = record(80, 1, 0);

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 1);
	assert_int_equal(l.s.sockets[0].views, VIEW_KERNEL | VIEW_FILES);
	end(&l);
}

/* Without cookies (/proc/net has none) the inode alone tells. */
static void test_no_cookie(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 0);
	struct task_file_record r = record(80, 1, 12);

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 1);
	end(&l);
}

/* Sockets without an inode are not one socket. */
static void test_no_inode(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 0, 11);

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	k = kernel(81, 0, 12);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 2);
	end(&l);
}

static void test_udp_explicit_or_not(void **state)
{
	static const struct {
		uint8_t userlocks;
		enum socket_kind kind;
		enum tristate explicit_bind;
	} cases[] = {
		{LOCK, SOCKET_PORT, STATE_YES},
		{LOCK | 7, SOCKET_PORT, STATE_YES},
		{0, SOCKET_CLIENT, STATE_NO},
		{7, SOCKET_CLIENT, STATE_NO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int known = 0; known < 2; known++) {
			struct look l;
			struct kernel_socket k = kernel(5000, 1, 11);
			struct task_file_record r = record(5000, 1, 11);

			begin(&l);
			k.state = r.state = CLOSE;
			r.protocol = IPPROTO_UDP;
			r.type = SOCK_DGRAM;
			r.userlocks = cases[i].userlocks;
			if (known)
				join_add_kernel(&l.j, 0, TABLE_UDP, &k);
			join_add_record(&l.j, &r);
			assert_int_equal(join_finish(&l.j), 0);
			assert_int_equal(l.s.socket_count, 1);
			assert_int_equal(l.s.sockets[0].proto, PROTO_UDP);
			assert_int_equal(l.s.sockets[0].kind, cases[i].kind);
			assert_int_equal(l.s.sockets[0].explicit_bind, cases[i].explicit_bind);
			assert_int_equal(l.s.sockets[0].backlog_limit, 0);
			end(&l);
		}
	}
}

/* The kernel's table alone cannot tell how a UDP port was bound. */
static void test_udp_unknown_bind(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(5000, 1, 11);

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_UDP, &k);
	assert_int_equal(l.s.sockets[0].explicit_bind, STATE_UNKNOWN);
	assert_int_equal(l.s.sockets[0].kind, SOCKET_PORT);
	end(&l);
}

static void test_what_is_no_listener(void **state)
{
	struct look l;
	struct task_file_record r;
	struct kernel_socket k = kernel(0, 5, 15);

	(void)state;
	begin(&l);
	r = record(80, 1, 11);
	r.state = 1; /* a connection */
	join_add_record(&l.j, &r);
	r = record(0, 2, 12); /* bound to nothing */
	join_add_record(&l.j, &r);
	r = record(53, 3, 13);
	r.protocol = IPPROTO_UDP;
	r.state = 1; /* connected */
	join_add_record(&l.j, &r);
	r = record(80, 4, 14);
	r.protocol = IPPROTO_ICMP; /* a ping socket */
	r.type = SOCK_DGRAM;
	join_add_record(&l.j, &r);
	join_add_kernel(&l.j, 0, TABLE_UDP, &k);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 0);
	assert_int_equal(l.s.process_count, 0);
	assert_int_equal(l.s.other_listeners, 0);
	end(&l);
}

static void test_kinds_without_port(void **state)
{
	struct look l;
	struct task_file_record r;
	struct kernel_socket k = {.family = AF_INET, .local_port = 1, .inode = 1, .cookie = 11};

	(void)state;
	begin(&l);
	k.local.family = AF_INET;
	join_add_kernel(&l.j, 0, TABLE_RAW, &k);
	r = record(1, 1, 11);
	r.type = SOCK_RAW;
	r.protocol = IPPROTO_ICMP;
	r.state = CLOSE;
	join_add_record(&l.j, &r);
	k = (struct kernel_socket){.family = AF_PACKET, .number = 3, .inode = 2, .cookie = 12};
	join_add_kernel(&l.j, 0, TABLE_PACKET, &k);
	r = record(0, 2, 12);
	r.family = AF_PACKET;
	r.type = SOCK_RAW;
	join_add_record(&l.j, &r);
	k = (struct kernel_socket){.family = AF_VSOCK, .number = 1024, .inode = 3, .cookie = 13};
	join_add_kernel(&l.j, 0, TABLE_VSOCK, &k);
	r = record(0, 4, 14);
	r.family = AF_INET6;
	r.type = SOCK_RAW;
	r.protocol = IPPROTO_ICMPV6;
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 4);
	assert_int_equal(l.s.sockets[0].kind, SOCKET_RAW);
	assert_int_equal(l.s.sockets[0].number, IPPROTO_ICMP);
	assert_int_equal(l.s.sockets[0].port, 0);
	assert_int_equal(l.s.sockets[0].views, VIEW_KERNEL | VIEW_FILES);
	assert_int_equal(l.s.sockets[1].kind, SOCKET_PACKET);
	assert_int_equal(l.s.sockets[1].number, 3);
	assert_int_equal(l.s.sockets[1].views, VIEW_KERNEL | VIEW_FILES);
	assert_int_equal(l.s.sockets[2].kind, SOCKET_VSOCK);
	assert_int_equal(l.s.sockets[2].number, 1024);
	assert_int_equal(l.s.sockets[3].kind, SOCKET_RAW);
	assert_int_equal(l.s.sockets[3].number, IPPROTO_ICMPV6);
	end(&l);
}

static void test_other_namespaces_are_counted(void **state)
{
	struct look l;
	struct task_file_record r;

	(void)state;
	begin(&l);
	for (uint32_t i = 0; i < 6; i++) {
		r = record((uint16_t)(80 + i), 10 + i / 2, 20 + i / 2); /* three, each held twice */
		r.netns = i < 4 ? BLUE : GREEN;
		r.pid = 100 + i;
		join_add_record(&l.j, &r);
	}
	r = record(5000, 30, 40); /* a client is no listener there either */
	r.netns = BLUE;
	r.protocol = IPPROTO_UDP;
	r.state = CLOSE;
	r.userlocks = 0;
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 0);
	assert_int_equal(l.s.process_count, 0);
	assert_int_equal(l.s.netns_count, 1);
	assert_int_equal(l.s.other_listeners, 3);
	assert_int_equal(l.s.other_netns, 2);
	end(&l);
}

static void test_other_namespaces_are_added(void **state)
{
	struct look l;
	struct task_file_record r = record(80, 1, 11);

	(void)state;
	begin(&l);
	l.j.all_netns = true;
	r.netns = BLUE;
	join_add_record(&l.j, &r);
	r = record(81, 2, 12);
	r.netns = BLUE;
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.netns_count, 2);
	assert_int_equal(l.s.netns[1].inum, BLUE);
	assert_int_equal(l.s.socket_count, 2);
	assert_int_equal(l.s.sockets[0].netns, 1);
	assert_int_equal(l.s.sockets[1].netns, 1);
	assert_int_equal(l.s.other_listeners, 0);
	end(&l);
}

/* Inode numbers of neighbours, in many namespaces: each socket is found again, and no other. */
static void test_many_namespaces_stay_apart(void **state)
{
	enum { NETNS = 8, EACH = 300, FIRST_INODE = 7979396 };
	struct look l;

	(void)state;
	begin(&l);
	for (uint32_t i = 1; i < NETNS; i++)
		snapshot_add_netns(&l.s)->inum = OWN + i;
	for (uint32_t i = 0; i < NETNS * EACH; i++) {
		uint32_t netns = i * 7 % NETNS;
		struct kernel_socket k = kernel((uint16_t)(1000 + i), FIRST_INODE + i, 100000 + i);

		join_add_kernel(&l.j, netns, TABLE_TCP, &k);
	}
	for (uint32_t i = 0; i < NETNS * EACH; i++) {
		struct task_file_record r =
			record((uint16_t)(1000 + i), FIRST_INODE + i, 100000 + i);

		r.netns = OWN + i * 7 % NETNS;
		join_add_record(&l.j, &r);
	}
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, NETNS * EACH);
	for (size_t i = 0; i < l.s.socket_count; i++) {
		assert_false(join_is_alone(&l.s.sockets[i]));
		assert_int_equal(l.s.sockets[i].holder_count, 1);
	}
	end(&l);
}

/* The same without cookies, as /proc/net gives them: a socket must not replace another's. */
static void test_many_namespaces_without_cookies(void **state)
{
	enum { NETNS = 8, EACH = 300, FIRST_INODE = 7979396 };
	struct look l;

	(void)state;
	begin(&l);
	for (uint32_t i = 1; i < NETNS; i++)
		snapshot_add_netns(&l.s)->inum = OWN + i;
	for (uint32_t i = 0; i < NETNS * EACH; i++) {
		struct kernel_socket k = kernel((uint16_t)(1000 + i), FIRST_INODE + i, 0);

		join_add_kernel(&l.j, i * 7 % NETNS, TABLE_TCP, &k);
	}
	assert_int_equal(l.s.socket_count, NETNS * EACH);
	end(&l);
}

static void test_same_pid_another_process(void **state)
{
	struct look l;
	struct task_file_record r = record(80, 1, 11);

	(void)state;
	begin(&l);
	join_add_record(&l.j, &r);
	r = record(81, 2, 12);
	r.start_ns = 2000; /* the first one ended, and its number was given again */
	memcpy(r.comm, "other", 6);
	join_add_record(&l.j, &r);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.process_count, 2);
	assert_string_equal(snapshot_text(&l.s, l.s.processes[0].comm_str), "nginx");
	assert_string_equal(snapshot_text(&l.s, l.s.processes[1].comm_str), "other");
	end(&l);
}

static void test_two_descriptors_one_holder(void **state)
{
	static const uint32_t fds[] = {9, 3, 7, 3};
	struct look l;

	(void)state;
	begin(&l);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct task_file_record r = record(80, 1, 11);

		r.fd = fds[i];
		join_add_record(&l.j, &r);
	}
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.holder_count, 1);
	assert_int_equal(l.s.sockets[0].holder_count, 1);
	assert_int_equal(l.s.holders[0].fd, 3);
	end(&l);
}

/* Holders come in any order; afterwards each socket has its own, together and once each. */
static void test_many_holders(void **state)
{
	enum { SOCKETS = 40, PROCESSES = 30 };
	struct look l;
	uint32_t total = 0;

	(void)state;
	begin(&l);
	for (uint32_t i = 0; i < SOCKETS * PROCESSES * 2; i++) {
		uint32_t n = i * 7919 % (SOCKETS * PROCESSES * 2);
		uint32_t socket = n % SOCKETS, pid = n / SOCKETS % PROCESSES;
		struct task_file_record r =
			record((uint16_t)(1000 + socket), 500 + socket, 900 + socket);

		r.pid = pid;
		r.fd = n / SOCKETS / PROCESSES;
		if (pid <= socket)
			join_add_record(&l.j, &r);
	}
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, SOCKETS);
	for (size_t i = 0; i < l.s.socket_count; i++) {
		const struct socket_info *socket = &l.s.sockets[i];
		uint32_t number = socket->port - 1000u;

		assert_int_equal(socket->holder_count,
				 number + 1 < PROCESSES ? number + 1 : PROCESSES);
		total += socket->holder_count;
		for (uint32_t k = 0; k < socket->holder_count; k++) {
			const struct holder_info *h = &l.s.holders[socket->first_holder + k];

			assert_int_equal(h->socket, i);
			assert_true(l.s.processes[h->process].pid <= number);
			if (k)
				assert_true(h->process > h[-1].process);
		}
	}
	assert_int_equal(l.s.holder_count, total);
	end(&l);
}

static void test_proc_records(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);
	struct sock_proc_record r = {.inode = 1, .pid = 7, .fd = 5};

	(void)state;
	begin(&l);
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	join_add_proc(&l.j, &r, 1000, 33, "nginx", false);
	r.fd = 4;
	join_add_proc(&l.j, &r, 1000, 33, "nginx", false);
	r.pid = 2;
	join_add_proc(&l.j, &r, 0, 0, "kthreadd", true);
	r.inode = 999; /* a socket that no table has is no listener */
	join_add_proc(&l.j, &r, 0, 0, "kthreadd", true);
	assert_int_equal(join_finish(&l.j), 0);
	assert_int_equal(l.s.socket_count, 1);
	assert_int_equal(l.s.sockets[0].views, VIEW_KERNEL | VIEW_FILES);
	assert_int_equal(l.s.sockets[0].holder_count, 2);
	assert_int_equal(l.s.process_count, 2);
	assert_int_equal(l.s.processes[0].pid, 7);
	assert_int_equal(l.s.processes[0].uid, 33);
	assert_int_equal(l.s.processes[0].program_state, PROGRAM_UNKNOWN);
	assert_int_equal(l.s.processes[1].program_state, PROGRAM_KERNEL);
	assert_int_equal(l.s.holders[l.s.sockets[0].first_holder].fd, 4);
	end(&l);
}

static void test_name_without_end(void **state)
{
	struct look l;
	struct task_file_record r = record(80, 1, 11);

	(void)state;
	begin(&l);
	memset(r.comm, 'c', sizeof(r.comm));
	r.kernel_thread = 1;
	join_add_record(&l.j, &r);
	assert_string_equal(snapshot_text(&l.s, l.s.processes[0].comm_str), "cccccccccccccccc");
	assert_int_equal(l.s.processes[0].program_state, PROGRAM_KERNEL);
	end(&l);
}

static void test_out_of_memory(void **state)
{
	struct look l;

	(void)state;
	begin(&l);
	l.s.out_of_memory = true;
	assert_int_equal(join_finish(&l.j), -ENOMEM);
	end(&l);
}

static void test_tables(void **state)
{
	(void)state;
	for (int table = 0; table < TABLE_COUNT; table++) {
		struct look l;
		struct kernel_socket k = kernel(80, 1, 11);

		begin(&l);
		join_add_kernel(&l.j, 0, (enum sock_table)table, &k);
		assert_int_equal(join_table(&l.s.sockets[0]),
				 table == TABLE_MPTCP ? TABLE_TCP : table);
		end(&l);
	}
}

static void test_keys(void **state)
{
	struct look l;
	struct kernel_socket k = kernel(80, 1, 11);
	struct socket_info other;
	uint64_t key;

	(void)state;
	begin(&l);
	snapshot_add_netns(&l.s)->inum = BLUE;
	join_add_kernel(&l.j, 0, TABLE_TCP, &k);
	key = join_key(&l.s, &l.s.sockets[0]);
	other = l.s.sockets[0];
	assert_int_equal(join_key(&l.s, &other), key);
	other.backlog_used = 77; /* what changes from look to look does not count */
	assert_int_equal(join_key(&l.s, &other), key);
	other.port = 81;
	assert_int_not_equal(join_key(&l.s, &other), key);
	other = l.s.sockets[0];
	other.inode = 2;
	assert_int_not_equal(join_key(&l.s, &other), key);
	other = l.s.sockets[0];
	other.netns = 1;
	assert_int_not_equal(join_key(&l.s, &other), key);
	other = l.s.sockets[0];
	other.views = VIEW_FILES;
	assert_int_not_equal(join_key(&l.s, &other), key);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_views),
		cmocka_unit_test(test_one_view_only),
		cmocka_unit_test(test_kernel_says_it_twice),
		cmocka_unit_test(test_mptcp_twin),
		cmocka_unit_test(test_mptcp_table_alone),
		cmocka_unit_test(test_mptcp_without_its_table),
		cmocka_unit_test(test_inode_reused),
		cmocka_unit_test(test_no_cookie),
		cmocka_unit_test(test_cookie_after_the_walk),
		cmocka_unit_test(test_no_inode),
		cmocka_unit_test(test_udp_explicit_or_not),
		cmocka_unit_test(test_udp_unknown_bind),
		cmocka_unit_test(test_what_is_no_listener),
		cmocka_unit_test(test_kinds_without_port),
		cmocka_unit_test(test_other_namespaces_are_counted),
		cmocka_unit_test(test_other_namespaces_are_added),
		cmocka_unit_test(test_many_namespaces_stay_apart),
		cmocka_unit_test(test_many_namespaces_without_cookies),
		cmocka_unit_test(test_same_pid_another_process),
		cmocka_unit_test(test_two_descriptors_one_holder),
		cmocka_unit_test(test_many_holders),
		cmocka_unit_test(test_proc_records),
		cmocka_unit_test(test_name_without_end),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
