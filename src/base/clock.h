/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock: the time that only goes on (CLOCK_MONOTONIC, clock_gettime(2)), for measuring and waiting;
 * it says nothing of the day.
 */
#pragma once

#include <stdint.h>

uint64_t clock_mono_ns(void);
int64_t clock_mono_ms(void);
