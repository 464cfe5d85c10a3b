// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Gives room in the table of totals back: run by the collector for a piece of what it read
 * there. Whether a channel is gone is asked of its inode, which is quicker than to look for
 * it in all processes, and as certain.
 */
#include "ident.bpf.h"
#include "tables.bpf.h"

/* of struct lens_retire_row, which the skeleton that user space is given cannot name */
__u64 lens_retire_rows[LENS_RETIRE_ROWS][sizeof(struct lens_retire_row) / sizeof(__u64)];

/* where to ask later whether the channel is there still */
int chan_keep_inode(const struct lens_total_key *wanted, __u64 file)
{
	struct lens_total_key key;
	struct lens_chan chan;
	struct lens_proc unused;
	struct inode *inode;
	struct users *u;

	if (!wanted)
		return 0;
	key = *wanted;
	ident_split(&key, &chan, &unused);
	inode = BPF_CORE_READ((struct file *)file, f_inode);
	if (!inode_is_of(inode, &key))
		return 0;
	u = bpf_map_lookup_elem(&lens_chans, &chan);
	if (!u)
		return 0;
	u->inode = (__u64)inode;
	u->shown.gone_in = 0;
	return 0;
}

/*
 * Has it gone, and was that so when the caches were emptied for this reading? Then nobody
 * adds to its entries any more, which must not happen while they are taken.
 */
static __always_inline bool has_long_gone(struct users *u, struct lens_retire_row *row,
					  const struct lens_total_key *key, __u32 reading)
{
	if (!u->inode || inode_is_of((struct inode *)u->inode, key))
		return false;
	if (!u->shown.gone_in)
		u->shown.gone_in = reading;
	row->leaves = u->shown.gone_in == reading;
	return !row->leaves;
}

static long retire_row(__u32 index, __u32 *reading)
{
	struct lens_retire_row *row;
	struct lens_total_key key;
	struct lens_proc nobody;
	struct lens_chan chan;
	struct lens_total *t;
	struct users *u;
	__u32 left;

	if (index >= LENS_RETIRE_ROWS)
		return 1;
	row = (struct lens_retire_row *)lens_retire_rows[index];
	left = row->wanted ? LENS_LEFT : 0;
	row->left = row->leaves = 0;
	key = row->key;
	ident_split(&key, &chan, &nobody);
	u = bpf_map_lookup_elem(&lens_chans, &chan);
	if (!u)
		left = LENS_LEFT_ALONE;
	else if (has_long_gone(u, row, &key, *reading))
		left = LENS_LEFT_GONE;
	t = left ? bpf_map_lookup_elem(&lens_totals, &key) : NULL;
	if (!t)
		return 0;
	/* what is still in a cache comes as an entry of its own, with LENS_END_LATE */
	row->total = *t;
	bpf_map_delete_elem(&lens_totals, &key);
	row->left = left;
	return 0;
}

SEC("?raw_tp/sys_exit")
int core__run__retire(__u64 *args)
{
	__u32 reading = args[1];

	bpf_loop(args[0], retire_row, &reading, 0);
	return 0;
}
