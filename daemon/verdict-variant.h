/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A verdict's parts as D-Bus values, for bus-service. */

#include <glib.h>

#include "verdict.h"

/* Floating aa{sv}: code, severity, text, advice; most severe first. */
GVariant *verdict_findings_to_variant(const Verdict *verdict);

/* Floating a{sv}: offset_ticks, offset_hi_ticks, nearest_ticks, jump_lo_ticks, jump_hi_ticks (x),
 * exact (b); empty if there is no plan. */
GVariant *verdict_plan_to_variant(const Verdict *verdict);
