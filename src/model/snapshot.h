/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot: all that was seen of a machine at one moment, as flat arrays that refer to each other
 * by index, and one pool of strings (a field called *_str is an offset into it; 0 = not known).
 * Made by observe/, read by decide/ and cli/. No I/O here. Strings are as they came, not escaped.
 */
#pragma once

#include "base/map.h"
#include "model/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNAPSHOT_NONE = UINT32_MAX }; /* "no index" */

/* What a socket is. The last three have no port, but receive packets or offers to other machines.
 */
enum socket_kind {
	SOCKET_PORT,   /* a listener on a port: proto and port say which */
	SOCKET_CLIENT, /* UDP with a port that the kernel chose: a client, not a listener */
	SOCKET_RAW,    /* AF_INET/AF_INET6 raw: `number` is the IP protocol */
	SOCKET_PACKET, /* AF_PACKET: `number` is the ethertype (host order; 3 = ETH_P_ALL) */
	SOCKET_VSOCK,  /* AF_VSOCK listener: `number` is its port */
};

/* Which of the independent views has the socket. A difference is a fact to show, not to hide. */
enum socket_view {
	VIEW_KERNEL = 1 << 0, /* the kernel's socket tables (sock_diag, or /proc/net) */
	VIEW_FILES = 1 << 1,  /* an open file of some process (BPF iterator, or /proc/PID/fd) */
};

enum tristate { STATE_UNKNOWN, STATE_NO, STATE_YES };

struct socket_info {
	uint64_t inode;	    /* sockfs inode; 0 = the kernel gave none */
	uint64_t cookie;    /* 0 = not known */
	uint64_t cgroup_id; /* of the socket (its creator's), cgroup v2; 0 = not known */
	uint32_t netns;	    /* index into netns[] */
	uint32_t uid;	    /* of the socket */
	uint32_t user_str;  /* its name, for a socket without a known process */
	uint32_t ifindex;   /* bound to this interface; 0 = to none */
	uint32_t mark;
	uint32_t number;		     /* see socket_kind */
	uint32_t backlog_used;		     /* TCP: connections that wait for accept() */
	uint32_t backlog_limit;		     /* TCP: and how many may */
	uint32_t drops;			     /* packets that the socket had no room for */
	uint32_t first_holder, holder_count; /* in holders[] */
	struct address address;
	uint16_t port;
	enum proto proto;
	enum socket_kind kind;
	uint8_t views;	  /* enum socket_view */
	bool alone_twice; /* two looks found it in one view only: a fact, not a race */
	bool v6only;	  /* an IPv6 socket that does not serve IPv4 */
	bool mptcp;
	enum tristate explicit_bind; /* UDP: was the port asked for, not chosen by the kernel? */
};

/* A process that has the socket open. */
struct holder_info {
	uint32_t socket;  /* index into sockets[] */
	uint32_t process; /* index into processes[] */
	int32_t fd;	  /* one of its descriptors */
};

enum program_state {
	PROGRAM_UNKNOWN,  /* could not be read */
	PROGRAM_THERE,	  /* the file is still what runs */
	PROGRAM_REPLACED, /* another file stands at its path now (an upgrade without a restart) */
	PROGRAM_DELETED,  /* nothing stands at its path any more */
	PROGRAM_MEMORY,	  /* it never was a file: memfd */
	PROGRAM_KERNEL,	  /* a kernel thread */
};

struct process_info {
	uint32_t pid;
	uint32_t uid;	      /* effective */
	uint64_t start_ns;    /* since boot, boot clock; with pid: which process it is */
	int64_t since;	      /* start, seconds since the epoch */
	uint32_t comm_str;    /* the name it gives itself */
	uint32_t program_str; /* path of the executable, as its own mount namespace sees it */
	uint32_t cmdline_str; /* arguments joined by spaces, only when asked for */
	uint32_t user_str;
	uint32_t cgroup_str;  /* path in the hierarchy that systemd or the runtime uses */
	uint32_t unit_str;    /* systemd unit */
	uint32_t manager_uid; /* unit_of_user: whose */
	uint32_t package_str; /* name of the package that owns the program */
	uint32_t container;   /* index into containers[], or SNAPSHOT_NONE */
	uint32_t netns_inum;  /* the process's own network namespace; 0 = not known */
	enum program_state program_state;
	bool own_root;		/* its root directory is portero's own, or it is own_file */
	bool own_file;		/* its program's path leads to the same file here */
	enum tristate packaged; /* does a package own the program's file? */
	bool argv_like_kernel;	/* unpackaged, and its arguments look like a kernel thread's name */
	bool unit_of_user; /* the unit is one of a user's own manager, who may call it anything */
	bool is_manager;   /* systemd holding a socket for a service */
	bool gone;	   /* ended while it was read: what is unknown stays so */

	/* Identities within this snapshot only, for reading each thing once. 0 = not known. */
	uint64_t exe_key, cgroup_key, root_key;
};

struct container_info {
	uint32_t runtime_str; /* docker, podman, containerd, cri-o, lxc, systemd-nspawn */
	uint32_t id_str;
	uint32_t name_str;
	uint32_t image_str;
};

struct netns_info {
	uint64_t inum;
	uint32_t name_str;    /* ip-netns name, container name or "pid N (comm)" */
	uint32_t container;   /* or SNAPSHOT_NONE */
	uint32_t pid;	      /* a process inside, or 0 */
	bool own;	      /* portero's own */
	uint32_t tables_read; /* bits 1 << enum sock_table: the kernel\'s tables that were read */
};

/* An address of the machine, or of a namespace on it. */
struct interface_address {
	uint32_t netns;
	uint32_t ifindex;
	uint32_t ifname_str;
	struct address address;
	uint8_t prefix_len;
	bool loopback; /* the interface is a loopback one */
};

/* How an interface leads on to another. */
enum link_kind {
	LINK_OTHER,
	LINK_PAIR, /* veth, netkit: what goes in at one end comes out at the other */
	LINK_BRIDGE,
	LINK_VRF,
	LINK_MACVLAN, /* these two pass packets on to their like on the same interface: not so in */
	LINK_IPVLAN,  /* their modes private and vepa, which are LINK_OTHER */
};

/* An interface, with or without addresses. */
struct interface_info {
	uint32_t netns;
	uint32_t ifindex;
	uint32_t name_str;
	uint32_t master;     /* the bridge (or the like) that it is a port of; 0: none */
	uint32_t link;	     /* the other end of a pair, or what it is on top of; 0: not known */
	uint32_t link_netns; /* where that is: its own namespace, or portero's own; no other */
	int32_t link_nsid;   /* the number that its own namespace gave to that one; -1: itself */
	enum link_kind kind;
	bool loopback;
};

/* The service that systemd starts when somebody connects to a socket that it holds. */
struct activation_info {
	uint32_t socket; /* index into sockets[] */
	uint32_t socket_unit_str;
	uint32_t service_str;
	uint32_t program_str; /* first word of its ExecStart=, or 0 */
	uint32_t package_str;
};

/* A connection to a local port; only when they were asked for. */
struct connection_info {
	uint32_t netns;
	enum proto proto;
	uint8_t state; /* as in linux/tcp_states.h */
	struct address local, peer;
	uint16_t local_port, peer_port;
	bool has_bytes;
	uint64_t bytes_in, bytes_out;
	uint32_t quiet_ms; /* since data was last sent or received (the kernel keeps no age) */
};

/* What a gap hides. */
enum gap_kind {
	GAP_LISTENERS, /* there may be listeners that are not shown */
	GAP_NETNS,     /* the same, in other network namespaces only */
	GAP_OWNERS,    /* all listeners are shown, but not who all of them are */
	GAP_REACH,     /* who can reach a port is not known of all */
	GAP_DETAILS,   /* who listens is known, but not all the rest that is asked */
};

/* Something that could not be looked at: what is hidden, why, and how to see it. Sentences. */
struct gap_info {
	enum gap_kind kind;
	uint32_t what_str, why_str, remedy_str;
};

struct snapshot {
	struct strpool strings;
	uint32_t host_str;
	int64_t time_s; /* when the look began, seconds since the epoch */
	uint32_t time_ns;
	bool out_of_memory; /* something could not be kept: the snapshot must not be shown as whole
			     */
	const char *files_view; /* "bpf", "proc": who holds the sockets; NULL = nobody could tell */

	/* Id of the BPF program by which portero's own guard keeps packets from listeners; 0: there
	 * is none. Reach is told without it: who is cut off, the guard itself tells. */
	uint32_t guard_program;

	/* Listeners of other namespaces that were seen by the way and are not in sockets[]. */
	uint32_t other_listeners, other_netns;
	/* Processes whose files could not be looked at, and one of their pids. */
	uint32_t unreadable_processes, unreadable_pid;
	/* Every process of the machine was looked at: a socket that none of them has is held by
	 * none. */
	bool saw_all_processes;

	struct socket_info *sockets;
	size_t socket_count, socket_cap;
	struct holder_info *holders; /* sorted by socket, then process */
	size_t holder_count, holder_cap;
	struct process_info *processes;
	size_t process_count, process_cap;
	struct container_info *containers;
	size_t container_count, container_cap;
	struct netns_info *netns; /* [0] is portero's own */
	size_t netns_count, netns_cap;
	struct interface_address *addresses;
	size_t address_count, address_cap;
	struct interface_info *interfaces;
	size_t interface_count, interface_cap;
	struct activation_info *activations;
	size_t activation_count, activation_cap;
	struct connection_info *connections;
	size_t connection_count, connection_cap;
	struct gap_info *gaps;
	size_t gap_count, gap_cap;
};

void snapshot_done(struct snapshot *s);
const char *snapshot_text(const struct snapshot *s, uint32_t str);
uint32_t snapshot_add_text(struct snapshot *s, const char *text);

/*
 * Append one item. The returned pointer is valid until the next append to the same array; NULL when
 * out of memory. The item is zeroed (indexes that mean "none" are set to SNAPSHOT_NONE).
 */
struct socket_info *snapshot_add_socket(struct snapshot *s);
struct holder_info *snapshot_add_holder(struct snapshot *s);
struct process_info *snapshot_add_process(struct snapshot *s);
struct container_info *snapshot_add_container(struct snapshot *s);
struct netns_info *snapshot_add_netns(struct snapshot *s);
struct interface_address *snapshot_add_address(struct snapshot *s);
struct interface_info *snapshot_add_interface(struct snapshot *s);
struct activation_info *snapshot_add_activation(struct snapshot *s);
struct connection_info *snapshot_add_connection(struct snapshot *s);

/* Adds a gap; one with the same `what` and `why` is added once. The texts are copied. */
void snapshot_add_gap(struct snapshot *s, enum gap_kind kind, const char *what, const char *why,
		      const char *remedy);
/* True when everything that was asked for was looked at. */
bool snapshot_is_complete(const struct snapshot *s);
/*
 * True when no listener of portero's own namespace can have been missed: a port that is not there
 * has none.
 */
bool snapshot_has_all_listeners(const struct snapshot *s);
/* False when one of the gaps hides who listens: then a search by owner may miss listeners. */
bool snapshot_has_all_owners(const struct snapshot *s);

/* The name of an interface of a namespace, or NULL. */
const char *snapshot_interface_name(const struct snapshot *s, uint32_t netns, uint32_t ifindex);
/* The activation of a socket, or NULL. */
const struct activation_info *snapshot_activation(const struct snapshot *s, uint32_t socket);
