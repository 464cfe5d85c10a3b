// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * See preemption.h. The version says what was built: PREEMPT_DYNAMIC means that the mode was
 * chosen when the kernel was started, or later through debugfs, and that is where to look.
 */
#include "source/preemption.h"

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = text; at && (at = strstr(at, word)); at += len)
		if ((at == text || strchr(" \n", at[-1])) && (!at[len] || strchr(" \n", at[len])))
			return true;
	return false;
}

static bool is_preempting(const char *mode, size_t len)
{
	return (len == 4 && !strncmp(mode, "full", 4)) || (len == 4 && !strncmp(mode, "lazy", 4));
}

/* the last "preempt=" counts; its length goes to *ret_len, NULL: there is none */
static const char *cmdline_mode(const char *cmdline, size_t *ret_len)
{
	static const char key[] = "preempt=";
	const char *mode = NULL;

	for (const char *at = cmdline; at && (at = strstr(at, key)); at += sizeof(key) - 1)
		if (at == cmdline || at[-1] == ' ')
			mode = at + sizeof(key) - 1;
	if (mode)
		*ret_len = strcspn(mode, " \n");
	return mode;
}

const char *preemption_sign(const struct preemption_signs *signs)
{
	const char *mode = signs->debug ? strchr(signs->debug, '(') : NULL;
	size_t len = 0;

	if (has_word(signs->version, "PREEMPT_RT"))
		return "a real-time kernel";
	if (has_word(signs->version, "PREEMPT") || has_word(signs->version, "PREEMPT_LAZY"))
		return "built for full preemption";
	if (!has_word(signs->version, "PREEMPT_DYNAMIC"))
		return NULL;
	if (mode)
		return is_preempting(mode + 1, strcspn(mode + 1, ")")) ?
		       "preemption is switched to full or lazy" : NULL;
	mode = cmdline_mode(signs->cmdline, &len);
	if (mode)
		return is_preempting(mode, len) ? "started with preempt=full or lazy" : NULL;
	if (has_word(signs->config, "CONFIG_PREEMPT=y") ||
	    has_word(signs->config, "CONFIG_PREEMPT_LAZY=y"))
		return "configured for full or lazy preemption";
	return NULL;
}
