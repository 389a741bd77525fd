/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests-calls.h"

#include "error.h"

/* Of one key, so that one slow guest leaves threads for the others. */
#define RUNNING_PER_KEY_MAX 2

typedef struct Call {
    gatomicrefcount references;
    Calls *calls; /* main thread only; NULL after calls_free() */
    GTask *task;  /* main thread only; NULL once answered */
    GSource *deadline;
    GSource *cancelled;
    CallSpec spec; /* strings owned */
    gboolean started;
    void *output; /* written by the thread before it posts call_done() */
    GError *error;
} Call;

struct Calls {
    Crew *crew;
    guint max_running, max_queued;
    GQueue queued;
    GQueue running; /* abandoned ones included */
};

static void call_unref(Call *call)
{
    if (!g_atomic_ref_count_dec(&call->references))
        return;
    if (call->output != NULL && call->spec.output_free != NULL)
        call->spec.output_free(call->output);
    g_clear_error(&call->error);
    g_free((char *)call->spec.key);
    g_free((char *)call->spec.what);
    g_free(call);
}

static void source_clear(GSource **source)
{
    if (*source != NULL) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

/* The task of the call, which is the caller's now: nobody else answers. */
static GTask *call_take_task(Call *call)
{
    source_clear(&call->deadline);
    source_clear(&call->cancelled);
    return g_steal_pointer(&call->task);
}

static void call_fail(Call *call, GError *error)
{
    g_autoptr(GTask) task = call_take_task(call);

    g_task_return_error(task, error);
}

/* A call that has not started leaves the queue; a running one stays until its thread ends. */
static void call_give_up(Call *call, GError *error)
{
    gboolean queued = !call->started && call->calls != NULL;

    if (queued)
        g_queue_remove(&call->calls->queued, call);
    call_fail(call, error);
    if (queued) {
        call->spec.input_free(call->spec.input);
        call_unref(call);
    }
}

static gboolean call_deadline(void *data)
{
    Call *call = data;

    call_give_up(call, g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT, "%s took longer than %u ms",
                                   call->spec.what, call->spec.deadline_ms));
    return G_SOURCE_REMOVE;
}

static gboolean call_cancelled(GCancellable *cancellable, void *data)
{
    Call *call = data;

    call_give_up(
        call, g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s was cancelled", call->spec.what));
    return G_SOURCE_REMOVE;
}

static void calls_start_queued(Calls *calls);

/* Main thread: the thread of the call has ended. */
static gboolean call_done(void *data)
{
    Call *call = data;
    Calls *calls;

    if (call->task != NULL) {
        g_autoptr(GTask) task = call_take_task(call);

        if (call->output != NULL)
            g_task_return_pointer(task, g_steal_pointer(&call->output), call->spec.output_free);
        else
            g_task_return_error(task, g_steal_pointer(&call->error));
    }
    calls = call->calls; /* the callback may have freed it */
    if (calls != NULL) {
        g_queue_remove(&calls->running, call);
        call_unref(call);
        calls_start_queued(calls);
    }
    return G_SOURCE_REMOVE;
}

static void *call_thread(void *data)
{
    Call *call = data;
    g_autoptr(GSource) done = g_idle_source_new();

    call->output = call->spec.run(call->spec.input, &call->error);
    call->spec.input_free(call->spec.input);
    g_source_set_priority(done, G_PRIORITY_DEFAULT);
    g_source_set_callback(done, call_done, call, (GDestroyNotify)call_unref);
    g_source_attach(done, NULL);
    return NULL;
}

static void call_start(Call *call)
{
    g_autoptr(GError) error = NULL;

    call->started = TRUE;
    g_queue_push_tail(&call->calls->running, call);
    g_atomic_ref_count_inc(&call->references); /* of the thread, then of its idle source */
    if (crew_start(call->calls->crew, "tbsync-libvirt", call_thread, call, &error))
        return;
    g_queue_remove(&call->calls->running, call);
    call->spec.input_free(call->spec.input);
    call_fail(call, g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "%s: no thread: %s",
                                call->spec.what, error->message));
    call_unref(call);
    call_unref(call);
}

static guint calls_count_key(const Calls *calls, const char *key, gboolean abandoned_only)
{
    guint count = 0;

    if (*key == '\0')
        return 0;
    for (const GList *l = calls->running.head; l != NULL; l = l->next) {
        const Call *call = l->data;

        if (g_str_equal(call->spec.key, key) && (!abandoned_only || call->task == NULL))
            count++;
    }
    return count;
}

static Call *calls_next(const Calls *calls)
{
    for (GList *l = calls->queued.head; l != NULL; l = l->next) {
        Call *call = l->data;

        if (calls_count_key(calls, call->spec.key, FALSE) < RUNNING_PER_KEY_MAX)
            return call;
    }
    return NULL;
}

static void calls_start_queued(Calls *calls)
{
    Call *call;

    while (calls->running.length < calls->max_running && (call = calls_next(calls)) != NULL) {
        g_queue_remove(&calls->queued, call);
        call_start(call);
    }
}

Calls *calls_new(Crew *crew, guint max_running, guint max_queued)
{
    Calls *calls = g_new0(Calls, 1);

    calls->crew = crew_ref(crew);
    calls->max_running = max_running;
    calls->max_queued = max_queued;
    return calls;
}

static gboolean call_detached(void *data)
{
    Call *call = data;

    if (call->task != NULL)
        call_fail(call, g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE, "%s: shutting down",
                                    call->spec.what));
    return G_SOURCE_REMOVE;
}

void calls_free(Calls *calls)
{
    GQueue *queues[] = { NULL, NULL };

    if (calls == NULL)
        return;
    queues[0] = &calls->queued;
    queues[1] = &calls->running;
    for (guint i = 0; i < G_N_ELEMENTS(queues); i++) {
        Call *call;

        while ((call = g_queue_pop_head(queues[i])) != NULL) {
            call->calls = NULL;
            if (!call->started)
                call->spec.input_free(call->spec.input);
            /* In a later turn: the owner of the callback may be half freed now. */
            g_idle_add_full(G_PRIORITY_DEFAULT, call_detached, call, (GDestroyNotify)call_unref);
        }
    }
    crew_unref(calls->crew);
    g_free(calls);
}

/* NULL if the call may wait for a thread. */
static GError *calls_refuse(const Calls *calls, const CallSpec *spec)
{
    if (calls_count_key(calls, spec->key, TRUE) > 0)
        return g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_TIMEOUT,
                           "%s: an earlier request for it still hangs", spec->what);
    if (calls->running.length >= calls->max_running && calls->queued.length >= calls->max_queued)
        return g_error_new(TBSYNC_ERROR, TBSYNC_ERROR_UNAVAILABLE,
                           "%s: %u earlier requests still hang or wait", spec->what,
                           calls->running.length + calls->queued.length);
    return NULL;
}

/* Fails in a later turn of the loop, as documented. */
static gboolean task_fail_later(void *data)
{
    GTask *task = data;

    g_task_return_error(task, g_steal_pointer((GError **)g_task_get_task_data(task)));
    return G_SOURCE_REMOVE;
}

static void task_fail(GTask *task, GError *error)
{
    GError **slot = g_new0(GError *, 1);

    *slot = error;
    g_task_set_task_data(task, slot, g_free);
    g_idle_add_full(G_PRIORITY_DEFAULT, task_fail_later, g_object_ref(task), g_object_unref);
}

static GSource *attach(GSource *source, GSourceFunc function, void *data)
{
    g_source_set_callback(source, function, data, NULL);
    g_source_attach(source, NULL);
    return source;
}

void calls_run_async(Calls *calls, const CallSpec *spec, GCancellable *cancellable,
                     GAsyncReadyCallback callback, void *data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
    GError *error = calls_refuse(calls, spec);
    Call *call;

    g_task_set_source_tag(task, calls_run_async);
    if (error != NULL) {
        spec->input_free(spec->input);
        task_fail(task, error);
        return;
    }
    call = g_new0(Call, 1);
    g_atomic_ref_count_init(&call->references);
    call->calls = calls;
    call->task = g_steal_pointer(&task);
    call->spec = *spec;
    call->spec.key = g_strdup(spec->key);
    call->spec.what = g_strdup(spec->what);
    call->deadline = attach(g_timeout_source_new(spec->deadline_ms), call_deadline, call);
    if (cancellable != NULL)
        call->cancelled =
            attach(g_cancellable_source_new(cancellable), G_SOURCE_FUNC(call_cancelled), call);
    g_queue_push_tail(&calls->queued, call);
    calls_start_queued(calls);
}

void *calls_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

guint calls_running(const Calls *calls)
{
    return calls->running.length;
}
