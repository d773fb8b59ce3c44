/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services_file: reads /etc/services for model/services.
 */
#pragma once

#include "base/err.h"
#include "model/services.h"

/*
 * Adds what the file says to *s (start from {0}). A file that is not there is an empty one. Returns
 * 0, or a negative errno with a sentence in *e: -EFBIG over SERVICES_FILE_LIMIT, -EINVAL when it is
 * no regular file, -EACCES, -ENOMEM, ...
 */
int services_load(struct services *s, const char *path, struct err *e);
