// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Definitions behind order.h.
 */
#include <sys/mman.h>

#include "source/order.h"

static const unsigned long *map_page(int ring, size_t page, unsigned index)
{
	void *at = mmap(NULL, page, PROT_READ, MAP_SHARED, ring, (off_t)(page * index));

	return at == MAP_FAILED ? NULL : at;
}

/* the consumer's page comes first, then the producer's: kernel/bpf/ringbuf.c */
int order_open(struct order *o, int ring)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	*o = (struct order){};
	o->consumer = map_page(ring, page, 0);
	o->producer = o->consumer ? map_page(ring, page, 1) : NULL;
	return o->producer ? 0 : -errno;
}

void order_close(struct order *o)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (o->consumer)
		munmap((void *)o->consumer, page);
	if (o->producer)
		munmap((void *)o->producer, page);
	*o = (struct order){};
}

void order_flushed(struct order *o, uint64_t ns)
{
	o->flush_end = __atomic_load_n(o->producer, __ATOMIC_ACQUIRE);
	o->flush_ns = ns;
}

void order_taken(struct order *o)
{
	bool is_past = __atomic_load_n(o->consumer, __ATOMIC_ACQUIRE) >= o->flush_end;

	o->taken_ns = is_past ? o->flush_ns : 0;
}

uint64_t order_news(struct order *o)
{
	if (o->taken_ns <= o->told_ns)
		return 0;
	o->told_ns = o->taken_ns;
	return o->told_ns;
}
