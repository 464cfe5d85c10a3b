/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Network namespaces as a workload wants them, made without any tool. Where
 * that is not possible the workload is skipped.
 */
#ifndef NET_H
#define NET_H

/* a network namespace of its own, whose loopback device is up */
void net_enter(void);
/* one more address of the loopback device of that namespace, like "10.213.7.9" */
void net_add_address(const char *address);
/*
 * What arrives in that namespace is delivered by another processor than this process, which
 * stays where it is, runs on.
 */
void net_deliver_elsewhere(void);
/*
 * A cable between this namespace and that behind a descriptor, with an address at each end, in
 * one network of 256. Leaves this process where it was.
 */
void net_connect(int other, const char *mine, const char *its);

#endif
