/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Values of JSON, each in one piece of memory with its text behind it, and how they are printed.
 * No name is looked for, so that an object is a list of its members.
 */
#include "render/json.h"

#define ESCAPED_MAX 6		/* bytes of one byte in a string: \u001f */
#define INDENT 2		/* columns of a level */
#define DIGITS_MAX 20		/* of 64 bits */

enum form {
	JS_LITERAL,	/* text as it stands there */
	JS_PLAIN,	/* a string with nothing to escape */
	JS_STRING,
	JS_OBJECT,
	JS_ARRAY,
	JS_NUMBERS,
};

struct js_value {
	struct js_value *next;	/* in the object or array that it is in */
	const char *key;	/* in an object: nothing to escape in it */
	union {
		struct {
			struct js_value *first, *last;
		};
		const uint32_t *numbers;
		char *label;	/* of a string; NULL: it is empty */
	};
	uint32_t len;		/* of the text; numbers */
	uint32_t key_len;
	uint8_t form;
	bool owns_key;
	char text[];
};

/* -------------------------------------------------------------- values */

/* text: room for so many bytes */
static struct js_value *new_value(enum form form, size_t len)
{
	struct js_value *v = xmalloc(sizeof(*v) + len);

	*v = (struct js_value){ .len = (uint32_t)len, .form = (uint8_t)form };
	return v;
}

static struct js_value *new_text(enum form form, const char *text, size_t len)
{
	struct js_value *v = new_value(form, len);

	memcpy(v->text, text, len);
	return v;
}

/* the one door for hostile bytes */
struct js_value *js_text(const void *bytes, size_t len)
{
	struct buf text = {};

	if (!bytes)
		return NULL;
	if (text_plain_len(bytes, len) == len)
		return new_text(JS_PLAIN, bytes, len);
	text_escape(&text, bytes, len);
	return js_label(&text);
}

struct js_value *js_str(const char *s)
{
	return js_text(s, s ? strlen(s) : 0);
}

struct js_value *js_label(struct buf *text)
{
	struct js_value *v = new_value(JS_STRING, 0);

	v->len = (uint32_t)text->len;
	v->label = TAKE_PTR(text->data);
	*text = (struct buf){};
	return v;
}

/* decimal, ending before `end`; returns where it begins */
static char *digits(uint64_t n, char *end)
{
	do {
		*--end = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return end;
}

static struct js_value *new_number(enum form form, bool negative, uint64_t n)
{
	char text[DIGITS_MAX + 1], *end = text + sizeof(text), *begin = digits(n, end);

	if (negative)
		*--begin = '-';
	return new_text(form, begin, (size_t)(end - begin));
}

struct js_value *js_u64(uint64_t n)
{
	return new_number(JS_LITERAL, false, n);
}

struct js_value *js_i64(int64_t n)
{
	return new_number(JS_LITERAL, n < 0, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

struct js_value *js_bool(bool b)
{
	return b ? new_text(JS_LITERAL, "true", 4) : new_text(JS_LITERAL, "false", 5);
}

struct js_value *js_id64(uint64_t n)
{
	return new_number(JS_PLAIN, false, n);
}

/* shares and seconds: printf's %f would use the decimal comma of some locales */
struct js_value *js_fixed(uint64_t scaled, unsigned decimals)
{
	uint64_t unit = 1;
	char text[48];
	int len;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	len = snprintf(text, sizeof(text), "%llu.%0*llu", (unsigned long long)(scaled / unit),
		       (int)decimals, (unsigned long long)(scaled % unit));
	return new_text(JS_LITERAL, text, (size_t)len);
}

struct js_value *js_object(void)
{
	return new_value(JS_OBJECT, 0);
}

struct js_value *js_array(void)
{
	return new_value(JS_ARRAY, 0);
}

struct js_value *js_numbers(const uint32_t *numbers, size_t count)
{
	struct js_value *v = new_value(JS_NUMBERS, 0);

	v->numbers = numbers;
	v->len = (uint32_t)count;
	return v;
}

/* behind the others in an object or array */
static void append(struct js_value *parent, struct js_value *v)
{
	if (parent->last)
		parent->last->next = v;
	else
		parent->first = v;
	parent->last = v;
}

static struct js_value *or_null(struct js_value *v)
{
	return v ? v : new_text(JS_LITERAL, "null", 4);
}

void js_put_named(struct js_value *object, const char *key, size_t len, struct js_value *value)
{
	value = or_null(value);
	value->key = key;
	value->key_len = (uint32_t)len;
	append(object, value);
}

void js_add(struct js_value *array, struct js_value *value)
{
	append(array, or_null(value));
}

void js_free(struct js_value *v)
{
	struct js_value *next;

	if (!v)
		return;
	if (v->form == JS_OBJECT || v->form == JS_ARRAY)
		for (struct js_value *at = v->first; at; at = next) {
			next = at->next;
			js_free(at);
		}
	if (v->form == JS_STRING)
		free(v->label);
	if (v->owns_key)
		free((char *)v->key);
	free(v);
}

void js_freep(struct js_value **v)
{
	js_free(*v);
}

/* ------------------------------------------------------------ printing */

struct out {
	struct buf *buf;
	bool pretty;
};

/* the end of a line, and the blanks that the next one begins with */
static char *put_break(const struct out *o, char *to, unsigned level)
{
	if (!o->pretty)
		return to;
	*to++ = '\n';
	memset(to, ' ', (size_t)level * INDENT);
	return to + (size_t)level * INDENT;
}

static size_t break_max(unsigned level)
{
	return 1 + (size_t)level * INDENT;
}

static char *put_bytes(char *to, const void *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

/* valid UTF-8, so that these are all that must not stand in a string as they are */
static char *put_escaped(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	if (c >= ' ') {
		if (c == '"' || c == '\\')
			*to++ = '\\';
		*to++ = (char)c;
		return to;
	}
	to = put_bytes(to, "\\u00", 4);
	*to++ = hex[c >> 4];
	*to++ = hex[c & 15];
	return to;
}

static void add_escaped(struct buf *out, const char *text, size_t len)
{
	char *to = buf_room(out, len * ESCAPED_MAX);

	for (size_t at = 0; at < len;) {
		size_t plain = text_plain_len(text + at, len - at);

		to = put_bytes(to, text + at, plain);
		at += plain;
		if (at < len)
			to = put_escaped(to, (unsigned char)text[at++]);
	}
	buf_end(out, to);
}

static void print_string(struct buf *out, const char *text, size_t len)
{
	buf_add(out, "\"", 1);
	add_escaped(out, text, len);
	buf_add(out, "\"", 1);
}

static void print_numbers(const struct out *o, const struct js_value *v, unsigned level)
{
	for (size_t i = 0; i < v->len; i++) {
		char text[DIGITS_MAX], *end = text + sizeof(text), *begin;
		char *to = buf_room(o->buf, 1 + break_max(level + 1) + DIGITS_MAX);

		if (i)
			*to++ = ',';
		to = put_break(o, to, level + 1);
		begin = digits(v->numbers[i], end);
		buf_end(o->buf, put_bytes(to, begin, (size_t)(end - begin)));
	}
}

static void print_value(const struct out *o, const struct js_value *v, unsigned level);

static bool is_scalar(const struct js_value *v)
{
	return v->form == JS_LITERAL || v->form == JS_PLAIN;
}

static char *put_scalar(char *to, const struct js_value *v)
{
	if (v->form == JS_LITERAL)
		return put_bytes(to, v->text, v->len);
	*to++ = '"';
	to = put_bytes(to, v->text, v->len);
	*to++ = '"';
	return to;
}

/* most are scalars: all of one is put at once */
static void print_item(const struct out *o, const struct js_value *v, bool first, unsigned level)
{
	size_t text = is_scalar(v) ? v->len + 2u : 0;
	char *to = buf_room(o->buf, 1 + break_max(level) + v->key_len + 3 + text);

	if (!first)
		*to++ = ',';
	to = put_break(o, to, level);
	if (v->key) {
		*to++ = '"';
		to = put_bytes(to, v->key, v->key_len);
		to = put_bytes(to, "\":", 2);
	}
	if (text)
		to = put_scalar(to, v);
	buf_end(o->buf, to);
	if (!text)
		print_value(o, v, level);
}

static void print_items(const struct out *o, const struct js_value *v, unsigned level)
{
	for (const struct js_value *at = v->first; at; at = at->next)
		print_item(o, at, at == v->first, level + 1);
}

static void print_list(const struct out *o, const struct js_value *v, unsigned level)
{
	bool empty = v->form == JS_NUMBERS ? !v->len : !v->first;
	char *to;

	buf_add(o->buf, v->form == JS_OBJECT ? "{" : "[", 1);
	if (v->form == JS_NUMBERS)
		print_numbers(o, v, level);
	else
		print_items(o, v, level);
	to = buf_room(o->buf, break_max(level) + 1);
	if (!empty)
		to = put_break(o, to, level);
	*to++ = v->form == JS_OBJECT ? '}' : ']';
	buf_end(o->buf, to);
}

static void print_value(const struct out *o, const struct js_value *v, unsigned level)
{
	switch ((enum form)v->form) {
	case JS_LITERAL:
	case JS_PLAIN:
		buf_end(o->buf, put_scalar(buf_room(o->buf, v->len + 2u), v));
		break;
	case JS_STRING:
		print_string(o->buf, v->label ? v->label : "", v->len);
		break;
	case JS_OBJECT:
	case JS_ARRAY:
	case JS_NUMBERS:
		print_list(o, v, level);
		break;
	}
}

void js_print(struct buf *out, const struct js_value *v, bool pretty, unsigned level)
{
	const struct out o = { .buf = out, .pretty = pretty };

	if (v)
		print_value(&o, v, level);
	else
		buf_puts(out, "null");
}

void js_put_copied(struct js_value *object, const char *key, struct js_value *value)
{
	struct buf text = {};

	add_escaped(&text, key, strlen(key));
	value = or_null(value);
	value->owns_key = true;
	js_put_named(object, text.data, text.len, value);
}
