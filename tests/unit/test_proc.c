/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the world knows of a process, from records in any order.
 */
#include "feed.h"

struct proc_rec {
	struct lens_rec_proc r;
	char text[128];
};

/* exe and cgroup: components, leaf first, each with its NUL; argv: NUL separated */
static void feed_proc(struct feed *f, uint32_t pid, unsigned why, const char *comm,
		      const char *exe, size_t exe_len, const char *argv, size_t argv_len)
{
	struct proc_rec p = {
		.r = { .proc = feed_key(pid), .parent = feed_key(1), .why = why, .uid = 7,
		       .exe_len = exe_len, .argv_len = argv_len },
	};

	memset(p.r.comm, 0, sizeof(p.r.comm));
	memcpy(p.r.comm, comm, strnlen(comm, sizeof(p.r.comm)));
	if (exe_len)
		memcpy(p.text, exe, exe_len);
	if (argv_len)
		memcpy(p.text + exe_len, argv, argv_len);
	feed_raw(f, &p, LENS_REC_PROC, (sizeof(p.r) + exe_len + argv_len + 7) & ~7ul);
}

TEST(first_mention_makes_it)
{
	_feed_ struct feed f = feed_new();

	feed_end(&f, feed_pipe(5), 42, LENS_WRITE, 1, 0);
	CHECK(feed_proc_of(&f, 42) != NULL);
	CHECK(!feed_proc_of(&f, 42)->known);
	CHECK(feed_proc_of(&f, 43) == NULL);
}

TEST(latest_record_wins)
{
	_feed_ struct feed f = feed_new();
	struct proc *p;

	feed_proc(&f, 10, LENS_PROC_EXEC, "sh", "sh\0bin", 7, "sh\0-c\0x", 8);
	feed_proc(&f, 10, LENS_PROC_RENAME, "worker", NULL, 0, NULL, 0);
	p = feed_proc_of(&f, 10);
	CHECK(p->known);
	CHECK_STR(p->comm, "worker");
	CHECK_STR(p->exe, "/bin/sh");
	CHECK_MEM(p->argv, p->argv_len, "sh\0-c\0x", 8);
	CHECK_EQ_U64(p->uid, 7);
	feed_proc(&f, 10, LENS_PROC_EXEC, "cat", "cat\0usr", 8, "cat", 4);
	CHECK_STR(p->exe, "/usr/cat");
	CHECK_MEM(p->argv, p->argv_len, "cat", 4);
}

/* a snapshot overtakes events that wait in the ring */
TEST(older_record_only_fills_gaps)
{
	_feed_ struct feed f = feed_new();
	struct proc *p;

	f.ts_ns = 5000;
	feed_proc(&f, 10, LENS_PROC_SEEN, "new", "new\0bin", 8, NULL, 0);
	f.ts_ns = 4000;
	feed_proc(&f, 10, LENS_PROC_EXEC, "old", "old\0bin", 8, "old\0arg", 8);
	p = feed_proc_of(&f, 10);
	CHECK_STR(p->comm, "new");
	CHECK_STR(p->exe, "/bin/new");
	CHECK_MEM(p->argv, p->argv_len, "old\0arg", 8);
}

TEST(comm_of_full_length)
{
	_feed_ struct feed f = feed_new();

	feed_proc(&f, 10, LENS_PROC_SEEN, "0123456789abcdefgh", NULL, 0, NULL, 0);
	CHECK_STR(feed_proc_of(&f, 10)->comm, "0123456789abcdef");
}

TEST(fork_inherits_until_exec)
{
	_feed_ struct feed f = feed_new();

	feed_proc(&f, 1, LENS_PROC_SEEN, "make", "make\0bin", 9, "make\0-j4", 9);
	feed_proc(&f, 2, LENS_PROC_FORK, "make", NULL, 0, NULL, 0);
	CHECK_STR(feed_proc_of(&f, 2)->exe, "/bin/make");
	CHECK_EQ_U64(feed_proc_of(&f, 2)->argv_len, 9);
	feed_proc(&f, 2, LENS_PROC_EXEC, "cc", "cc\0bin", 7, "cc", 3);
	CHECK_STR(feed_proc_of(&f, 2)->exe, "/bin/cc");
	CHECK_STR(feed_proc_of(&f, 1)->exe, "/bin/make");
}

TEST(exit_is_kept)
{
	_feed_ struct feed f = feed_new();

	feed_exit(&f, 9, 0x100);
	CHECK(feed_proc_of(&f, 9)->exited);
	CHECK_EQ_U64(feed_proc_of(&f, 9)->exit_code, 0x100);
}

/* one pid, two processes */
TEST(start_time_tells_reused_pids_apart)
{
	_feed_ struct feed f = feed_new();
	struct lens_proc a = { .start_ns = 1, .tgid = 5 }, b = { .start_ns = 2, .tgid = 5 };

	CHECK(world_proc(f.w, &a) != world_proc(f.w, &b));
	CHECK(world_proc(f.w, &a) == world_proc(f.w, &a));
	CHECK_EQ_U64(hash_count(f.w->procs), 2);
}

/* padding comes from outside and is no part of the identity */
TEST(padding_of_keys_is_ignored)
{
	_feed_ struct feed f = feed_new();
	struct lens_proc a = { .start_ns = 1, .tgid = 5, .pad = 77 };
	struct lens_proc b = { .start_ns = 1, .tgid = 5 };
	struct lens_chan c = feed_pipe(3), d = feed_pipe(3);

	d.pad = 99;
	CHECK(world_proc(f.w, &a) == world_proc(f.w, &b));
	CHECK(world_chan(f.w, &c) == world_chan(f.w, &d));
}

TEST(tree_and_self)
{
	_feed_ struct feed f = feed_new();
	struct lens_rec_proc own = { .proc = feed_key(1), .end_flags = LENS_END_SELF };
	struct lens_rec_proc both = {
		.proc = feed_key(2), .end_flags = LENS_END_SELF | LENS_END_TREE,
	};

	feed_raw(&f, &own, LENS_REC_PROC, sizeof(own));
	feed_raw(&f, &both, LENS_REC_PROC, sizeof(both));
	CHECK(feed_proc_of(&f, 1)->is_self);
	CHECK(!feed_proc_of(&f, 1)->in_tree);
	/* a command that shares our output is not us */
	CHECK(!feed_proc_of(&f, 2)->is_self);
	CHECK(feed_proc_of(&f, 2)->in_tree);
}
