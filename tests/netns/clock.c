/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock: preloaded into portero. The wall clock is as if it had been set, by CLOCK_SET seconds.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *by = getenv("CLOCK_SET");
	int r;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	r = real(clock, t);
	if (r == 0 && clock == CLOCK_REALTIME && by)
		t->tv_sec += atol(by);
	return r;
}

time_t time(time_t *ret)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (ret)
		*ret = t.tv_sec;
	return t.tv_sec;
}
