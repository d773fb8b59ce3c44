/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_probe_file: what may stand in a file of probes (data/probes/README.md), key by key, as
 * rows of the tables of service_probes. For service_probes only.
 */
#pragma once

#include "observe/service_probe_values.h"

/*
 * Adds a file to the tables; r->code says what is wrong with it. Requests that it names stand in
 * them as numbers of r->references, until all files are read.
 */
void probe_file_read(struct probe_reader *r, const struct probe_text *t);
