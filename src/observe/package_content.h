/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * package_content: does the package that a program belongs to say that this is its content? Asked
 * of dpkg's lists of MD5 sums, which a package brings when it is installed or upgraded; other
 * package managers vouch for nothing yet. MD5 is what dpkg has: who can write these lists is root,
 * and a second file with the same MD5 sum as a given one cannot be made.
 */
#pragma once

#include <stdbool.h>

/* `sha256` (hexadecimal) is of the content that is meant: the file must still have it. NULL: what
 * it has now. */
bool package_content_vouches(const char *path, const char *sha256);
/* Has the text of a list ("MD5  usr/sbin/nginx" lines) this sum for the path? Merged /usr counts.
 */
bool package_content_is_listed(const char *list, const char *path, const char *md5);
