// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Lines of `ipclens trace` about shared memory: what a call has mapped,
 * unmapped or protected of which object, and who else maps it.
 */
#include "render/json.h"
#include "render/label.h"
#include "render/memory.h"
#include "render/trace.h"

#define PEERS_MAX 64
#define PEERS_IN_TEXT 3

/* one object that a call was about; change NULL: the object as such */
struct mapped {
	const struct lens_rec_map *rec;
	uint64_t ts_ns;
	const struct proc *proc;
	const struct chan *chan;
	const struct map_change *change;
};

static const char *op_name(uint32_t op)
{
	static const char *const names[LENS_MAP_OP_MAX] = {
		[LENS_MAP_MAP] = "mmap", [LENS_MAP_ATTACH] = "shmat", [LENS_MAP_UNMAP] = "munmap",
		[LENS_MAP_DETACH] = "shmdt", [LENS_MAP_MOVE] = "mremap",
		[LENS_MAP_PROTECT] = "mprotect", [LENS_MAP_REMOVE] = "shmctl(IPC_RMID)",
		[LENS_MAP_SEAL] = "fcntl(F_ADD_SEALS)",
	};

	return op < LENS_MAP_OP_MAX && names[op] ? names[op] : "?";
}

/* a file that nobody maps to write hands nothing over: every start of a program maps some */
static bool wanted(const struct world *w, const struct mapped *m, const struct render_filter *f)
{
	struct render_filter all = *f;

	if (m->proc->is_self && !f->with_self)
		return false;
	if (chan_is_read_only_file(m->chan) && !f->kinds && !f->channel_count)
		return false;
	all.idle = true;
	return render_wants_chan(w, m->chan, &all);
}

/* who else maps it now */
static size_t find_peers(const struct mapped *m, const struct proc *ret_peers[], size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < m->chan->end_count; i++) {
		const struct endpoint *e = chan_ends(m->chan)[i];

		if (e->proc == m->proc || !end_mapper(e)->mapped_bytes)
			continue;
		if (count < max)
			ret_peers[count] = e->proc;
		count++;
	}
	return count;
}

static bool sets_prot(const struct mapped *m)
{
	return m->change && (m->change->mapped_bytes || m->change->protected_bytes);
}

/* -------------------------------------------------------------------- text */

static void add_bytes(struct buf *out, const char *what, uint64_t bytes)
{
	char text[TEXT_NUM];

	if (bytes)
		buf_printf(out, " %s%s", what, text_bytes(text, bytes));
}

static void print_text(FILE *out, const struct world *w, const struct mapped *m)
{
	const struct proc *peers[PEERS_IN_TEXT];
	size_t count = find_peers(m, peers, PEERS_IN_TEXT);
	_cleanup_(buf_fini) struct buf line = {};
	char prot[4];

	trace_clock(&line, w, m->ts_ns);
	trace_thread(&line, m->proc, m->rec->tid);
	buf_puts(&line, op_name(m->rec->op));
	if (m->change) {
		add_bytes(&line, "+", m->change->mapped_bytes);
		add_bytes(&line, "-", m->change->unmapped_bytes);
		add_bytes(&line, "", m->change->protected_bytes);
	}
	if (sets_prot(m))
		buf_printf(&line, " %s", memory_prot(prot, m->rec->prot & ~LENS_PROT_MAY_WRITE));
	if (m->change)
		buf_printf(&line, " at 0x%llx", (unsigned long long)m->change->start);
	buf_puts(&line, " ");
	label_chan(&line, m->chan);
	buf_puts(&line, " with ");
	for (size_t i = 0; i < count && i < PEERS_IN_TEXT; i++) {
		buf_puts(&line, i ? " " : "");
		label_proc(&line, peers[i]);
	}
	if (count > PEERS_IN_TEXT)
		buf_printf(&line, " +%zu", count - PEERS_IN_TEXT);
	if (!count)
		buf_puts(&line, "-");
	fprintf(out, "%s\n", line.data);
}

/* -------------------------------------------------------------------- JSON */

static struct js_value *peers_array(const struct mapped *m, size_t *ret_count)
{
	const struct proc *peers[PEERS_MAX];
	size_t count = find_peers(m, peers, PEERS_MAX);
	struct js_value *array = js_array();

	for (size_t i = 0; i < count && i < PEERS_MAX; i++) {
		struct js_value *o = js_object();

		js_put(o, "process", js_proc_id(peers[i]));
		js_put(o, "comm", js_text(peers[i]->comm, strnlen(peers[i]->comm, LENS_COMM_LEN)));
		js_add(array, o);
	}
	*ret_count = count;
	return array;
}

static void print_json(FILE *out, const struct mapped *m)
{
	_cleanup_(js_freep) struct js_value *o = js_object();
	size_t peer_count;
	char prot[4];

	js_put(o, "ts_ns", js_id64(m->ts_ns));
	js_put(o, "op", js_str(op_name(m->rec->op)));
	js_put(o, "type", js_str(event_kind_name(m->chan->key.kind)));
	js_put(o, "channel", js_chan_id(m->chan));
	js_put(o, "name", js_chan_name(m->chan));
	js_put(o, "process", js_proc_id(m->proc));
	js_put(o, "comm", js_text(m->proc->comm, strnlen(m->proc->comm, LENS_COMM_LEN)));
	js_put(o, "tid", js_u64(m->rec->tid));
	js_put(o, "peers", peers_array(m, &peer_count));
	if (peer_count > PEERS_MAX)
		js_put(o, "peers_left_out", js_u64(peer_count - PEERS_MAX));
	/* calls that move no bytes and no messages, and failed ones are not told of */
	js_put(o, "bytes", js_u64(0));
	js_put(o, "messages", js_u64(0));
	js_put(o, "result", js_i64(0));
	if (m->change) {
		js_put(o, "mapped_bytes", js_u64(m->change->mapped_bytes));
		js_put(o, "unmapped_bytes", js_u64(m->change->unmapped_bytes));
		js_put(o, "protected_bytes", js_u64(m->change->protected_bytes));
		js_put(o, "start", js_id64(m->change->start));
		js_put(o, "offset", js_u64(m->change->offset));
	}
	if (sets_prot(m))
		js_put(o, "prot", js_str(memory_prot(prot, m->rec->prot & ~LENS_PROT_MAY_WRITE)));
	js_print_line(out, o);
}

static void print(FILE *out, const struct world *w, const struct render_options *opt,
		  const struct mapped *m, bool json)
{
	if (!wanted(w, m, &opt->filter))
		return;
	if (json)
		print_json(out, m);
	else
		print_text(out, w, m);
}

void render_trace_map(FILE *out, const struct world *w, const struct render_options *opt,
		      const struct event *ev, bool json)
{
	const struct lens_rec_map *r = ev->lens_rec_map;
	struct mapped m = { .rec = r, .ts_ns = ev->ts_ns };

	if (r->op == LENS_MAP_FOUND)
		return;	/* that is no call */
	m.proc = hash_get(w->procs, &r->proc);
	if (!m.proc)
		return;
	for (size_t i = 0; i < w->map_change_count; i++) {
		m.change = &w->map_changes[i];
		m.chan = m.change->end->chan;
		print(out, w, opt, &m, json);
	}
	m.change = NULL;
	m.chan = hash_get(w->chans, &r->chan);
	if (m.chan && (r->op == LENS_MAP_REMOVE || r->op == LENS_MAP_SEAL))
		print(out, w, opt, &m, json);
}
