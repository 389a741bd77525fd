/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The certificates that the configuration names, loaded for links: at the start, for a reload, and to say what a start now
 * would say (diagnose). config.c knows nothing of TLS, link.h nothing of the configuration. */

#include "config.h"
#include "link.h"

/* Reads the files now and never again. Errors as link_tls_new(). (transfer full) */
LinkTls *credentials_load(const Config *config, GError **error);
