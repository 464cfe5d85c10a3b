/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets: the part of ktypes.h that only few programs need.
 */
#ifndef LENS_KTYPES_SOCK_BPF_H
#define LENS_KTYPES_SOCK_BPF_H

#include "ktypes.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	__u8 bytes[16];
};

struct udp_hslot {
	struct hlist_head head;
};

struct udp_table {
	struct udp_hslot *hash;
	unsigned int mask;
};

struct proto {
	union {
		struct udp_table *udp_table;	/* until v6.1 the only one */
	} h;
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned char skc_ipv6only:1;
	struct proto *skc_prot;
	struct hlist_node skc_node;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct in_ifaddr {
	struct in_ifaddr *ifa_next;
	__be32 ifa_local;
};

struct in_device {
	struct in_ifaddr *ifa_list;
};

struct net_device {
	__u32 flags;
	struct list_head dev_list;
	struct in_device *ip_ptr;
};

struct dst_entry {
	struct net_device *dev;
};

struct sk_buff {
	struct sk_buff *next;
	struct sock *sk;
	__u32 len;
	char cb[48];
	unsigned char *head;
	__u16 transport_header;
};

struct sk_buff_head {
	struct sk_buff *next;
	struct sk_buff *prev;
	__u32 qlen;
};

struct numa_drop_counters {
	atomic_t drops0;
	atomic_t drops1;
};

struct sock {
	struct sock_common __sk_common;
	struct {
		struct {
			struct {
				struct {
					atomic_t val;
				} raw_lock;
			} rlock;	/* none with PREEMPT_RT */
		} slock;
		int owned;	/* by a task, which may sleep with it */
	} sk_lock;
	atomic_t sk_drops;
	struct numa_drop_counters *sk_drop_counters;	/* v6.18; may be NULL */
	struct sk_buff_head sk_receive_queue;
	struct socket *sk_socket;
	int sk_sndbuf;
	int sk_rcvbuf;
	int sk_rcvlowat;
	int sk_peek_off;
	refcount_t sk_wmem_alloc;
	struct dst_entry *sk_dst_cache;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	void *sk_user_data;
	long sk_rcvtimeo;
	long sk_sndtimeo;
	__u16 sk_type;
	__u16 sk_protocol;
	__u8 sk_shutdown;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
};

struct proto_ops {
	void *splice_read;
};

struct socket {
	struct file *file;
	struct sock *sk;
	const struct proto_ops *ops;
};

struct msghdr {
	int msg_namelen;
	void *msg_control;
	__u64 msg_controllen;
	__u32 msg_flags;
};

struct scm_cookie {
	struct scm_fp_list *fp;
};

struct sockaddr_un {
	__u16 sun_family;
	char sun_path[108];
};

struct socket_wq {
	struct wait_queue_head wait;
};

struct unix_address {
	int len;
	struct sockaddr_un name[1];
};

struct unix_sock {
	struct sock sk;
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
	struct sock *listener;
	struct socket_wq peer_wq;	/* who waits for room in its queue */
};

struct scm_fp_list {
	short count;
	struct file *fp[1];
};

struct unix_skb_parms {
	struct scm_fp_list *fp;
	__u32 consumed;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
	struct {
		struct {
			struct dst_entry *dst;
		} base;
	} cork;
};

struct udphdr {
	__be16 source;
};

struct udp_sock {
	int pending;	/* what was sent waits in a cork for more */
	struct sk_buff_head reader_queue;
	__u16 gso_size;
};

struct tcp_ulp_ops {
	char name[16];
};

struct tls_context {
	void *priv_ctx_tx, *priv_ctx_rx;
};

struct tls_rec {
	void *unused;
};

struct tls_sw_context_tx {
	struct tls_rec *open_rec;
	struct list_head tx_list;
};

struct tls_sw_context_rx {
	struct sk_buff_head rx_list;
};

struct inet_connection_sock {
	__u32 icsk_user_timeout;
	const struct tcp_ulp_ops *icsk_ulp_ops;
	void *icsk_ulp_data;
};

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 rcv_wup, rcv_wnd;	/* the window as it was told to the peer, and up to where then */
	__u32 copied_seq;
	__u32 write_seq;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 snd_wnd;
	__u32 packets_out;
	__u16 urg_data;
	__u32 urg_seq;
	__u32 notsent_lowat;
	__u64 bytes_received;
	__u64 bytes_acked;
};

/* of a socket in a sockmap */
struct sk_psock {
	struct sock *sk;
	struct list_head ingress_msg;
};

struct sk_msg {
	struct {
		__u32 size;
	} sg;
	struct list_head list;
};

/* a connection over several TCP connections */
struct mptcp_sock {
	__u64 remote_key;		/* 0: the peer speaks plain TCP */
	__u64 write_seq;
	__u64 snd_nxt;
	__u64 bytes_consumed;		/* not in v6.1 */
	_Bool snd_data_fin_enable;	/* the end of the stream is not acknowledged yet */
	struct sk_buff_head receive_queue;	/* not in v6.18; read before that of the socket */
	struct list_head conn_list;
	struct sock *first;
};

struct mptcp_subflow_context {
	__u64 idsn;
	__u32 request_mptcp:1;		/* the one that connected */
};

struct mptcp_skb_cb {
	__u64 map_seq;
	__u64 end_seq;
};

#pragma clang attribute pop

#endif
