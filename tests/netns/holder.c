/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * holder: holds the descriptors it inherited until its standard input ends. The tests copy it
 * under many names. Options, each before the next is done:
 *   name=TEXT   calls itself TEXT (prctl PR_SET_NAME)
 *   title=TEXT  overwrites its arguments with TEXT
 *   fork=N      starts N children that hold the same
 *   leave       after fork: the parent ends, the children stay (until killed or stdin ends)
 *   uid=N       becomes user N
 *   thread      its first thread ends, another one holds
 * Says "ready" and the pids of the children on standard output.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void set_title(int argc, char **argv, const char *title)
{
	char *copy = strdup(title);
	size_t room = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);

	memset(argv[0], 0, room);
	strncpy(argv[0], copy, room - 1);
	free(copy);
}

static void hold(void)
{
	char byte;

	while (read(0, &byte, 1) > 0)
		;
	_exit(0);
}

static void *hold_in_thread(void *none)
{
	(void)none;
	hold();
	return NULL;
}

int main(int argc, char **argv)
{
	const char *title = NULL;
	int forks = 0, leave = 0;
	pthread_t thread;
	int threaded = 0;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "name=", 5) == 0)
			prctl(PR_SET_NAME, argv[i] + 5);
		else if (strncmp(argv[i], "title=", 6) == 0)
			title = argv[i] + 6;
		else if (strncmp(argv[i], "fork=", 5) == 0)
			forks = atoi(argv[i] + 5);
		else if (strcmp(argv[i], "leave") == 0)
			leave = 1;
		else if (strcmp(argv[i], "thread") == 0)
			threaded = 1;
		else if (strncmp(argv[i], "uid=", 4) == 0 && setuid((uid_t)atoi(argv[i] + 4)) != 0)
			return 1;
	}
	if (title)
		set_title(argc, argv, title);
	printf("ready");
	fflush(stdout);
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (!leave)
				prctl(PR_SET_PDEATHSIG, SIGKILL);
			hold();
		}
		printf(" %d", pid);
	}
	printf("\n");
	fflush(stdout);
	if (leave)
		return 0;
	if (threaded && pthread_create(&thread, NULL, hold_in_thread, NULL) == 0)
		pthread_exit(NULL);
	hold();
}
