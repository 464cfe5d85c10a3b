/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The tables of the totals plane: what was counted, and of which channels. Plain and
 * preallocated: a full one refuses, where an LRU map would forget.
 */
#ifndef LENS_TABLES_BPF_H
#define LENS_TABLES_BPF_H

#include "kinds.bpf.h"
#include "place.bpf.h"
#include "totals.bpf.h"

struct totals_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct lens_total_key);
	__type(value, struct lens_total);
};
extern struct totals_map lens_totals SEC(".maps");

/* what found that full, by process, kind and direction alone: keys with LENS_DEV_UNPLACED */
struct unplaced_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct lens_total_key);
	__type(value, struct lens_total);
};
extern struct unplaced_map lens_unplaced SEC(".maps");

static __always_inline void total_merge(struct lens_total *to, const struct cache_slot *from)
{
	__sync_fetch_and_add(&to->ops, from->ops);
	__sync_fetch_and_add(&to->bytes, from->bytes);
	if (from->msgs)
		__sync_fetch_and_add(&to->msgs, from->msgs);
	if (from->errors)
		__sync_fetch_and_add(&to->errors, from->errors);
	if (from->shorts)
		__sync_fetch_and_add(&to->shorts, from->shorts);
}

static __always_inline void total_add(struct lens_total *to, const struct call *c)
{
	__sync_fetch_and_add(&to->ops, 1);
	if (c->ret > 0)
		__sync_fetch_and_add(&to->bytes, c->ret);
	else if (c->ret < 0)
		__sync_fetch_and_add(&to->errors, 1);
	if (c->moved)
		__sync_fetch_and_add(&to->msgs, c->moved);
	if (c->is_short)
		__sync_fetch_and_add(&to->shorts, 1);
}

/* of what a slot holds, and of one call; global functions: see totals_missed() */
int unplaced_merge(const struct cache_slot *slot);
int unplaced_add(const struct lens_total_key *key, const struct call *call);

/* who used a channel, and where in its stream they are */
struct users {
	struct lens_users shown;	/* first: the collector reads it */
	struct place_track track;
	__u64 inode;	/* address of the channel's inode, 0: not known, or it has none */
};
struct chans_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct lens_chan);
	__type(value, struct users);
};
extern struct chans_map lens_chans SEC(".maps");

/* entries that were ever put into lens_totals */
extern __u32 lens_entries_made;

/* kinds whose channels are as long there as an inode that their key names */
#define KINDS_INODE (KINDS_FIFO | KINDS_SOCK | KIND_BIT(LENS_KIND_POSIX_MQ))

/*
 * Is that of a channel at an address which was its once? Inodes do not move, and one that is
 * freed or made anew has no users or another number: no means gone. Numbers of inodes without
 * a file system come around after 2^32, so that another one cannot be taken for it.
 */
static __always_inline bool inode_is_of(struct inode *i, const struct lens_total_key *k)
{
	if (!(KINDS_INODE & KIND_BIT(k->kind & 63)) || BPF_CORE_READ(i, i_ino) != k->ino ||
	    BPF_CORE_READ(i, i_sb, s_dev) != k->dev || !BPF_CORE_READ(i, i_count.counter))
		return false;
	return k->kind != LENS_KIND_FIFO || BPF_CORE_READ(i, i_generation) == k->gen;
}

/* a channel was met behind that file: where to ask later whether it is there still */
int chan_keep_inode(const struct lens_total_key *key, __u64 file);

#endif
