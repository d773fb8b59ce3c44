/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_abi: what guard.bpf.c and user space share: the maps' keys and values, and the events. Host
 * byte order but for addresses, which are in network order (IPv4 in the first four bytes). All is
 * fixed-width and free of padding. GUARD_ABI is compared before pinned maps are used again: with
 * another one, a new guard is put up beside the old one (enforce/guard_pins).
 *
 * A change of the policy is one store: `guard_active` says which half of `guard_config`,
 * `guard_ports` and `guard_rules` counts. The other half is written before, and nobody reads it.
 */
#pragma once

#include <linux/types.h>

enum {
	GUARD_ABI = 4,
	GUARD_RULE_LIMIT = 32768,    /* in a half */
	GUARD_LIST_LIMIT = 64,	     /* rules that a port may have */
	GUARD_NAME_SIZE = 160,	     /* of a unit, with its NUL; longer ones match nothing */
	GUARD_LEVELS = 12,	     /* cgroups above each other that are looked at */
	GUARD_PROGRAM_LIMIT = 20000, /* two halves' */
	GUARD_CONTAINER_LIMIT = 4096,
	GUARD_SEED_LIMIT = 262144, /* sockets that are older than the guard */
	GUARD_LISTEN_LIMIT = 4096, /* more listeners have a storage each */
	GUARD_CGROUP_CACHE = 8192,
	GUARD_RING_BYTES = 1 << 20,
};

/* LEARN: sockets are marked, but nothing is judged or told: while the guard is being put up */
enum guard_abi_mode { GUARD_ABI_OFF, GUARD_ABI_LEARN, GUARD_ABI_OBSERVE, GUARD_ABI_ENFORCE };

/* guard_config: two, one for each half. The first four stay where they are in every version. */
struct guard_config {
	__u32 abi;
	__u32 mode;	  /* enum guard_abi_mode */
	__u32 generation; /* another for every change: judgements of other ones do not count */
	__u32 netns;	  /* inode number of the network namespace that is guarded */
	__u32 loopback;	  /* 1: who is bound to a loopback address is not judged */
	__u32 ephemeral;  /* 1: nor who listens on a port that the kernel chose, undeclared */
	__u32 seeded;	  /* 1: sockets that are older than the guard are known */
	__u32 reserved;
	__u64 root; /* id of the cgroup that the guard is attached to: units are looked for below it
		     */
	__s64 clock_ns; /* what the wall clock was ahead of the boot clock when ends were computed
			 */
	/* portero's own program, which tries firewalls in namespaces of its own: not told */
	__u64 self_inode;
	__u32 self_device;
	__u32 reserved2;
};

/*
 * guard_ports: at half * 65536 + port, for each protocol who may have it: 0 nobody (undeclared),
 * GUARD_ANYBODY, or a list of rules: its length << 24 | its first rule (in its half).
 */
#define GUARD_ANYBODY 0xffffffffu
enum guard_abi_proto { GUARD_TCP, GUARD_UDP, GUARD_PROTO_COUNT };
struct guard_port {
	__u32 who[GUARD_PROTO_COUNT];
};

/* guard_rules: at half * GUARD_RULE_LIMIT + i. All that `wanted` names must be equal. */
enum {
	GUARD_WANTS_PROGRAM = 1,
	GUARD_WANTS_UNIT = 2,
	GUARD_WANTS_USER = 4,
	GUARD_WANTS_CONTAINER = 8,
	GUARD_ENDS = 16, /* it is over at until_ns; alone, it is for anybody until then */
};
struct guard_rule {
	__u64 program, unit, container; /* hashes: guard_hash() */
	__u64 until_ns;			/* boot clock */
	__u32 uid;
	__u32 wanted;
};

/* guard_programs: which files are known programs */
struct guard_file {
	__u64 inode;
	__u32 device; /* s_dev: major << 20 | minor */
	__u32 reserved;
};
struct guard_program {
	__u64 program; /* hash of its path */
	__u64 size;
	__u64 ctime_ns;	  /* seconds * 10^9 + nanoseconds, modulo 2^64 */
	__u32 generation; /* of the inode */
	__u32 reserved;
};

/* guard_containers: hash of the name of a container's cgroup -> hash of what the policy calls it */

/* guard_cgroups: by cgroup id: what its place in the tree says (a cache; a cgroup v2 keeps its
 * name) */
struct guard_cgroup {
	__u64 unit;	  /* hash of the outermost name that is no slice; 0: none */
	__u64 container;  /* 0: none that the policy names */
	__u32 generation; /* of the config that it was made under */
	__u32 outside;	  /* 1: it is not below the cgroup that is guarded */
};

/* Who opened a socket, as it was at that moment. */
enum guard_flag {
	GUARD_BY_KERNEL = 1, /* no process, or one of the kernel */
	GUARD_BY_INIT = 2,   /* process 1 of the machine: sockets of socket units */
	GUARD_SEEDED = 4,    /* older than the guard: of its oldest holder */
	GUARD_EPHEMERAL = 8, /* the kernel chose the port */
	GUARD_UNSEEN = 16,   /* older than the guard, and no process has it open */
	GUARD_POSES = 32,    /* its program is named by itself, not by exec: it matches none */
	GUARD_OUTSIDE = 64,  /* not below the cgroup that is guarded */
};
struct guard_identity {
	__u64 program; /* 0: no known program */
	__u64 unit, container;
	__u64 exe_inode, exe_size, exe_ctime_ns;
	__u64 start_ns; /* of the process, boot clock */
	__u64 cgroup;	/* id */
	__u32 exe_device, exe_generation;
	__u32 pid, uid; /* in the initial namespaces; effective uid */
	__u32 flags;	/* enum guard_flag */
	__u32 reserved;
	char name[32]; /* last part of the program's path, perhaps cut; without one the thread's */
};

/*
 * The mark of a socket. guard_listens: of TCP's listeners, by their cookies; guard_sockets: of the
 * others (sk_storage); guard_seeds: of what is older than the guard, by the kernel's address.
 */
struct guard_socket {
	struct guard_identity who;
	__u64 refused;	/* packets */
	__u64 made;	/* another for each mark; 0: it is just being written, or a seed */
	__u64 approved; /* the judgement that let packets in: of `made` and a generation; 0: none */
	__u32 netns;
	__u32 pass; /* of a seed: the run of the iterator that saw it last */
	__u16 port;
	__u8 proto; /* IPPROTO_ */
	__u8 listens;
	__u32 reserved;
};

/* guard_ring: events */
enum guard_event_kind {
	GUARD_EVENT_LISTEN = 1,
	GUARD_EVENT_BIND, /* UDP: an explicit port */
	GUARD_EVENT_CLOSE,
	GUARD_EVENT_BIND_REFUSED,
	GUARD_EVENT_PACKET_REFUSED, /* the 1st, 2nd, 4th, 8th ... of a socket */
	GUARD_EVENT_RAW,	    /* a raw socket was made, or one that has no ports of IP */
};
enum guard_reason {
	GUARD_REASON_NONE,
	GUARD_REASON_UNDECLARED, /* nobody may have the port */
	GUARD_REASON_OTHER,	 /* it is another's */
	GUARD_REASON_CHANGED,	 /* the file of a known program is not what it was */
	GUARD_REASON_UNSEEN,	 /* who listens is not known */
};
struct guard_event {
	__u64 time_ns; /* boot clock */
	__u64 cookie;  /* of the socket; 0: not known */
	__u64 count;   /* packets refused so far; else 1 */
	struct guard_identity who;
	__u8 address[16], peer[16];
	__u32 netns;
	__u32 ifindex;
	__u16 port, peer_port;
	__u8 kind, reason;
	__u8 family; /* AF_INET or AF_INET6; GUARD_EVENT_RAW: also AF_PACKET, AF_VSOCK, AF_XDP */
	__u8 proto;
	__u8 enforced; /* 0: it was only observed */
	__u8 home;     /* 1: in the namespace that is guarded */
	__u8 reserved[6];
};

/* guard_counts: per CPU */
enum guard_count {
	GUARD_COUNT_LISTENS,
	GUARD_COUNT_BINDS_REFUSED,
	GUARD_COUNT_PACKETS_REFUSED,
	GUARD_COUNT_EVENTS_LOST, /* the ring was full */
	GUARD_COUNT_MARKS_LOST,	 /* no memory for a socket's storage */
	GUARD_COUNT_RAW,
	GUARD_COUNT_COUNT,
};

/* guard_learned: what guard_learn tells of descriptor `key` of the process that reads it */
struct guard_learned {
	struct guard_file file;
	struct guard_program program; /* `program` is 0 */
	__u32 writable;		      /* 1: somebody has it open, or mapped, to write to it */
	__u32 reserved;
};

_Static_assert(sizeof(struct guard_config) == 64, "the same on both sides");
_Static_assert(sizeof(struct guard_rule) == 40, "the same on both sides");
_Static_assert(sizeof(struct guard_program) == 32, "the same on both sides");
_Static_assert(sizeof(struct guard_identity) == 120, "the same on both sides");
_Static_assert(sizeof(struct guard_socket) == 160, "the same on both sides");
_Static_assert(sizeof(struct guard_event) == 200, "the same on both sides");

/*
 * The hash of a unit's name or a path, of GUARD_NAME_SIZE bytes padded with zeroes: eight at a
 * time, FNV-1a's step. Not against attackers: who names units is root.
 */
#define GUARD_HASH_BEGIN 0xcbf29ce484222325ull
static inline __attribute__((always_inline)) __u64 guard_hash_step(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

static inline __attribute__((always_inline)) __u64 guard_hash(const __u64 *words)
{
	__u64 hash = GUARD_HASH_BEGIN;

	for (int i = 0; i < GUARD_NAME_SIZE / 8; i++)
		hash = guard_hash_step(hash, words[i]);
	return hash ? hash : 1;
}
