// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind datagram.bpf.h. What is searched is not locked: a socket
 * that is closed or bound anew just now may be missed. As in the kernel's
 * compute_score(), one that is bound to the address beats one bound to any,
 * then one that is connected to the sender any other.
 */
#include "datagram.bpf.h"
#include "arch.bpf.h"

/* struct msghdr begins with an address and its length; so does struct mmsghdr */
#define MESSAGE_BYTES 64
#define COMPAT_MESSAGE_BYTES 32
/* socketcall(2): where headers are among its words, and the address of sendto(2) */
#define HEADER_AT 4
#define SENDTO_ADDRESS_AT 16

/* sockets of one hash chain, and addresses of a network namespace, that are looked at */
#define CHAIN_MAX 1024
#define ADDRESSES_MAX 256

enum { SCORE_FOUR = 1, SCORE_REMOTE = 4, SCORE_ADDRESS = 64 };

/* IPv4 as IPv6 writes it: ::ffff:a.b.c.d */
struct address {
	__u64 high;
	__u32 middle, low;
};
/* bytes 0, 0, 0xff, 0xff */
#define MAPPED 0xffff0000u
#define LOOPBACK_FOUR 0x0100007fu
#define LOOPBACK_SIX 0x01000000u

/* small: a chain of calls has 512 bytes of stack */
struct search {
	struct hlist_node *node;
	struct sock *from, *best;
	struct address to;
	__be16 to_port;
	__u16 best_score;
	__u8 is_tied;
	__u8 pad[3];
};

static __always_inline bool is_four(const struct address *a)
{
	return !a->high && a->middle == MAPPED;
}

/* 0.0.0.0 or :: */
static __always_inline bool is_any(const struct address *a)
{
	return !a->high && !a->low && (!a->middle || a->middle == MAPPED);
}

static __always_inline bool is_same(const struct address *a, const struct address *b)
{
	return a->high == b->high && a->middle == b->middle && a->low == b->low;
}

static __always_inline void read_address(struct sock *sk, bool remote, struct address *ret)
{
	struct sock_common *c = &sk->__sk_common;

	if (BPF_CORE_READ(c, skc_family) == KDEF_AF_INET6) {
		bpf_core_read(ret, sizeof(*ret), remote ? &c->skc_v6_daddr : &c->skc_v6_rcv_saddr);
		return;
	}
	ret->high = 0;
	ret->middle = MAPPED;
	ret->low = remote ? BPF_CORE_READ(c, skc_daddr) : BPF_CORE_READ(c, skc_rcv_saddr);
}

/* -------------------------------------------------------------- the address */

/* ... in the header of a message, in user memory */
static __always_inline __u64 header_address(__u64 header, bool compat)
{
	__u32 words32[2] = {};
	__u64 words[2] = {};

	if (!compat) {
		bpf_probe_read_user(words, sizeof(words), (void *)header);
		return (__u32)words[1] ? words[0] : 0;
	}
	bpf_probe_read_user(words32, sizeof(words32), (void *)header);
	return words32[1] ? words32[0] : 0;
}

/* socketcall(2): its own class, and in place of its words what they say */
static __always_inline __u32 unwrap(__u32 call, __u64 words, __u64 *header, __u64 *address)
{
	*header = 0;
	*address = 0;
	if (call == KDEF_SYS_SENDTO)
		bpf_probe_read_user(address, sizeof(__u32), (void *)(words + SENDTO_ADDRESS_AT));
	else
		bpf_probe_read_user(header, sizeof(__u32), (void *)(words + HEADER_AT));
	return call == KDEF_SYS_SENDMSG ? CALL_SENDMSG :
	       call == KDEF_SYS_SENDMMSG ? CALL_SENDMMSG : CALL_SENDTO;
}

/* where the current call was told the address, in user memory. false: it is no such call */
static __noinline bool told_address(__u32 index, __u64 *ret)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs(t);
	__u64 header, address;
	bool compat = arch_is_compat(t);
	__u32 class;

	class = arch_class(BPF_CORE_READ(regs, orig_ax));
	class = compat ? class >> CALL_COMPAT_SHIFT : class & CALL_NATIVE;
	header = compat ? (__u32)BPF_CORE_READ(regs, cx) : BPF_CORE_READ(regs, si);
	address = compat ? (__u32)BPF_CORE_READ(regs, di) : BPF_CORE_READ(regs, r8);
	if (class == CALL_SOCKETCALL)
		class = unwrap(BPF_CORE_READ(regs, bx), header, &header, &address);
	if (class == CALL_SENDTO)
		*ret = address;
	else if (class == CALL_SENDMSG)
		*ret = header_address(header, compat);
	else if (class == CALL_SENDMMSG)
		*ret = header_address(header + (index == DATAGRAM_ANY ? 0 : (__u64)index) *
				      (compat ? COMPAT_MESSAGE_BYTES : MESSAGE_BYTES), compat);
	else
		*ret = 0;
	return class && !(class == CALL_SENDMMSG && index == DATAGRAM_ANY && *ret);
}

/* struct sockaddr_in, and where the address of a sockaddr_in6 is */
struct socket_name {
	__u16 family;
	__be16 port;
	__u32 four;
};
#define NAME_SIX_AT 8

static __always_inline bool read_destination(struct sock *sk, __u32 index, struct search *s)
{
	struct socket_name name = {};
	__u64 at = 0;

	if (!told_address(index, &at))
		return false;
	if (!at) {
		read_address(sk, true, &s->to);
		s->to_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
		return s->to_port;
	}
	bpf_probe_read_user(&name, sizeof(name), (void *)at);
	s->to_port = name.port;
	s->to.middle = MAPPED;
	s->to.low = name.four;
	if (name.family == KDEF_AF_INET6)
		bpf_probe_read_user(&s->to, sizeof(s->to), (void *)(at + NAME_SIX_AT));
	/* any is taken for this host itself */
	if (is_any(&s->to))
		s->to.low = is_four(&s->to) ? LOOPBACK_FOUR : LOOPBACK_SIX;
	return s->to_port;
}

/* --------------------------------------------------------------- this host */

struct tour {
	void *device, *first;	/* entries of the list of devices */
	struct in_ifaddr *address;
	__be32 wanted;
	__u8 found;
	__u8 pad[3];
};

static __always_inline void enter_device(struct tour *t)
{
	struct net_device *d = t->device - bpf_core_field_offset(struct net_device, dev_list);
	struct in_device *four = BPF_CORE_READ(d, ip_ptr);

	t->address = BPF_CORE_READ(four, ifa_list);
	t->device = BPF_CORE_READ(d, dev_list.next);
}

/* a step: the next address, or else the next device */
static long visit_address(__u32 i, struct tour *t)
{
	struct in_ifaddr *address = t->address;

	if (address) {
		t->found = BPF_CORE_READ(address, ifa_local) == t->wanted;
		t->address = BPF_CORE_READ(address, ifa_next);
		return t->found ? 1 : 0;
	}
	if (t->device == t->first)
		return 1;
	enter_device(t);
	return 0;
}

/*
 * Is the address that a socket bound to any address would receive one of this host? Of
 * IPv6 that is known for connections only, from their route.
 */
static __noinline bool is_here(struct sock *sk, const struct address *to)
{
	struct net *net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	struct tour t = { .wanted = to->low };

	if (BPF_CORE_READ(sk, sk_dst_cache, dev, flags) & KDEF_IFF_LOOPBACK)
		return true;
	if (!is_four(to))
		return !to->high && !to->middle && to->low == LOOPBACK_SIX;
	if ((to->low & 0xff) == 127)
		return true;
	t.first = (void *)net + bpf_core_field_offset(struct net, dev_base_head);
	t.device = BPF_CORE_READ(net, dev_base_head.next);
	/* before the loop: verifiers of old walk a single turn of it, and must see both ways */
	enter_device(&t);
	bpf_loop(ADDRESSES_MAX, visit_address, &t, 0);
	return t.found;
}

/* --------------------------------------------------------------- the search */

/*
 * Is a connected one connected to the sender? which address that has may be up to the route.
 * remote: to work with, for there is little stack.
 */
static __always_inline bool is_remote_of(struct sock *sk, struct sock *from,
					 struct address *remote)
{
	struct address own = {};

	if (BPF_CORE_READ(sk, __sk_common.skc_dport) !=
	    BPF_CORE_READ((struct inet_sock *)from, inet_sport))
		return false;
	read_address(sk, true, remote);
	read_address(from, false, &own);
	return is_any(&own) || is_same(remote, &own);
}

/*
 * How well a socket suits, 0: it does not receive this. Global: the verifier would walk it for
 * every result of the one before else.
 */
__noinline __u32 datagram_score(__u64 address, const struct search *s)
{
	struct sock *sk = (struct sock *)address, *from;
	struct sock_common *c = &sk->__sk_common;
	bool six = BPF_CORE_READ(c, skc_family) == KDEF_AF_INET6;
	__u16 sum = six ? 1 : 1 + SCORE_FOUR;
	struct address a = {};

	if (!s)
		return 0;
	from = s->from;
	if (BPF_CORE_READ((struct inet_sock *)sk, inet_sport) != s->to_port ||
	    BPF_CORE_READ(c, skc_net.net) != BPF_CORE_READ(from, __sk_common.skc_net.net) ||
	    (!six && !is_four(&s->to)))
		return 0;
	read_address(sk, false, &a);
	if (is_same(&a, &s->to))
		sum += SCORE_ADDRESS;
	else if (!is_any(&a) || (six && is_four(&s->to) &&
				 BPF_CORE_READ_BITFIELD_PROBED(c, skc_ipv6only)))
		return 0;
	if (!BPF_CORE_READ(c, skc_dport))
		return sum;
	return is_remote_of(sk, from, &a) ? sum + SCORE_REMOTE : 0;
}

static long consider(__u32 i, struct search *s)
{
	struct hlist_node *node = s->node;
	struct sock *sk;
	__u32 its;

	if (!node)
		return 1;
	sk = (void *)node - bpf_core_field_offset(struct sock_common, skc_node);
	its = datagram_score((__u64)sk, s);
	if (its && its == s->best_score)
		s->is_tied = 1;
	if (its > s->best_score) {
		s->best = sk;
		s->best_score = its;
		s->is_tied = 0;
	}
	s->node = BPF_CORE_READ(node, next);
	return 0;
}

static __always_inline struct udp_table *table_of(struct sock *sk, struct net *net)
{
	/* since v6.2 a network namespace may have one of its own */
	if (bpf_core_field_exists(net->ipv4.udp_table))
		return BPF_CORE_READ(net, ipv4.udp_table);
	return BPF_CORE_READ(sk, __sk_common.skc_prot, h.udp_table);
}

__u64 datagram_receiver(__u64 address, __u32 index, struct lens_total_key *ret)
{
	struct sock *sk = (struct sock *)address;
	struct search s = { .from = sk };
	struct udp_table *table;
	struct net *net;
	__u64 slot;

	if (!ret || !read_destination(sk, index, &s))
		return 0;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	table = table_of(sk, net);
	/* udp_hashfn() */
	slot = (__builtin_bswap16(s.to_port) + BPF_CORE_READ(net, hash_mix)) &
	       BPF_CORE_READ(table, mask);
	slot = (__u64)BPF_CORE_READ(table, hash) + slot * bpf_core_type_size(struct udp_hslot);
	s.node = BPF_CORE_READ((struct udp_hslot *)slot, head.first);
	bpf_loop(CHAIN_MAX, consider, &s, 0);
	if (!s.best || s.is_tied || s.node ||
	    (s.best_score < SCORE_ADDRESS && !is_here(sk, &s.to)))
		return 0;
	return (__u64)ident_sock_probe(s.best, ret);
}
