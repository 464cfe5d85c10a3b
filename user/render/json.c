/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Documents, and streams of them, written as they are put together.
 */
#include "render/json.h"

/* collected before it is written */
#define PIECE_BYTES 32768

void js_print_line(FILE *out, const struct js_value *value)
{
	_cleanup_(buf_fini) struct buf text = {};

	js_print(&text, value, false, 0);
	buf_add(&text, "\n", 1);
	fwrite(text.data, 1, text.len, out);
}

static void write_out(struct js_doc *d)
{
	if (d->text.len)
		fwrite(d->text.data, 1, d->text.len, d->out);
	d->text.len = 0;
}

/* members stand at the first level of indent, elements of an array at the second */
static void start_item(struct js_doc *d)
{
	if (d->more)
		buf_add(&d->text, ",", 1);
	if (!d->in_line)
		buf_puts(&d->text, d->in_array ? "\n    " : "\n  ");
	d->more = true;
}

static void print_value(struct js_doc *d, struct js_value *value)
{
	js_print(&d->text, value, !d->in_line, d->in_array ? 2 : 1);
	js_free(value);
	if (d->text.len >= PIECE_BYTES)
		write_out(d);
}

static void begin(struct js_doc *d, FILE *out, bool in_line, const char *schema)
{
	*d = (struct js_doc){ .out = out, .in_line = in_line };
	buf_puts(&d->text, "{");
	js_doc_put(d, "schema", js_str(schema));
}

void js_doc_begin(struct js_doc *d, FILE *out, const char *schema)
{
	begin(d, out, false, schema);
}

void js_doc_begin_line(struct js_doc *d, FILE *out, const char *schema)
{
	begin(d, out, true, schema);
}

void js_doc_put(struct js_doc *d, const char *key, struct js_value *value)
{
	start_item(d);
	buf_printf(&d->text, "\"%s\":", key);
	print_value(d, value);
}

void js_doc_array(struct js_doc *d, const char *key)
{
	start_item(d);
	buf_printf(&d->text, "\"%s\":[", key);
	d->in_array = true;
	d->more = false;
}

void js_doc_add(struct js_doc *d, struct js_value *value)
{
	start_item(d);
	print_value(d, value);
}

void js_doc_array_end(struct js_doc *d)
{
	buf_puts(&d->text, d->more && !d->in_line ? "\n  ]" : "]");
	d->in_array = false;
	d->more = true;
}

void js_doc_end(struct js_doc *d)
{
	buf_puts(&d->text, d->in_line ? "}\n" : "\n}\n");
	write_out(d);
	buf_fini(&d->text);
}
