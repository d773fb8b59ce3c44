/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cur: a cursor over untrusted bytes, with a sticky `ok` flag.
 *
 * Every read checks the length first. The first read past the end makes `ok` false and returns
 * zeroes; all later ones do the same, so a decoder reads straight on and looks at `ok` once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cur {
	const uint8_t *at;
	size_t left;
	bool ok;
};

struct cur cur_init(const void *bytes, size_t len);
/* The next `len` bytes, or NULL (ok is then false). They live as long as the underlying bytes. */
const void *cur_take(struct cur *c, size_t len);
/* Copies the next `len` bytes to `to`; zeroes it when they are not there. */
void cur_read(struct cur *c, void *to, size_t len);
/* A cursor over the next `len` bytes; empty and not ok when they are not there. */
struct cur cur_slice(struct cur *c, size_t len);
