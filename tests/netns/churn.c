/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * churn: keeps a few short-lived listeners going. Each child runs one of the three programs given
 * (by its pid modulo 3), listens on 127.0.0.1, port 10000 + pid % 50000, for a few milliseconds,
 * and ends. Says "ready" and goes on until its standard input ends or its parent does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 12 };

static int serve(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((unsigned short)(10000 + getpid() % 50000));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || bind(s, (struct sockaddr *)&to, sizeof(to)) != 0 || listen(s, 4) != 0)
		return 1;
	usleep((useconds_t)(getpid() % 13) * 1000);
	return 0;
}

static void start_one(char **programs)
{
	pid_t parent = getpid(), pid = fork();
	char *program;

	if (pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	program = programs[getpid() % 3];
	execl(program, program, "serve", (char *)NULL);
	_exit(1);
}

int main(int argc, char **argv)
{
	char byte;

	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc != 4)
		return 2;
	fcntl(0, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < AT_ONCE; i++)
		start_one(argv + 1);
	printf("ready\n");
	fflush(stdout);
	while (waitpid(-1, NULL, 0) > 0) {
		if (read(0, &byte, 1) == 0)
			return 0;
		start_one(argv + 1);
	}
	return 0;
}
