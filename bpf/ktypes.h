/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every kernel type and field ipclens depends on, and nothing else. Offsets are relocated
 * against the running kernel's BTF (CO-RE), so only names and types matter here. Seen equal
 * on 6.1, 6.12 and 6.18 unless a flavour (struct name___tag) says otherwise.
 */
#ifndef LENS_KTYPES_H
#define LENS_KTYPES_H

#include "ktypes_file.bpf.h"
#include "ktypes_ipc.bpf.h"
#include "ktypes_task.bpf.h"

#endif
