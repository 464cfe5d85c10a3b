// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sockets: which end this is, where the other one is, how much waits between
 * them; and descriptors that are inside a unix socket's queue, which no
 * process has at that moment although they keep a pipe open.
 */
#include "redirect.bpf.h"
#include "stuck.bpf.h"

/* -------------------------------------------------------------------- unix */

static __always_inline void fill_unix_name(struct unix_sock *u, struct lens_rec_desc *d, char *name)
{
	struct unix_address *a = core_load(u, addr);
	int len;

	if (!a)
		return;
	len = core_load(a, len) - (int)sizeof(__u16);
	if (len <= 0 || len > 108)
		return;
	/* an abstract name begins with a NUL and need not end in one */
	bpf_probe_read_kernel(name, len & 127,
			      (void *)a + bpf_core_field_offset(struct unix_address, name) +
				      sizeof(__u16));
	d->name_len = len;
	d->flags |= LENS_DESC_NAMED;
}

static __always_inline void fill_unix(struct sock *sk, struct lens_rec_desc *d, char *name)
{
	struct unix_sock *u = (void *)sk;
	struct sock *peer = core_load(u, peer), *listener = NULL;

	d->object = d->object == KDEF_SOCK_STREAM  ? LENS_OBJECT_UNIX_STREAM
		    : d->object == KDEF_SOCK_DGRAM ? LENS_OBJECT_UNIX_DGRAM
						   : LENS_OBJECT_UNIX_SEQPACKET;
	d->flags &= ~LENS_DESC_NAMED;
	fill_unix_name(u, d, name);
	if (!peer)
		return;
	d->flags |= LENS_DESC_CONNECTED;
	d->peer = (__u64)peer;
	if (bpf_core_field_exists(u->listener))
		listener = BPF_CORE_READ((struct unix_sock *)peer, listener);
	if (core_load(peer, sk_socket) || !listener)
		return;
	d->peer = (__u64)listener;
	d->flags |= LENS_DESC_UNACCEPTED;
}

/* -------------------------------------------------------------------- inet */

static __always_inline void fill_addresses(struct sock *sk, __u16 family, struct lens_rec_desc *d)
{
	__be32 local, remote;

	d->local_port = core_load(sk, __sk_common.skc_num);
	d->remote_port = __builtin_bswap16(core_load(sk, __sk_common.skc_dport));
	if (family == KDEF_AF_INET6) {
		bpf_core_read(d->local_addr, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(d->remote_addr, 16, &sk->__sk_common.skc_v6_daddr);
		return;
	}
	local = core_load(sk, __sk_common.skc_rcv_saddr);
	remote = core_load(sk, __sk_common.skc_daddr);
	d->local_addr[10] = d->local_addr[11] = d->remote_addr[10] = d->remote_addr[11] = 0xff;
	__builtin_memcpy(d->local_addr + 12, &local, 4);
	__builtin_memcpy(d->remote_addr + 12, &remote, 4);
}

/* sent and not acknowledged, or to be sent, as the peer has room for it */
static __always_inline bool is_sending(struct tcp_sock *tcp)
{
	__u32 next = core_load(tcp, snd_nxt);
	__s32 room = (__s32)(core_load(tcp, snd_una) + core_load(tcp, snd_wnd) - next);

	return core_load(tcp, packets_out) ||
	       (core_load(tcp, write_seq) != next && room > 0);
}

/* of which the peer may have heard only part so far */
static __always_inline bool has_window(struct tcp_sock *tcp)
{
	return (__s32)(core_load(tcp, rcv_wup) + core_load(tcp, rcv_wnd) -
		       core_load(tcp, rcv_nxt)) > 0;
}

/* an urgent byte that is the next one does not count, unless it is to be read with the others */
static __always_inline bool is_urgent(struct sock *sk, struct tcp_sock *tcp)
{
	return core_load(tcp, urg_data) && core_load(tcp, urg_seq) == core_load(tcp, copied_seq) &&
	       !(core_load(sk, __sk_common.skc_flags) >> KDEF_SOCK_URGINLINE & 1);
}

/* who waits for room hears when less than half of the limit is unsent: tcp_stream_memory_free() */
static __always_inline bool is_held_back(struct sock *sk, struct tcp_sock *tcp)
{
	__u32 unsent = core_load(tcp, write_seq) - core_load(tcp, snd_nxt);
	__u32 limit = core_load(tcp, notsent_lowat);

	if (!limit)
		limit = core_load_of(sk, __sk_common.skc_net.net, ipv4.sysctl_tcp_notsent_lowat);
	return unsent * 2ull >= limit;
}

static __always_inline void fill_inet(struct sock *sk, __u16 family, struct lens_rec_desc *d)
{
	__u16 protocol = core_load(sk, sk_protocol);
	struct tcp_sock *tcp = (void *)sk;

	d->object = protocol == KDEF_IPPROTO_TCP   ? LENS_OBJECT_TCP
		    : protocol == KDEF_IPPROTO_UDP ? LENS_OBJECT_UDP
						   : LENS_OBJECT_SOCKET;
	fill_addresses(sk, family, d);
	if (d->remote_port)
		d->flags |= LENS_DESC_CONNECTED;
	if (d->object == LENS_OBJECT_TCP && d->flags & LENS_DESC_LISTEN)
		d->queued_msgs = core_load(sk, sk_ack_backlog);
	if (d->object != LENS_OBJECT_TCP || d->flags & LENS_DESC_LISTEN)
		return;
	if (core_load(sk, __sk_common.skc_state) == KDEF_TCP_SYN_SENT)
		d->flags |= LENS_DESC_CONNECTING;
	if (is_sending(tcp))
		d->flags |= LENS_DESC_SENDING;
	if (has_window(tcp))
		d->flags |= LENS_DESC_WINDOW;
	if (BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_user_timeout))
		d->flags |= LENS_DESC_USER_TIMEOUT;
	d->queued_bytes = (__u32)(core_load(tcp, rcv_nxt) - core_load(tcp, copied_seq));
	if (d->queued_bytes < core_load(sk, sk_rcvlowat) + is_urgent(sk, tcp) &&
	    !(d->flags & LENS_DESC_RECV_SHUT))
		d->flags |= LENS_DESC_TOO_LITTLE;
	if (is_held_back(sk, tcp))
		d->flags |= LENS_DESC_HELD_BACK;
	d->sent_bytes = (__u32)(core_load(tcp, write_seq) - core_load(tcp, snd_una));
}

int stuck_sock(struct sock *sk, struct lens_rec_desc *d, char *name)
{
	/* as core_field() takes it; sk is just an address */
	struct sock *typed = core_cast(sk, LENS_FILL_TYPE_SOCK);
	__u16 family = core_field(typed, __sk_common.skc_family);
	__u8 shut;

	if (!sk || !name)
		return 0;
	shut = core_load(sk, sk_shutdown);
	d->self = (__u64)sk;
	d->netns = core_field_of(typed, __sk_common.skc_net.net, ns.inum);
	d->queued_msgs = core_field(typed, sk_receive_queue.qlen);
	d->queued_bytes = core_field(typed, sk_backlog.rmem_alloc.counter);
	d->capacity_bytes = core_field(typed, sk_rcvbuf);
	d->sent_bytes = core_field(typed, sk_wmem_alloc.refs.counter) - 1;
	d->send_capacity_bytes = core_field(typed, sk_sndbuf);
	d->capacity_msgs = core_field(typed, sk_max_ack_backlog);
	if (core_field(typed, __sk_common.skc_state) == KDEF_TCP_LISTEN)
		d->flags |= LENS_DESC_LISTEN;
	if (shut & KDEF_RCV_SHUTDOWN)
		d->flags |= LENS_DESC_RECV_SHUT;
	if (shut & KDEF_SEND_SHUTDOWN)
		d->flags |= LENS_DESC_SEND_SHUT;
	if (core_field(typed, sk_rcvtimeo) != KDEF_SCHEDULE_FOREVER)
		d->flags |= LENS_DESC_RECV_TIMEOUT;
	if (core_field(typed, sk_sndtimeo) != KDEF_SCHEDULE_FOREVER)
		d->flags |= LENS_DESC_SEND_TIMEOUT;
	if (redirect_of(sk))
		d->flags |= LENS_DESC_REDIRECTED;
	if (core_field(typed, sk_peek_off) >= 0)
		d->flags |= LENS_DESC_PEEK_OFF;
	d->object = core_load(sk, sk_type);
	if (family == KDEF_AF_UNIX)
		fill_unix(sk, d, name);
	else if (family == KDEF_AF_INET || family == KDEF_AF_INET6)
		fill_inet(sk, family, d);
	else
		d->object = LENS_OBJECT_SOCKET;
	return 0;
}

/* ---------------------------------------------------- descriptors on their way */

#define SCM_MAX_FD 253 /* include/net/scm.h */

struct passage {
	struct sock *sk;
	struct sk_buff *skb;
	void *head;
	struct scm_fp_list *fds;
};

static long in_flight_fd(__u32 at, struct passage *p)
{
	struct lens_rec_desc *d;
	/* the other one holds the record of the socket */
	__u32 which = SCRATCH_EVENTS;
	struct scratch *s = bpf_map_lookup_elem(&lens_scratch, &which);
	struct file *f = NULL;

	bpf_probe_read_kernel(&f, sizeof(f),
			      (void *)p->fds + bpf_core_field_offset(struct scm_fp_list, fp) +
				      at * sizeof(void *));
	if (!f || !s)
		return 1;
	d = (void *)s;
	__builtin_memset(d, 0, sizeof(*d));
	if (!stuck_file(ident_file_at((__u64)f), d, s->data + sizeof(*d)))
		return 0;
	d->carrier = (__u64)p->sk;
	d->name_len = 0;
	rec_init(&d->h, LENS_REC_DESC, sizeof(*d));
	d->h.flags = LENS_F_SNAPSHOT;
	core_emit(d, sizeof(*d), LENS_KIND_NONE);
	return 0;
}

static long in_flight_skb(__u32 i, struct passage *p)
{
	struct sk_buff *skb = p->skb;
	struct scm_fp_list *fds = NULL;
	int count;

	if (!skb || (void *)skb == p->head)
		return 1;
	bpf_probe_read_kernel(&fds, sizeof(fds),
			      (void *)skb + bpf_core_field_offset(struct sk_buff, cb) +
				      bpf_core_field_offset(struct unix_skb_parms, fp));
	p->fds = fds;
	if (fds) {
		count = core_load(fds, count);
		if (count > 0 && count <= SCM_MAX_FD)
			bpf_loop(count, in_flight_fd, p, 0);
	}
	p->skb = core_load(skb, next);
	return 0;
}

/* the walk is lockless: never further than the queue is long */
int stuck_in_flight(struct sock *sk)
{
	struct passage p = { .sk = sk };

	if (core_load(sk, __sk_common.skc_state) == KDEF_TCP_LISTEN)
		return 0;
	p.head = (void *)sk + bpf_core_field_offset(struct sock, sk_receive_queue);
	p.skb = core_load(sk, sk_receive_queue.next);
	bpf_loop(core_load(sk, sk_receive_queue.qlen), in_flight_skb, &p, 0);
	return 0;
}

/* --------------------------------------------- whose room, or lock, is waited for */

struct waiters_walk {
	void *head, *before, *at;
	__s64 to_task;	/* from where an entry is listed to the pointer to its task */
	struct lens_rec_waiter r;
};

/*
 * An entry is a thread's, or, of those who poll, a socket's, which is no thread's token. The walk
 * is lockless, as the others are: who has been in a call all the time was in the list as well. An
 * entry that is moved to another list meanwhile does not lead into that one.
 */
static long next_waiter(__u32 i, struct waiters_walk *w)
{
	struct list_head *at = w->at;

	if (!at || at == w->head || core_load(at, prev) != w->before)
		return 1;
	if (bpf_probe_read_kernel(&w->r.task, sizeof(w->r.task), w->at + w->to_task))
		return 1;
	rec_init(&w->r.h, LENS_REC_WAITER, sizeof(w->r));
	w->r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&w->r, sizeof(w->r), LENS_KIND_NONE);
	w->before = at;
	w->at = core_load(at, next);
	return 0;
}

#define WAITERS_MAX 4096 /* at one object; more are not resolved */

static __noinline int tell_waiters(__u64 self, __u64 head, __s64 to_task)
{
	struct waiters_walk w = { .head = (void *)head, .before = (void *)head,
				  .to_task = to_task, .r.self = self };

	w.at = core_load((struct list_head *)head, next);
	bpf_loop(WAITERS_MAX, next_waiter, &w, 0);
	return 0;
}

int stuck_peer_waiters(struct sock *sk)
{
	void *head = (void *)sk + bpf_core_field_offset(struct unix_sock, peer_wq) +
		     bpf_core_field_offset(struct socket_wq, wait) +
		     bpf_core_field_offset(struct wait_queue_head, head);

	return tell_waiters((__u64)sk, (__u64)head,
			    (__s64)bpf_core_field_offset(struct wait_queue_entry, private) -
				    bpf_core_field_offset(struct wait_queue_entry, entry));
}

int stuck_lock_waiters(struct pipe_inode_info *pipe)
{
	void *head;

	/* a mutex of another make, on real-time kernels */
	if (!bpf_core_field_exists(pipe->mutex.wait_list))
		return 0;
	head = (void *)pipe + bpf_core_field_offset(struct pipe_inode_info, mutex) +
		     bpf_core_field_offset(struct mutex, wait_list);

	return tell_waiters((__u64)pipe, (__u64)head,
			    (__s64)bpf_core_field_offset(struct mutex_waiter, task) -
				    bpf_core_field_offset(struct mutex_waiter, list));
}

/* ------------------------------------------------------------------- epoll sets */

struct tree_walk {
	struct rb_node *at;
	__u64 epoll;
};

/* the next one in order; a tree of depth 32 has at least 2^16 items */
static __always_inline struct rb_node *tree_next(struct rb_node *n)
{
	struct rb_node *x = core_load(n, rb_right), *up;
	__u32 i;

	if (x) {
		for (i = 0; i < 32; i++) {
			up = core_load(x, rb_left);
			if (!up)
				return x;
			x = up;
		}
		return NULL;
	}
	for (i = 0; i < 32; i++) {
		up = (void *)(core_load(n, __rb_parent_color) & ~3ul);
		if (!up)
			return NULL;
		if (core_load(up, rb_right) != n)
			return up;
		n = up;
	}
	return NULL;
}

static long epoll_item(__u32 i, struct tree_walk *w)
{
	struct epitem *e = (void *)w->at;
	struct lens_rec_item r = {};

	if (!e)
		return 1;
	r.epoll = w->epoll;
	bpf_core_read(&r.file, sizeof(r.file), &e->ffd.file);
	bpf_core_read(&r.fd, sizeof(r.fd), &e->ffd.fd);
	r.events = core_load(e, event.events);
	rec_init(&r.h, LENS_REC_ITEM, sizeof(r));
	r.h.flags = LENS_F_SNAPSHOT;
	core_emit(&r, sizeof(r), LENS_KIND_NONE);
	w->at = tree_next(w->at);
	return 0;
}

#define EPOLL_ITEMS_MAX (1 << 16)

int stuck_epoll(struct eventpoll *ep)
{
	struct tree_walk w = { .epoll = (__u64)ep };

	w.at = core_load(ep, rbr.rb_leftmost);
	bpf_loop(EPOLL_ITEMS_MAX, epoll_item, &w, 0);
	return 0;
}
