/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A recording for people's SQL: who and what there was, totals over time, loss,
 * as rows. Never read back by ipclens. Numbers beyond 2^63 appear negative.
 * Knows nothing of blocks.
 */
#include "event/event.h"
#include "source/recording.h"

static const char schema[] =
	"CREATE TABLE host(hostname TEXT, kernel TEXT, arch TEXT, boot_id TEXT,"
	" wall_offset_ns INT);"
	"CREATE TABLE coverage(type TEXT PRIMARY KEY, observed INT, variant TEXT, detail TEXT)"
	" WITHOUT ROWID;"
	"CREATE TABLE process(pid INT, start_ns INT, ppid INT, parent_start_ns INT, uid INT,"
	" nspid INT, pidns INT, ipcns INT, netns INT, mntns INT, cgroup_id INT, comm TEXT,"
	" exe TEXT, argv TEXT, cgroup TEXT, first_ns INT, exit_ns INT, exit_status INT,"
	" PRIMARY KEY(pid, start_ns)) WITHOUT ROWID;"
	"CREATE TABLE channel(type TEXT, ino INT, dev INT, gen INT, name TEXT, first_ns INT,"
	" PRIMARY KEY(type, ino, dev, gen)) WITHOUT ROWID;"
	"CREATE TABLE total(ts_ns INT, pid INT, start_ns INT, type TEXT, ino INT, dev INT,"
	" gen INT, direction TEXT, operations INT, messages INT, bytes INT, errors INT, short INT);"
	"CREATE TABLE loss(ts_ns INT, type TEXT, cause TEXT, count INT);";

enum row {
	ROW_HOST, ROW_COVERAGE, ROW_PROCESS, ROW_EXIT, ROW_CHANNEL, ROW_TOTAL, ROW_LOSS, ROW_MAX
};

static const char *const row_sql[ROW_MAX] = {
	[ROW_HOST] = "INSERT INTO host VALUES(?, ?, ?, ?, ?)",
	[ROW_COVERAGE] = "INSERT OR REPLACE INTO coverage VALUES(?, ?, ?, ?)",
	/* what a later record did not take stays as the earlier one had it */
	[ROW_PROCESS] = ("INSERT INTO process VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
			 " ?, ?, NULL, NULL) ON CONFLICT DO UPDATE SET uid = excluded.uid,"
			 " cgroup_id = excluded.cgroup_id, comm = excluded.comm,"
			 " exe = coalesce(excluded.exe, exe), argv = coalesce(excluded.argv, argv),"
			 " cgroup = coalesce(excluded.cgroup, cgroup)"),
	[ROW_EXIT] = ("UPDATE process SET exit_ns = ?3, exit_status = ?4"
		      " WHERE pid = ?1 AND start_ns = ?2"),
	[ROW_CHANNEL] = ("INSERT INTO channel VALUES(?, ?, ?, ?, ?, ?)"
			 " ON CONFLICT DO UPDATE SET name = excluded.name WHERE name IS NULL"),
	[ROW_TOTAL] = "INSERT INTO total VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ROW_LOSS] = "INSERT INTO loss VALUES(?, ?, ?, ?)",
};

/*
 * What was written last, so that a total that did not move and a channel that
 * is seen again cost no row. Bounded: two that share a slot evict each other,
 * which costs rows, not truth.
 */
#define SEEN_SLOTS 8192

struct seen_total {
	struct lens_total_key key;
	struct lens_total total;
};

struct seen_chan {
	struct lens_chan chan;
	bool named;
};

struct recording_rows {
	sqlite3_stmt *stmt[ROW_MAX];
	struct buf text;
	struct seen_total totals[SEEN_SLOTS];
	struct seen_chan chans[SEEN_SLOTS];
	uint64_t loss[LENS_KIND_MAX][LENS_LOSS_MAX];
};

/* ----------------------------------------------------------- one row */

/* binds the arguments of one row from the left */
struct binder {
	sqlite3_stmt *stmt;
	int next;
};

static struct binder row_begin(struct recording_rows *rows, enum row row)
{
	return (struct binder){ .stmt = rows->stmt[row], .next = 1 };
}

static void put_int(struct binder *b, uint64_t value)
{
	sqlite3_bind_int64(b->stmt, b->next++, (sqlite3_int64)value);
}

/* text of our own, constant or alive until row_end() */
static void put_text(struct binder *b, const char *text)
{
	sqlite3_bind_text(b->stmt, b->next++, text, -1, SQLITE_STATIC);
}

/* hostile bytes; NULL where there are none */
static void put_bytes(struct binder *b, const char *bytes, size_t len)
{
	struct buf text = { 0 };

	if (!len) {
		b->next++;
		return;
	}
	text_escape(&text, bytes, len);
	sqlite3_bind_text(b->stmt, b->next++, text.data, (int)text.len, SQLITE_TRANSIENT);
	buf_fini(&text);
}

static void put_path(struct binder *b, struct event_bytes components, bool truncated)
{
	struct buf path = { 0 };

	if (components.len)
		event_path(&path, components, truncated);
	put_bytes(b, path.data, path.len);
	buf_fini(&path);
}

/* arguments as ps(1) shows them, with a space between */
static void put_argv(struct binder *b, struct event_bytes argv)
{
	struct buf text = { 0 };

	for (size_t pos = 0; pos < argv.len;) {
		size_t len = strnlen(argv.data + pos, argv.len - pos);

		if (pos)
			buf_puts(&text, " ");
		text_escape(&text, argv.data + pos, len);
		pos += len + 1;
	}
	if (text.len)
		sqlite3_bind_text(b->stmt, b->next, text.data, (int)text.len, SQLITE_TRANSIENT);
	b->next++;
	buf_fini(&text);
}

static int row_end(struct binder *b)
{
	int rc = sqlite3_step(b->stmt);

	sqlite3_reset(b->stmt);
	sqlite3_clear_bindings(b->stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --------------------------------------------------- records to rows */

static int add_host(struct recording_rows *rows, const struct lens_rec_host *host)
{
	struct binder b = row_begin(rows, ROW_HOST);

	put_bytes(&b, host->hostname, strlen(host->hostname));
	put_bytes(&b, host->kernel, strlen(host->kernel));
	put_bytes(&b, host->arch, strlen(host->arch));
	put_bytes(&b, host->boot_id, strlen(host->boot_id));
	put_int(&b, host->wall_offset_ns);
	return row_end(&b);
}

static int add_coverage(struct recording_rows *rows, const struct lens_rec_cover *cover)
{
	struct binder b = row_begin(rows, ROW_COVERAGE);

	put_text(&b, event_kind_name(cover->kind));
	put_int(&b, cover->observed);
	put_bytes(&b, cover->variant, strlen(cover->variant));
	put_bytes(&b, cover->detail, strlen(cover->detail));
	return row_end(&b);
}

static int add_process(struct recording_rows *rows, const struct event *ev)
{
	const struct lens_rec_proc *proc = ev->lens_rec_proc;
	struct binder b = row_begin(rows, ROW_PROCESS);

	put_int(&b, proc->proc.tgid);
	put_int(&b, proc->proc.start_ns);
	put_int(&b, proc->parent.tgid);
	put_int(&b, proc->parent.start_ns);
	put_int(&b, proc->uid);
	put_int(&b, proc->nspid);
	put_int(&b, proc->pidns);
	put_int(&b, proc->ipcns);
	put_int(&b, proc->netns);
	put_int(&b, proc->mntns);
	put_int(&b, proc->cgroup_id);
	put_bytes(&b, proc->comm, strnlen(proc->comm, sizeof(proc->comm)));
	put_path(&b, ev->exe, ev->truncated);
	put_argv(&b, ev->argv);
	put_path(&b, ev->cgroup, false);
	put_int(&b, ev->ts_ns);
	return row_end(&b);
}

/* of a process that was never described there is no row to complete */
static int add_exit(struct recording_rows *rows, const struct lens_rec_exit *rec)
{
	struct binder b = row_begin(rows, ROW_EXIT);

	put_int(&b, rec->proc.tgid);
	put_int(&b, rec->proc.start_ns);
	put_int(&b, rec->h.ts_ns);
	put_int(&b, (uint64_t)(int64_t)rec->code);
	return row_end(&b);
}

/* any spread will do: a clash costs a row */
static size_t slot_of(uint64_t ino, uint64_t more)
{
	return (ino * 0x9e3779b97f4a7c15 ^ more * 0xff51afd7ed558ccd) >> 32 & (SEEN_SLOTS - 1);
}

/* name: absolute path as text, or empty */
static int add_chan(struct recording_rows *rows, const struct lens_chan *chan, const char *name,
		    size_t name_len, uint64_t ts_ns)
{
	struct seen_chan *seen = &rows->chans[slot_of(chan->ino, chan->dev)];
	struct binder b;

	if (!memcmp(&seen->chan, chan, sizeof(*chan)) && seen->named >= (name_len > 0))
		return SQLITE_OK;
	seen->chan = *chan;
	seen->named = name_len > 0;
	b = row_begin(rows, ROW_CHANNEL);
	put_text(&b, event_kind_name(chan->kind));
	put_int(&b, chan->ino);
	put_int(&b, chan->dev);
	put_int(&b, chan->gen);
	put_bytes(&b, name, name_len);
	put_int(&b, ts_ns);
	return row_end(&b);
}

static int add_end(struct recording_rows *rows, const struct event *ev)
{
	rows->text.len = 0;
	if (ev->name.len)
		event_path(&rows->text, ev->name, ev->truncated);
	return add_chan(rows, &ev->lens_rec_end->chan, rows->text.data, rows->text.len, ev->ts_ns);
}

static int add_total(struct recording_rows *rows, const struct lens_rec_total *rec)
{
	const struct lens_total_key *key = &rec->key;
	const struct lens_total *total = &rec->total;
	struct seen_total *seen;
	struct binder b;

	seen = &rows->totals[slot_of(key->ino, key->start_ns + key->tgid * 2ULL + key->dir)];
	if (!memcmp(&seen->key, key, sizeof(*key)) && !memcmp(&seen->total, total, sizeof(*total)))
		return SQLITE_OK;
	*seen = (struct seen_total){ *key, *total };
	b = row_begin(rows, ROW_TOTAL);
	put_int(&b, rec->h.ts_ns);
	put_int(&b, key->tgid);
	put_int(&b, key->start_ns);
	put_text(&b, event_kind_name(key->kind));
	put_int(&b, key->ino);
	put_int(&b, key->dev);
	put_int(&b, key->gen);
	put_text(&b, key->dir == LENS_WRITE ? "write" : "read");
	put_int(&b, total->ops);
	put_int(&b, total->msgs);
	put_int(&b, total->bytes);
	put_int(&b, total->errors);
	put_int(&b, total->shorts);
	return row_end(&b);
}

/* one row per cause that moved */
static int add_loss(struct recording_rows *rows, const struct lens_rec_loss *rec)
{
	for (unsigned cause = 0; cause < LENS_LOSS_MAX; cause++) {
		uint64_t *last = &rows->loss[rec->kind][cause];
		struct binder b;
		int rc;

		if (*last == rec->count[cause])
			continue;
		*last = rec->count[cause];
		b = row_begin(rows, ROW_LOSS);
		put_int(&b, rec->h.ts_ns);
		/* NULL: of no one kind */
		put_text(&b, rec->kind ? event_kind_name(rec->kind) : NULL);
		put_text(&b, event_loss_name(cause));
		put_int(&b, *last);
		rc = row_end(&b);
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

int recording_rows_add(struct recording_rows *rows, const struct lens_rec *rec)
{
	struct event ev;
	size_t skip;

	if (event_decode(rec, rec->len, &ev, &skip) < 0)
		return SQLITE_OK;
	switch (ev.type) {
	case LENS_REC_HOST:
		return add_host(rows, ev.lens_rec_host);
	case LENS_REC_COVER:
		return add_coverage(rows, ev.lens_rec_cover);
	case LENS_REC_PROC:
		return add_process(rows, &ev);
	case LENS_REC_EXIT:
		return add_exit(rows, ev.lens_rec_exit);
	case LENS_REC_END:
		return add_end(rows, &ev);
	case LENS_REC_HOLD:
		return add_chan(rows, &ev.lens_rec_hold->chan, ev.name.data, ev.name.len, ev.ts_ns);
	case LENS_REC_CHAN:
		return add_chan(rows, &ev.lens_rec_chan->chan, NULL, 0, ev.ts_ns);
	case LENS_REC_TOTAL:
		return add_total(rows, ev.lens_rec_total);
	case LENS_REC_LOSS:
		return add_loss(rows, ev.lens_rec_loss);
	default:
		return SQLITE_OK;
	}
}

/* ------------------------------------------------------- life and death */

void recording_rows_freep(struct recording_rows **rows)
{
	if (!*rows)
		return;
	for (unsigned i = 0; i < ROW_MAX; i++)
		sqlite3_finalize((*rows)->stmt[i]);
	buf_fini(&(*rows)->text);
	base_freep(rows);
	*rows = NULL;
}

int recording_rows_new(sqlite3 *db, struct recording_rows **ret_rows)
{
	_cleanup_(recording_rows_freep) struct recording_rows *rows = xcalloc(1, sizeof(*rows));
	int rc = sqlite3_exec(db, schema, NULL, NULL, NULL);

	for (unsigned i = 0; i < ROW_MAX && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(db, row_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					&rows->stmt[i], NULL);
	if (rc == SQLITE_OK)
		*ret_rows = TAKE_PTR(rows);
	return rc;
}
