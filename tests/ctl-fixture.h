/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A private bus with a made-up org.tbsyncd1 on it, and the built tbsyncctl run against them. For test-ctl*.c. */

#include <gio/gio.h>
#include <systemd/sd-bus.h>

typedef struct Fixture {
    GTestDBus *bus;
    char *config;      /* path of a configuration file that does not exist yet */
    sd_bus *service;   /* NULL: tbsyncd is not running */
    GSource *source;
    /* what the service answers */
    const char *decision;
    GVariant *findings; /* aa{sv} */
    const char *error_name, *error_message; /* of all methods, if set */
    const char *problems;   /* what Diagnose answers, in GVariant text; NULL: nothing is wrong */
    const char *peer_error; /* of ListPeerGuests, if set */
    const char *ranked;     /* what Rank answers, in GVariant text; NULL: no peer is linked */
    gboolean hang;      /* methods are not answered, but by fixture_answer_held() */
    gboolean hang_peer; /* the same of ListPeerGuests alone */
    sd_bus_message *held; /* the last one that was not */
    gboolean die;       /* the service leaves the bus when it is called */
    gboolean linked;    /* the peer beta; else it is refused */
    const char *hook;   /* HookState */
    gboolean by_dns;    /* the peer beta; else by configuration */
    gboolean stored;    /* the relation with it is from before tbsyncd was started */
    guint32 peer_pvr;   /* 0: as this host's */
    /* what it was asked */
    guint calls;
    char *member;
    GVariant *guest;    /* a{sv} of CheckIncoming, CheckRestore */
    char *text;         /* other arguments, separated by spaces */
    /* how it is run */
    gboolean no_bus;
    gboolean as_user; /* else as root */
    const char *locale; /* NULL: C.UTF-8 */
    int stderr_fd;      /* 0: a pipe; else it is closed by fixture_spawn() */
} Fixture;

Fixture *fixture_new(gboolean with_service);
void fixture_free(Fixture *fixture);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

/* One finding more, after the others. */
void fixture_add_finding(Fixture *fixture, const char *severity, const char *code, const char *text, const char *advice);

void fixture_write_config(Fixture *fixture, const char *text);

typedef struct Run {
    int status;
    char *out, *err;
} Run;

/* The call that hangs fails with error_name and error_message. */
void fixture_answer_held(Fixture *fixture);

/* Runs tbsyncctl with these words and that stdin (NULL: nothing) while the service answers. */
Run fixture_run(Fixture *fixture, const char *input, gssize length, const char *const *words);
void run_clear(Run *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* The same, left running: stdin, stdout and, unless stderr_fd is set, stderr are pipes. (transfer full) */
GSubprocess *fixture_spawn(Fixture *fixture, const char *const *words);

#define RUN(fixture, ...) fixture_run(fixture, NULL, 0, (const char *const[]){ __VA_ARGS__, NULL })
