/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers peers that ask for all guests of this host (ListGuests of the link).
 *
 * One listing of libvirt's at a time: those who ask while it is under way share its answer, so that peers, however many and
 * however often they ask, keep libvirt no busier than one would, and never away from a hook's FindGuest.
 */

#include "guests.h"
#include "link-service.h"

typedef struct Listing Listing;

/* `guests` must outlive it. */
Listing *listing_new(Guests *guests);

/* Calls that wait are answered with Unavailable. */
void listing_free(Listing *listing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listing, listing_free)

/* call: (transfer full), answered later; with Denied if LISTING_WAITING_MAX wait already. */
#define LISTING_WAITING_MAX 64
void listing_answer(Listing *listing, sd_bus_message *call);
