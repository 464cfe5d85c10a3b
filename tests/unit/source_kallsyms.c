/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Names of kernel functions: found by any address inside, and nothing is made
 * up for addresses that are none, or where the kernel hides them.
 */
#include "test.h"

#include "base/base.h"
#include "source/kallsyms.h"

static int read_text(const char *text, struct kallsyms **ret)
{
	char path[] = "/tmp/lens-kallsyms-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	int err;

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	err = kallsyms_read(path, ret);
	unlink(path);
	return err;
}

TEST(lookup)
{
	_cleanup_(kallsyms_freep) struct kallsyms *k = NULL;
	struct kallsyms_symbol s;

	/* as in the file: not sorted, with data between, and modules at the end */
	CHECK_EQ_I64(read_text("ffffffff81000200 T second\n"
			       "ffffffff81000100 t first.cold\n"
			       "ffffffff81000180 d data\n"
			       "not a line\n"
			       "ffffffffc0000000 t in_module\t[dm_mod]\n"
			       "ffffffffc0000010 W weak\t[dm_mod]\n"
			       "ffffffffc0000020 t other\t[dm]\n",
			       &k),
		     0);
	CHECK(!kallsyms_find(k, 0xffffffff810000ff, &s));
	CHECK(kallsyms_find(k, 0xffffffff810001ff, &s));
	CHECK_STR(s.function, "first.cold");
	CHECK(!s.module);
	CHECK_EQ_U64(s.offset, 0xff);
	CHECK(kallsyms_find(k, 0xffffffff81000200, &s));
	CHECK_STR(s.function, "second");
	CHECK_EQ_U64(s.offset, 0);
	CHECK(!kallsyms_find(k, 0xffffffff91000200, &s));
	CHECK(kallsyms_find(k, 0xffffffffc0000011, &s));
	CHECK_STR(s.function, "weak");
	CHECK_STR(s.module, "dm_mod");
	CHECK(kallsyms_find(k, 0xffffffffc0000021, &s));
	CHECK_STR(s.module, "dm");
}

TEST(hidden)
{
	struct kallsyms *k = NULL;

	CHECK_EQ_I64(read_text("0000000000000000 T first\n"
			       "0000000000000000 T second\n",
			       &k),
		     -EPERM);
	CHECK_EQ_I64(read_text("", &k), -EPERM);
	CHECK_EQ_I64(kallsyms_read("/nonexistent", &k), -ENOENT);
	CHECK(!k);
}
