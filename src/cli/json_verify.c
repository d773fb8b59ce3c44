/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/json_verify.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/json.h"
#include "cli/json_scan.h"

static json_t *pack_address(const struct address *a)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(a, text);
	return json_string(text);
}

/* Of an impostor: what should be there. */
static json_t *pack_contradiction(const struct verify_difference *d)
{
	if (d->kind != VERIFY_IMPOSTOR)
		return json_null();
	return json_pack("{s:s, s:s}", "what", impostor_id(d->impostor), "service", d->expected);
}

static json_t *pack_difference(const struct verify_look *l, const struct verify_difference *d)
{
	const struct process_info *p = verify_look_owner(l, d);
	struct buf cleanup_call(buf_done) program = {0};

	if (p)
		text_escape_message(&program, snapshot_text(&l->view.snapshot, p->program_str));
	return json_pack("{s:s, s:o, s:o, s:s?, s:{s:b, s:s?, s:s}, s:{s:s, s:s, s:o}, s:o}",
			 "kind", verify_kind_id(d->kind), "address", pack_address(&d->address),
			 "port", d->port ? json_integer(d->port) : json_null(), "proto",
			 d->port ? proto_name(l->proto) : NULL, "inside", "listens", d->listens,
			 "program", program.len ? buf_text(&program) : NULL, "verdict",
			 verdict_id(d->verdict), "outside", "state",
			 scan_state_name(scan_reply_state(d->reply)), "reason",
			 scan_reply_reason(d->reply), "service", json_scan_service(d->service),
			 "contradicts", pack_contradiction(d));
}

/* Ports of which both sides are not known. */
static json_t *pack_ports(const struct verify_ports *ports, enum proto proto)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ports->count && i < VERIFY_TOLD; i++) {
		const struct verify_port *p = &ports->first[i];
		struct buf cleanup_call(buf_done) program = {0};

		text_escape_message(&program, p->program);
		json_array_append_new(
			list, json_pack("{s:o, s:i, s:s, s:{s:b, s:s?, s:s}, s:{s:s, s:s}}",
					"address", pack_address(&p->address), "port", p->port,
					"proto", proto_name(proto), "inside", "listens", p->listens,
					"program", program.len ? buf_text(&program) : NULL,
					"verdict", verdict_id(p->verdict), "outside", "state",
					scan_state_name(scan_reply_state(p->reply)), "reason",
					scan_reply_reason(p->reply)));
	}
	return list;
}

/* What speaks on the open ports; null: nobody asked. */
static json_t *pack_services(const struct verify_look *l)
{
	const struct scan *s = &l->scan;
	json_t *list = l->with_services ? json_array() : json_null();

	for (size_t i = 0; l->with_services && i < s->service_count; i++) {
		const struct scan_service *one = &s->services[i];

		json_array_append_new(list, json_pack("{s:o, s:i, s:s, s:o}", "address",
						      pack_address(&s->hosts[one->host].address),
						      "port", s->ports[one->port], "proto", "tcp",
						      "service", json_scan_service(&one->found)));
	}
	return list;
}

static json_t *pack_sources(const struct verify_look *l)
{
	const struct address *all[] = {&l->visitor.ip4, &l->visitor.ip6, &l->remote};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i]->family)
			json_array_append_new(list, pack_address(all[i]));
	return list;
}

int json_verify_print(const struct verify_look *l)
{
	json_t *root = json_heading(&l->view, "portero.verify/1"), *differences = json_array(),
	       *addresses = json_array();
	const struct verify *f = &l->found;

	for (size_t i = 0; i < f->count; i++)
		json_array_append_new(differences, pack_difference(l, &f->differences[i]));
	for (size_t i = 0; i < l->scan.host_count; i++)
		json_array_append_new(addresses, pack_address(&l->scan.hosts[i].address));
	json_object_set_new(root, "complete", json_boolean(verify_look_is_complete(l)));
	json_object_set_new(root, "seconds", json_real((double)l->took_ms / 1e3));
	json_object_set_new(root, "from",
			    json_pack("{s:s?, s:s, s:o}", "host", l->from[0] ? l->from : NULL,
				      "interface",
				      l->from[0] ? l->remote_ifname : l->visitor.ifname,
				      "addresses", pack_sources(l)));
	json_object_set_new(root, "addresses", addresses);
	json_object_set_new(root, "ports", json_integer((json_int_t)l->port_count));
	json_object_set_new(root, "open", json_integer((json_int_t)f->open));
	json_object_set_new(root, "not_open", json_integer((json_int_t)f->not_open));
	json_object_set_new(root, "silent", json_integer((json_int_t)f->silent));
	json_object_set_new(root, "silent_ports", pack_ports(&f->silents, l->proto));
	json_object_set_new(root, "unsure_inside", json_integer((json_int_t)f->unsure_inside));
	json_object_set_new(root, "unsure_ports", pack_ports(&f->unsures, l->proto));
	json_object_set_new(root, "unsure_outside", json_integer((json_int_t)f->unsure_outside));
	json_object_set_new(root, "changed", json_integer((json_int_t)l->changed));
	json_object_set_new(root, "services", pack_services(l));
	json_object_set_new(root, "disagreements", differences);
	return json_print(root);
}
