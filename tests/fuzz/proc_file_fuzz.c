/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc_file_fuzz: any bytes as /proc/PID/stat, status, cmdline and the target of a link. Besides
 * memory errors, it looks for a name without an end and for NULs left in a command line.
 */
#include "observe/proc_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char *copy = malloc(size ? size : 1);
	struct proc_stat stat;
	size_t len = size;
	uint64_t inode;
	uint32_t uid;

	if (!copy)
		abort();
	if (proc_parse_stat(text, size, &stat) == 0 && !memchr(stat.comm, '\0', sizeof(stat.comm)))
		abort();
	proc_parse_status_uid(text, size, &uid);
	proc_parse_inode_link(text, size, "socket", &inode);
	proc_parse_inode_link(text, size, "net", &inode);
	memcpy(copy, data, size);
	proc_join_cmdline(copy, &len);
	if (len > size || (len && memchr(copy, '\0', len)))
		abort();
	free(copy);
	return 0;
}
