/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* This host as its daemon shows it: the properties of org.tbsyncd1.Manager. */

#include "ctl.h"
#include "facts.h"

typedef struct CtlManager {
    char *version, *libvirt_state, *libvirt_error, *hook_state, *hook_path, *listen, *kvm_note, *loop_state, *loop_suspect;
    gboolean timing_events;
    guint64 timebase_ticks;
    HostFacts host;
} CtlManager;

/* (transfer full) */
CtlManager *ctl_manager_load(Ctl *ctl, GError **error);
void ctl_manager_free(CtlManager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlManager, ctl_manager_free)

/* 0: unknown */
guint64 ctl_manager_timebase_hz(const CtlManager *manager);
