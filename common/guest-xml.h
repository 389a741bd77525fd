/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt domain XML -> GuestFacts. The only includer of libxml2.
 *
 * The XML may carry secrets and user-chosen text: no network, no entities, at most GUEST_XML_MAX bytes; only the
 * facts leave this module. Read are: uuid, name, domain type (kvm, qemu), os/type arch and machine, cpu mode and
 * model, memory and maxMemory, features (htm, hpt, nested-hv, ccf-assist, cfpc, sbbc, ibs), and from
 * qemu:commandline the -machine options max-cpu-compat, ic-mode, resize-hpt, cap-* and -cpu, since TCG guests can
 * set a compat limit in no other way.
 * host-model with a model is a compat limit (libvirt src/qemu/qemu_command.c,
 * qemuBuildMachineCommandLine); host-model without one and host-passthrough have none.
 */

#include <glib.h>

#include "facts.h"

#define GUEST_XML_MAX (4u * 1024 * 1024)

/* Errors: TBSYNC_ERROR_INVALID, naming what is wrong; *ret untouched. `xml` need not be terminated.
 * An architecture other than ppc64/ppc64le gives ARCH_OTHER and no further facts but uuid and name; so does a
 * machine that is no pseries. */
gboolean guest_xml_parse(const char *xml, gsize length, GuestFacts *ret, GError **error);
