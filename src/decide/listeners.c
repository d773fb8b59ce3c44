/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decide/listeners.h"
#include "base/mem.h"
#include "base/text.h"
#include "decide/listener_notes.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* A socket with all that it is sorted and folded by. */
struct entry {
	const struct socket_info *socket;
	uint64_t place; /* namespace, port and protocol */
	uint32_t owner; /* index into processes[], or SNAPSHOT_NONE */
	uint32_t activation;
	struct address address; /* IPv4-mapped ones as IPv4 */
	uint8_t families;
	/* who: entries that agree in these have one owner */
	uint32_t program, unit, container, uid;
};

const char *bound_id(enum bound bound)
{
	static const char *const ids[] = {"this-machine", "network", "everywhere"};

	return ids[bound];
}

/*
 * The process to name: not systemd when a service has the socket too, and of the others the one
 * that started first, which is the parent of its workers. Indexes; SNAPSHOT_NONE is never better.
 */
static bool is_better_owner(const struct snapshot *s, uint32_t candidate, uint32_t best)
{
	const struct process_info *p, *b;

	if (candidate == SNAPSHOT_NONE || best == SNAPSHOT_NONE)
		return best == SNAPSHOT_NONE;
	p = &s->processes[candidate];
	b = &s->processes[best];
	if (p->is_manager != b->is_manager)
		return b->is_manager;
	return p->start_ns < b->start_ns || (p->start_ns == b->start_ns && p->pid < b->pid);
}

static uint32_t find_owner(const struct snapshot *s, const struct socket_info *socket)
{
	uint32_t best = SNAPSHOT_NONE;

	for (uint32_t i = 0; i < socket->holder_count; i++) {
		uint32_t index = s->holders[socket->first_holder + i].process;

		if (is_better_owner(s, index, best))
			best = index;
	}
	return best;
}

static uint8_t families_of(const struct socket_info *socket, const struct address *address)
{
	if (address->family == AF_INET)
		return FAMILY_IPV4;
	if (address_is_any(address) && !socket->v6only)
		return FAMILY_IPV4 | FAMILY_IPV6;
	return FAMILY_IPV6;
}

static void fill_entry(const struct snapshot *s, const struct socket_info *socket, struct entry *e)
{
	const struct activation_info *a = snapshot_activation(s, (uint32_t)(socket - s->sockets));

	e->socket = socket;
	e->place = (uint64_t)socket->netns << 32 | (uint64_t)socket->port << 8 | socket->proto;
	e->owner = find_owner(s, socket);
	e->activation = a ? (uint32_t)(a - s->activations) : SNAPSHOT_NONE;
	e->address = socket->address;
	address_unmap(&e->address);
	e->families = families_of(socket, &e->address);
	e->container = SNAPSHOT_NONE;
	e->uid = socket->uid;
	if (e->owner != SNAPSHOT_NONE) {
		const struct process_info *p = &s->processes[e->owner];

		e->program = p->program_str ? p->program_str : p->comm_str;
		e->unit = a && p->is_manager ? a->service_str : p->unit_str;
		e->container = p->container;
		e->uid = p->uid;
	}
}

#define COMPARE(a, b)                                                                              \
	do {                                                                                       \
		if ((a) != (b))                                                                    \
			return (a) < (b) ? -1 : 1;                                                 \
	} while (0)

/* The same port and the same owner: one row. */
static int compare_rows(const struct entry *x, const struct entry *y)
{
	COMPARE(x->place, y->place);
	COMPARE(x->program, y->program);
	COMPARE(x->unit, y->unit);
	COMPARE(x->container, y->container);
	COMPARE(x->uid, y->uid);
	return 0;
}

/* And the same address: one listener. */
static int compare_listeners(const struct entry *x, const struct entry *y)
{
	int r = compare_rows(x, y);

	if (r)
		return r;
	COMPARE(x->address.family, y->address.family);
	r = memcmp(x->address.bytes, y->address.bytes, sizeof(x->address.bytes));
	if (r)
		return r;
	COMPARE(x->socket->ifindex, y->socket->ifindex);
	COMPARE(x->families, y->families);
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;
	int r = compare_listeners(x, y);

	return r ? r : (x->socket > y->socket) - (x->socket < y->socket);
}

/* The last address of an IPv4 network: every host of it listens to that one. */
static bool is_broadcast(const struct address *a, const struct interface_address *network)
{
	struct address last = network->address;

	if (a->family != AF_INET || network->address.family != AF_INET || network->prefix_len > 30)
		return false;
	for (unsigned bit = network->prefix_len; bit < 32; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	return address_equal(a, &last);
}

/* Finds the interface address that a bound address is, or whose network it is in. */
static void find_network(const struct snapshot *s, struct listener *l)
{
	l->network = SNAPSHOT_NONE;
	l->absent = !address_is_any(&l->address) && !address_is_multicast(&l->address) &&
		    !address_is_loopback(&l->address);
	for (size_t i = 0; i < s->address_count && !address_is_any(&l->address); i++) {
		const struct interface_address *a = &s->addresses[i];

		if (a->netns != l->netns || (l->ifindex && a->ifindex != l->ifindex))
			continue;
		if (address_equal(&a->address, &l->address)) {
			l->network = (uint32_t)i;
			l->absent = false;
			return;
		}
		if (is_broadcast(&l->address, a))
			l->absent = false;
		if (l->network == SNAPSHOT_NONE &&
		    address_in_network(&l->address, &a->address, a->prefix_len))
			l->network = (uint32_t)i;
	}
}

static bool is_loopback_interface(const struct snapshot *s, uint32_t netns, uint32_t ifindex)
{
	for (size_t i = 0; i < s->interface_count; i++)
		if (s->interfaces[i].netns == netns && s->interfaces[i].ifindex == ifindex)
			return s->interfaces[i].loopback;
	return false;
}

static enum bound judge_bound(const struct snapshot *s, const struct listener *l)
{
	if (l->ifindex && is_loopback_interface(s, l->netns, l->ifindex))
		return BOUND_HOST;
	if (address_is_loopback(&l->address))
		return BOUND_HOST;
	if (address_is_any(&l->address) && !l->ifindex)
		return BOUND_EVERYWHERE;
	/* an address on a loopback interface too: Linux answers for it on every interface */
	return BOUND_NETWORK;
}

static int add_process_index(struct listener_list *list, uint32_t process)
{
	if (mem_grow(&list->process_indexes, &list->process_index_cap,
		     list->process_index_count + 1, sizeof(*list->process_indexes)) < 0)
		return -ENOMEM;
	list->process_indexes[list->process_index_count++] = process;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Sorts the processes of a listener, drops the doubles and puts its owner first. */
static void order_processes(struct listener_list *list, struct listener *l)
{
	uint32_t *items = list->process_indexes + l->first_process;
	size_t count = list->process_index_count - l->first_process, kept = 0;

	if (count > 1)
		qsort(items, count, sizeof(*items), compare_numbers);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || items[kept - 1] != items[i])
			items[kept++] = items[i];
	for (size_t i = 1; i < kept; i++) {
		if (items[i] != l->owner)
			continue;
		memmove(items + 1, items, i * sizeof(*items));
		items[0] = l->owner;
	}
	l->process_count = (uint32_t)kept;
	list->process_index_count = l->first_process + kept;
}

static int add_sockets(const struct snapshot *s, struct listener_list *list, struct listener *l,
		       const struct entry *const *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct socket_info *socket = entries[i]->socket;

		if (is_better_owner(s, entries[i]->owner, l->owner))
			l->owner = entries[i]->owner;
		l->backlog_used += socket->backlog_used;
		l->drops += socket->drops;
		if (socket->backlog_limit > l->backlog_limit)
			l->backlog_limit = socket->backlog_limit;
		for (uint32_t k = 0; k < socket->holder_count; k++)
			if (add_process_index(list, s->holders[socket->first_holder + k].process) <
			    0)
				return -ENOMEM;
	}
	order_processes(list, l);
	return 0;
}

/* Folds entries[0..count), which agree in port, owner and address, into one listener. */
static int add_listener(const struct snapshot *s, const struct listener_options *options,
			struct listener_list *list, const struct entry *const *entries,
			size_t count)
{
	const struct entry *first = entries[0];
	struct listener *l;

	if (mem_grow(&list->listeners, &list->listener_cap, list->listener_count + 1,
		     sizeof(*list->listeners)) < 0)
		return -ENOMEM;
	l = &list->listeners[list->listener_count++];
	*l = (struct listener){
		.netns = first->socket->netns,
		.proto = first->socket->proto,
		.port = first->socket->port,
		.address = first->address,
		.ifindex = first->socket->ifindex,
		.families = first->families,
		.socket = (uint32_t)(first->socket - s->sockets),
		.socket_count = (uint32_t)count,
		.first_process = (uint32_t)list->process_index_count,
		.owner = first->owner,
		.activation = first->activation,
	};
	find_network(s, l);
	l->bound = judge_bound(s, l);
	if (add_sockets(s, list, l, entries, count) < 0)
		return -ENOMEM;
	l->notes = listener_notes(s, options->services, list, l);
	return 0;
}

static int add_row(struct listener_list *list, size_t first_listener)
{
	struct port_row *row;

	if (mem_grow(&list->rows, &list->row_cap, list->row_count + 1, sizeof(*list->rows)) < 0)
		return -ENOMEM;
	row = &list->rows[list->row_count++];
	*row = (struct port_row){
		.netns = list->listeners[first_listener].netns,
		.proto = list->listeners[first_listener].proto,
		.port = list->listeners[first_listener].port,
		.first_listener = (uint32_t)first_listener,
		.listener_count = (uint32_t)(list->listener_count - first_listener),
	};
	for (size_t i = first_listener; i < list->listener_count; i++) {
		const struct listener *l = &list->listeners[i];

		row->notes |= l->notes;
		if (l->bound > row->bound) {
			row->bound = l->bound;
			row->families = 0;
		}
		if (l->bound == row->bound)
			row->families |= l->families;
	}
	return 0;
}

/* Goes through the sorted entries, closing a listener and a row where the next entry differs. */
static int fold(const struct snapshot *s, const struct listener_options *options,
		const struct entry *const *entries, size_t count, struct listener_list *list)
{
	size_t listener_start = 0, row_start = 0;

	for (size_t i = 0; i < count; i++) {
		const struct entry *next = i + 1 < count ? entries[i + 1] : NULL;

		if (next && compare_listeners(entries[i], next) == 0)
			continue;
		if (add_listener(s, options, list, entries + listener_start,
				 i + 1 - listener_start) < 0)
			return -ENOMEM;
		listener_start = i + 1;
		if (next && compare_rows(entries[i], next) == 0)
			continue;
		if (add_row(list, row_start) < 0)
			return -ENOMEM;
		row_start = list->listener_count;
	}
	return 0;
}

int listeners_build(const struct snapshot *s, const struct listener_options *options,
		    struct listener_list *ret)
{
	struct entry cleanup_free *entries = calloc(s->socket_count + 1, sizeof(*entries));
	const struct entry cleanup_free **sorted = calloc(s->socket_count + 1, sizeof(*sorted));
	size_t count = 0;

	*ret = (struct listener_list){0};
	if (!entries || !sorted)
		return -ENOMEM;
	for (size_t i = 0; i < s->socket_count; i++) {
		if (s->sockets[i].kind != SOCKET_PORT &&
		    (s->sockets[i].kind != SOCKET_CLIENT || !options->clients))
			continue;
		fill_entry(s, &s->sockets[i], &entries[count]);
		if (!options->families || options->families & entries[count].families)
			count++;
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = &entries[i];
	qsort(sorted, count, sizeof(*sorted), compare_entries);
	if (fold(s, options, sorted, count, ret) < 0)
		return -ENOMEM;
	listeners_sort(s, ret, ORDER_EXPOSURE);
	return 0;
}

void listeners_done(struct listener_list *list)
{
	free(list->listeners);
	free(list->process_indexes);
	free(list->rows);
	*list = (struct listener_list){0};
}

const struct process_info *row_owner(const struct snapshot *s, const struct listener_list *list,
				     const struct port_row *row)
{
	uint32_t owner = list->listeners[row->first_listener].owner;

	return owner == SNAPSHOT_NONE ? NULL : &s->processes[owner];
}

const char *row_order_name(enum row_order order)
{
	static const char *const names[ORDER_COUNT] = {"exposure", "port", "program", "user"};

	return names[order];
}

struct sort {
	const struct snapshot *s;
	const struct listener_list *list;
	enum row_order order;
};

static const char *row_user(const struct sort *sort, const struct port_row *row)
{
	const struct process_info *p = row_owner(sort->s, sort->list, row);
	uint32_t socket = sort->list->listeners[row->first_listener].socket;

	return snapshot_text(sort->s, p ? p->user_str : sort->s->sockets[socket].user_str);
}

/* As the table shows it: not systemd, but what it will start. */
static const char *row_program(const struct sort *sort, const struct port_row *row)
{
	const struct process_info *p = row_owner(sort->s, sort->list, row);
	uint32_t activation = sort->list->listeners[row->first_listener].activation;
	const struct activation_info *a;

	if (!p)
		return "";
	if (p->is_manager && activation != SNAPSHOT_NONE) {
		a = &sort->s->activations[activation];
		return snapshot_text(sort->s, a->program_str ? a->program_str : a->service_str);
	}
	return snapshot_text(sort->s, p->program_str ? p->program_str : p->comm_str);
}

/* By name first: in a narrow table the folders are not seen. */
static int compare_programs(const char *x, const char *y)
{
	int r = strcmp(text_base_name(x), text_base_name(y));

	return r ? r : strcmp(x, y);
}

unsigned row_exposure(const struct port_row *row)
{
	if (row->reach.state == PORT_OPEN)
		return 3 + source_class_rank(row->reach.widest) * 2 + !row->reach.rate_limited;
	return row->reach.looked + (row->reach.state == PORT_UNKNOWN);
}

static int compare_port_rows(const void *a, const void *b, void *context)
{
	const struct sort *sort = context;
	const struct port_row *x = a, *y = b;
	int r = 0;

	COMPARE(x->netns, y->netns);
	if (sort->order == ORDER_EXPOSURE) {
		COMPARE(row_exposure(y), row_exposure(x));
		COMPARE(y->bound, x->bound);
	}
	if (sort->order == ORDER_PROGRAM)
		r = compare_programs(row_program(sort, x), row_program(sort, y));
	if (sort->order == ORDER_USER)
		r = strcmp(row_user(sort, x), row_user(sort, y));
	if (r)
		return r;
	COMPARE(x->port, y->port);
	COMPARE(x->proto, y->proto);
	COMPARE(x->first_listener, y->first_listener);
	return 0;
}

void listeners_sort(const struct snapshot *s, struct listener_list *list, enum row_order order)
{
	struct sort sort = {s, list, order};

	if (list->row_count)
		qsort_r(list->rows, list->row_count, sizeof(*list->rows), compare_port_rows, &sort);
}
