/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring_reader RING: writes "x\n" for each event of the pinned ring buffer, and does nothing else
 * with it: what a kernel takes from the event to whoever reads the line (bench.py, scene F).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

static int tell(void *context, void *event, size_t size)
{
	(void)context;
	(void)event;
	(void)size;
	return write(STDOUT_FILENO, "x\n", 2) == 2 ? 0 : -1;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? bpf_obj_get(argv[1]) : -1;
	struct ring_buffer *ring = fd < 0 ? NULL : ring_buffer__new(fd, tell, NULL, NULL);

	if (!ring) {
		perror("ring_reader");
		return 1;
	}
	while (ring_buffer__poll(ring, -1) >= 0)
		continue;
	return 0;
}
