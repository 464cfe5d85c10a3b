// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * `ipclens stuck --watch`: what one look found that the one before did not, or
 * found otherwise, and what it found no more.
 */
#include "render/stuck_label.h"
#include "render/stuck_text.h"

/* without holes: it is hashed by its bytes */
struct finding_key {
	uint64_t start_ns;
	uint32_t tgid, tid; /* tid 0: a root, else a wait that only --all shows */
	uint32_t verdict, pad;
};

struct finding {
	char *title, *state; /* escaped; what it is called, what else makes it the same */
};

struct stuck_told {
	struct hash *findings; /* struct finding_key -> finding, NULL: nothing was told yet */
};

struct stuck_told *stuck_told_new(void)
{
	return xcalloc(1, sizeof(struct stuck_told));
}

static void findings_free(struct hash *findings)
{
	for (size_t i = 0; findings && i < hash_count(findings); i++) {
		struct finding *f = hash_at(findings, i);

		free(f->title);
		free(f->state);
		free(f);
	}
	hash_free(findings);
}

void stuck_told_freep(struct stuck_told **told)
{
	if (!*told)
		return;
	findings_free((*told)->findings);
	free(*told);
	*told = NULL;
}

static struct finding_key key_of(const struct stuck_proc *p, uint32_t tid, enum stuck_verdict v)
{
	return (struct finding_key){
		.start_ns = p->key.start_ns, .tgid = p->key.tgid, .tid = tid, .verdict = v
	};
}

static struct finding_key key_of_root(const struct stuck_root *r)
{
	return key_of(r->proc, 0, r->verdict);
}

static struct finding_key key_of_wait(const struct stuck_thread *t)
{
	return key_of(t->proc, t->rec.tid, t->verdict);
}

/* root or t */
static struct finding *finding_of(const struct stuck *s, const struct stuck_root *root,
				  const struct stuck_thread *t)
{
	struct finding *f = xcalloc(1, sizeof(*f));
	struct buf title = {};
	size_t len;
	FILE *state = open_memstream(&f->state, &len);

	if (!state) {
		log_err(-ENOMEM, "out of memory");
		abort();
	}
	if (root)
		stuck_text_root_briefly(state, s, root);
	else
		stuck_text_wait_briefly(state, t);
	fclose(state);
	label_stuck_proc(&title, root ? root->proc : t->proc);
	if (!root && t->rec.tid != t->proc->key.tgid)
		buf_printf(&title, " thread %u", t->rec.tid);
	f->title = title.data;
	return f;
}

static struct hash *find_all(const struct stuck *s, const struct render_options *opt, bool all)
{
	struct hash *findings = hash_new(sizeof(struct finding_key));

	for (size_t i = 0; i < s->root_count; i++) {
		struct finding_key key = key_of_root(&s->roots[i]);

		if (render_stuck_shows_root(s, &s->roots[i], opt))
			hash_add(findings, &key, finding_of(s, &s->roots[i], NULL));
	}
	for (size_t i = 0; all && i < s->thread_count; i++) {
		struct finding_key key = key_of_wait(s->threads[i]);

		if (stuck_text_is_mere_wait(s->threads[i], opt))
			hash_add(findings, &key, finding_of(s, NULL, s->threads[i]));
	}
	return findings;
}

/* "new: ", "changed: "; NULL: neither */
static const char *news_of(const struct hash *before, const struct hash *now,
			   const struct finding_key *key)
{
	const struct finding *was = hash_get(before, key), *is = hash_get(now, key);

	if (!was)
		return "new: ";
	return strcmp(was->state, is->state) ? "changed: " : NULL;
}

static bool differ(const struct hash *before, const struct hash *now)
{
	for (size_t i = 0; i < hash_count(now); i++)
		if (news_of(before, now, hash_key_at(now, i)))
			return true;
	/* all of them were there before */
	return hash_count(before) != hash_count(now);
}

static void print_gone(FILE *out, const struct hash *before, const struct hash *now,
		       const struct render_options *opt)
{
	for (size_t i = 0; i < hash_count(before); i++) {
		const struct finding_key *key = hash_key_at(before, i);
		const struct finding *f = hash_at(before, i);

		if (hash_get(now, key))
			continue;
		fputs("gone: ", out);
		stuck_text_verdict(out, key->verdict, opt->colour);
		fprintf(out, "  %s\n", f->title);
	}
}

static void print_news(FILE *out, const struct stuck *s, const struct render_options *opt,
		       const struct hash *before, const struct hash *now, bool all)
{
	size_t shown = 0;

	print_gone(out, before, now, opt);
	for (size_t i = 0; i < s->root_count; i++) {
		struct finding_key key = key_of_root(&s->roots[i]);
		const char *news;

		if (!hash_get(now, &key))
			continue;
		shown++;
		news = news_of(before, now, &key);
		if (!news)
			continue;
		fputs(news, out);
		stuck_text_root(out, s, &s->roots[i], shown, opt);
	}
	for (size_t i = 0; all && i < s->thread_count; i++) {
		struct finding_key key = key_of_wait(s->threads[i]);

		if (hash_get(now, &key) && news_of(before, now, &key))
			stuck_text_mere_wait(out, s, s->threads[i], opt);
	}
	if (!shown)
		fputs("nothing is stuck\n", out);
	if (s->incomplete)
		fputs("some records were lost: what is gone may be there still\n", out);
}

bool render_stuck_changes(FILE *out, const struct stuck *s, const struct render_options *opt,
			  bool all, struct stuck_told *told)
{
	struct hash *before = told->findings, *now = find_all(s, opt, all);
	bool changed = !before || differ(before, now);

	told->findings = now;
	if (changed && out)
		fprintf(out, "--- %llu s after boot\n",
			(unsigned long long)(s->taken_ns / 1000000000));
	if (changed && out && before)
		print_news(out, s, opt, before, now, all);
	else if (changed && out)
		render_stuck_text(out, s, opt, all);
	findings_free(before);
	return changed;
}
