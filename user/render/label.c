/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Names and numbers for people. The only file of the text renderers that sees
 * hostile bytes: they leave it through text_escape().
 */
#define _GNU_SOURCE 1
#include <ctype.h>
#include <sys/wait.h>

#include "mech/mech.h"
#include "render/label.h"

#define MANY 3			/* so many processes of one name become a group */
#define FDS_SHOWN 6

void label_proc(struct buf *out, const struct proc *p)
{
	if (!p) {
		buf_puts(out, "-");
		return;
	}
	if (p->comm[0])
		text_escape(out, p->comm, strnlen(p->comm, sizeof(p->comm)));
	else
		buf_puts(out, "?");
	buf_printf(out, "(%u)", p->key.tgid);
}

void label_chan(struct buf *out, const struct chan *c)
{
	_cleanup_(buf_fini) struct buf name = {};
	const struct mech *mech = mech_get(c->key.kind);

	if (mech)
		mech->name(c, &name);
	if (name.len)
		text_escape(out, name.data, name.len);
	else
		mech_chan_id(c, out);
}

const char *label_type(const struct chan *c)
{
	return inet_is_multipath(c) ? "mptcp" : event_kind_name(c->key.kind);
}

/* ------------------------------------------------------ ends of a channel */

bool end_is_user(const struct endpoint *e, enum lens_dir dir)
{
	return end_side(e, dir)->total.msgs || end_side(e, dir)->total.bytes;
}

bool end_has_role(const struct endpoint *e, enum lens_dir dir)
{
	return (dir == LENS_READ ? e->reader : e->writer) || end_side(e, dir)->seen;
}

struct named_end {
	const struct endpoint *end;
	bool holder;		/* has moved nothing */
	size_t order;
};

/* users first; within that by name, so that groups stand together */
static int compare_ends(const void *left, const void *right)
{
	const struct named_end *a = left, *b = right;
	int names = strcmp(a->end->proc->comm, b->end->proc->comm);

	if (a->holder != b->holder)
		return a->holder ? 1 : -1;
	if (names)
		return names;
	return a->order < b->order ? -1 : a->order > b->order;
}

static void add_fds(struct buf *out, const struct endpoint *e)
{
	for (size_t i = 0; i < e->fd_count && i < FDS_SHOWN; i++)
		buf_printf(out, "%s%u", i ? "," : ":", end_fds(e)[i]);
	if (e->fd_count > FDS_SHOWN)
		buf_printf(out, ",+%u", e->fd_count - FDS_SHOWN);
}

/* `many` processes of one name, or a single one */
static void add_end(struct buf *out, const struct named_end *first, size_t many, bool fds)
{
	if (first->holder)
		buf_puts(out, "[");
	if (many > 1) {
		const char *comm = first->end->proc->comm;

		text_escape(out, comm, strlen(comm));
		buf_printf(out, "%s(%zu processes)", *comm ? "" : "?", many);
	} else {
		label_proc(out, first->end->proc);
		if (fds)
			add_fds(out, first->end);
	}
	if (first->holder)
		buf_puts(out, "]");
}

static size_t same_name(const struct named_end *ends, size_t count)
{
	size_t n = 1;

	while (n < count && ends[n].holder == ends[0].holder &&
	       !strcmp(ends[n].end->proc->comm, ends[0].end->proc->comm))
		n++;
	return n;
}

void label_ends(struct buf *out, const struct chan *c, enum lens_dir dir, enum label_ends style)
{
	_cleanup_free_ struct named_end *ends = xcalloc(c->end_count + 1, sizeof(*ends));
	size_t count = 0, start = out->len;

	for (size_t i = 0; i < c->end_count; i++) {
		const struct endpoint *e = chan_ends(c)[i];
		bool user = end_is_user(e, dir), active = user || end_waits(e, dir)->samples;

		if (!end_has_role(e, dir) || (style == ENDS_ACTIVE_ONLY && !active))
			continue;
		ends[count++] = (struct named_end){ e, style == ENDS_USERS_APART && !user, i };
	}
	if (count)
		qsort(ends, count, sizeof(*ends), compare_ends);
	for (size_t i = 0, n; i < count; i += n) {
		n = same_name(ends + i, count - i);
		if (n < MANY)
			n = 1;
		if (out->len > start)
			buf_puts(out, " ");
		add_end(out, &ends[i], n, style == ENDS_WITH_FDS);
	}
	if (out->len == start)
		buf_puts(out, "-");
}

/* ------------------------------------------------------------- numbers */

void label_count(struct buf *out, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf_puts(out, ",");
		buf_add(out, &digits[i], 1);
	}
}

void label_signed(struct buf *out, int64_t n)
{
	if (n < 0)
		buf_puts(out, "-");
	label_count(out, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

/* of what is in a channel or fits into it */
static void add_amount(struct buf *out, const struct chan *c, uint64_t n)
{
	char text[TEXT_NUM];

	if (event_kind_has_bytes(c->key.kind))
		buf_puts(out, text_bytes(text, n));
	else
		label_count(out, n);
}

void label_queued(struct buf *out, const struct chan *c)
{
	if (!chan_depth(c)->valid) {
		buf_puts(out, "-");
		return;
	}
	if (chan_depth(c)->valid & LENS_DEPTH_LISTENING) {
		label_count(out, chan_depth(c)->queued_msgs);
		buf_puts(out, " to accept");
		return;
	}
	if (chan_has_messages(c)) {
		label_count(out, chan_depth(c)->queued_msgs);
		buf_puts(out, " msg ");
	}
	add_amount(out, c, chan_depth(c)->queued_bytes);
}

void label_capacity(struct buf *out, const struct chan *c)
{
	if (!chan_depth(c)->valid || !event_kind_has_bytes(c->key.kind) ||
	    c->key.kind == LENS_KIND_PTY) {
		buf_puts(out, "-");
	} else if (chan_depth(c)->capacity_bytes || !chan_depth(c)->capacity_msgs) {
		add_amount(out, c, chan_depth(c)->capacity_bytes);
	} else {
		label_count(out, chan_depth(c)->capacity_msgs);
		if (!(chan_depth(c)->valid & LENS_DEPTH_LISTENING))
			buf_puts(out, " msg");
	}
}

void label_depth(struct buf *out, const struct chan *c)
{
	if (c->gone) {
		buf_puts(out, "gone");
	} else if (!chan_depth(c)->valid) {
		buf_puts(out, "-");
	} else {
		add_amount(out, c, chan_depth(c)->queued_bytes);
		buf_puts(out, "/");
		label_capacity(out, c);
	}
}

void label_status(struct buf *out, int wait_status)
{
	const char *name;

	if (!WIFSIGNALED(wait_status)) {
		buf_printf(out, "exit status %d", WEXITSTATUS(wait_status));
		return;
	}
	name = sigabbrev_np(WTERMSIG(wait_status));
	buf_printf(out, "killed by signal %d", WTERMSIG(wait_status));
	if (name)
		buf_printf(out, " (SIG%s)", name);
}

/* ---------------------------------------------------------- containers */

#define CONTAINER_ID_LEN 64

static bool is_container_id(const char *s)
{
	for (size_t i = 0; i < CONTAINER_ID_LEN; i++)
		if (!isdigit((unsigned char)s[i]) && (s[i] < 'a' || s[i] > 'f'))
			return false;
	return true;
}

/* one component: "docker-<id>.scope" and its relatives, or the id alone */
static const char *container_of_component(const char *component, size_t len)
{
	static const char *const prefixes[] = {
		"docker-", "crio-", "libpod-", "cri-containerd-", "",
	};
	static const char scope[] = ".scope";
	size_t tail = sizeof(scope) - 1;

	if (len > tail && !memcmp(component + len - tail, scope, tail))
		len -= tail;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t skip = strlen(prefixes[i]);

		if (len == skip + CONTAINER_ID_LEN && !memcmp(component, prefixes[i], skip) &&
		    is_container_id(component + skip))
			return component + skip;
	}
	return NULL;
}

const char *label_container(const char *cgroup, size_t *ret_len)
{
	const char *id = NULL;

	while (cgroup && *cgroup) {
		size_t len = strcspn(cgroup, "/");
		const char *found = container_of_component(cgroup, len);

		/* the last one is the innermost */
		if (found)
			id = found;
		cgroup += len;
		cgroup += strspn(cgroup, "/");
	}
	if (id)
		*ret_len = CONTAINER_ID_LEN;
	return id;
}

/* --------------------------------------------------- coverage and loss */

bool world_lost_something(const struct world *w)
{
	for (size_t i = 0; i < LENS_LOSS_MAX; i++)
		if (w->loss.count[i])
			return true;
	return w->loss.bad_records || w->loss.bytes || w->loss.not_shown || world_unplaced(w);
}

void label_loss(struct buf *out, const struct world *w)
{
	static const char *const meanings[] = {
#define X(id, name, meaning) [LENS_LOSS_##id] = meaning,
		LENS_LOSSES(X)
#undef X
	};
	char text[TEXT_NUM];
	const char *comma = "";

	if (!world_lost_something(w)) {
		buf_puts(out, "nothing lost");
		return;
	}
	for (size_t i = 0; i < LENS_LOSS_MAX; i++) {
		if (!w->loss.count[i])
			continue;
		buf_printf(out, "%s%s ", comma, event_loss_name(i));
		label_count(out, w->loss.count[i]);
		buf_printf(out, " (%s)", meanings[i]);
		if (i == LENS_LOSS_MAP_FULL && w->loss.bytes)
			buf_printf(out, ", that moved %s", text_bytes(text, w->loss.bytes));
		comma = "; ";
	}
	if (world_unplaced(w)) {
		buf_printf(out, "%sunplaced ", comma);
		label_count(out, world_unplaced(w));
		buf_puts(out, " (operations for whose channels the totals map had no room: "
			 "counted by process)");
		comma = "; ";
	}
	if (w->loss.bad_records) {
		buf_printf(out, "%sbad records ", comma);
		label_count(out, w->loss.bad_records);
		comma = "; ";
	}
	if (w->loss.not_shown) {
		buf_printf(out, "%slast operations that were not shown ", comma);
		label_count(out, w->loss.not_shown);
	}
}

/* kinds observed in the same way share an entry of the first line */
static bool same_variant(const struct coverage *a, const struct coverage *b)
{
	return a->observed == b->observed &&
	       !strcmp(a->observed ? a->variant : a->detail, b->observed ? b->variant : b->detail);
}

static void add_coverage_row(struct buf *out, const struct coverage *row)
{
	buf_puts(out, ": ");
	if (row->observed) {
		text_escape(out, row->variant, strnlen(row->variant, sizeof(row->variant)));
		return;
	}
	buf_puts(out, "unavailable");
	if (row->detail[0])
		buf_puts(out, ": ");
	text_escape(out, row->detail, strnlen(row->detail, sizeof(row->detail)));
}

void label_coverage(struct buf *out, const struct world *w)
{
	const struct coverage *last = NULL;

	for (unsigned kind = 1; kind < LENS_KIND_MAX; kind++) {
		const struct coverage *row = &w->cover[kind];

		if (!row->kind)
			continue;
		if (last && same_variant(last, row)) {
			buf_puts(out, ", ");
		} else if (last) {
			add_coverage_row(out, last);
			buf_puts(out, "; ");
		}
		buf_puts(out, event_kind_name(kind));
		last = row;
	}
	if (last)
		add_coverage_row(out, last);
	else
		buf_puts(out, "unknown: the records do not say what was observed");
}
