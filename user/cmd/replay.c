// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Records out of a recording instead of a kernel.
 */
#include "cmd/cmd.h"

int replay(const char *path, source_sink sink, void *arg, bool *ret_damaged)
{
	_cleanup_(recording_freep) struct recording_reader *reader = NULL;
	/* the file is private to its owner, so is the right to read on in it */
	struct sandbox_options sandbox = { .keep_uid = true, .allow_file_io = true };
	int err = recording_open(path, &reader);

	if (!err)
		err = sandbox_enter(&sandbox);
	if (err)
		return options_exit_status(err);
	err = recording_read(reader, sink, arg);
	if (err && err != -EBADMSG)
		return EXIT_FAILED;
	/* what is damaged was told */
	if (!err && !recording_is_complete(reader))
		log_msg(LOG_WARNING, "%s ends early: the recorder was stopped", path);
	*ret_damaged = err != 0;
	return EXIT_OK;
}
