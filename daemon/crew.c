/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crew.h"

#include "tb-clock.h"

struct Crew {
    gatomicrefcount references; /* each running thread has one */
    GMutex lock;                /* guards the rest */
    GCond changed;
    guint running;
    GSList *ended; /* of GThread*, not joined yet */
};

typedef struct Job {
    Crew *crew;
    GThreadFunc function;
    void *data;
} Job;

Crew *crew_new(void)
{
    Crew *crew = g_new0(Crew, 1);

    g_atomic_ref_count_init(&crew->references);
    g_mutex_init(&crew->lock);
    g_cond_init(&crew->changed);
    return crew;
}

Crew *crew_ref(Crew *crew)
{
    g_atomic_ref_count_inc(&crew->references);
    return crew;
}

/* By a thread of the crew: the one that ends now cannot wait for itself. */
static void ended_forget(GSList *ended)
{
    g_slist_free_full(ended, (GDestroyNotify)g_thread_unref);
}

/* A thread that has said that it ends is gone at once: what it still runs are the libraries' per-thread clean-ups. */
static void ended_join(GSList *ended)
{
    for (GSList *l = ended; l; l = l->next)
        g_thread_join(l->data);
    g_slist_free(ended);
}

void crew_unref(Crew *crew)
{
    if (!crew || !g_atomic_ref_count_dec(&crew->references))
        return;
    ended_forget(crew->ended);
    g_mutex_clear(&crew->lock);
    g_cond_clear(&crew->changed);
    g_free(crew);
}

static void *job_run(void *data)
{
    Job *job = data;
    Crew *crew = job->crew;

    job->function(job->data);
    g_free(job);
    g_mutex_lock(&crew->lock);
    crew->ended = g_slist_prepend(crew->ended, g_thread_ref(g_thread_self()));
    crew->running--;
    g_cond_broadcast(&crew->changed);
    g_mutex_unlock(&crew->lock);
    crew_unref(crew);
    return NULL;
}

static GSList *take_ended(Crew *crew)
{
    GSList *ended;

    g_mutex_lock(&crew->lock);
    ended = g_steal_pointer(&crew->ended);
    g_mutex_unlock(&crew->lock);
    return ended;
}

static void count(Crew *crew, int change)
{
    g_mutex_lock(&crew->lock);
    crew->running += (guint)change;
    g_mutex_unlock(&crew->lock);
}

gboolean crew_start(Crew *crew, const char *name, GThreadFunc function, void *data, GError **error)
{
    Job *job = g_new0(Job, 1);
    GThread *thread;

    ended_join(take_ended(crew));
    *job = (Job){ crew_ref(crew), function, data };
    count(crew, 1);
    thread = g_thread_try_new(name, job_run, job, error);
    if (thread) {
        g_thread_unref(thread);
        return TRUE;
    }
    count(crew, -1);
    crew_unref(crew);
    g_free(job);
    return FALSE;
}

guint crew_wait(Crew *crew, guint at_most_ms)
{
    gint64 end_us = tb_clock_mono_us() + (gint64)at_most_ms * 1000;
    guint running;

    g_mutex_lock(&crew->lock);
    while (crew->running > 0 && g_cond_wait_until(&crew->changed, &crew->lock, end_us))
        ;
    running = crew->running;
    g_mutex_unlock(&crew->lock);
    ended_join(take_ended(crew));
    return running;
}
