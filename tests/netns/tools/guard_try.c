/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_try: tries to get a port, in every way that the kernel knows. Copies of it are the programs
 * that the guard's tests declare, and those that attack them. Takes commands, as arguments or else
 * from lines of its input, and answers each with a line: "ok NUMBER", or the error ("EPERM").
 *
 *	socket KIND FAMILY	tcp, udp, mptcp, udplite; 4 or 6: it becomes the current socket
 *	set LEVEL OPTION NUMBER	setsockopt()
 *	bind ADDRESS PORT, listen, connect ADDRESS PORT, send ADDRESS PORT, port
 *	recv [MS]		waits so long for a datagram
 *	disconnect		connect() to AF_UNSPEC
 *	uring-bind ADDRESS PORT, uring-listen	the same by io_uring
 *	give, take		the current socket, over the unix socket that is descriptor 3
 *	enter PATH, unshare FLAGS	another namespace
 *	user UID, cgroup PATH	becomes another user; moves itself
 *	fork			goes on as a child whose parent has ended
 *	pose PATH		has the kernel call PATH its program, without exec
 *	crowd FIRST COUNT	listens on so many TCP ports
 *	flood FIRST COUNT PORTS	COUNT times a new socket and bind, at PORTS ports from FIRST on
 *	hold			does nothing until it is ended
 *	keep PORT, kept		binds PORT over and over in a thread; how often it went well and was
 *refused
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/prctl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GIVEN = 3, WAIT_MS = 300, MAPPING_LIMIT = 64, OP_BIND = 56, OP_LISTEN = 57 };

static int current = -1;
static int is_v6;

/* --- addresses ----------------------------------------------------------------------------------
 */

static socklen_t make_address(const char *text, const char *port, struct sockaddr_storage *to)
{
	struct sockaddr_in *four = (void *)to;
	struct sockaddr_in6 *six = (void *)to;

	memset(to, 0, sizeof(*to));
	if (is_v6) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)atoi(port));
		inet_pton(AF_INET6, text, &six->sin6_addr);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)atoi(port));
	inet_pton(AF_INET, text, &four->sin_addr);
	return sizeof(*four);
}

/* --- sockets ------------------------------------------------------------------------------------
 */

static int do_socket(char **word)
{
	static const struct {
		const char *name;
		int type, protocol, family; /* 0: as is said */
	} kinds[] = {{"tcp", SOCK_STREAM, 0, 0},
		     {"udp", SOCK_DGRAM, 0, 0},
		     {"mptcp", SOCK_STREAM, 262, 0},
		     {"udplite", SOCK_DGRAM, IPPROTO_UDPLITE, 0},
		     {"sctp", SOCK_STREAM, IPPROTO_SCTP, 0},
		     {"dccp", SOCK_DCCP, IPPROTO_DCCP, 0},
		     {"packet", SOCK_RAW, 0, AF_PACKET},
		     {"xdp", SOCK_RAW, 0, AF_XDP},
		     {"vsock", SOCK_STREAM, 0, AF_VSOCK}};
	int family;

	is_v6 = word[2] && word[2][0] == '6';
	family = is_v6 ? AF_INET6 : AF_INET;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, word[1]) == 0)
			current = socket(kinds[i].family ? kinds[i].family : family, kinds[i].type,
					 kinds[i].protocol);
	return current;
}

static int do_set(char **word)
{
	int value = (int)strtoul(word[3], NULL, 0);

	return setsockopt(current, atoi(word[1]), atoi(word[2]), &value, sizeof(value));
}

static int do_bind(char **word)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(word[1], word[2], &to);

	return bind(current, (void *)&to, len);
}

static int do_bind_vsock(char **word)
{
	struct sockaddr_vm to = {.svm_family = AF_VSOCK,
				 .svm_cid = VMADDR_CID_ANY,
				 .svm_port = (unsigned)atoi(word[1])};

	return bind(current, (void *)&to, sizeof(to));
}

static int do_listen(char **word)
{
	(void)word;
	return listen(current, 4096); /* nobody accepts */
}

static int do_connect(char **word)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(word[1], word[2], &to);

	return connect(current, (void *)&to, len);
}

static int do_disconnect(char **word)
{
	struct sockaddr to = {.sa_family = AF_UNSPEC};

	(void)word;
	return connect(current, &to, sizeof(to));
}

static int do_send(char **word)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(word[1], word[2], &to);

	return sendto(current, "x", 1, 0, (void *)&to, len) == 1 ? 0 : -1;
}

static int do_recv(char **word)
{
	struct pollfd p = {.fd = current, .events = POLLIN};
	char bytes[64];
	int n = poll(&p, 1, word[1] ? atoi(word[1]) : WAIT_MS);

	if (n == 0)
		errno = ETIMEDOUT;
	return n <= 0 ? -1 : (int)recv(current, bytes, sizeof(bytes), MSG_DONTWAIT);
}

static int do_port(char **word)
{
	struct sockaddr_in6 at = {0};
	socklen_t len = sizeof(at);

	(void)word;
	return getsockname(current, (void *)&at, &len) < 0 ? -1 : ntohs(at.sin6_port);
}

/* --- io_uring -----------------------------------------------------------------------------------
 */

static int uring(uint8_t op, int fd, void *address, uint64_t len)
{
	struct io_uring_params p = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
	struct io_uring_sqe *sqe;
	char *sq, *cq;
	int result;

	if (ring < 0)
		return -1;
	sq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED)
		return -1;
	*sqe = (struct io_uring_sqe){
		.opcode = op, .fd = fd, .addr = (uintptr_t)address, .addr2 = len};
	if (op == OP_LISTEN)
		sqe->len = 16;
	((uint32_t *)(sq + p.sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -1;
	result = ((struct io_uring_cqe *)(cq + p.cq_off.cqes))->res;
	close(ring);
	errno = -result;
	return result < 0 ? -1 : 0;
}

static int do_uring_bind(char **word)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(word[1], word[2], &to);

	return uring(OP_BIND, current, &to, len);
}

static int do_uring_listen(char **word)
{
	(void)word;
	return uring(OP_LISTEN, current, NULL, 0);
}

/* --- descriptors, namespaces, users -------------------------------------------------------------
 */

static int do_give(char **word)
{
	char byte = 'x', room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec bytes = {&byte, 1};
	struct msghdr m = {.msg_iov = &bytes,
			   .msg_iovlen = 1,
			   .msg_control = room,
			   .msg_controllen = sizeof(room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	(void)word;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &current, sizeof(int));
	return sendmsg(GIVEN, &m, 0) == 1 ? 0 : -1;
}

static int do_take(char **word)
{
	char byte, room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec bytes = {&byte, 1};
	struct msghdr m = {.msg_iov = &bytes,
			   .msg_iovlen = 1,
			   .msg_control = room,
			   .msg_controllen = sizeof(room)};

	(void)word;
	if (recvmsg(GIVEN, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&current, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return 0;
}

static int do_enter(char **word)
{
	int fd = open(word[1], O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, 0);
}

static int do_unshare(char **word)
{
	return unshare((int)strtoul(word[1], NULL, 0));
}

static int do_user(char **word)
{
	uid_t uid = (uid_t)atoi(word[1]);
	int r = setresgid(uid, uid, uid) < 0 ? -1 : setresuid(uid, uid, uid);

	/* so that its own files in /proc are its own again */
	return r < 0 ? -1 : prctl(PR_SET_DUMPABLE, 1);
}

static int do_cgroup(char **word)
{
	char path[4096];
	int fd, r;

	snprintf(path, sizeof(path), "%s/cgroup.procs", word[1]);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	r = fd < 0 ? -1 : (int)write(fd, "0", 1);
	close(fd);
	return r < 0 ? -1 : 0;
}

static int do_fork(char **word)
{
	pid_t parent = getpid(), pid = fork();

	(void)word;
	if (pid > 0)
		_exit(0);
	/* the next command is the orphan's */
	while (pid == 0 && getppid() == parent)
		usleep(1000);
	return pid < 0 ? -1 : 0;
}

static int do_hold(char **word)
{
	(void)word;
	return pause();
}

/* --- another program's name ---------------------------------------------------------------------
 */

/* In place of what is mapped of a file, a copy of it that is of no file. */
static int detach_mapping(uintptr_t from, uintptr_t to, const char *access)
{
	size_t size = to - from;
	int prot = (access[0] == 'r' ? PROT_READ : 0) | (access[1] == 'w' ? PROT_WRITE : 0) |
		   (access[2] == 'x' ? PROT_EXEC : 0);
	void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return -1;
	memcpy(copy, (void *)from, size);
	if (mprotect(copy, size, prot) < 0)
		return -1;
	return mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)from) == MAP_FAILED
		       ? -1
		       : 0;
}

static int detach_program(void)
{
	struct {
		uintptr_t from, to;
		char access[8];
	} m[MAPPING_LIMIT];
	char own[4096], line[4096], path[4096];
	size_t count = 0;
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	FILE *maps = fopen("/proc/self/maps", "re");
	int r = 0;

	if (len < 0 || !maps)
		return -1;
	own[len] = '\0';
	while (count < MAPPING_LIMIT && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &m[count].from, &m[count].to,
			   m[count].access, path) == 4 &&
		    strcmp(path, own) == 0)
			count++;
	fclose(maps);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = detach_mapping(m[i].from, m[i].to, m[i].access);
	return r;
}

static int do_pose(char **word)
{
	uintptr_t here = (uintptr_t)&do_pose, heap = (uintptr_t)sbrk(0), stack = (uintptr_t)&here;
	int fd = open(word[1], O_RDONLY | O_CLOEXEC);
	struct prctl_mm_map map = {.start_code = here,
				   .end_code = here + 1,
				   .start_data = here,
				   .end_data = here + 1,
				   .start_brk = heap,
				   .brk = heap,
				   .start_stack = stack,
				   .arg_start = stack,
				   .arg_end = stack + 1,
				   .env_start = stack,
				   .env_end = stack + 1,
				   .exe_fd = (uint32_t)fd};

	if (fd < 0 || detach_program() < 0)
		return -1;
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

/* --- much of it ---------------------------------------------------------------------------------
 */

static int do_crowd(char **word)
{
	int first = atoi(word[1]), count = atoi(word[2]), r = 0;

	for (int i = 0; r == 0 && i < count; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons((uint16_t)(first + i))};

		current = socket(AF_INET, SOCK_STREAM, 0);
		r = bind(current, (void *)&to, sizeof(to)) < 0 ? -1 : listen(current, 16);
	}
	return r;
}

static int do_flood(char **word)
{
	int first = atoi(word[1]), count = atoi(word[2]), ports = atoi(word[3]), refused = 0;

	for (int i = 0; i < count; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons((uint16_t)(first + i % ports))};
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		refused += bind(fd, (void *)&to, sizeof(to)) < 0 && errno == EPERM;
		close(fd);
	}
	return refused;
}

static struct {
	pthread_t thread;
	int port, stop, good, bad;
} keeping;

static void *keep(void *unused)
{
	int one = 1;

	while (!__atomic_load_n(&keeping.stop, __ATOMIC_RELAXED)) {
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons((uint16_t)keeping.port)};
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (void *)&to, sizeof(to)) == 0 && listen(fd, 1) == 0)
			keeping.good++;
		else if (errno == EPERM) /* who looks at all files holds a closed one a moment
					    longer: EADDRINUSE */
			keeping.bad++;
		close(fd);
		usleep(100);
	}
	return unused;
}

static int do_keep(char **word)
{
	memset(&keeping, 0, sizeof(keeping));
	keeping.port = atoi(word[1]);
	errno = pthread_create(&keeping.thread, NULL, keep, NULL);
	return errno ? -1 : 0;
}

/* --- commands -----------------------------------------------------------------------------------
 */

static const struct command {
	const char *name;
	int (*run)(char **word);
} commands[] = {
	{"socket", do_socket},
	{"set", do_set},
	{"bind", do_bind},
	{"bind-vsock", do_bind_vsock},
	{"listen", do_listen},
	{"connect", do_connect},
	{"disconnect", do_disconnect},
	{"send", do_send},
	{"recv", do_recv},
	{"hold", do_hold},
	{"port", do_port},
	{"uring-bind", do_uring_bind},
	{"uring-listen", do_uring_listen},
	{"give", do_give},
	{"take", do_take},
	{"enter", do_enter},
	{"unshare", do_unshare},
	{"user", do_user},
	{"cgroup", do_cgroup},
	{"fork", do_fork},
	{"pose", do_pose},
	{"flood", do_flood},
	{"keep", do_keep},
	{"crowd", do_crowd},
};

static void answer(char *line)
{
	char *word[8] = {0}, *rest;
	size_t count = 0;
	int r = -1;

	for (char *w = strtok_r(line, " \n", &rest); w && count < 7;
	     w = strtok_r(NULL, " \n", &rest))
		word[count++] = w;
	if (!count)
		return;
	if (strcmp(word[0], "kept") == 0) {
		__atomic_store_n(&keeping.stop, 1, __ATOMIC_RELAXED);
		pthread_join(keeping.thread, NULL);
		printf("%d good, %d bad\n", keeping.good, keeping.bad);
		return;
	}
	errno = ENOSYS;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, word[0]) == 0)
			r = commands[i].run(word);
	if (r < 0)
		printf("%s\n", strerrorname_np(errno));
	else
		printf("ok %d\n", r);
}

int main(int argc, char **argv)
{
	char line[4096];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 1) {
		while (fgets(line, sizeof(line), stdin))
			answer(line);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		snprintf(line, sizeof(line), "%s", argv[i]);
		answer(line);
	}
	return 0;
}
