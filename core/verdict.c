/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict-private.h"

void judge(const JudgeInput *in, Verdict *ret)
{
    Judgement j = { .in = in, .verdict = ret };

    ret->decision = DECISION_ALLOW;
    ret->n_findings = 0;
    ret->plan = (OffsetPlan){ 0 };
    if (!judgement_init(&j))
        return;
    judge_simulated(&j);
    judge_machine_type(&j);
    judge_cpu(&j);
    judge_mode(&j);
    judge_devices(&j);
    judge_versions(&j);
    judge_caps(&j);
    judge_mmu(&j);
    judge_time(&j);
    judge_return(&j);
}
