/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * container_fuzz: any bytes as the files of a container runtime: Docker's, Podman's, an OCI
 * bundle's, LXC's.
 */
#include "observe/container.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both texts end within their arrays. */
static void check(const struct container_text *text)
{
	if (!memchr(text->name, 0, sizeof(text->name)) ||
	    !memchr(text->image, 0, sizeof(text->image)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct container_text ret = {0};

	container_parse_docker(text, size, &ret);
	check(&ret);
	container_parse_podman(text, size, "1", &ret);
	check(&ret);
	container_parse_oci(text, size, &ret);
	check(&ret);
	ret = (struct container_text){0};
	container_parse_lxc(text, size, &ret);
	check(&ret);
	return 0;
}
