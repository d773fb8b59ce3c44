/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/policy_init.h"
#include "base/file.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/policy_load.h"
#include "cli/view.h"
#include "decide/policy_draft.h"
#include "decide/policy_parse.h"
#include "decide/policy_review.h"
#include "observe/policy_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INIT_FILE "10-init.yaml"

/* The port at which the person's own connection arrives: "CLIENT PORT SERVER PORT" (ssh(1)). */
static uint16_t ssh_port(void)
{
	const char *text = getenv("SSH_CONNECTION"), *last = text ? strrchr(text, ' ') : NULL;
	uint64_t port;

	if (!last || text_parse_number(last + 1, strlen(last + 1), 65535, &port) < 0)
		return 0;
	return (uint16_t)port;
}

/* Nothing is written that `portero policy check` would refuse. */
static int verify(const struct buf *text)
{
	struct policy_problems cleanup_call(policy_problems_done) problems = {0};
	struct policy cleanup_call(policy_done) p = {0};
	const struct policy_facts facts = {0};

	if (policy_parse(&p, INIT_FILE, buf_text(text), text->len, &problems) < 0 ||
	    policy_review(&p, &facts, &problems) < 0)
		return command_fail(_("out of memory"));
	if (!problems.error_count)
		return 0;
	policy_load_print("", &problems, stderr);
	return command_fail(_("this is an error of portero: it would have written a policy with "
			      "errors"));
}

/* Is there a policy already? 0: no. */
static int check_free(const char *dir)
{
	struct policy_problems cleanup_call(policy_problems_done) problems = {0};
	struct policy_files cleanup_call(policy_files_done) files = {0};
	struct err e = {0};
	int r = policy_files_read(dir, &files, &problems, &e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return command_fail("%s", e.msg);
	return command_fail(_("there is a policy in %.300s already: it is left alone ('portero "
			      "policy init -' prints what would be written)"),
			    dir);
}

/* mkdir -p */
static int make_folders(const char *dir)
{
	char path[4096];
	size_t len = strlen(dir);

	if (len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, dir, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		path[i] = dir[i];
	}
	return 0;
}

static int write_file(const char *dir, const struct buf *text)
{
	int cleanup_close fd = -1;
	int r = make_folders(dir);

	if (r == 0) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : file_write_new(fd, INIT_FILE, buf_text(text), text->len);
	}
	return r < 0 ? command_fail(_("cannot write %.300s/%s: %s"), dir, INIT_FILE, strerror(-r))
		     : 0;
}

static void print_outcome(const struct view *v, const char *dir, const struct policy_draft *d)
{
	struct buf cleanup_call(buf_done) safe = {0};
	size_t openings, comments;

	policy_draft_count(d, &openings, &comments);
	printf(_("Written: %s/%s\n"), view_escape(v, dir, &safe), INIT_FILE);
	printf(ngettext("%zu opening; ", "%zu openings; ", openings), openings);
	printf(ngettext("%zu more as a comment, to be looked at.\n",
			"%zu more as comments, to be looked at.\n", comments),
	       comments);
	printf("%s\n", _("Nothing is closed yet. Look at the file; then: portero policy check; "
			 "portero plan"));
}

static int write_draft(const struct view *v, const char *dir)
{
	const struct draft_wish wish = {
		.snapshot = &v->snapshot,
		.services = &v->services,
		.list = &v->list,
		.reach = &v->reach,
		.join = &v->join,
		.ssh_port = ssh_port(),
	};
	struct policy_draft cleanup_call(policy_draft_done) d = {0};
	struct buf cleanup_call(buf_done) text = {0};
	int code;

	if (policy_draft_make(&wish, &d) < 0 || policy_draft_format(&d, &wish, &text) < 0)
		return command_fail(_("out of memory"));
	code = verify(&text);
	if (code == 0 && strcmp(dir, "-") == 0)
		fwrite(buf_text(&text), 1, text.len, stdout);
	else if (code == 0)
		code = write_file(dir, &text);
	if (code == 0 && strcmp(dir, "-") != 0 && !v->options->quiet)
		print_outcome(v, dir, &d);
	return code;
}

int policy_init(const struct options *o)
{
	const char *dir = o->word_count ? o->words[0] : o->policy_dir;
	const struct view_wish wish = {.reach = true};
	struct view v = {0};
	struct err e = {0};
	int code;

	if (o->word_count > 1)
		return command_fail(_("say one folder: portero policy init [DIR|-]"));
	if (o->json)
		return command_fail(_("'portero policy init' writes YAML: it has no --json"));
	code = strcmp(dir, "-") == 0 ? 0 : check_free(dir);
	if (code)
		return code;
	code = view_take(&v, o, &wish, &e) < 0 ? command_fail("%s", e.msg) : write_draft(&v, dir);
	if (code == 0 && !snapshot_is_complete(&v.snapshot)) {
		code = command_fail(_("not everything could be looked at: the policy may lack "
				      "what could not be seen (portero doctor tells more)"));
	}
	view_done(&v);
	return code;
}
