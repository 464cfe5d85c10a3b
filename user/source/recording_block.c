/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One block of a recording: records, compressed and checksummed. Pure: no file,
 * no SQLite.
 */
#include <zstd.h>

#include "source/recording.h"

#define SKIPPABLE_MAGIC 0x184d2a50U	/* zstd frame format: content to be ignored */
#define SKIPPABLE_HEAD 8

_Static_assert(ZSTD_COMPRESSBOUND(RECORDING_RAW_MAX) <= RECORDING_DATA_MAX, "data does not fit");

struct recording_packer {
	ZSTD_CCtx *zstd;
	unsigned char data[RECORDING_DATA_MAX];
};

/* ------------------------------------------------------------------ crc */

/* CRC-32C by nibbles: blocks are small once compressed */
static uint32_t crc_add(uint32_t crc, const void *bytes, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

uint32_t recording_block_crc(const struct recording_block *b)
{
	const uint64_t head[] = {
		b->seq, b->first_ns, b->last_ns, b->records, b->raw_bytes, b->data_bytes,
	};
	uint32_t crc = crc_add(~0U, head, sizeof(head));

	/* what is stored, not what it unpacks to: zstd ignores some of its bits */
	return ~crc_add(crc, b->data, b->data_bytes);
}

/* --------------------------------------------------------------- encode */

struct recording_packer *recording_packer_new(void)
{
	struct recording_packer *p = xcalloc(1, sizeof(*p));

	p->zstd = ZSTD_createCCtx();
	if (p->zstd)
		return p;
	free(p);
	return NULL;
}

void recording_packer_freep(struct recording_packer **p)
{
	if (*p)
		ZSTD_freeCCtx((*p)->zstd);
	base_freep(p);
	*p = NULL;
}

/*
 * Readers refuse what grows more than RECORDING_RATIO_MAX times, lest a small
 * file keep them busy for hours. Should real records ever compress so well,
 * a frame that zstd skips makes up for it.
 */
static size_t pad(unsigned char *data, size_t len, uint32_t raw_bytes)
{
	size_t want = raw_bytes / RECORDING_RATIO_MAX + 1;
	uint32_t head[2] = { SKIPPABLE_MAGIC, 0 };

	if (len >= want)
		return len;
	if (want < len + SKIPPABLE_HEAD)
		want = len + SKIPPABLE_HEAD;
	head[1] = (uint32_t)(want - len - SKIPPABLE_HEAD);
	memcpy(data + len, head, SKIPPABLE_HEAD);
	memset(data + len + SKIPPABLE_HEAD, 0, head[1]);
	return want;
}

int recording_block_encode(struct recording_packer *p, const void *raw, struct recording_block *b)
{
	size_t len = ZSTD_compressCCtx(p->zstd, p->data, sizeof(p->data), raw, b->raw_bytes, 1);

	if (ZSTD_isError(len))
		return -ENOMEM;
	b->data = p->data;
	b->data_bytes = pad(p->data, len, b->raw_bytes);
	b->crc = recording_block_crc(b);
	return 0;
}

/* --------------------------------------------------------------- decode */

/* lengths only: what is in the records is for event_decode() */
static bool records_ok(const unsigned char *raw, uint32_t raw_bytes, uint32_t records)
{
	uint32_t pos = 0, count = 0;

	while (pos < raw_bytes) {
		const struct lens_rec *rec = (const void *)(raw + pos);

		if (raw_bytes - pos < sizeof(*rec) || rec->len < sizeof(*rec) ||
		    rec->len > LENS_REC_MAX || rec->len > raw_bytes - pos || rec->len % 8)
			return false;
		pos += rec->len;
		count++;
	}
	return count == records;
}

int recording_block_decode(const struct recording_block *b, void *raw)
{
	size_t len;

	if (!b->records || b->raw_bytes > RECORDING_RAW_MAX || b->data_bytes > RECORDING_DATA_MAX ||
	    b->raw_bytes / RECORDING_RATIO_MAX > b->data_bytes)
		return -EBADMSG;
	if (recording_block_crc(b) != b->crc)
		return -EBADMSG;
	len = ZSTD_decompress(raw, b->raw_bytes, b->data, b->data_bytes);
	if (ZSTD_isError(len) || len != b->raw_bytes)
		return -EBADMSG;
	return records_ok(raw, b->raw_bytes, b->records) ? 0 : -EBADMSG;
}
