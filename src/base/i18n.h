/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i18n: the three words of gettext that the sources use.
 *
 * _("text") translates now; N_("text") marks a text in a table for the catalogue, to be passed
 * through _() where it is shown; ngettext() chooses a plural. Machine output (JSON, CSV) is made
 * while the message locale is "C" (cli/main), so it is never translated.
 */
#pragma once

#include <libintl.h>

#define _(text)	 gettext(text)
#define N_(text) (text)
