/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Facts, relation and policy <-> JSON and D-Bus a{sv}. One table of fields drives both.
 *
 * Foreign bytes: everything is validated and bounded. A missing field means unknown, an unknown key is
 * ignored (newer peers send more). A wrong type, a number out of range or an unknown word in an enumeration is
 * TBSYNC_ERROR_INVALID and names field and value; the output is then untouched.
 *
 * D-Bus types in a{sv}: strings and enumerations s, booleans b, integers t (x where signed), pvr u, arrays as,
 * caps a{sx}. Done with GVariant here; link-service and bus-service bridge sd-bus messages with facts_to_variant()
 * and sd-bus' own readers through daemon/sd-variant.
 */

#include <glib.h>
#include <json-glib/json-glib.h>

#include "facts.h"
#include "json-tree.h"
#include "relation.h"
#include "verdict.h"

gboolean host_facts_from_value(const JsonValue *object, HostFacts *ret, GError **error);
gboolean guest_facts_from_value(const JsonValue *object, GuestFacts *ret, GError **error);

/* The same for json-glib's objects; slower. */
gboolean host_facts_from_json(JsonObject *object, HostFacts *ret, GError **error);
gboolean guest_facts_from_json(JsonObject *object, GuestFacts *ret, GError **error);

/* Members added to `builder`, which is inside an object; only what is known. */
void host_facts_build_json(const HostFacts *host, JsonBuilder *builder);
void guest_facts_build_json(const GuestFacts *guest, JsonBuilder *builder);

/* Floating a{sv}. */
GVariant *host_facts_to_variant(const HostFacts *host);
GVariant *guest_facts_to_variant(const GuestFacts *guest);

/* `dict` is an a{sv}. */
gboolean host_facts_from_variant(GVariant *dict, HostFacts *ret, GError **error);
gboolean guest_facts_from_variant(GVariant *dict, GuestFacts *ret, GError **error);

/* One assignment "pvr=0x00820200" as typed on a command line ("mmu=hash,radix"; "caps.ibs=2"). */
gboolean host_facts_assign(HostFacts *host, const char *assignment, GError **error);

/* {"tb_lo":..,"tb_hi":..,"tod_lo_ns":..,"tod_hi_ns":..,"age_ns":..}; `timebase_hz` turns age into ticks. */
gboolean relation_from_value(const JsonValue *object, guint64 timebase_hz, RelationBounds *ret, GError **error);
gboolean relation_from_json(JsonObject *object, guint64 timebase_hz, RelationBounds *ret, GError **error);

/* Keys of the [Policy] section over `policy`, which keeps its value where a key is missing. */
gboolean policy_from_value(const JsonValue *object, Policy *policy, GError **error);
gboolean policy_from_json(JsonObject *object, Policy *policy, GError **error);

/* One key of [Policy] as text, for config.c: TRUE if the key exists and the value is valid. An unknown key is
 * TBSYNC_ERROR_INVALID. */
gboolean policy_set(Policy *policy, const char *key, const char *value, GError **error);
