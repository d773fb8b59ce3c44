/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: makes the load for the benchmark, and times commands under it. It is small, so that 2,000
 * of its children are cheap, and so that the peak memory of a command it starts is the command's
 * own (the kernel counts that of the process which started it too).
 *
 *   load NETNS hold PROCESSES LISTENERS FILES
 *       PROCESSES children, each with LISTENERS TCP listeners on loopback addresses of their own
 *       and FILES other descriptors; "ready", then until the end of standard input
 *   load NETNS time COMMAND...
 *       runs it with its output to /dev/null; writes its wall, user and system time (ns), its peak
 *       memory (KiB) and its wait status
 *   load NETNS exec COMMAND...
 *
 * NETNS is a file to enter first, or "-". Only processes that it started are ended.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 10000, PORTS_PER_ADDRESS = 50000 };

static const uint32_t first_address = 0x7f000101; /* 127.0.1.1 */

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static void open_listener(long index)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_port = htons((uint16_t)(FIRST_PORT + index % PORTS_PER_ADDRESS));
	a.sin_addr.s_addr = htonl(first_address + (uint32_t)(index / PORTS_PER_ADDRESS));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0)
		die("listener");
}

/* A child: does not return. The three standard descriptors are of the FILES too. */
static void hold(long first, long listeners, long files, int ready, pid_t parent)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (null < 0 || getppid() != parent)
		exit(1);
	dup2(null, 0);
	dup2(null, 1);
	for (long i = 0; i < listeners; i++)
		open_listener(first + i);
	for (long i = 4; i < files; i++)
		if (dup(null) < 0)
			die("dup");
	dup2(null, 2);
	if (write(ready, "+", 1) != 1)
		exit(1);
	close(ready);
	for (;;)
		pause();
}

/* Waits until all children have said so, or one of them has ended without. */
static void wait_ready(int fd, long count)
{
	char bytes[512];

	while (count > 0) {
		ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got <= 0) {
			fprintf(stderr, "load: %ld processes did not get ready\n", count);
			exit(1); /* the others end with this process */
		}
		count -= got;
	}
}

static int run_hold(long processes, long listeners, long files)
{
	struct rlimit limit;
	pid_t *children = calloc((size_t)processes + 1, sizeof(*children)), parent = getpid();
	int ready[2];
	char byte;

	if (!children || pipe(ready) < 0)
		die("start");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (long i = 0; i < processes; i++) {
		children[i] = fork();
		if (children[i] < 0)
			die("fork");
		if (children[i] > 0)
			continue;
		close(ready[0]);
		hold(i * listeners, listeners, files, ready[1], parent);
	}
	close(ready[1]);
	wait_ready(ready[0], processes);
	close(ready[0]);
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	for (long i = 0; i < processes; i++)
		kill(children[i], SIGKILL);
	for (long i = 0; i < processes; i++)
		waitpid(children[i], NULL, 0);
	free(children);
	return 0;
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long timeval_ns(struct timeval t)
{
	return t.tv_sec * 1000000000LL + t.tv_usec * 1000LL;
}

static int run_timed(char **command)
{
	extern char **environ;
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	long long start, end;
	int status, r;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	start = now_ns();
	r = posix_spawnp(&pid, command[0], &actions, NULL, command, environ);
	if (r) {
		errno = r;
		die(command[0]);
	}
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			die("wait4");
	end = now_ns();
	posix_spawn_file_actions_destroy(&actions);
	printf("%lld %lld %lld %ld %d\n", end - start, timeval_ns(usage.ru_utime),
	       timeval_ns(usage.ru_stime), usage.ru_maxrss, status);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	enter(argv[1]);
	if (strcmp(argv[2], "hold") == 0 && argc == 6)
		return run_hold(atol(argv[3]), atol(argv[4]), atol(argv[5]));
	if (strcmp(argv[2], "time") == 0)
		return run_timed(argv + 3);
	if (strcmp(argv[2], "exec") == 0) {
		execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	return 2;
}
