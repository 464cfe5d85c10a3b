/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The column layout engine. Cells are kept in one byte string, or, where there
 * may be a million rows, made once to measure them and once more to print them.
 * A table that does not fit is first narrowed (long texts are cut), then
 * continued in a second block below, which repeats the first column.
 */
#include "render/table.h"

#define ELLIPSIS "\xe2\x80\xa6"
#define MAX_COLUMNS 24
#define LABEL_COLUMNS 10

struct table {
	const struct table_column *columns;
	size_t count;
	size_t cells;
	unsigned natural[MAX_COLUMNS];	/* widest cell, title included */
	struct buf text;		/* per cell: paint + 1, text, NUL; of one row if made */
	table_row make;			/* NULL: all rows are kept */
	const void *arg;
	size_t rows;			/* to be made */
};

/* a run of columns printed side by side, with their final widths */
struct block {
	size_t index[MAX_COLUMNS];
	unsigned width[MAX_COLUMNS];
	size_t count;
	unsigned gap;
};

/* the only row that is kept */
static void table_make(struct table *t, size_t row)
{
	t->text.len = 0;
	t->make(t, t->arg, row);
}

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *t = xcalloc(1, sizeof(*t));

	if (count > MAX_COLUMNS)
		count = MAX_COLUMNS;
	t->columns = columns;
	t->count = count;
	for (size_t i = 0; i < count; i++)
		t->natural[i] = text_width(columns[i].title);
	return t;
}

struct table *table_new_made(const struct table_column *columns, size_t count, table_row make,
			     const void *arg, size_t rows)
{
	struct table *t = table_new(columns, count);

	t->make = make;
	t->arg = arg;
	t->rows = rows;
	for (size_t i = 0; i < rows; i++)
		table_make(t, i);
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	buf_fini(&t->text);
	free(t);
}

void table_freep(struct table **t)
{
	table_free(*t);
}

void table_cell(struct table *t, enum table_paint paint, const char *text)
{
	char mark = (char)(paint + 1);
	unsigned width = text_width(text);
	size_t column = t->cells++ % t->count;

	if (width > t->natural[column])
		t->natural[column] = width;
	buf_add(&t->text, &mark, 1);
	buf_add(&t->text, text, strlen(text) + 1);
}

void table_take(struct table *t, struct buf *text)
{
	table_cell(t, PAINT_NONE, text->len ? text->data : "");
	text->len = 0;
}

size_t table_rows(const struct table *t)
{
	return t->make ? t->rows : t->cells / t->count;
}

/* ------------------------------------------------------------- cutting */

/* bytes of the character at s together with the marks that combine with it */
static size_t char_len(const char *s, unsigned *ret_width)
{
	char one[8];
	size_t len = 0;

	*ret_width = 0;
	while (s[len]) {
		size_t n = 1;
		unsigned width;

		while (n < 4 && ((unsigned char)s[len + n] & 0xc0) == 0x80)
			n++;
		memcpy(one, s + len, n);
		one[n] = '\0';
		width = text_width(one);
		if (len && width)
			break;
		*ret_width += width;
		len += n;
	}
	return len;
}

void table_cut(struct buf *out, const char *s, unsigned width, bool keep_tail)
{
	unsigned total = text_width(s), head, tail, used = 0, w;

	if (total <= width || !width) {
		buf_puts(out, width ? s : "");
		return;
	}
	tail = keep_tail ? width / 2 : 0;
	head = width - 1 - tail;
	while (*s) {
		size_t len = char_len(s, &w);

		if (used + w > head)
			break;
		buf_add(out, s, len);
		used += w;
		total -= w;
		s += len;
	}
	buf_puts(out, ELLIPSIS);
	while (*s && total > tail) {
		s += char_len(s, &w);
		total -= w;
	}
	buf_puts(out, s);
}

/* -------------------------------------------------------------- layout */

static unsigned least_width(const struct table *t, size_t column)
{
	unsigned title = text_width(t->columns[column].title);
	unsigned least = t->columns[column].min;

	if (!least || least > t->natural[column])
		return t->natural[column];
	return least > title ? least : title;
}

static unsigned block_width(const struct block *b)
{
	unsigned sum = b->count ? b->gap * (unsigned)(b->count - 1) : 0;

	for (size_t i = 0; i < b->count; i++)
		sum += b->width[i];
	return sum;
}

static void block_add(struct block *b, const struct table *t, size_t column)
{
	b->index[b->count] = column;
	b->width[b->count++] = t->natural[column];
}

/* takes columns from the widest cell until the block fits or nothing is left to cut */
static void block_fit(struct block *b, const struct table *t, unsigned width)
{
	b->gap = 2;
	if (width && block_width(b) > width)
		b->gap = 1;
	while (width && block_width(b) > width) {
		size_t widest = b->count;

		for (size_t i = 0; i < b->count; i++)
			if (b->width[i] > least_width(t, b->index[i]) &&
			    (widest == b->count || b->width[i] > b->width[widest]))
				widest = i;
		if (widest == b->count)
			return;
		b->width[widest]--;
	}
}

/* true if all columns can stand side by side */
static bool fits_at_least(const struct table *t, unsigned width)
{
	unsigned sum = (unsigned)t->count - 1;

	for (size_t i = 0; i < t->count; i++)
		sum += least_width(t, i);
	return !width || sum <= width;
}

/* ------------------------------------------------------------ printing */

const char *table_paint_on(enum table_paint paint, bool colour)
{
	static const char *const codes[] = {
		[PAINT_NONE] = "",
		[PAINT_BOLD] = "\033[1m",
		[PAINT_DIM] = "\033[2m",
		[PAINT_RED] = "\033[1;31m",
		[PAINT_YELLOW] = "\033[33m",
	};

	return colour ? codes[paint] : "";
}

const char *table_paint_off(enum table_paint paint, bool colour)
{
	return colour && paint != PAINT_NONE ? "\033[0m" : "";
}

/* blanks are owed, not written, so that no line ends in them */
static void print_cell(FILE *out, const struct table_column *column, unsigned width,
		       enum table_paint paint, bool colour, const char *text, unsigned *owed)
{
	_cleanup_(buf_fini) struct buf cut = {};
	unsigned pad, used = text_width(text);

	if (used > width) {
		table_cut(&cut, text, width, column->keep_tail);
		text = cut.data;
		used = text_width(text);
	}
	pad = width > used ? width - used : 0;
	if (column->right)
		*owed += pad;
	if (used) {
		for (; *owed; --*owed)
			putc_unlocked(' ', out);
		fputs_unlocked(table_paint_on(paint, colour), out);
		fputs_unlocked(text, out);
		fputs_unlocked(table_paint_off(paint, colour), out);
	}
	if (!column->right)
		*owed += pad;
}

static void print_titles(FILE *out, const struct table *t, const struct block *b, bool colour)
{
	unsigned owed = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct table_column *column = &t->columns[b->index[i]];

		print_cell(out, column, b->width[i], PAINT_BOLD, colour, column->title, &owed);
		owed += b->gap;
	}
	putc('\n', out);
}

static void print_row(FILE *out, const struct table *t, const struct block *b, bool colour,
		      const char *const cells[])
{
	unsigned owed = 0;

	for (size_t i = 0; i < b->count; i++) {
		const char *cell = cells[b->index[i]];

		print_cell(out, &t->columns[b->index[i]], b->width[i],
			   (enum table_paint)(cell[0] - 1), colour, cell + 1, &owed);
		owed += b->gap;
	}
	putc('\n', out);
}

static void print_block(FILE *out, struct table *t, const struct block *b, bool colour)
{
	const char *cells[MAX_COLUMNS], *at = t->text.data;

	print_titles(out, t, b, colour);
	for (size_t row = 0; row < table_rows(t); row++) {
		if (t->make) {
			table_make(t, row);
			at = t->text.data;
		}
		for (size_t i = 0; i < t->count; i++) {
			cells[i] = at;
			at += strlen(at) + 1;
		}
		print_row(out, t, b, colour, cells);
	}
}

void table_print(FILE *out, struct table *t, unsigned width, bool colour)
{
	bool whole = fits_at_least(t, width);
	struct block b = {};

	for (size_t i = 0; i < t->count; i++) {
		if (i && t->columns[i].breaks && !whole) {
			block_fit(&b, t, width);
			print_block(out, t, &b, colour);
			putc('\n', out);
			b = (struct block){};
			block_add(&b, t, 0);
		}
		block_add(&b, t, i);
	}
	block_fit(&b, t, width);
	print_block(out, t, &b, colour);
}

void table_paragraph(FILE *out, const char *label, const char *text, unsigned width)
{
	unsigned column = LABEL_COLUMNS;
	bool first = true;

	fprintf(out, "%-*s", LABEL_COLUMNS, label);
	while (*text) {
		size_t len = strcspn(text, " ");
		_cleanup_free_ char *word = xstrndup(text, len);
		unsigned w = text_width(word);

		if (first) {
			column += w;
		} else if (width && column + 1 + w > width) {
			fprintf(out, "\n%*s", LABEL_COLUMNS, "");
			column = LABEL_COLUMNS + w;
		} else {
			putc(' ', out);
			column += 1 + w;
		}
		fputs(word, out);
		first = false;
		text += len + strspn(text + len, " ");
	}
	putc('\n', out);
}
