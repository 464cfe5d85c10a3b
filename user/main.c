// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipclens: the table of subcommands.
 */
#include <fcntl.h>
#include <locale.h>

#include "cmd/cmd.h"

#define VERSION "0.1"

static const struct cmd *const commands[] = {
	&cmd_report, &cmd_trace, &cmd_list, &cmd_stuck, &cmd_record, &cmd_doctor, &cmd_demo,
};

static void usage(FILE *out)
{
	fprintf(out, "Usage: ipclens COMMAND [OPTION...]\n"
		"Which processes talk to each other through which IPC channel, and how much.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\n`ipclens COMMAND --help` tells more; `ipclens --version` the version.\n");
}

/*
 * A descriptor of ours must not become somebody's standard output. What was closed is
 * the lowest number there is; who writes to a closed output is still to fail.
 */
static void open_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) < 0)
			_exit(EXIT_FAILED);
}

/* of what is printed by who does not ask whether it could be: help, that of argp too */
static void check_output(void)
{
	if (!ferror(stdout) && !fflush(stdout))
		return;
	log_msg(LOG_ERROR, "cannot write the output: %s", strerror(errno));
	_exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	alloc_return_big_blocks();
	setlocale(LC_ALL, "C");
	open_stdio();
	atexit(check_output);
	if (name && (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))) {
		usage(stdout);
		return EXIT_OK;
	}
	if (name && !strcmp(name, "--version")) {
		puts("ipclens " VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; name && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i]->name, name))
			continue;
		/* argp names the program by argv[0] */
		argv[1] = xasprintf("ipclens %s", name);
		return commands[i]->run(argc - 1, argv + 1);
	}
	if (name)
		return log_err(EXIT_USAGE, "'%s' is no command; `ipclens --help` lists them", name);
	usage(stderr);
	return EXIT_USAGE;
}
