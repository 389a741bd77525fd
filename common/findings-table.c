/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "findings-table.h"

#include <stddef.h>

/* In the voice of an operator: what clashes, with both values; then what to type or set next. Advice does not repeat the
 * text. Variants are those that finding.h lists. */

/* clang-format off */
const FindingCodeWords finding_codes[FINDING_CODE_COUNT] = {
    [FINDING_COMPAT_MODE_UNSUPPORTED] = {
        "compat-mode-unsupported",
        "The guest runs, or is limited to start, in a compat mode that the destination cannot give: its CPU "
        "lacks that level, the host is itself a guest of an older level, or its QEMU orders the modes "
        "differently. QEMU refuses such a guest after all of its memory has been sent. A guest that is to move "
        "within a mixed fleet needs the oldest level of that fleet as its limit, from its start on."
    },
    [FINDING_COMPAT_MODE_UNKNOWN] = {
        "compat-mode-unknown",
        "The destination's QEMU is older than the compat mode the guest runs in or is limited to, and has no "
        "name for it."
    },
    [FINDING_RAW_PVR_MISMATCH] = {
        "raw-pvr-mismatch",
        "A guest in raw mode has no compat mode that hides its CPU. It may only go to a CPU that QEMU takes "
        "for the same one: the same family, and for some families and QEMU versions the same revision. Guests "
        "are raw before their kernel has negotiated a mode, and when their system knows no modes."
    },
    [FINDING_RAW_ADOPTS_MODE] = {
        "raw-adopts-mode",
        "A guest without a mode of its own in the stream takes the destination's limit as its mode. QEMU "
        "accepts it and never compares the CPUs: the guest goes on under a mode that it did not negotiate. "
        "tbsyncd is stricter than QEMU here."
    },
    [FINDING_MODE_NEWER_THAN_LIMIT] = {
        "mode-newer-than-limit",
        "The guest arrives in the mode it has, whatever the destination's limit says, but its next boot there "
        "negotiates within that limit: it then sees an older CPU."
    },
    [FINDING_MODE_ASSUMED] = {
        "mode-assumed",
        "QEMU and libvirt do not say which mode a guest negotiated at its boot. Current Linux guests end in "
        "the newest mode of their CPU within the limit, and that is assumed (UnknownMode=negotiated)."
    },
    [FINDING_MODE_UNKNOWN] = {
        "mode-unknown",
        "The mode the guest runs in is not known, and nothing may be assumed: by policy, or because the "
        "source's CPU is not known either."
    },
    [FINDING_CPU_FAMILY_UNSUPPORTED] = {
        "cpu-family-unsupported",
        "The CPU that the guest would get on the destination is not one that a pseries guest can run on there: "
        "an unknown PVR, an unknown model name, a family without pseries support, a model that KVM cannot "
        "give, or POWER9 DD1."
    },
    [FINDING_INTERRUPT_CONTROLLER_MISSING] = {
        "interrupt-controller-missing",
        "A machine with ic-mode=dual or xive on a CPU with XIVE (POWER9 and newer, without a limit below "
        "power9) carries XIVE devices in its stream, whatever the guest uses. A destination without them "
        "cannot load it."
    },
    [FINDING_QEMU_VERSION_REFUSES] = {
        "qemu-version-refuses",
        "The two QEMU versions do not understand each other's stream, whatever the guest is: a device or its "
        "version changed between them."
    },
    [FINDING_QEMU_VERSION_LOSES_STATE] = {
        "qemu-version-loses-state",
        "QEMU would accept the guest, but a part of its state is not sent between these two versions, and the "
        "guest hangs or misbehaves afterwards."
    },
    [FINDING_MACHINE_TYPE_MISSING] = {
        "machine-type-missing",
        "The destination's QEMU does not have the guest's machine type, so that it would not even start there, "
        "or was told to start another one than the guest runs with."
    },
    [FINDING_TIMEBASE_FREQUENCY_DIFFERS] = {
        "timebase-frequency-differs",
        "The two hosts' timebases count at different rates. KVM cannot scale a timebase: the guest's clock "
        "would run at the wrong speed on the destination."
    },
    [FINDING_TIMEBASE_OFFSET_UNSUPPORTED] = {
        "timebase-offset-unsupported",
        "The destination's kernel or CPU cannot give a guest a timebase offset of its own. The guest would see "
        "the destination's timebase and with it a jump, possibly backwards."
    },
    [FINDING_TIMEBASE_RELATION_UNKNOWN] = {
        "timebase-relation-unknown",
        "Nothing proven is known about the difference of the two hosts' timebases, so that no offset can be "
        "called safe."
    },
    [FINDING_TIMEBASE_RELATION_STALE] = {
        "timebase-relation-stale",
        "The last exchange with the other host is older than MaxRelationAgeSec= allows. The bounds still hold "
        "within the drift bound, but they grow with every second."
    },
    [FINDING_TIMEBASE_JUMP_TOO_LARGE] = {
        "timebase-jump-too-large",
        "The guest's timebase would jump forward by more than MaxForwardJumpMSec= allows, or by more than the 20 s after "
        "which a Linux guest reports its CPUs as stuck, which no setting allows. Large jumps trip the guest's "
        "watchdogs and time-outs."
    },
    [FINDING_TIMEBASE_COULD_GO_BACK] = {
        "timebase-could-go-back",
        "The guest's timebase could be smaller after the migration than before it. Linux guests stop making "
        "progress, or crash, when that happens."
    },
    [FINDING_TOD_SKEW] = {
        "tod-skew",
        "The two hosts' wall clocks differ by more than MaxTodSkewMSec=. The guest's timebase is safe from "
        "that, but its QEMU, its logs and libvirt's statistics are not."
    },
    [FINDING_CAPABILITY_TOO_LOW] = {
        "capability-too-low",
        "The guest has, or is told to have, a capability of the spapr machine at a level that the destination "
        "cannot give. QEMU refuses to start or to load it."
    },
    [FINDING_CAPABILITY_DEFAULT_DIFFERS] = {
        "capability-default-differs",
        "A capability that the definition does not set has another default on the destination. Defaults are "
        "not sent, so QEMU does not notice: the guest relies on more than it gets."
    },
    [FINDING_CAPABILITY_INVALID] = {
        "capability-invalid",
        "The definition sets a capability that the destination's QEMU does not know, or to a level that it "
        "does not have, or one on which QEMU aborts."
    },
    [FINDING_HASH_MMU_UNSUPPORTED] = {
        "hash-mmu-unsupported",
        "The guest uses, or can use nothing but, the hash page table, and KVM on the destination does not give "
        "hash guests: early POWER9 revisions with newer kernels, and hosts that are themselves guests."
    },
    [FINDING_RADIX_MMU_UNSUPPORTED] = {
        "radix-mmu-unsupported",
        "The guest uses the radix MMU, and the destination's CPU or kernel has none."
    },
    [FINDING_HPT_TOO_LARGE] = {
        "hpt-too-large",
        "A hash guest needs its page table as one physically contiguous piece on the destination, exactly as "
        "large as on the source, and the destination cannot allocate that much now."
    },
    [FINDING_RESIZE_HPT_UNSUPPORTED] = {
        "resize-hpt-unsupported",
        "The destination's kernel cannot resize the hash page table of a running guest."
    },
    [FINDING_DECREMENTER_NOT_MIGRATED] = {
        "decrementer-not-migrated",
        "The guest's next timer interrupt is not carried over. It may stand still until the decrementer wraps: "
        "seconds on POWER8, practically forever with a large decrementer."
    },
    [FINDING_KVM_PR_HOST] = {
        "kvm-pr-host",
        "A host runs KVM PR, which has neither compat modes nor a timebase offset."
    },
    [FINDING_KERNEL_MODE_UNSUPPORTED] = {
        "kernel-mode-unsupported",
        "The destination's kernel is older than the compat mode and refuses it when QEMU sets it."
    },
    [FINDING_SOURCE_UNKNOWN] = {
        "source-unknown",
        "No peer answered that it is migrating this guest out. Without the source neither the guest's state "
        "nor the relation of the clocks is known. A host that only has the guest's definition is taken for the source of an "
        "offline migration, but not while another peer cannot be asked: that one may run the guest. "
        "SourceUnknown= in [Policy] decides what all this means."
    },
    [FINDING_SOURCE_AMBIGUOUS] = {
        "source-ambiguous",
        "More than one peer says that it is migrating this guest out. One UUID must not run twice."
    },
    [FINDING_PEER_UNREACHABLE] = {
        "peer-unreachable",
        "A configured peer could not be asked in time."
    },
    [FINDING_GUEST_CHANGED_ON_THE_WAY] = {
        "guest-changed-on-the-way",
        "The definition that the destination was given differs from what runs on the source in a way that "
        "matters."
    },
    [FINDING_SIMULATED_HOST] = {
        "simulated-host",
        "The facts or the timebase of a host are made up by its configuration, for development and tests. Such "
        "a verdict says nothing about real machines; a simulated and a real host may not be peers."
    },
    [FINDING_DAEMON_UNAVAILABLE] = {
        "daemon-unavailable",
        "tbsyncd on this host did not answer the hook. WhenUnavailable= in [Policy] decides what that means."
    },
    [FINDING_DEADLINE] = {
        "deadline",
        "The answer was not complete within HookDeadlineMSec=. The guest keeps running on the source."
    },
    [FINDING_FACT_UNKNOWN] = {
        "fact-unknown",
        "A fact that the verdict needs is not known. Unknown is never read as compatible; UnknownFacts= in "
        "[Policy] decides whether it blocks."
    },
    [FINDING_CANNOT_RETURN] = {
        "cannot-return",
        "The guest may go to the destination, but could not come back to the source as it will then be."
    },
    [FINDING_TIME_STOOD_STILL] = {
        "time-stood-still",
        "A saved guest's timebase does not count the time it was saved: it goes on where it stopped. Its wall "
        "clock is behind until its own time synchronisation mends it."
    },
    [FINDING_KVM_MISSING] = {
        "kvm-missing",
        "The guest is a KVM guest and the destination has no KVM."
    },
    [FINDING_TIMEBASE_STALE_COPY] = {
        "timebase-stale-copy",
        "The kernel rounds a guest's timebase offset up to 2^24 ticks, and QEMU goes on with the value it asked for until it "
        "next reads the guest's registers. A guest that is paused and resumed, or migrated while it is paused, may "
        "therefore see its timebase go back by up to 32.8 ms, and with it CLOCK_MONOTONIC. RefreshOffset=after-start in "
        "[Libvirt] of tbsyncd.conf lets tbsyncd make QEMU read the registers after each start of the guest; libvirt then "
        "marks the guest as tainted (custom-monitor)."
    },
    [FINDING_TIMEBASE_RELATION_STORED] = {
        "timebase-relation-stored",
        "The bounds on the difference of the timebases rest, at least on one side, on exchanges that tbsyncd made before it was "
        "started anew, widened by the drift since. Neither host has booted meanwhile, and exchanges since then do not "
        "contradict them."
    },
};

const FindingSentence finding_sentences[] = {
    { FINDING_COMPAT_MODE_UNSUPPORTED, 0,
      "the guest runs in {a} mode, which {b} of the destination cannot give",
      "shut the guest down, set {limit} and start it again",
      "move it to a host whose CPU has that level" },
    { FINDING_COMPAT_MODE_UNSUPPORTED, 1,
      "the guest is limited to {a}, a mode that {b} of the destination cannot give, so that QEMU would not "
      "start there",
      "shut the guest down, set {limit} and start it again",
      "move it to a host whose CPU has that level" },
    { FINDING_COMPAT_MODE_UNSUPPORTED, 2,
      "the guest's mode {a} is refused by {b} on every CPU after POWER7+",
      "shut the guest down, set {limit} and start it again",
      "move it to a host with QEMU 9.1 or older" },
    { FINDING_COMPAT_MODE_UNSUPPORTED, 3,
      "the guest runs in {a} mode, but the destination is itself a guest that runs at {b}",
      "shut the guest down, set {limit} and start it again",
      "move it to a host that runs at that level itself" },
    { FINDING_COMPAT_MODE_UNSUPPORTED, 4,
      "the guest runs in {a} mode, and KVM gives no compat mode at all on {b}, a POWER9 DD1",
      "move it to a POWER9 DD2 or newer",
      NULL },
    { FINDING_COMPAT_MODE_UNKNOWN, 0,
      "the guest runs in {a} mode, which {b} of the destination does not know",
      "install a newer QEMU on the destination, or shut the guest down, set {limit} and start it again",
      "install a newer QEMU on the destination" },
    { FINDING_COMPAT_MODE_UNKNOWN, 1,
      "the guest is limited to {a}, which {b} of the destination does not know, so that it would not start "
      "there",
      "install a newer QEMU on the destination, or shut the guest down, set {limit} and start it again",
      "install a newer QEMU on the destination" },
    { FINDING_RAW_PVR_MISMATCH, 0,
      "the guest runs raw on {a}, and the destination is {b}",
      "shut the guest down, set {limit} and start it again, or wait until its kernel has negotiated a mode",
      "move it to a host with the same CPU" },
    { FINDING_RAW_PVR_MISMATCH, 1,
      "the guest runs raw on {a}, and QEMU does not take {b} of the destination for the same revision",
      "shut the guest down, set {limit} and start it again, or wait until its kernel has negotiated a mode",
      "move it to a host with the same revision of the CPU" },
    { FINDING_RAW_ADOPTS_MODE, 0,
      "the guest runs raw~ on {a}~ and would be switched to {b} in mid-flight, the limit it is to be started "
      "with on the destination",
      "migrate it with the limit it was started with (virsh migrate without --xml), or restart it on the "
      "source with that limit first",
      NULL },
    { FINDING_RAW_ADOPTS_MODE, 1,
      "the mode {a} is not sent with a machine type before pseries-2.10, and the destination's limit {b} would "
      "take its place",
      "migrate it with the limit it was started with, or restart it with a newer machine type",
      NULL },
    { FINDING_MODE_NEWER_THAN_LIMIT, 0,
      "the guest runs in {a} mode now, but its next boot on the destination is limited to {b}",
      "migrate it with the limit it was started with, or make the limit permanent by restarting it with it on "
      "the source",
      NULL },
    { FINDING_MODE_ASSUMED, 0,
      "{a} mode is assumed for the guest, the newest of its CPU within its limit",
      "set <cpu mode='host-model'><model>{a}</model></cpu> to make it certain, or UnknownMode=strict to refuse "
      "such guests",
      NULL },
    { FINDING_MODE_ASSUMED, 1,
      "{a} mode is assumed for the saved guest, as if it had been saved on a CPU like this host's",
      "set a limit in <cpu> before the guest is saved, so that it is known",
      NULL },
    { FINDING_MODE_UNKNOWN, 0,
      "the mode the guest runs in is not known, and UnknownMode=strict refuses such guests",
      "set a limit, <cpu mode='host-model'><model>powerN</model></cpu>, or UnknownMode=negotiated in [Policy] "
      "of tbsyncd.conf",
      NULL },
    { FINDING_MODE_UNKNOWN, 1,
      "the mode the guest runs in is not known: QEMU was to be asked (UnknownMode=monitor) and did not tell",
      "check that tbsyncd on the source may use libvirt read-write, or set UnknownMode=negotiated in [Policy] "
      "of tbsyncd.conf",
      NULL },
    { FINDING_MODE_UNKNOWN, 2,
      "the mode the guest runs in is not known, nor is the source's CPU, from which it could be assumed",
      "run tbsyncctl facts on the source to see why its CPU is not known",
      NULL },
    { FINDING_CPU_FAMILY_UNSUPPORTED, 0,
      "{b} of the destination is no CPU of a known family",
      "run tbsyncctl facts on the destination; a newer tbsyncd may know this CPU",
      NULL },
    { FINDING_CPU_FAMILY_UNSUPPORTED, 1,
      "the CPU model {a} is no pseries CPU~ of {b}~",
      "set a model that virsh domcapabilities on the destination lists",
      NULL },
    { FINDING_CPU_FAMILY_UNSUPPORTED, 2,
      "{b} of the destination is no CPU that a pseries guest can run on",
      "move it to a POWER7 or newer",
      NULL },
    { FINDING_CPU_FAMILY_UNSUPPORTED, 3,
      "the guest asks for a {a}, and KVM on {b} of the destination gives no other CPU than the host's",
      "shut the guest down, set {limit} and start it again",
      "move it to a host with that CPU" },
    { FINDING_CPU_FAMILY_UNSUPPORTED, 4,
      "{b} of the destination is a POWER9 DD1, which QEMU 9.0 and newer do not know",
      "move it to a POWER9 DD2 or newer",
      NULL },
    { FINDING_INTERRUPT_CONTROLLER_MISSING, 0,
      "the guest has XIVE devices (ic-mode={a}), and {b} of the destination has none",
      "shut the guest down, set {limit} and start it again; or the QEMU option -machine ic-mode=xics",
      "shut the guest down, give it the QEMU option -machine ic-mode=xics and start it again" },
    { FINDING_INTERRUPT_CONTROLLER_MISSING, 1,
      "the guest has XIVE devices (ic-mode={a}), which the destination's limit {b} leaves out",
      "migrate it with the limit it was started with, or restart it on the source with that limit first",
      NULL },
    { FINDING_INTERRUPT_CONTROLLER_MISSING, 2,
      "the guest runs with ic-mode={a}, and the destination was told to start it with ic-mode={b}",
      "migrate it with the XML it was started with (virsh migrate without --xml)",
      NULL },
    { FINDING_INTERRUPT_CONTROLLER_MISSING, 3,
      "ic-mode={a} cannot be started with {b} on the destination",
      "shut the guest down, give it the QEMU option -machine ic-mode=xics or dual and start it again",
      NULL },
    { FINDING_QEMU_VERSION_REFUSES, 0,
      "{a} of the source sends cpu/slb in a version that {b} of the destination refuses",
      "install QEMU 9.2 or newer on the destination",
      NULL },
    { FINDING_QEMU_VERSION_REFUSES, 1,
      "{a} of the source sends icp/server, which {b} of the destination does not know",
      "install QEMU 10.0.5, 10.1.1 or newer on the destination, or give the guest the QEMU option -machine "
      "ic-mode=xive",
      NULL },
    { FINDING_QEMU_VERSION_REFUSES, 2,
      "{a} of the source sends the guest's compat mode, and {b} of the destination cannot take one",
      "install QEMU 2.10 or newer on the destination",
      NULL },
    { FINDING_QEMU_VERSION_LOSES_STATE, 0,
      "{a} of the source does not send the XICS presenters to {b} of the destination: the guest would hang",
      "install QEMU 10.0.5, 10.1.1 or newer on the source and restart the guest",
      NULL },
    { FINDING_QEMU_VERSION_LOSES_STATE, 1,
      "{a} of the source does not send the XICS presenters to {b} of the destination: the guest would hang if "
      "it uses XICS, and most likely it uses XIVE",
      "look for XICS in the guest's list of interrupts before it moves, or install QEMU 10.0.5, 10.1.1 or "
      "newer on the source",
      NULL },
    { FINDING_QEMU_VERSION_LOSES_STATE, 2,
      "between {a} of the source and {b} of the destination it is not sent which vCPUs the guest had stopped: "
      "those may hang",
      "set all vCPUs of the guest online before it moves, or install QEMU 10.1 or newer on both hosts",
      NULL },
    { FINDING_QEMU_VERSION_LOSES_STATE, 3,
      "the guest's machine type is older than pseries-2.10: {a} of the source does not send its mode to {b} of "
      "the destination",
      "restart the guest with machine type pseries-2.10 or newer",
      NULL },
    { FINDING_QEMU_VERSION_LOSES_STATE, 4,
      "the timebase is not sent between {a} of the source and {b} of the destination",
      "install QEMU 2.1 or newer on both hosts",
      NULL },
    { FINDING_MACHINE_TYPE_MISSING, 0,
      "the guest's machine type {a} is not among those of the destination",
      "install a QEMU that has it on the destination, or restart the guest with a machine type of both hosts "
      "(virsh capabilities)",
      NULL },
    { FINDING_MACHINE_TYPE_MISSING, 1,
      "{b} of the destination does not have the guest's machine type {a}",
      "install a QEMU that has it on the destination, or restart the guest with a machine type of both hosts "
      "(virsh capabilities)",
      NULL },
    { FINDING_MACHINE_TYPE_MISSING, 2,
      "the guest runs with machine type {a}, and the destination was told to start {b}",
      "migrate it with the XML it was started with (virsh migrate without --xml)",
      NULL },
    { FINDING_TIMEBASE_FREQUENCY_DIFFERS, 0,
      "the source's timebase counts at {a}, the destination's at {b}",
      "move the guest to a host with the same timebase frequency",
      NULL },
    { FINDING_TIMEBASE_OFFSET_UNSUPPORTED, 0,
      "the destination's kernel~ {b}~ takes no timebase offset for a guest",
      "install a kernel with KVM HV and KVM_REG_PPC_TB_OFFSET (Linux 3.14 or newer) on the destination",
      NULL },
    { FINDING_TIMEBASE_OFFSET_UNSUPPORTED, 1,
      "{b} of the destination has no timebase offset",
      "move the guest to a POWER6 or newer",
      NULL },
    { FINDING_TIMEBASE_RELATION_UNKNOWN, 0,
      "the two hosts' timebases have not been compared",
      "run tbsyncctl peers on the destination to see the state of the link",
      NULL },
    { FINDING_TIMEBASE_RELATION_UNKNOWN, 1,
      "a timebase of the two hosts was stepped, and not enough exchanges confirm the new relation yet",
      "wait a moment and try again; tbsyncctl peers shows the state",
      NULL },
    { FINDING_TIMEBASE_RELATION_UNKNOWN, 2,
      "the peer's time stamps are impossible",
      "run tbsyncctl peers, then look into the peer's journal: journalctl -u tbsyncd",
      NULL },
    { FINDING_TIMEBASE_RELATION_UNKNOWN, 3,
      "the bounds on the timebase relation are too wide for a plan",
      "run tbsyncctl peers, and look for a slow or lossy link between the hosts",
      NULL },
    { FINDING_TIMEBASE_RELATION_STALE, 0,
      "the timebase relation is {a} old, and {b} is allowed",
      "run tbsyncctl peers to see why the link is silent, or raise MaxRelationAgeSec= in [Policy] of "
      "tbsyncd.conf",
      NULL },
    { FINDING_TIMEBASE_JUMP_TOO_LARGE, 0,
      "the guest's timebase would jump forward by {a}, and {b} is allowed",
      "run tbsyncctl peers for a tighter relation, or raise MaxForwardJumpMSec= in [Policy] of tbsyncd.conf",
      NULL },
    { FINDING_TIMEBASE_JUMP_TOO_LARGE, 1,
      "the guest's timebase would jump forward by {a}, and a Linux guest reports its CPUs as stuck after {b}",
      "run tbsyncctl peers for a tighter relation, or shut the guest down and start it on the destination",
      NULL },
    { FINDING_TIMEBASE_COULD_GO_BACK, 0,
      "the guest's timebase could go back~, by {a}~",
      "shut the guest down and start it on the destination, or try again when tbsyncctl peers shows tighter "
      "bounds",
      NULL },
    { FINDING_TOD_SKEW, 0,
      "the wall clocks of the two hosts differ by at least {a}, and {b} is allowed",
      "check time synchronisation on both hosts: chronyc tracking or timedatectl",
      NULL },
    { FINDING_CAPABILITY_TOO_LOW, 0,
      "the guest comes with {a}, and the destination would run it with {b}",
      "set the same value in <features> of the guest and restart it, so that both sides agree",
      NULL },
    { FINDING_CAPABILITY_TOO_LOW, 1,
      "the guest asks for {a}, and the destination gives no more than {b}",
      "lower it in <features> of the guest and restart it, or update firmware and kernel of the destination",
      NULL },
    { FINDING_CAPABILITY_TOO_LOW, 2,
      "the guest asks for {a}, which TCG cannot give",
      "set it to off or broken in <features> of the guest and restart it",
      NULL },
    { FINDING_CAPABILITY_TOO_LOW, 3,
      "the guest asks for {a}, which KVM cannot give",
      "set it to off in the guest's QEMU options and restart it",
      NULL },
    { FINDING_CAPABILITY_TOO_LOW, 4,
      "the guest asks for {a}, which is not to be had with {b}",
      "remove it from the guest's definition and restart it",
      NULL },
    { FINDING_CAPABILITY_DEFAULT_DIFFERS, 0,
      "the guest runs with {a} by default, and gets {b} on the destination",
      "set the value in <features> (or -machine) of the guest's definition and restart it",
      NULL },
    { FINDING_CAPABILITY_INVALID, 0,
      "{a} makes QEMU abort as soon as the guest asks for its mitigations",
      "set <ibs value='fixed-ccd'/> or lower in <features> of the guest and restart it",
      NULL },
    { FINDING_CAPABILITY_INVALID, 1,
      "{b} of the destination does not know {a}",
      "remove it from the guest's QEMU options and restart the guest, or install a newer QEMU on the "
      "destination",
      NULL },
    { FINDING_CAPABILITY_INVALID, 2,
      "there is no level {a}~, {b} is the highest~",
      "correct it in the guest's definition and restart the guest",
      NULL },
    { FINDING_HASH_MMU_UNSUPPORTED, 0,
      "the guest uses the hash MMU, which KVM on {b} of the destination does not give",
      "move it to a host whose tbsyncctl facts list hash under mmu",
      NULL },
    { FINDING_HASH_MMU_UNSUPPORTED, 1,
      "with {a} the guest can use the hash MMU alone, which KVM on {b} of the destination does not give",
      "raise or remove the limit and restart the guest, or move it to a host whose tbsyncctl facts list hash "
      "under mmu",
      NULL },
    { FINDING_HASH_MMU_UNSUPPORTED, 2,
      "the guest uses the hash MMU, and the destination, itself a guest, gives only radix",
      "move it to a host that is no guest",
      NULL },
    { FINDING_RADIX_MMU_UNSUPPORTED, 0,
      "the guest uses the radix MMU, which {b} of the destination does not have",
      "shut the guest down, set {limit} and start it again",
      "move it to a host whose tbsyncctl facts list radix under mmu" },
    { FINDING_HPT_TOO_LARGE, 0,
      "the guest needs a hash page table of order {a}, and the destination can allocate order {b} at most",
      "lower <maxMemory> of the guest and restart it, or start the destination with a larger "
      "kvm_cma_resv_ratio=",
      NULL },
    { FINDING_HPT_TOO_LARGE, 1,
      "if the guest cannot resize its hash page table it needs order {a}, and the destination can allocate "
      "order {b} at most",
      "lower <maxMemory> of the guest and restart it, or start the destination with a larger "
      "kvm_cma_resv_ratio=",
      NULL },
    { FINDING_RESIZE_HPT_UNSUPPORTED, 0,
      "the guest requires a resizable hash page table, which the destination does not give",
      "set <hpt resizing='enabled'/> in <features> of the guest and restart it",
      NULL },
    { FINDING_RESIZE_HPT_UNSUPPORTED, 1,
      "the guest's hash page table can be resized on the source, and can no longer be on the destination",
      "know that adding memory to the guest will be slower or fail there",
      NULL },
    { FINDING_DECREMENTER_NOT_MIGRATED, 0,
      "the decrementer of a TCG guest is not carried from {a} to {b}",
      "install QEMU 8.2 or newer on both hosts",
      NULL },
    { FINDING_DECREMENTER_NOT_MIGRATED, 1,
      "the destination's kernel {b} starts vCPUs with a decrementer far in the future",
      "install a kernel with commit 5855564c8ab2 (Linux 4.16 or newer) on the destination",
      NULL },
    { FINDING_KVM_PR_HOST, 0,
      "KVM on the~ {b}~ host is of the PR kind, without compat modes and timebase offset",
      "load kvm_hv instead of kvm_pr: modprobe -r kvm_pr; modprobe kvm_hv",
      NULL },
    { FINDING_KERNEL_MODE_UNSUPPORTED, 0,
      "the destination's kernel {b} does not know {a} mode",
      "install a newer kernel on the destination, or shut the guest down, set {limit} and start it again",
      "install a newer kernel on the destination" },
    { FINDING_KERNEL_MODE_UNSUPPORTED, 1,
      "the destination's kernel {b} may not know {a} mode, unless its vendor added it",
      "try it with an unimportant guest first, or shut the guest down, set {limit} and start it again",
      "try it with an unimportant guest first" },
    { FINDING_SOURCE_UNKNOWN, 0,
      "no peer says that it is migrating the guest~ {a}~ out",
      "run tbsyncctl peers on this host; tbsyncd must run on the source and be linked, or set "
      "SourceUnknown=allow in [Policy] of tbsyncd.conf",
      NULL },
    { FINDING_SOURCE_AMBIGUOUS, 0,
      "both {a} and {b} say that they are migrating the guest out",
      "run virsh list --uuid on both hosts and give one of the guests another UUID",
      NULL },
    { FINDING_PEER_UNREACHABLE, 0,
      "peer~ {a}~ could not be asked~: {b}~",
      "run tbsyncctl peers to see the state of the link",
      NULL },
    { FINDING_GUEST_CHANGED_ON_THE_WAY, 0,
      "the guest changed on its way: {a} became {b}",
      "migrate it with the XML it was started with (virsh migrate without --xml)",
      NULL },
    { FINDING_SIMULATED_HOST, 0,
      "host facts and timebases are simulated",
      "remove Source=simulated and [Host] from tbsyncd.conf on real hosts",
      NULL },
    { FINDING_SIMULATED_HOST, 1,
      "the source is a simulated host, the destination a real one",
      "remove Source=simulated and [Host] from tbsyncd.conf on the source",
      NULL },
    { FINDING_SIMULATED_HOST, 2,
      "the destination is a simulated host, the source a real one",
      "remove Source=simulated and [Host] from tbsyncd.conf on the destination",
      NULL },
    { FINDING_DAEMON_UNAVAILABLE, 0,
      "tbsyncd on this host could not be asked~: {a}~",
      "start it: systemctl start tbsyncd; or set WhenUnavailable=allow in [Policy] of tbsyncd.conf",
      NULL },
    { FINDING_DEADLINE, 0,
      "the check was not complete within its deadline~ of {a}~~, {b} was waited for~",
      "run tbsyncctl peers to see which host is slow, and try again",
      NULL },
    { FINDING_FACT_UNKNOWN, 0,
      "{a} of the destination is not known",
      "run tbsyncctl facts on the destination to see why, or set UnknownFacts=allow in [Policy] of "
      "tbsyncd.conf",
      NULL },
    { FINDING_FACT_UNKNOWN, 1,
      "{a} of the source is not known",
      "run tbsyncctl facts on the source to see why, or set UnknownFacts=allow in [Policy] of tbsyncd.conf",
      NULL },
    { FINDING_FACT_UNKNOWN, 2,
      "{a} of the guest is not known",
      "look at the guest's definition with virsh dumpxml, or set UnknownFacts=allow in [Policy] of "
      "tbsyncd.conf",
      NULL },
    { FINDING_CANNOT_RETURN, 0,
      "the guest cannot come back: {b} of the destination sends what {a} of the source refuses",
      "install the destination's QEMU version on the source before the guest has to return",
      NULL },
    { FINDING_CANNOT_RETURN, 1,
      "the guest cannot come back after its next boot on {b}: it has XIVE devices from then on, which it had "
      "not with {a} of the source",
      "set {limit} in its definition before it moves",
      "give the guest the QEMU option -machine ic-mode=xics before it moves" },
    { FINDING_CANNOT_RETURN, 2,
      "the guest cannot come back as long as it is raw: {a} of the source is not taken for {b} of the "
      "destination",
      "set {limit} in its definition before it moves",
      NULL },
    { FINDING_CANNOT_RETURN, 3,
      "the guest cannot come back after its next boot on the destination, which takes it to {b} mode: {a} of "
      "the source cannot give that",
      "set {limit} in its definition before it moves",
      NULL },
    { FINDING_CANNOT_RETURN, 4,
      "the guest cannot come back safely: the source takes no timebase offset",
      "install a kernel with KVM HV and KVM_REG_PPC_TB_OFFSET on the source",
      NULL },
    { FINDING_TIME_STOOD_STILL, 0,
      "the guest's time stood still while it was saved",
      "check time synchronisation in the guest: chronyc makestep",
      NULL },
    { FINDING_KVM_MISSING, 0,
      "the guest needs KVM, and the destination has none",
      "load it on the destination: modprobe kvm_hv; tbsyncctl facts shows what was found",
      NULL },
    { FINDING_TIMEBASE_STALE_COPY, 0,
      "the guest is paused, and its timebase may go back by up to {a} when it is resumed",
      "resume the guest and migrate it while it runs, or set RefreshOffset=after-start in [Libvirt] of tbsyncd.conf",
      NULL },
    { FINDING_TIMEBASE_STALE_COPY, 1,
      "the guest was paused and resumed on its host, and its timebase may have gone back by up to {a}",
      "check the guest's clock and log; RefreshOffset=after-start in [Libvirt] of tbsyncd.conf prevents it",
      NULL },
    { FINDING_TIMEBASE_RELATION_STORED, 0,
      "the timebase relation rests on exchanges from before the last start of tbsyncd",
      "nothing needs to be done; tbsyncctl peers shows when exchanges since then have taken their place",
      NULL },
    { 0 },
};
/* clang-format on */
