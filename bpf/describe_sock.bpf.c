// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Depth and names of sockets. Queues are read without their lock: the walk is
 * bounded by the length the queue says it has.
 */
#include "describe.bpf.h"
#include "redirect.bpf.h"

/* no packet of a unix socket is longer; what is was torn while it was read */
#define PACKET_MAX (4u << 20)
/* packets of one queue that are added up at most */
#define QUEUE_MAX (1u << 16)

struct packets {
	void *head;
	struct sk_buff *at;
	__u64 bytes;
};

static long add_packet(__u32 i, struct packets *p)
{
	struct sk_buff *skb = p->at;
	__u32 len, consumed = 0;

	if (!skb || skb == p->head)
		return 1;
	len = BPF_CORE_READ(skb, len);
	bpf_probe_read_kernel(&consumed, sizeof(consumed),
			      (void *)skb + bpf_core_field_offset(struct sk_buff, cb) +
			      bpf_core_field_offset(struct unix_skb_parms, consumed));
	if (len <= PACKET_MAX && consumed <= len)
		p->bytes += len - consumed;
	p->at = BPF_CORE_READ(skb, next);
	return 0;
}

static __always_inline __u64 queued_bytes(struct sock *sk, __u32 count)
{
	struct packets p = {};

	p.head = (void *)sk + bpf_core_field_offset(struct sock, sk_receive_queue);
	p.at = BPF_CORE_READ(sk, sk_receive_queue.next);
	bpf_loop(count < QUEUE_MAX ? count : QUEUE_MAX, add_packet, &p, 0);
	return p.bytes;
}

/* a full one takes one message more than its backlog says: unix_recvq_full() */
static __always_inline __u32 slots(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_max_ack_backlog) + 1;
}

static __always_inline void describe_half(struct sock *sk, struct lens_depth *ret)
{
	struct sock *peer = ident_unix_peer(sk);

	if (!peer)
		return;
	ret->capacity_bytes = BPF_CORE_READ(peer, sk_sndbuf);
	/* closed by its process, or not accepted: the state of a dead one is not kept */
	if (!BPF_CORE_READ(peer, sk_socket) && !BPF_CORE_READ(peer, sk_shutdown))
		ret->valid |= LENS_DEPTH_PENDING;
}

int describe_sock(__u32 kind, __u64 file, struct lens_depth *ret)
{
	struct sock *sk = ident_file_sock((struct file *)file);

	if (!sk || !ret)
		return 0;
	ret->queued_msgs = BPF_CORE_READ(sk, sk_receive_queue.qlen);
	ret->key = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	ret->valid = LENS_DEPTH_VALID;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == KDEF_TCP_LISTEN) {
		ret->capacity_msgs = slots(sk);
		ret->valid |= LENS_DEPTH_LISTENING;
		return 0;
	}
	if (redirect_of(sk))
		ret->valid |= LENS_DEPTH_REDIRECTED;
	ret->queued_bytes = queued_bytes(sk, ret->queued_msgs);
	if (kind_has_halves(kind))
		describe_half(sk, ret);
	else
		ret->capacity_msgs = slots(sk);
	return 0;
}

/* sun_path, whose length counts: an abstract name begins with a NUL and may hold more */
__u32 describe_address(__u32 which, __u32 offset, __u64 address)
{
	struct unix_address *addr = (void *)address;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	__u32 len = BPF_CORE_READ(addr, len) - sizeof(__u16);
	const char *name = (void *)addr + bpf_core_field_offset(struct unix_address, name) +
			   sizeof(__u16);

	if (!s || len > 108 || offset > SCRATCH_SIZE)
		return 0;
	if (bpf_probe_read_kernel(s->data + offset, len, name))
		return 0;
	return len | DESCRIBE_RAW;
}
