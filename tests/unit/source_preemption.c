/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Whether the kernel preempts itself, by what it says of itself.
 */
#include "test.h"

#include "source/preemption.h"

#define DYNAMIC "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1"

static bool preempts(const char *version, const char *debug, const char *cmdline,
		     const char *config)
{
	struct preemption_signs signs = { version, debug, cmdline, config };

	return preemption_sign(&signs) != NULL;
}

TEST(what_was_built_decides)
{
	CHECK(preempts("#1 SMP PREEMPT_RT Debian", NULL, NULL, NULL));
	CHECK(preempts("#1 SMP PREEMPT Debian", NULL, "preempt=none", NULL));
	CHECK(!preempts("#1 SMP Debian", NULL, "preempt=full", "CONFIG_PREEMPT=y\n"));
	CHECK(!preempts(NULL, NULL, NULL, NULL));
	CHECK(!preempts(DYNAMIC, NULL, NULL, NULL));
}

TEST(what_was_chosen_later_counts_more)
{
	CHECK(preempts(DYNAMIC, NULL, "quiet preempt=full console=ttyS0\n", NULL));
	CHECK(preempts(DYNAMIC, NULL, "preempt=none preempt=lazy\n", NULL));
	CHECK(!preempts(DYNAMIC, NULL, "preempt=full preempt=voluntary\n", NULL));
	CHECK(!preempts(DYNAMIC, NULL, "xpreempt=full\n", NULL));
	CHECK(!preempts(DYNAMIC, "none (voluntary) full \n", "preempt=full\n", NULL));
	CHECK(preempts(DYNAMIC, "none voluntary (full)\n", "preempt=none\n", NULL));
	CHECK(preempts(DYNAMIC, "none voluntary full (lazy)\n", "", NULL));
}

TEST(configuration_is_the_default)
{
	CHECK(preempts(DYNAMIC, "", "quiet\n", "CONFIG_SMP=y\nCONFIG_PREEMPT=y\n"));
	CHECK(!preempts(DYNAMIC, "", "quiet\n", "# CONFIG_PREEMPT is not set\n"
						"CONFIG_PREEMPT_VOLUNTARY=y\n"));
	CHECK(!preempts(DYNAMIC, "", "preempt=none\n", "CONFIG_PREEMPT=y\n"));
}
