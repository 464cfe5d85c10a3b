/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Column layout for text output: columns are data, cells are escaped text.
 * Knows nothing of IPC, and nothing of terminals but a width and colour codes.
 */
#ifndef LENS_RENDER_TABLE_H
#define LENS_RENDER_TABLE_H

#include "base/base.h"

struct table_column {
	const char *title;
	bool right;		/* numbers */
	bool keep_tail;		/* cut in the middle: pids and file names end a text */
	unsigned min;		/* may be cut down to this many columns; 0 = never cut */
	bool breaks;		/* a table too wide goes on below from this column */
};

enum table_paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_RED, PAINT_YELLOW };

struct table;

/* columns must outlive the table */
struct table *table_new(const struct table_column *columns, size_t count);
/*
 * Of so many rows, which are made when they are needed, each more than once and always the
 * same, and never kept; to be printed right away.
 */
typedef void (*table_row)(struct table *t, const void *arg, size_t row);
struct table *table_new_made(const struct table_column *columns, size_t count, table_row make,
			     const void *arg, size_t rows);
void table_free(struct table *t);
void table_freep(struct table **t);

/* fills the table cell by cell, row by row; text is already escaped */
void table_cell(struct table *t, enum table_paint paint, const char *text);
/* the same without paint; empties the buffer, which then serves the next cell */
void table_take(struct table *t, struct buf *text);
size_t table_rows(const struct table *t);
/* width 0 = unlimited */
void table_print(FILE *out, struct table *t, unsigned width, bool colour);

/* appends s cut to `width` columns; an ellipsis stands for what went */
void table_cut(struct buf *out, const char *s, unsigned width, bool keep_tail);
/* "label     text", wrapped at blanks with a hanging indent */
void table_paragraph(FILE *out, const char *label, const char *text, unsigned width);

/* colour on and off around text that is in no table; empty without colour */
const char *table_paint_on(enum table_paint paint, bool colour);
const char *table_paint_off(enum table_paint paint, bool colour);

#endif
