/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforce/guard_rules_json.h"
#include "base/mem.h"
#include "bpf/guard_abi.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { PORTS_TEXT_SIZE = 32 };

_Static_assert(GUARD_UNIT_LIMIT == GUARD_NAME_SIZE - 1, "what the guard can compare");

static const char schema[] = "portero.guard-rules/1";

static const struct {
	const char *key;
	size_t offset; /* of its string in struct guard_owner */
} names[] = {
	{"program", offsetof(struct guard_owner, program_str)},
	{"unit", offsetof(struct guard_owner, unit_str)},
	{"user", offsetof(struct guard_owner, user_str)},
	{"container", offsetof(struct guard_owner, container_str)},
};

static uint32_t *name_of(struct guard_owner *o, size_t i)
{
	return (uint32_t *)(void *)((char *)o + names[i].offset);
}

static void format_ports(const struct port_range *ports, char text[PORTS_TEXT_SIZE])
{
	size_t len = (size_t)snprintf(text, PORTS_TEXT_SIZE, "%u", ports->first);

	if (ports->last != ports->first)
		len += (size_t)snprintf(text + len, PORTS_TEXT_SIZE - len, "-%u", ports->last);
	snprintf(text + len, PORTS_TEXT_SIZE - len, "/%s", proto_name(ports->proto));
}

/* --- writing ------------------------------------------------------------------------------------
 */

static json_t *pack_owners(const struct guard_rules *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->owner_count; i++) {
		struct guard_owner owner = r->owners[i];
		json_t *item = json_object();
		int failed = owner.until_s &&
			     json_object_set_new(item, "until", json_integer(owner.until_s));

		for (size_t n = 0; n < ARRAY_LEN(names); n++)
			if (*name_of(&owner, n))
				failed |= json_object_set_new(
					item, names[n].key,
					json_string(guard_rules_text(r, *name_of(&owner, n))));
		if (json_array_append_new(list, item) < 0 || failed) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *pack_grants(const struct guard_rules *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->grant_count; i++) {
		char ports[PORTS_TEXT_SIZE];

		format_ports(&r->grants[i].ports, ports);
		if (json_array_append_new(
			    list, json_pack("[s, I]", ports, (json_int_t)r->grants[i].owner)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *pack_containers(const struct guard_rules *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->container_count; i++) {
		const struct guard_container *c = &r->containers[i];

		if (json_array_append_new(list,
					  json_pack("[s, s]", guard_rules_text(r, c->container_str),
						    guard_rules_text(r, c->cgroup_str))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

char *guard_rules_format(const struct guard_rules *r)
{
	json_t *root = json_pack("{s:s, s:s, s:b, s:b, s:o, s:o}", "schema", schema, "mode",
				 guard_mode_id(r->mode), "loopback", r->loopback, "ephemeral",
				 r->ephemeral, "owners", pack_owners(r), "grants", pack_grants(r));
	char *text;

	if (r->container_count && json_object_set_new(root, "containers", pack_containers(r)) < 0) {
		json_decref(root);
		return NULL;
	}
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static int take_name(const json_t *value, bool is_path, struct guard_rules *r, uint32_t *ret)
{
	const char *text = json_string_value(value);

	if (!text || !text[0] || strlen(text) > GUARD_RULES_NAME_LIMIT ||
	    (is_path && text[0] != '/'))
		return -EBADMSG;
	*ret = strpool_add_text(&r->strings, text);
	return *ret ? 0 : -ENOMEM;
}

static bool take_until(const json_t *value, int64_t *ret)
{
	*ret = json_integer_value(value);
	return json_is_integer(value) && *ret > 0;
}

static int take_owner(const json_t *item, struct guard_rules *r)
{
	const json_t *until = json_object_get(item, "until");
	struct guard_owner *owner = guard_rules_add_owner(r);
	size_t known = until != NULL;

	if (!owner)
		return -ENOMEM;
	if (until && !take_until(until, &owner->until_s))
		return -EBADMSG;
	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		const json_t *value = json_object_get(item, names[n].key);
		int code = value ? take_name(value, n == 0, r, name_of(owner, n)) : 0;

		if (code < 0)
			return code;
		known += value != NULL;
	}
	return json_is_object(item) && json_object_size(item) == known ? 0 : -EBADMSG;
}

static bool take_ports(const json_t *value, struct port_range *ret)
{
	const char *text = json_string_value(value);
	char again[PORTS_TEXT_SIZE];

	if (!text || port_range_parse(text, ret, NULL) < 0 || ret->any_proto ||
	    (ret->proto != PROTO_TCP && ret->proto != PROTO_UDP))
		return false;
	format_ports(ret, again); /* there is one way to write it */
	return strcmp(text, again) == 0;
}

static int take_grant(const json_t *item, struct guard_rules *r)
{
	const json_t *owner = json_array_get(item, 1);
	struct guard_grant *grant;
	struct port_range ports;

	if (!json_is_array(item) || json_array_size(item) != 2 ||
	    !take_ports(json_array_get(item, 0), &ports) || !json_is_integer(owner) ||
	    json_integer_value(owner) < 0 ||
	    json_integer_value(owner) >= (json_int_t)r->owner_count)
		return -EBADMSG;
	grant = guard_rules_add_grant(r);
	if (!grant)
		return -ENOMEM;
	*grant = (struct guard_grant){.ports = ports, .owner = (uint32_t)json_integer_value(owner)};
	return 0;
}

static int take_container(const json_t *item, struct guard_rules *r)
{
	struct guard_container c = {0}, *to;
	int code = json_is_array(item) && json_array_size(item) == 2 ? 0 : -EBADMSG;

	if (code == 0)
		code = take_name(json_array_get(item, 0), false, r, &c.container_str);
	if (code == 0)
		code = take_name(json_array_get(item, 1), false, r, &c.cgroup_str);
	if (code < 0)
		return code;
	to = guard_rules_add_container(r);
	if (!to)
		return -ENOMEM;
	*to = c;
	return 0;
}

static int take_list(const json_t *list, size_t limit,
		     int (*take)(const json_t *item, struct guard_rules *r), struct guard_rules *r)
{
	int code = json_is_array(list) && json_array_size(list) <= limit ? 0 : -EBADMSG;

	for (size_t i = 0; code == 0 && i < json_array_size(list); i++)
		code = take(json_array_get(list, i), r);
	return code;
}

static bool take_mode(const json_t *value, enum guard_mode *ret)
{
	static const enum guard_mode modes[] = {GUARD_OFF, GUARD_OBSERVE, GUARD_ENFORCE};
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < ARRAY_LEN(modes); i++) {
		if (strcmp(text, guard_mode_id(modes[i])) == 0) {
			*ret = modes[i];
			return true;
		}
	}
	return false;
}

static bool take_flag(const json_t *value, bool *ret)
{
	*ret = json_is_true(value);
	return json_is_boolean(value);
}

static int take_all(const json_t *root, struct guard_rules *r)
{
	enum { KEYS = 6 };
	const char *is = json_string_value(json_object_get(root, "schema"));
	const json_t *containers = json_object_get(root, "containers");
	int code;

	if (!is || strcmp(is, schema) != 0 || json_object_size(root) != KEYS + !!containers ||
	    !take_mode(json_object_get(root, "mode"), &r->mode) ||
	    !take_flag(json_object_get(root, "loopback"), &r->loopback) ||
	    !take_flag(json_object_get(root, "ephemeral"), &r->ephemeral))
		return -EBADMSG;
	code = take_list(json_object_get(root, "owners"), GUARD_RULES_OWNER_LIMIT, take_owner, r);
	if (code == 0)
		code = take_list(json_object_get(root, "grants"), GUARD_RULES_GRANT_LIMIT,
				 take_grant, r);
	if (code == 0 && containers)
		code = take_list(containers, GUARD_RULES_CONTAINER_LIMIT, take_container, r);
	return code;
}

int guard_rules_parse(const char *text, size_t len, struct guard_rules *ret)
{
	struct guard_rules r = {0};
	json_t *root;
	int code;

	/* without white space around it, so that no part of it is the whole */
	if (len == 0 || len > GUARD_RULES_TEXT_LIMIT || text[0] != '{' || text[len - 1] != '}')
		return -EBADMSG;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	code = take_all(root, &r);
	json_decref(root);
	if (code < 0) {
		guard_rules_done(&r);
		return code;
	}
	*ret = r;
	return 0;
}
