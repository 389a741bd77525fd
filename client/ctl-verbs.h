/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs of tbsyncctl, each in its ctl-<verb>.c, with the text of its --help. */

#include "ctl.h"

extern const char ctl_judge_help[];
int ctl_judge(Ctl *ctl, int argc, char **argv);

extern const char ctl_rank_help[];
int ctl_rank(Ctl *ctl, int argc, char **argv);

extern const char ctl_replay_help[];
int ctl_replay(Ctl *ctl, int argc, char **argv);

extern const char ctl_explain_help[];
int ctl_explain(Ctl *ctl, int argc, char **argv);

extern const char ctl_status_help[];
int ctl_status(Ctl *ctl, int argc, char **argv);

extern const char ctl_peers_help[];
int ctl_peers(Ctl *ctl, int argc, char **argv);

extern const char ctl_guests_help[];
int ctl_guests(Ctl *ctl, int argc, char **argv);

extern const char ctl_check_help[];
int ctl_check(Ctl *ctl, int argc, char **argv);

extern const char ctl_matrix_help[];
int ctl_matrix(Ctl *ctl, int argc, char **argv);

extern const char ctl_baseline_help[];
int ctl_baseline(Ctl *ctl, int argc, char **argv);

extern const char ctl_doctor_help[];
int ctl_doctor(Ctl *ctl, int argc, char **argv);

extern const char ctl_monitor_help[];
int ctl_monitor(Ctl *ctl, int argc, char **argv);

extern const char ctl_metrics_help[];
int ctl_metrics(Ctl *ctl, int argc, char **argv);

extern const char ctl_complete_help[];
int ctl_complete(Ctl *ctl, int argc, char **argv);

extern const char ctl_history_help[];
int ctl_history(Ctl *ctl, int argc, char **argv);

extern const char ctl_show_help[];
int ctl_show(Ctl *ctl, int argc, char **argv);

extern const char ctl_facts_help[];
int ctl_facts(Ctl *ctl, int argc, char **argv);

extern const char ctl_hook_help[];
int ctl_hook(Ctl *ctl, int argc, char **argv);
