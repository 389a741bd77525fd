/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells the thread sanitizer what GLib orders.
 *
 * A distribution's GLib is not instrumented, and its locks are made of futexes, which the sanitizer does not see: to it all that one
 * thread hands to another over GLib is a race. The programs of a build with -Db_sanitize=thread link this library before GLib; each
 * function here does what GLib's does and tells of the order that GLib's documentation promises, no more:
 * - what was done before g_mutex_unlock(), g_thread_pool_push(), g_source_attach(), g_idle_add_full(), g_task_return_*(),
 *   g_once_init_leave(), giving back a reference,
 * - comes before what is done after g_mutex_lock(), in the pool's function, in the idle call-back, in the task's call-back,
 *   after g_once_init_enter(), in the function that clears what nobody refers to.
 * A race between two threads of ours is seen as ever: nothing is suppressed by it.
 */
#include <dlfcn.h>
#include <gio/gio.h>
#include <stdlib.h>

void __tsan_acquire(void *at);
void __tsan_release(void *at);

#define REAL(function) ((typeof(&(function))) dlsym(RTLD_NEXT, #function))

/* --- locks ----------------------------------------------------------------------------------- */

void g_mutex_lock(GMutex *mutex)
{
    REAL(g_mutex_lock)(mutex);
    __tsan_acquire(mutex);
}

void g_mutex_unlock(GMutex *mutex)
{
    __tsan_release(mutex);
    REAL(g_mutex_unlock)(mutex);
}

void g_cond_wait(GCond *condition, GMutex *mutex)
{
    __tsan_release(mutex);
    REAL(g_cond_wait)(condition, mutex);
    __tsan_acquire(mutex);
}

gboolean g_cond_wait_until(GCond *condition, GMutex *mutex, gint64 end_us)
{
    gboolean result;

    __tsan_release(mutex);
    result = REAL(g_cond_wait_until)(condition, mutex, end_us);
    __tsan_acquire(mutex);
    return result;
}

/* the reader's side is an atomic read of ours, which the sanitizer sees */
#undef g_once_init_leave
void g_once_init_leave(volatile void *location, gsize result)
{
    __tsan_release((void *) location);
    ((void (*)(volatile void *, gsize)) dlsym(RTLD_NEXT, "g_once_init_leave"))(location, result);
}

/* --- references ------------------------------------------------------------------------------ */

#undef g_object_unref
void g_object_unref(void *object)
{
    __tsan_release(object);
    REAL(g_object_unref)(object);
}

gboolean g_atomic_ref_count_dec(gatomicrefcount *count)
{
    gboolean is_last;

    __tsan_release(count);
    is_last = REAL(g_atomic_ref_count_dec)(count);
    if (is_last)
        __tsan_acquire(count);
    return is_last;
}

static __thread GDestroyNotify clear_of_thread;

static void clear_ordered(void *box)
{
    __tsan_acquire(box);
    clear_of_thread(box);
}

void g_atomic_rc_box_release_full(void *box, GDestroyNotify clear)
{
    GDestroyNotify outer = clear_of_thread;

    clear_of_thread = clear;
    __tsan_release(box);
    REAL(g_atomic_rc_box_release_full)(box, clear_ordered);
    clear_of_thread = outer;
}

/* --- thread pools ---------------------------------------------------------------------------- */

typedef struct Pool {
    GFunc function;
    void *data;
} Pool;

static void pool_run(void *job, void *data)
{
    Pool *pool = data;

    __tsan_acquire(job);
    pool->function(job, pool->data);
    __tsan_release(pool);
}

GThreadPool *g_thread_pool_new(GFunc function, void *data, int max_threads, gboolean exclusive, GError **error)
{
    Pool *pool = calloc(1, sizeof *pool);

    *pool = (Pool) { function, data };
    return REAL(g_thread_pool_new)(pool_run, pool, max_threads, exclusive, error);
}

gboolean g_thread_pool_push(GThreadPool *self, void *job, GError **error)
{
    __tsan_release(job);
    return REAL(g_thread_pool_push)(self, job, error);
}

void g_thread_pool_free(GThreadPool *self, gboolean immediate, gboolean wait)
{
    Pool *pool = self->user_data;

    REAL(g_thread_pool_free)(self, immediate, wait);
    if (wait)
        __tsan_acquire(pool);
}

/* --- the main loop --------------------------------------------------------------------------- */

typedef struct Idle {
    GSourceFunc function;
    void *data;
    GDestroyNotify destroy;
} Idle;

static Idle *idle_new(GSourceFunc function, void *data, GDestroyNotify destroy)
{
    Idle *idle = calloc(1, sizeof *idle);

    *idle = (Idle) { function, data, destroy };
    __tsan_release(idle);
    return idle;
}

static gboolean idle_run(void *data)
{
    Idle *idle = data;
    gboolean again;

    __tsan_acquire(idle);
    again = idle->function(idle->data);
    __tsan_release(idle);
    return again;
}

static void idle_destroy(void *data)
{
    Idle *idle = data;

    __tsan_acquire(idle);
    if (idle->destroy)
        idle->destroy(idle->data);
    free(idle);
}

guint g_idle_add_full(int priority, GSourceFunc function, void *data, GDestroyNotify destroy)
{
    return REAL(g_idle_add_full)(priority, idle_run, idle_new(function, data, destroy), idle_destroy);
}

/* Other sources than idle ones are attached by the thread that runs them. */
void g_source_set_callback(GSource *source, GSourceFunc function, void *data, GDestroyNotify destroy)
{
    if (source->source_funcs == &g_idle_funcs)
        REAL(g_source_set_callback)(source, idle_run, idle_new(function, data, destroy), idle_destroy);
    else
        REAL(g_source_set_callback)(source, function, data, destroy);
}

/* --- tasks ----------------------------------------------------------------------------------- */

typedef struct Callback {
    GAsyncReadyCallback function;
    void *data;
} Callback;

static void callback_run(GObject *source, GAsyncResult *result, void *data)
{
    Callback callback = *(Callback *) data;

    free(data);
    __tsan_acquire(result);
    callback.function(source, result, callback.data);
}

#undef g_task_new
GTask *g_task_new(void *source, GCancellable *cancellable, GAsyncReadyCallback function, void *data)
{
    Callback *callback;

    if (!function)
        return REAL(g_task_new)(source, cancellable, NULL, data);
    callback = calloc(1, sizeof *callback);
    *callback = (Callback) { function, data };
    return REAL(g_task_new)(source, cancellable, callback_run, callback);
}

void g_task_return_boolean(GTask *task, gboolean result)
{
    __tsan_release(task);
    REAL(g_task_return_boolean)(task, result);
}

void g_task_return_pointer(GTask *task, void *result, GDestroyNotify destroy)
{
    __tsan_release(task);
    REAL(g_task_return_pointer)(task, result, destroy);
}

void g_task_return_error(GTask *task, GError *error)
{
    __tsan_release(task);
    REAL(g_task_return_error)(task, error);
}
