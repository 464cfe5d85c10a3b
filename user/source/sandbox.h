/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The walls of the sandbox that are of use, or tried, alone. Internal to source/.
 */
#ifndef LENS_SOURCE_SANDBOX_H
#define LENS_SOURCE_SANDBOX_H

#include <sys/types.h>

/*
 * Becomes uid and gid with no further group where CAP_SETUID and CAP_SETGID
 * permit, else stays who we are (which is then no privilege: the same call
 * empties every capability set). Sets no_new_privs and clears dumpable.
 */
int sandbox_become(uid_t uid, gid_t gid);

/* from now on no file can be opened, made or removed by name; 0 also where there is no Landlock */
int sandbox_forbid_files(void);

#endif
