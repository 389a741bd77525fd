/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of tbsyncctl, each in its ctl-<verb>.c, with the text of its --help. */

#include "ctl.h"

extern const char ctl_judge_help[];
int ctl_judge(Ctl *ctl, int argc, char **argv);

extern const char ctl_replay_help[];
int ctl_replay(Ctl *ctl, int argc, char **argv);

extern const char ctl_explain_help[];
int ctl_explain(Ctl *ctl, int argc, char **argv);

extern const char ctl_hook_help[];
int ctl_hook(Ctl *ctl, int argc, char **argv);
