/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * top_ports: the TCP ports where a service is likeliest: a ranking of the project's own, compiled
 * in; data/top-ports.tsv says how it was made. No I/O.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const uint16_t top_ports_rows[]; /* the likeliest first, each once */
extern const size_t top_ports_row_count;

/* The first `count` of them, at most top_ports_row_count, in ascending order. */
void top_ports_take(size_t count, uint16_t *ports);
