/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table: that columns line up, that lines fit, and in which order things give way. */
#include "base/mem.h"
#include "base/text.h"
#include "cli/table.h"
#include "unit.h"

#include <locale.h>

enum { COLUMNS = 4 };

static const char *const titles[COLUMNS] = {"PORT", "SERVICE", "PROGRAM", "NOTE"};

static const struct table_step steps[] = {
	{2, STEP_SHORT, 0}, {3, STEP_WIDTH, 10}, {1, STEP_DROP, 0},  {2, STEP_WIDTH, 8},
	{3, STEP_DROP, 0},  {2, STEP_DROP, 0},	 {0, STEP_WIDTH, 4},
};

static struct table_cell cells[] = {
	{"443/tcp", NULL, NULL},
	{"https", NULL, NULL},
	{"/usr/sbin/nginx", "nginx", NULL},
	{"program replaced: restart it", NULL, "31"},
	{"22/tcp", NULL, NULL},
	{"ssh", NULL, NULL},
	{"/usr/sbin/sshd", "sshd", NULL},
	{"", NULL, NULL},
	{"8080/tcp", NULL, NULL},
	{"http-alt", NULL, NULL},
	{"/opt/日本語/サーバー", "日本語サーバー", NULL},
	{"not from a package", NULL, NULL},
};

static struct table make(void)
{
	return (struct table){
		.titles = titles,
		.column_count = COLUMNS,
		.steps = steps,
		.step_count = ARRAY_LEN(steps),
		.cells = cells,
		.row_count = ARRAY_LEN(cells) / COLUMNS,
	};
}

static void expect_table(const struct table *t, size_t width, bool colored, const char *wanted)
{
	struct buf out = {0};

	table_format(t, width, colored, &out);
	assert_string_equal(buf_text(&out), wanted);
	buf_done(&out);
}

static void test_unlimited(void **state)
{
	struct table t = make();
	static const char wanted[] =
		"PORT      SERVICE   PROGRAM               NOTE\n"
		"443/tcp   https     /usr/sbin/nginx       program replaced: restart it\n"
		"22/tcp    ssh       /usr/sbin/sshd\n"
		"8080/tcp  http-alt  /opt/日本語/サーバー  not from a package\n";

	(void)state;
	expect_table(&t, 0, false, wanted);
	expect_table(&t, 1000, false, wanted);
	expect_table(&t, 70, false, wanted); /* just as wide as it is */
}

static void test_steps_in_order(void **state)
{
	struct table t = make();

	(void)state;
	/* one column too few: the short program names, and no more */
	expect_table(&t, 69, false,
		     "PORT      SERVICE   PROGRAM         NOTE\n"
		     "443/tcp   https     nginx           program replaced: restart it\n"
		     "22/tcp    ssh       sshd\n"
		     "8080/tcp  http-alt  日本語サーバー  not from a package\n");
	/* then the notes, by as much as is needed */
	expect_table(&t, 60, false,
		     "PORT      SERVICE   PROGRAM         NOTE\n"
		     "443/tcp   https     nginx           program replaced: resta…\n"
		     "22/tcp    ssh       sshd\n"
		     "8080/tcp  http-alt  日本語サーバー  not from a package\n");
	/* then no services, and the notes get the room which that left */
	expect_table(&t, 40, false,
		     "PORT      PROGRAM         NOTE\n"
		     "443/tcp   nginx           program repla…\n"
		     "22/tcp    sshd\n"
		     "8080/tcp  日本語サーバー  not from a pa…\n");
	expect_table(&t, 36, false,
		     "PORT      PROGRAM         NOTE\n"
		     "443/tcp   nginx           program r…\n"
		     "22/tcp    sshd\n"
		     "8080/tcp  日本語サーバー  not from …\n");
}

static void test_dropped_last_columns(void **state)
{
	struct table t = make();

	(void)state;
	expect_table(&t, 20, false,
		     "PORT      PROGRAM\n"
		     "443/tcp   nginx\n"
		     "22/tcp    sshd\n"
		     "8080/tcp  日本語サ…\n");
	expect_table(&t, 8, false, "PORT\n443/tcp\n22/tcp\n8080/tcp\n");
	expect_table(&t, 4, false, "PORT\n443…\n22/…\n808…\n");
	expect_table(&t, 1, false, "PORT\n443…\n22/…\n808…\n"); /* no step is left */
}

static void test_ascii_ellipsis(void **state)
{
	struct table t = make();

	(void)state;
	t.ascii = true;
	expect_table(&t, 4, false, "PORT\n443~\n22/~\n808~\n");
}

static void test_no_heading(void **state)
{
	static struct table_cell narrow[] = {
		{"1", NULL, NULL}, {"2", NULL, NULL}, {"3", NULL, NULL}, {"4", NULL, NULL}};
	struct table t = make();

	(void)state;
	t.cells = narrow;
	t.row_count = 1;
	expect_table(&t, 0, false, "PORT  SERVICE  PROGRAM  NOTE\n1     2        3        4\n");
	t.no_heading = true; /* then the titles take no room either */
	expect_table(&t, 0, false, "1  2  3  4\n");
	t.row_count = 0;
	expect_table(&t, 0, false, "");
	t.no_heading = false;
	expect_table(&t, 0, false, "");
}

static void test_headings(void **state)
{
	static const char *const headings[] = {"this machine:", NULL, "container web:"};
	struct table t = make();

	(void)state;
	t.headings = headings;
	expect_table(&t, 8, false,
		     "PORT\nthis machine:\n443/tcp\n22/tcp\n\ncontainer web:\n8080/tcp\n");
}

static void test_color(void **state)
{
	static struct table_cell two[] = {
		{"a", NULL, "31"}, {"b", NULL, NULL}, {"", NULL, "31"}, {"d", NULL, "1;33"}};
	static const char *const names[] = {"X", "Y"};
	struct table t = {.titles = names, .column_count = 2, .cells = two, .row_count = 2};

	(void)state;
	/* colour takes no room, ends before the padding, and an empty cell has none */
	expect_table(&t, 0, true,
		     "\033[1mX\033[0m  \033[1mY\033[0m\n\033[31ma\033[0m  b\n   "
		     "\033[1;33md\033[0m\n");
	expect_table(&t, 0, false, "X  Y\na  b\n   d\n");
}

static void test_missing_texts(void **state)
{
	static struct table_cell none[COLUMNS] = {{"x", NULL, NULL}};
	struct table t = make();

	(void)state;
	t.cells = none;
	t.row_count = 1;
	expect_table(&t, 0, false, "PORT  SERVICE  PROGRAM  NOTE\nx\n");
}

/* Cutting a wide character may leave a column over: what follows must line up all the same. */
static void test_cut_wide_characters_line_up(void **state)
{
	static const char *const names[] = {"A", "B"};
	static const struct table_step narrow[] = {{0, STEP_WIDTH, 6}};
	static struct table_cell rows[] = {{"日本語日本語", NULL, NULL},
					   {"x", NULL, NULL},
					   {"abcdefghijkl", NULL, NULL},
					   {"x", NULL, NULL}};
	struct table t = {.titles = names,
			  .column_count = 2,
			  .steps = narrow,
			  .step_count = 1,
			  .cells = rows,
			  .row_count = 2};

	(void)state;
	/* five columns are left before the ellipsis: two wide characters, and one column over */
	expect_table(&t, 9, false,
		     "A       B\n"
		     "日本…   x\n"
		     "abcde…  x\n");
}

/* Appends text without the colours, which take no columns. */
static size_t visible_width(const char *line, size_t len)
{
	char plain[2048];
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\033') {
			while (line[i] != 'm')
				i++;
			continue;
		}
		assert_true(used < sizeof(plain) - 1);
		plain[used++] = line[i];
	}
	plain[used] = '\0';
	return text_width(plain);
}

static void make_text(uint64_t *seed, char text[64])
{
	static const char *const pieces[] = {"a",	  "bc", "/", "日", "ä",
					     "e\xcc\x81", "サ", "-", " x"};
	size_t used = 0, count = unit_random(seed) % 14;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, 64 - used, "%s",
					 pieces[unit_random(seed) % ARRAY_LEN(pieces)]);
}

/* Tables of any texts, at any width: no line is wider, and none ends in spaces. */
static void test_never_wider(void **state)
{
	enum { ROWS = 5 };
	uint64_t seed = 4242;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		char texts[ROWS * COLUMNS][64], brief[ROWS * COLUMNS][64];
		struct table_cell room[ROWS * COLUMNS];
		struct table t = make();

		for (size_t i = 0; i < ARRAY_LEN(room); i++) {
			make_text(&seed, texts[i]);
			make_text(&seed, brief[i]);
			room[i] = (struct table_cell){texts[i], i % 3 ? NULL : brief[i],
						      i % 4 ? NULL : "31"};
		}
		t.cells = room;
		t.row_count = ROWS;
		for (size_t width = 10; width <= 200; width += width < 40 ? 1 : 7) {
			struct buf out = {0};
			size_t start = 0;

			table_format(&t, width, round & 1, &out);
			for (size_t i = 0; i < out.len; i++) {
				if (out.data[i] != '\n')
					continue;
				assert_true(visible_width(out.data + start, i - start) <= width);
				assert_true(i == start || out.data[i - 1] != ' ');
				start = i + 1;
			}
			assert_int_equal(start, out.len);
			buf_done(&out);
		}
	}
}

/* It appends: what was in the buffer stays. */
static void test_appends(void **state)
{
	struct table t = make();
	struct buf out = {0};

	(void)state;
	buf_add_text(&out, "before\n");
	table_format(&t, 8, false, &out);
	assert_string_equal(buf_text(&out), "before\nPORT\n443/tcp\n22/tcp\n8080/tcp\n");
	buf_done(&out);
}

static int set_locale(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static struct buf taken;
static size_t times_taken;

static void take_lines(struct buf *out)
{
	times_taken++;
	assert_int_equal(out->data[out->len - 1], '\n');
	buf_add(&taken, out->data, out->len);
	buf_clear(out);
}

/* Lines that are taken away by and by are those of the table that is made at once. */
static void test_lines_are_taken(void **state)
{
	enum { ROWS = 5000 };
	struct table_cell *many = calloc(ROWS * COLUMNS, sizeof(*many));
	struct table t = make();
	struct buf whole = {0}, rest = {0};

	(void)state;
	assert_non_null(many);
	for (size_t i = 0; i < ROWS * COLUMNS; i++)
		many[i] = cells[i % ARRAY_LEN(cells)];
	t.cells = many;
	t.row_count = ROWS;
	table_format(&t, 60, true, &whole);
	t.take_lines = take_lines;
	table_format(&t, 60, true, &rest);
	assert_true(times_taken > 2);
	assert_true(rest.len < whole.len / 2);
	take_lines(&rest);
	assert_string_equal(buf_text(&taken), buf_text(&whole));
	buf_done(&whole);
	buf_done(&rest);
	buf_done(&taken);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_steps_in_order),
		cmocka_unit_test(test_dropped_last_columns),
		cmocka_unit_test(test_ascii_ellipsis),
		cmocka_unit_test(test_no_heading),
		cmocka_unit_test(test_headings),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_missing_texts),
		cmocka_unit_test(test_cut_wide_characters_line_up),
		cmocka_unit_test(test_never_wider),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_lines_are_taken),
	};

	return cmocka_run_group_tests_name("table", tests, set_locale, NULL);
}
