/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef LENS_MODEL_ORIGIN_H
#define LENS_MODEL_ORIGIN_H

enum origin_how {
	ORIGIN_UNKNOWN,
	ORIGIN_CREATED,			/* by a call that makes such a thing */
	ORIGIN_OPENED,			/* by its path */
	ORIGIN_INHERITED,		/* by fork */
	ORIGIN_RECEIVED,		/* over a unix socket */
	ORIGIN_FETCHED,			/* by pidfd_getfd(2) */
};

#endif
