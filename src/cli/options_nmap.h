/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_nmap: what nmap's users are used to type and portero does not do, each with a sentence
 * that says so.
 */
#pragma once

/*
 * `text`: an option without its dash ("sX", "PS22"). The sentence, N_(), or NULL: it is none of
 * these.
 */
const char *options_nmap_lacks(const char *text);
