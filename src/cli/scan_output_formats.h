/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan_output_formats: a scan as nmap's formats have it, never translated. XML: nmap's DTD, format
 * version 1.05 (nmap 7.93). Each appends to `out`, whose `failed` tells that memory ran out.
 */
#pragma once

#include "cli/scan_output.h"

void scan_output_xml(const struct scan_report *r, struct buf *out);
void scan_output_greppable(const struct scan_report *r, struct buf *out);
void scan_output_normal(const struct scan_report *r, struct buf *out);
