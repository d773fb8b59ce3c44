/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/policy_load.h"
#include "base/i18n.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/policy_parse.h"
#include "decide/policy_review.h"
#include "model/port_proxies.h"
#include "observe/package_content.h"
#include "observe/policy_files.h"
#include "observe/policy_names.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool has_interface(void *context, const char *name)
{
	return policy_names_has_interface(context, name);
}

static bool is_elsewhere(void *context, const struct policy_source *network, const char *interface,
			 char ret[POLICY_FOUND_SIZE])
{
	return policy_names_is_elsewhere(context, &network->network, network->prefix_len, interface,
					 ret, POLICY_FOUND_SIZE);
}

static bool has_unit(void *context, const char *name)
{
	return policy_names_has_unit(context, name);
}

static bool has_user(void *context, const char *name)
{
	(void)context;
	return policy_names_has_user(name);
}

static bool has_program(void *context, const char *path)
{
	(void)context;
	return policy_names_has_program(path);
}

static bool is_script(void *context, const char *path, char ret[POLICY_FOUND_SIZE])
{
	(void)context;
	return policy_names_is_script(path, ret, POLICY_FOUND_SIZE);
}

static bool is_link(void *context, const char *path, char ret[POLICY_FOUND_SIZE])
{
	(void)context;
	return policy_names_is_link(path, ret, POLICY_FOUND_SIZE);
}

static bool is_writable(void *context, const char *path, char ret[POLICY_FOUND_SIZE])
{
	(void)context;
	return policy_names_is_writable(path, ret, POLICY_FOUND_SIZE);
}

static bool is_chosen(void *context, uint16_t port)
{
	return policy_names_is_chosen(context, port);
}

static const char *find_stray_proxy(void *context)
{
	size_t count;
	const struct port_proxy *proxies = port_proxies(&count);

	(void)context;
	for (size_t i = 0; i < count; i++)
		if (access(proxies[i].program, F_OK) == 0 &&
		    !package_content_vouches(proxies[i].program, NULL))
			return proxies[i].program;
	return NULL;
}

static int parse_files(const struct policy_files *files, struct policy *ret,
		       struct policy_problems *problems)
{
	int r = 0;

	for (size_t i = 0; i < files->count && r == 0; i++)
		r = policy_parse(ret, policy_files_name(files, i), policy_files_text(files, i),
				 files->files[i].len, problems);
	return r;
}

int policy_load_files(const struct policy_files *files, struct policy *ret,
		      struct policy_problems *problems, struct err *e)
{
	struct policy_names cleanup_call(policy_names_done) names = {0};
	const struct policy_facts facts = {
		.now_s = time(NULL),
		.context = &names,
		.has_interface = has_interface,
		.is_elsewhere = is_elsewhere,
		.has_unit = has_unit,
		.has_user = has_user,
		.has_program = has_program,
		.is_script = is_script,
		.is_link = is_link,
		.is_writable = is_writable,
		.is_chosen = is_chosen,
		.find_stray_proxy = find_stray_proxy,
	};
	int r = parse_files(files, ret, problems);

	if (r == 0)
		r = policy_review(ret, &facts, problems);
	if (r < 0)
		return err_set(e, r, _("out of memory"));
	policy_problems_sort(problems);
	return 0;
}

int policy_load(const char *dir, struct policy *ret, struct policy_problems *problems,
		struct err *e)
{
	struct policy_files cleanup_call(policy_files_done) files = {0};
	int r;

	*ret = (struct policy){0};
	*problems = (struct policy_problems){0};
	r = policy_files_read(dir, &files, problems, e);
	return r < 0 ? r : policy_load_files(&files, ret, problems, e);
}

static void print_place(const char *dir, const struct policy_problems *problems,
			const struct policy_place *place, struct buf *out)
{
	size_t len = strlen(dir);

	buf_printf(out, "%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/",
		   policy_problems_text(problems, place->file_str));
	if (place->line)
		buf_printf(out, ":%u:%u", place->line, place->column);
}

void policy_load_print(const char *dir, const struct policy_problems *problems, FILE *out)
{
	struct buf cleanup_call(buf_done) text = {0}, cleanup_call(buf_done) safe = {0};
	size_t left = problems->error_count + problems->warning_count - problems->count;

	for (size_t i = 0; i < problems->count; i++) {
		const struct policy_problem *p = &problems->items[i];

		buf_clear(&text);
		buf_clear(&safe);
		print_place(dir, problems, &p->place, &text);
		buf_printf(&text, ": %s: %s", p->is_error ? _("error") : _("warning"),
			   policy_problems_text(problems, p->text_str));
		if (p->other.file_str) {
			buf_add_text(&text, _(" (the other place: "));
			print_place(dir, problems, &p->other, &text);
			buf_add_char(&text, ')');
		}
		text_escape_message(&safe, buf_text(&text));
		fprintf(out, "%s\n", buf_text(&safe));
	}
	if (left)
		fprintf(out, ngettext("... and %zu more\n", "... and %zu more\n", left), left);
}
