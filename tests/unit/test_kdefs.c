/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The constants of bpf/kdefs.h against the headers of the system, as far as
 * the kernel exports them.
 */
#include <fcntl.h>
#include <linux/ipc.h>
#include <linux/msg.h>
#include <linux/stat.h>

#include "kdefs.h"
#include "test.h"

#include <asm-generic/errno-base.h>

TEST(values)
{
	CHECK_EQ_U64(KDEF_S_IFMT, S_IFMT);
	CHECK_EQ_U64(KDEF_S_IFIFO, S_IFIFO);
	CHECK_EQ_U64(KDEF_O_DIRECT, O_DIRECT);
	CHECK_EQ_U64(KDEF_MSG_NOERROR, MSG_NOERROR);
	CHECK_EQ_U64(KDEF_MSG_COPY, MSG_COPY);
	CHECK_EQ_U64(KDEF_IPC_RMID, IPC_RMID);
	CHECK_EQ_U64(KDEF_IPC_MSGSND, MSGSND);
	CHECK_EQ_U64(KDEF_IPC_MSGRCV, MSGRCV);
	CHECK_EQ_U64(KDEF_IPC_MSGCTL, MSGCTL);
	CHECK_EQ_U64(KDEF_EFAULT, EFAULT);
	CHECK_EQ_U64(KDEF_EINVAL, EINVAL);
	CHECK_EQ_I64(KDEF_PAGE_SIZE, sysconf(_SC_PAGESIZE));
}
