/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The layer over json-c. json-c passes invalid UTF-8 through and returns NULL
 * (which is JSON's null) when memory runs out; neither must reach a document.
 */
#include "render/json.h"

#define PRETTY (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)
#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static struct json_object *must(struct json_object *object)
{
	if (!object) {
		log_err(-ENOMEM, "out of memory");
		abort();
	}
	return object;
}

/* the one door for hostile bytes; len is bounded by LENS_REC_MAX, so it fits json-c's int */
struct json_object *js_text(const void *bytes, size_t len)
{
	_cleanup_(buf_fini) struct buf text = {};

	if (!bytes)
		return NULL;
	text_escape(&text, bytes, len);
	return must(json_object_new_string_len(text.data ? text.data : "", (int)text.len));
}

struct json_object *js_str(const char *s)
{
	return js_text(s, s ? strlen(s) : 0);
}

struct json_object *js_label(struct buf *text)
{
	struct json_object *o = must(json_object_new_string(text->data ? text->data : ""));

	buf_fini(text);
	*text = (struct buf){};
	return o;
}

struct json_object *js_u64(uint64_t n)
{
	return must(json_object_new_uint64(n));
}

struct json_object *js_i64(int64_t n)
{
	return must(json_object_new_int64(n));
}

struct json_object *js_bool(bool b)
{
	return must(json_object_new_boolean(b));
}

struct json_object *js_id64(uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return must(json_object_new_string(text));
}

/* shares and seconds: printf's %f would use the decimal comma of some locales */
struct json_object *js_fixed(uint64_t scaled, unsigned decimals)
{
	uint64_t unit = 1;
	char text[48];

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(scaled / unit),
		 (int)decimals, (unsigned long long)(scaled % unit));
	return must(json_object_new_double_s((double)scaled / (double)unit, text));
}

struct json_object *js_object(void)
{
	return must(json_object_new_object());
}

struct json_object *js_array(void)
{
	return must(json_object_new_array());
}

struct numbers {
	const uint32_t *at;
	size_t count;
};

/* decimal, ending before `end`; returns where it begins */
static char *number_text(uint32_t n, char *end)
{
	do {
		*--end = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return end;
}

/* as json-c prints an array, pretty or plain */
static int numbers_print(struct json_object *array, struct printbuf *out, int level, int flags)
{
	const struct numbers *numbers = json_object_get_userdata(array);
	bool pretty = flags & JSON_C_TO_STRING_PRETTY;
	char text[16], *end = text + sizeof(text), *begin;

	printbuf_strappend(out, "[");
	for (size_t i = 0; i < numbers->count; i++) {
		if (i)
			printbuf_strappend(out, ",");
		if (pretty) {
			printbuf_strappend(out, "\n");
			printbuf_memset(out, -1, ' ', 2 * (level + 1));
		}
		begin = number_text(numbers->at[i], end);
		printbuf_memappend(out, begin, (int)(end - begin));
	}
	if (pretty) {
		printbuf_strappend(out, "\n");
		printbuf_memset(out, -1, ' ', 2 * level);
	}
	printbuf_strappend(out, "]");
	return 0;
}

static void numbers_free(struct json_object *array, void *numbers)
{
	free(numbers);
}

struct json_object *js_numbers(const uint32_t *numbers, size_t count)
{
	struct json_object *array = js_array();
	struct numbers *n;

	if (!count)
		return array;
	n = xcalloc(1, sizeof(*n));
	*n = (struct numbers){ .at = numbers, .count = count };
	json_object_set_serializer(array, numbers_print, n, numbers_free);
	return array;
}

void js_put(struct json_object *object, const char *key, struct json_object *value)
{
	if (json_object_object_add_ex(object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW |
							  JSON_C_OBJECT_KEY_IS_CONSTANT) < 0)
		must(NULL);
}

void js_put_copied(struct json_object *object, const char *key, struct json_object *value)
{
	if (json_object_object_add_ex(object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) < 0)
		must(NULL);
}

void js_add(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value) < 0)
		must(NULL);
}

void js_freep(struct json_object **object)
{
	json_object_put(*object);
}

void js_print_line(FILE *out, struct json_object *object)
{
	fputs(json_object_to_json_string_ext(object, PLAIN), out);
	putc('\n', out);
}

/* ------------------------------------------------------------ documents */

/* the line break json-c puts into an empty list or object: its length, or 0 */
static size_t empty_break(const char *start, const char *line_end)
{
	char open = line_end > start ? line_end[-1] : '\0';
	size_t blank = strspn(line_end, "\n ");

	/* what ends a line is never part of a string, that would end in a quote */
	if ((open == '[' && line_end[blank] == ']') || (open == '{' && line_end[blank] == '}'))
		return blank;
	return 0;
}

/* json-c knows no starting indent; a newline is never part of a JSON string */
static void print_indented(FILE *out, struct json_object *value, size_t indent)
{
	static const char blanks[] = "\n        ";
	const char *start = json_object_to_json_string_ext(value, PRETTY), *line = start;

	for (;;) {
		size_t len = (size_t)(strchrnul(line, '\n') - line), skip;

		/* nobody else prints: a lock per line would cost more than the line */
		fwrite_unlocked(line, 1, len, out);
		line += len;
		if (!*line)
			return;
		skip = empty_break(start, line);
		line += skip ? skip : 1;
		if (!skip)
			fwrite_unlocked(blanks, 1, 1 + indent, out);
	}
}

/* members stand at the first level of indent, elements of an array at the second */
static void start_item(struct js_doc *d)
{
	if (d->more)
		putc(',', d->out);
	if (!d->in_line)
		fprintf(d->out, "\n%*s", d->in_array ? 4 : 2, "");
	d->more = true;
}

static void print_value(struct js_doc *d, struct json_object *value, size_t indent)
{
	if (d->in_line)
		fputs(json_object_to_json_string_ext(value, PLAIN), d->out);
	else
		print_indented(d->out, value, indent);
	json_object_put(value);
}

void js_doc_begin(struct js_doc *d, FILE *out, const char *schema)
{
	*d = (struct js_doc){ .out = out };
	putc('{', out);
	js_doc_put(d, "schema", js_str(schema));
}

void js_doc_begin_line(struct js_doc *d, FILE *out, const char *schema)
{
	*d = (struct js_doc){ .out = out, .in_line = true };
	putc('{', out);
	js_doc_put(d, "schema", js_str(schema));
}

void js_doc_put(struct js_doc *d, const char *key, struct json_object *value)
{
	start_item(d);
	fprintf(d->out, "\"%s\":", key);
	print_value(d, value, 2);
}

void js_doc_array(struct js_doc *d, const char *key)
{
	start_item(d);
	fprintf(d->out, "\"%s\":[", key);
	d->in_array = true;
	d->more = false;
}

void js_doc_add(struct js_doc *d, struct json_object *value)
{
	start_item(d);
	print_value(d, value, 4);
}

void js_doc_array_end(struct js_doc *d)
{
	fputs(d->more && !d->in_line ? "\n  ]" : "]", d->out);
	d->in_array = false;
	d->more = true;
}

void js_doc_end(struct js_doc *d)
{
	fputs(d->in_line ? "}\n" : "\n}\n", d->out);
}
