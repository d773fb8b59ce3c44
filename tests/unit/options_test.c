/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options: every form of every option, and what is said of those that are none. */
#include "base/mem.h"
#include "cli/options.h"
#include "unit.h"

enum { ARGUMENT_LIMIT = 16 };

/* Parses the arguments up to the NULL. The words are o->words; free them. */
static int parse(const char *const *arguments, struct options *o, struct err *e)
{
	char *argv[ARGUMENT_LIMIT + 1] = {strdup("portero")};
	int argc = 1, r;

	for (; arguments[argc - 1]; argc++) {
		assert_true(argc < ARGUMENT_LIMIT);
		memcpy(&argv[argc], &arguments[argc - 1], sizeof(char *));
	}
	*e = (struct err){0};
	r = options_parse(argc, argv, o, e);
	free(argv[0]);
	return r;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_error(const char *const *arguments, const char *said)
{
	struct options o;
	struct err e;

	assert_int_equal(parse(arguments, &o, &e), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	if (!strstr(e.msg, said))
		fail_msg("'%s' does not say '%s'", e.msg, said);
	free(o.words);
}

static const void *field(const struct options *o, const struct option_row *row)
{
	return (const char *)o + row->offset;
}

static bool flag_of(const struct options *o, const struct option_row *row)
{
	bool value;

	memcpy(&value, field(o, row), sizeof(value));
	return value;
}

static const char *text_of(const struct options *o, const struct option_row *row)
{
	const char *value;

	memcpy(&value, field(o, row), sizeof(value));
	return value;
}

static void test_nothing(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(parse((const char *const[]){NULL}, &o, &e), 0);
	assert_int_equal(o.word_count, 0);
	for (size_t i = 0; i < option_row_count; i++) {
		if (option_rows[i].kind == OPTION_FLAG)
			assert_false(flag_of(&o, &option_rows[i]));
		else
			assert_ptr_equal(text_of(&o, &option_rows[i]), option_rows[i].standard);
	}
	free(o.words);
}

static void test_every_flag(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		char text[64], letter[3] = {'-', row->letter, '\0'};
		struct options o;
		struct err e;

		if (row->kind != OPTION_FLAG)
			continue;
		snprintf(text, sizeof(text), "--%s", row->name);
		assert_int_equal(parse(ARGS(text), &o, &e), 0);
		for (size_t k = 0; k < option_row_count; k++)
			if (option_rows[k].kind == OPTION_FLAG)
				assert_int_equal(flag_of(&o, &option_rows[k]),
						 option_rows[k].offset == row->offset);
		free(o.words);
		if (row->letter) {
			assert_int_equal(parse(ARGS(letter), &o, &e), 0);
			assert_true(flag_of(&o, row));
			free(o.words);
		}
		snprintf(text, sizeof(text), "--%s=yes", row->name);
		expect_error(ARGS(text), row->name);
		snprintf(text, sizeof(text), "--%s=", row->name);
		expect_error(ARGS(text), "takes no value");
	}
}

/* Of one name: the same option for different commands, so that one of the rows is meant. */
static void check_two_meanings(const struct option_row *a, const struct option_row *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->letter, b->letter);
	assert_int_equal((a->scope | SCOPE_ALL) & b->scope, 0);
	assert_string_not_equal(a->help, b->help);
	assert_ptr_equal(a->environment, NULL);
	assert_ptr_equal(b->environment, NULL);
	assert_ptr_equal(a->choices, b->choices); /* bash's completion has one list */
}

/* Two flags in one place would show as two rows with one letter, name or field. */
static void test_table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		for (size_t k = i + 1; k < option_row_count; k++) {
			if (option_rows[i].offset == option_rows[k].offset) {
				check_two_meanings(&option_rows[i], &option_rows[k]);
				continue;
			}
			assert_string_not_equal(option_rows[i].name, option_rows[k].name);
			if (option_rows[i].letter)
				assert_int_not_equal(option_rows[i].letter, option_rows[k].letter);
		}
		assert_int_equal(option_rows[i].argument != NULL,
				 option_rows[i].kind == OPTION_TEXT);
		if (option_rows[i].letter) /* letters are joined, so they take no value */
			assert_int_equal(option_rows[i].kind, OPTION_FLAG);
		/* only what portero says to itself has none */
		if (strcmp(option_rows[i].name, "when-due") != 0)
			assert_non_null(option_rows[i].help);
		assert_int_not_equal(option_rows[i].scope, 0);
	}
}

/* The first of "a|b|c", or a text that will do where anything does. */
static void good_value(const struct option_row *row, char value[32])
{
	size_t len = row->choices ? strcspn(row->choices, "|") : 1;

	memcpy(value, row->choices ? row->choices : "v", len);
	value[len] = '\0';
}

static void test_every_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		char text[96], name[64], value[32];
		struct options o;
		struct err e;

		if (row->kind != OPTION_TEXT)
			continue;
		good_value(row, value);
		snprintf(name, sizeof(name), "--%s", row->name);
		assert_int_equal(parse(ARGS(name, value, "word"), &o, &e), 0);
		assert_string_equal(text_of(&o, row), value);
		assert_int_equal(o.word_count, 1);
		free(o.words);
		snprintf(text, sizeof(text), "--%s=%s", row->name, value);
		assert_int_equal(parse(ARGS(text, "word"), &o, &e), 0);
		assert_string_equal(text_of(&o, row), value);
		assert_int_equal(o.word_count, 1);
		free(o.words);
		expect_error(ARGS(name), "needs a value");
		expect_error(ARGS("word", name),
			     options_find(row->name, strlen(row->name), ~0U)->argument);
		expect_error(ARGS(name, ""), "needs a value");
		snprintf(text, sizeof(text), "--%s=", row->name);
		expect_error(ARGS(text), "needs a value");
	}
}

static void test_values(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(parse(ARGS("--user=a=b"), &o, &e), 0);
	assert_string_equal(o.user, "a=b");
	free(o.words);
	assert_int_equal(parse(ARGS("--user", "-x", "--unit", "--"), &o, &e), 0);
	assert_string_equal(o.user, "-x"); /* what follows is the value, whatever it looks like */
	assert_string_equal(o.unit, "--");
	free(o.words);
	expect_error(ARGS("scan", "-oX", "-p80", "host"), "looks like an option");
	assert_int_equal(parse(ARGS("scan", "-oX", "-", "-p", "-80", "host"), &o, &e), 0);
	assert_string_equal(o.ports, "-80");
	free(o.words);
}

/* Nobody would know which of two counts; of places the last does, as for scripts. */
static void test_a_value_is_given_once(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	expect_error(ARGS("--user=a", "--user=b"), "option --user is there twice");
	expect_error(ARGS("--user", "a", "--user", "a"), "option --user is there twice");
	expect_error(ARGS("scan", "-p22", "h", "-p", "80"), "option -p is there twice");
	expect_error(ARGS("scan", "-p22", "h", "--ports=80"), "option --ports is there twice");
	expect_error(ARGS("scan", "-iL", "a", "-iLb"), "option -iL is there twice");
	expect_error(ARGS("scan", "--exclude=a", "--exclude=b"), "option --exclude is there twice");
	expect_error(ARGS("open", "22", "--from=a", "--from=b"), "option --from is there twice");
	assert_int_equal(parse(ARGS("--state-dir=a", "--state-dir=b", "-q", "-q"), &o, &e), 0);
	assert_string_equal(o.state_dir, "b");
	assert_true(o.quiet);
	free(o.words);
}

/* The texts of an option are those of the command that stands before. */
static void test_an_option_of_several_commands(void **state)
{
	static const struct {
		unsigned scope;
		const char *name, *argument;
	} rows[] = {
		{SCOPE_OPEN, "from", "SOURCES"},  {SCOPE_VERIFY, "from", "HOST"},
		{SCOPE_REACH, "from", "ADDRESS"}, {SCOPE_OPEN, "rate", "RATE"},
		{SCOPE_SCAN, "rate", "NUMBER"},	  {SCOPE_WATCH, "for", "TIME"},
		{SCOPE_VERIFY, "ports", "PORTS"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(
			options_find(rows[i].name, strlen(rows[i].name), rows[i].scope)->argument,
			rows[i].argument);
	assert_null(options_find("rate", 4, SCOPE_VERIFY));
	assert_null(options_find("rat", 3, SCOPE_SCAN));
	expect_error(ARGS("verify", "--from"), "--from=HOST");
	expect_error(ARGS("open", "--from"), "--from=SOURCES");
	expect_error(ARGS("scan", "--rate"), "--rate=NUMBER");
}

static void test_choices(void **state)
{
	static const char *const orders[] = {"exposure", "port", "program", "user"};
	static const char *const bad[] = {"exp", "ports", "Port", "|", "xport", "por"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct options o;
		struct err e;

		assert_int_equal(parse(ARGS("--sort", orders[i]), &o, &e), 0);
		assert_string_equal(o.sort, orders[i]);
		free(o.words);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		expect_error(ARGS("--sort", bad[i]), bad[i]);
		expect_error(ARGS("--sort", bad[i]), "exposure|port|program|user");
	}
	expect_error(ARGS("--listening-on=everwhere"), "everywhere|network|this-machine");
}

/* Two choices as they stand in the help are not a choice. */
static void test_two_choices_are_none(void **state)
{
	(void)state;
	expect_error(ARGS("--sort", "port|program"), "port|program");
	expect_error(ARGS("--sort", "exposure|port|program|user"), "cannot be");
}

static void test_words(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(parse(ARGS("status", "-t", "80", "--json", "-", "443/tcp"), &o, &e), 0);
	assert_int_equal(o.word_count, 4);
	assert_string_equal(o.words[0], "status");
	assert_string_equal(o.words[1], "80");
	assert_string_equal(o.words[2], "-");
	assert_string_equal(o.words[3], "443/tcp");
	assert_true(o.tcp);
	assert_true(o.json);
	free(o.words);
	assert_int_equal(parse(ARGS("--", "--json", "-t", "--", "x"), &o, &e), 0);
	assert_int_equal(o.word_count, 4);
	assert_string_equal(o.words[0], "--json");
	assert_string_equal(o.words[2], "--");
	assert_false(o.json);
	assert_false(o.tcp);
	free(o.words);
	assert_int_equal(parse(ARGS(""), &o, &e), 0);
	assert_int_equal(o.word_count, 1);
	free(o.words);
}

static void test_joined_letters(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(parse(ARGS("-tun46aq"), &o, &e), 0);
	assert_true(o.tcp && o.udp && o.numeric && o.ipv4 && o.ipv6 && o.all && o.quiet);
	assert_false(o.json || o.help || o.version);
	free(o.words);
	expect_error(ARGS("-tx"), "-x");
	expect_error(ARGS("-t-"), "--");
	expect_error(ARGS("-5"), "-5");
	expect_error(ARGS("-t\x1b"), "-?"); /* never a control character */
	expect_error(ARGS("-\xc3\xa4"), "-?");
}

static void test_suggestions(void **state)
{
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{"--jsn", "did you mean --json?"},
		{"--jsno", "did you mean --json?"},
		{"--tpc", "did you mean --tcp?"},
		{"--quit", "did you mean --quiet?"},
		{"--numerc", "did you mean --numeric?"},
		{"--hlep", "did you mean --help?"},
		{"--no-colour", "did you mean --no-color?"},
		{"--usr=x", "did you mean --user?"},
		{"--listening_on=network", "did you mean --listening-on?"},
	};
	static const char *const unlike[] = {"--frobnicate", "--=x", "--x-y-z-w", "---"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_error(ARGS(cases[i].typed), cases[i].meant);
	for (size_t i = 0; i < ARRAY_LEN(unlike); i++) {
		expect_error(ARGS(unlike[i]), "portero --help");
		expect_error(ARGS("scan", unlike[i]), "portero help scan");
		expect_error(ARGS("allow", unlike[i]), "portero help open");
	}
	/* what another command has is no guess */
	expect_error(ARGS("--listen"), "did you mean --listening-on?");
	expect_error(ARGS("scan", "--listen"), "portero help scan");
	expect_error(ARGS("scan", "--max-rat"), "did you mean --max-rate?");
}

/* The beginning of a name is meant as that name, however much is left to type. */
static void test_suggestions_for_beginnings(void **state)
{
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{"--num", "did you mean --numeric?"},
		{"--cli", "did you mean --clients?"},
		{"--policy", "did you mean --policy-dir?"},
		{"--ver", "did you mean --version?"},
		{"--lis", "did you mean --listening-on?"},
		{"--listen", "did you mean --listening-on?"},
		{"--runtime", "did you mean --runtime-dir?"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_error(ARGS(cases[i].typed), cases[i].meant);
}

static void test_long_names(void **state)
{
	char text[3000];
	struct options o;
	struct err e;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[0] = text[1] = '-';
	text[sizeof(text) - 1] = '\0';
	expect_error(ARGS(text), "unknown option --xxx");
	text[1] = 't';
	expect_error(ARGS(text), "unknown option -x");
	memset(text, 'w', sizeof(text) - 1);
	assert_int_equal(parse(ARGS("--user", text), &o, &e), 0);
	assert_string_equal(o.user, text);
	free(o.words);
}

/* The command line goes before the environment, and that before the standard. */
static void expect_standard(const struct option_row *row)
{
	struct options o;
	struct err e;

	assert_int_equal(parse(ARGS("x"), &o, &e), 0);
	if (strcmp(row->name, "cgroup") == 0) /* its standard is found, not known */
		assert_null(text_of(&o, row));
	else
		assert_string_equal(text_of(&o, row), row->standard);
	free(o.words);
}

static void test_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		struct options o;
		struct err e;
		char text[96];

		if (!row->environment)
			continue;
		unsetenv(row->environment);
		expect_standard(row);
		setenv(row->environment, "/from/environment", 1);
		assert_int_equal(parse(ARGS("x"), &o, &e), 0);
		assert_string_equal(text_of(&o, row), "/from/environment");
		free(o.words);
		snprintf(text, sizeof(text), "--%s=/from/line", row->name);
		assert_int_equal(parse(ARGS(text), &o, &e), 0);
		assert_string_equal(text_of(&o, row), "/from/line");
		free(o.words);
		setenv(row->environment, "", 1); /* empty is as good as unset */
		expect_standard(row);
		unsetenv(row->environment);
	}
}

static int clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].environment)
			unsetenv(option_rows[i].environment);
	return 0;
}

/* nmap's letters count behind the word scan alone: before it, -p is that of ss. */
static void test_nmap(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(
		parse(ARGS("scan", "-sT", "-Pn", "-p22,80", "-iLfile", "-4n", "h"), &o, &e), 0);
	assert_true(o.by_connect && o.no_discovery && o.ipv4 && o.numeric && !o.by_packets);
	assert_false(o.programs);
	assert_string_equal(o.ports, "22,80");
	assert_string_equal(o.targets, "file");
	assert_int_equal(o.word_count, 2);
	free(o.words);
	assert_int_equal(parse(ARGS("scan", "-p", "-", "-iL", "-", "-sS"), &o, &e), 0);
	assert_string_equal(o.ports, "-");
	assert_string_equal(o.targets, "-");
	assert_true(o.by_packets);
	free(o.words);
	assert_int_equal(parse(ARGS("scan", "-p-"), &o, &e), 0);
	assert_string_equal(o.ports, "-");
	free(o.words);
	assert_int_equal(parse(ARGS("-p", "22"), &o, &e), 0);
	assert_true(o.programs);
	assert_null(o.ports);
	free(o.words);
	assert_int_equal(parse(ARGS("scan", "-sU", "-sT", "--max-retries=4"), &o, &e), 0);
	assert_true(o.by_datagrams && o.by_connect);
	assert_string_equal(o.max_retries, "4");
	free(o.words);
	expect_error(ARGS("scan", "-p"), "option -p needs a value: -p PORTS");
	expect_error(ARGS("scan", "--ports"), "option --ports needs a value: --ports=PORTS");
	expect_error(ARGS("scan", "-sTx"), "unknown option -sTx: portero help scan");
	expect_error(ARGS("scan", "-s"), "unknown option -s: portero help scan");
	expect_error(ARGS("verify", "-sV"), "unknown option -sV: portero help verify");
	expect_error(ARGS("-sT"), "unknown option -s");
}

/* Several ways to scan in one word, as nmap's users write them; -T and -v do no harm. */
static void test_habits(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(parse(ARGS("scan", "-sUV", "-T4", "-vv", "h"), &o, &e), 0);
	assert_true(o.by_datagrams && o.services && o.verbose);
	assert_false(o.by_packets || o.by_connect);
	assert_string_equal(o.timing, "4");
	free(o.words);
	assert_int_equal(parse(ARGS("scan", "-sSUV", "-T", "polite"), &o, &e), 0);
	assert_true(o.by_packets && o.by_datagrams && o.services);
	assert_string_equal(o.timing, "polite");
	free(o.words);
}

/* What nmap does and portero does not is told in a sentence, and only where nmap is meant. */
static void test_what_only_nmap_does(void **state)
{
	static const struct {
		const char *typed, *said;
	} cases[] = {
		{"-sX", "odd packets"},
		{"-sN", "odd packets"},
		{"-sF", "odd packets"},
		{"-sSX", "odd packets"},
		{"-O", "guess"},
		{"-A", "say -sV"},
		{"-sC", "scripts"},
		{"-sn", "without asking ports"},
		{"-PS22", "without asking ports"},
		{"-sO", "IP protocols"},
		{"-D1.2.3.4", "hide"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		expect_error(ARGS("scan", "h", cases[i].typed), cases[i].said);
		expect_error(ARGS("scan", "h", cases[i].typed), "portero does not");
		expect_error(ARGS("show", "22", cases[i].typed), "unknown option -");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_every_flag),
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_every_text),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_two_choices_are_none),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_joined_letters),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_suggestions_for_beginnings),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_nmap),
		cmocka_unit_test(test_habits),
		cmocka_unit_test(test_what_only_nmap_does),
		cmocka_unit_test(test_a_value_is_given_once),
		cmocka_unit_test(test_an_option_of_several_commands),
	};

	return cmocka_run_group_tests_name("options", tests, clear_environment, NULL);
}
