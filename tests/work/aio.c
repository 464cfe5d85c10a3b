/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pipes through io_submit(2), by its system calls. A pipe has no asynchronous
 * operations of its own: each is done when the call returns.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "duct.h"
#include "work.h"

#define ROUNDS 10
#define BYTES 70

static struct iocb request(int opcode, int fd)
{
	return (struct iocb){ .aio_lio_opcode = opcode, .aio_fildes = fd,
			      .aio_buf = (uintptr_t)duct_data, .aio_nbytes = BYTES };
}

/* both at once, the write before the read that takes what it wrote */
static void run_pipe(void)
{
	aio_context_t context = 0;
	struct duct a = duct_new(0);
	struct iocb write = request(IOCB_CMD_PWRITE, a.w), read = request(IOCB_CMD_PREAD, a.r);
	struct iocb *both[] = { &write, &read };
	struct io_event event[2];

	if (syscall(SYS_io_setup, 8, &context)) {
		if (errno == ENOSYS || errno == EPERM)
			work_skip("no io_submit here");
		work_die("io_setup");
	}
	work_ready();
	for (int i = 0; i < ROUNDS; i++) {
		work_expect(syscall(SYS_io_submit, context, 2, both), 2, "io_submit");
		work_expect(syscall(SYS_io_getevents, context, 2, 2, event, NULL), 2, "getevents");
		work_expect(event[0].res + event[1].res, 2 * BYTES, "moved");
		work_did(a.c, WORK_WRITE, BYTES);
		work_did(a.c, WORK_READ, BYTES);
	}
	work_fact("requests", 2 * ROUNDS);
}

static const struct work_mode modes[] = {
	{ "pipe", run_pipe },
};

int main(int argc, char **argv)
{
	return work_main(argc, argv, modes, ARRAY_SIZE(modes));
}
