/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Passed descriptors as parts of the JSON objects of channels.
 */
#include <sys/stat.h>

#include "mech/mech.h"
#include "render/pass.h"

const char *passed_type(const struct passed_what *what)
{
	if (what->key.kind)
		return event_kind_name(what->key.kind);
	switch (what->inode_type) {
	case S_IFREG: return "file";
	case S_IFDIR: return "directory";
	case S_IFCHR: return "device";
	case S_IFBLK: return "block-device";
	case S_IFLNK: return "link";
	case S_IFSOCK: return "socket";
	case S_IFIFO: return "fifo";
	case 0: return "anonymous";
	default: return "unknown";
	}
}

static const char *mode_text(uint32_t mode)
{
	static const char *const texts[] = { "", "r", "w", "rw" };

	return texts[mode & 3];
}

static const struct chan *known(const struct world *w, const struct lens_chan *key)
{
	return hash_get(w->chans, key);
}

void passed_put_what(struct js_value *o, const struct world *w, const struct passed *row)
{
	const struct chan *c = row->what.key.kind ? known(w, &row->what.key) : NULL;

	js_put(o, "type", js_str(passed_type(&row->what)));
	js_put(o, "channel", c ? js_chan_id(c) : NULL);
	js_put(o, "name", c ? js_chan_name(c) : js_text(row->name, row->name_len));
	/* of a connection it tells which end; eventfds share one */
	if (row->what.key.kind != LENS_KIND_EVENTFD)
		js_put(o, "inode", js_id64(row->what.key.ino));
	js_put(o, "mode", js_str(mode_text(row->what.mode)));
}

static const struct proc *proc_of(const struct world *w, const struct lens_proc *key)
{
	return hash_get(w->procs, key);
}

static struct js_value *passed_object(const struct world *w, const struct chan *c,
					 const struct passed *row)
{
	struct js_value *o = js_object();
	struct lens_proc sender;

	js_put(o, "process", js_proc_id(proc_of(w, &row->who)));
	js_put(o, "direction", js_str(row->dir == LENS_WRITE ? "sent" : "received"));
	if (row->dir == LENS_READ)
		js_put(o, "from", pass_sender(c, row, &sender) ?
		       js_proc_id(proc_of(w, &sender)) : NULL);
	passed_put_what(o, w, row);
	js_put(o, "count", js_u64(row->count));
	return o;
}

static void add_passed(struct js_value *rows, const struct world *w, const struct chan *c)
{
	for (size_t i = 0; i < chan_more(c)->passed.count; i++)
		js_add(rows, passed_object(w, c, &chan_more(c)->passed.row[i]));
}

static void add_in_flight(struct js_value *rows, const struct world *w, const struct chan *c)
{
	for (size_t i = 0; i < chan_more(c)->in_flight.count; i++) {
		struct js_value *o = js_object();

		passed_put_what(o, w, &chan_more(c)->in_flight.row[i]);
		js_put(o, "count", js_u64(chan_more(c)->in_flight.row[i].count));
		js_add(rows, o);
	}
}

static void put_carried(struct js_value *o, const struct world *w, uint64_t count,
			const struct lens_chan *carrier)
{
	struct js_value *carried = js_object();
	const struct chan *via = known(w, carrier);

	js_put(carried, "descriptors", js_u64(count));
	js_put(carried, "channel", via ? js_chan_id(via) : NULL);
	js_put(o, "carried", carried);
}

void passed_put_chan(struct js_value *o, const struct world *w, const struct chan *c)
{
	const struct chan *halves[] = { c->peer ? c->peer->peer : c, c->peer };
	uint64_t left_out = 0, in_flight = 0, carried = 0;
	struct js_value *passed = NULL, *flying = NULL;
	const struct lens_chan *carrier = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(halves) && halves[i]; i++) {
		const struct chan *half = halves[i];

		if (chan_more(half)->passed.count && !passed)
			passed = js_array();
		add_passed(passed, w, half);
		if (chan_more(half)->in_flight.count && !flying)
			flying = js_array();
		add_in_flight(flying, w, half);
		left_out += chan_more(half)->passed.left_out;
		in_flight += chan_more(half)->in_flight.left_out;
		carried += chan_more(half)->carried;
		if (chan_more(half)->carried)
			carrier = &chan_more(half)->carrier;
	}
	if (passed)
		js_put(o, "passed", passed);
	if (left_out)
		js_put(o, "passed_left_out", js_u64(left_out));
	if (flying)
		js_put(o, "in_flight", flying);
	if (in_flight)
		js_put(o, "in_flight_left_out", js_u64(in_flight));
	if (carrier)
		put_carried(o, w, carried, carrier);
}
