/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What lies in each channel, in the order in which it came, and who put it
 * there: by this a reader knows whom it has its bytes from.
 */
#ifndef PARCELS_H
#define PARCELS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void parcels_create(void);
/* after an exec */
void parcels_find(void);
void parcels_forget(void);
void parcels_drop(int chan);
unsigned parcels_count(int chan);
/* the next message of that tag is empty; one that is put in before its call never is */
bool parcels_next_is_empty(int chan, long tag);
size_t parcels_bytes(int chan);
/* the calling process has put this in; of messages each is kept apart, with a tag */
void parcels_put(int chan, size_t len, bool message, long tag);
/* so much of what was put in last did not go in; it was put in before the call */
void parcels_take_back(int chan, size_t len, bool message);
/* a stream was read: tells the truth of the flows */
void parcels_get(int chan, size_t len);
/* the first message of that tag was read, or as much of it: returns its length */
size_t parcels_get_message(int chan, size_t len, long tag);

#endif
