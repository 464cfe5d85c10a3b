/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One block of a recording, with whatever header. The input is an order of
 * what to build, so that most inputs get past the checksum and the
 * decompression; the last one in four is what it is.
 */
#include "fuzz.h"
#include "source/recording.h"

static _Alignas(8) unsigned char raw[RECORDING_RAW_MAX];

enum how { HOW_PACKED, HOW_PACKED_LIES, HOW_CHECKSUM_RIGHT, HOW_AS_IT_IS, HOW_MAX };

struct head {
	uint8_t how;
	uint8_t pad[3];
	uint32_t records, raw_bytes, crc;
};

/* every record must lie inside what was unpacked, and be one */
static void walk(const struct recording_block *b)
{
	uint32_t pos = 0;

	for (uint32_t i = 0; i < b->records; i++) {
		const struct lens_rec *rec = (const void *)(raw + pos);

		if (pos + sizeof(*rec) > b->raw_bytes || rec->len < sizeof(*rec) || rec->len % 8 ||
		    rec->len > LENS_REC_MAX || pos + rec->len > b->raw_bytes)
			abort();
		pos += rec->len;
	}
	if (pos != b->raw_bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct recording_packer *packer;
	struct recording_block b = { 0 };
	struct head head;

	if (!packer)
		packer = recording_packer_new();
	if (size < sizeof(head) || !packer)
		return 0;
	memcpy(&head, data, sizeof(head));
	b.records = head.records;
	b.raw_bytes = head.raw_bytes;
	b.crc = head.crc;
	b.data = data + sizeof(head);
	b.data_bytes = size - sizeof(head);
	head.how %= HOW_MAX;
	if (head.how == HOW_PACKED || head.how == HOW_PACKED_LIES) {
		b.raw_bytes = (uint32_t)b.data_bytes;
		if (recording_block_encode(packer, b.data, &b) < 0)
			return 0;
	}
	if (head.how == HOW_PACKED_LIES)
		b.raw_bytes = head.raw_bytes;
	if (head.how != HOW_AS_IT_IS)
		b.crc = recording_block_crc(&b);
	if (recording_block_decode(&b, raw) == 0)
		walk(&b);
	return 0;
}
