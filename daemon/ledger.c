/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "json-text.h"
#include "spare-room.h"

/* A record is some kB; what is larger was not written by us. */
#define RECORD_BYTES_MAX (4u * 1024 * 1024)

/* Fits into 64 bits, with room for more. */
#define SEQUENCE_DIGITS_MAX 18

/* For a disk that is full or read-only until somebody sees to it. */
#define RETRY_INTERVAL_S 10

typedef struct Job {
    char *path;  /* NULL: only look after the spare room */
    char *text;  /* NULL: remove the file */
    GTask *task; /* (nullable) */
} Job;

struct Ledger {
    char *migrations;
    char *guests;
    char *peers;
    guint max_records;
    GPtrArray *ids; /* of char*, ascending, which is oldest first */
    guint64 sequence; /* of the newest id that was given out */
    GThreadPool *writer;
    SpareRoom *room; /* the writer's */
    GMutex lock;         /* guards what follows */
    GHashTable *pending; /* path -> text not yet on disk; "" text means removal */
    GHashTable *unwritten; /* set of paths in `pending` whose write failed */
    guint retry_source;
    GHashTable *synced; /* set of uuids: what an earlier process says of them is out of date. Main thread */
    LedgerChanged changed;
    void *changed_data;
};

static void job_free(Job *job)
{
    g_free(job->path);
    g_free(job->text);
    g_clear_object(&job->task);
    g_free(job);
}

static gboolean fail(GError **error, const char *what, const char *path)
{
    int saved = errno;

    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "cannot %s %s: %s", what, path,
                g_strerror(saved));
    errno = saved;
    return FALSE;
}

static gboolean write_all(int fd, const char *text, const char *path, GError **error)
{
    gsize left = strlen(text);

    while (left > 0) {
        gssize n = write(fd, text, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(error, "write", path);
        text += n;
        left -= (gsize)n;
    }
    if (fsync(fd) < 0)
        return fail(error, "sync", path);
    return TRUE;
}

static gboolean sync_directory(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;
    gboolean ok;

    if (fd < 0)
        return fail(error, "open", directory);
    ok = fsync(fd) == 0 || fail(error, "sync", directory);
    saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

/* errno is that of the failure. */
static gboolean write_file(const char *path, const char *text, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".new", NULL);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    gboolean ok;

    if (fd < 0)
        return fail(error, "create", temporary);
    ok = write_all(fd, text, temporary, error);
    if (close(fd) < 0 && ok)
        ok = fail(error, "close", temporary);
    if (ok && rename(temporary, path) < 0)
        ok = fail(error, "rename to", path);
    if (!ok) {
        int saved = errno;

        unlink(temporary);
        errno = saved;
        return FALSE;
    }
    return sync_directory(path, error);
}

static gboolean remove_file(const char *path, GError **error)
{
    if (unlink(path) < 0 && errno != ENOENT)
        return fail(error, "remove", path);
    return TRUE;
}

static gboolean on_retry(void *data);

static void start_timer(Ledger *ledger)
{
    if (ledger->retry_source == 0)
        ledger->retry_source = g_timeout_add_seconds(RETRY_INTERVAL_S, on_retry, ledger);
}

/* What a start of tomorrow must know: the rest is learnt anew. */
static gboolean is_precious(const Ledger *ledger, const char *path)
{
    return g_str_has_prefix(path, ledger->migrations) || g_str_has_prefix(path, ledger->guests);
}

/* *error: why it could not be written as ever; cleared if it was. */
static gboolean write_in_spare_room(Ledger *ledger, const char *path, const char *text, GError **error)
{
    if ((errno != ENOSPC && errno != EDQUOT) || !is_precious(ledger, path) || !spare_room_write(ledger->room, path, text))
        return FALSE;
    g_warning("%s; written in the room that is kept for this, of which %u of %u are left", (*error)->message,
              SPARE_FILES - spare_room_missing(ledger->room), SPARE_FILES);
    g_clear_error(error);
    return sync_directory(path, error);
}

static gboolean write_text(Ledger *ledger, const char *path, const char *text, GError **error)
{
    return write_file(path, text, error) || write_in_spare_room(ledger, path, text, error);
}

static void look_after_room(Ledger *ledger)
{
    if (spare_room_fill(ledger->room))
        g_message("room is kept again for %u records, should the disk be full", SPARE_FILES);
    if (spare_room_missing(ledger->room) == 0)
        return;
    g_mutex_lock(&ledger->lock);
    start_timer(ledger);
    g_mutex_unlock(&ledger->lock);
}

typedef enum Outcome {
    OUTCOME_WRITTEN,
    OUTCOME_ALL_WRITTEN, /* and it was the last one that was kept */
    OUTCOME_KEPT,        /* for another try */
    OUTCOME_STILL_KEPT,  /* not the first time */
} Outcome;

static Outcome settle(Ledger *ledger, const Job *job, gboolean ok)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&ledger->lock);
    const char *newest = g_hash_table_lookup(ledger->pending, job->path);
    /* A newer write of the same path may be queued behind this one: then its text stays. */
    gboolean is_newest = g_strcmp0(newest, job->text ? job->text : "") == 0;

    if (ok) {
        if (is_newest)
            g_hash_table_remove(ledger->pending, job->path);
        return g_hash_table_remove(ledger->unwritten, job->path) && g_hash_table_size(ledger->unwritten) == 0
                   ? OUTCOME_ALL_WRITTEN
                   : OUTCOME_WRITTEN;
    }
    if (!is_newest)
        return OUTCOME_STILL_KEPT; /* the newer one will tell */
    start_timer(ledger);
    return g_hash_table_add(ledger->unwritten, g_strdup(job->path)) ? OUTCOME_KEPT : OUTCOME_STILL_KEPT;
}

static void run_write(Ledger *ledger, Job *job)
{
    g_autoptr(GError) error = NULL;
    gboolean ok =
        job->text ? write_text(ledger, job->path, job->text, &error) : remove_file(job->path, &error);
    Outcome outcome = settle(ledger, job, ok);

    if (outcome == OUTCOME_ALL_WRITTEN)
        g_message("all records are on disk again");
    if (job->task && ok)
        g_task_return_boolean(job->task, TRUE);
    else if (job->task)
        g_task_return_error(job->task, g_steal_pointer(&error));
    else if (outcome == OUTCOME_KEPT)
        g_warning("%s; kept in memory and tried again", error->message);
}

/* In the writer's thread. */
static void run_job(void *pointer, void *pool_data)
{
    Job *job = pointer;
    Ledger *ledger = pool_data;

    if (job->path)
        run_write(ledger, job);
    look_after_room(ledger);
    job_free(job);
}

static void submit_job(Ledger *ledger, Job *job)
{
    const char *path = job->path, *text = job->text;

    g_mutex_lock(&ledger->lock);
    g_hash_table_replace(ledger->pending, g_strdup(path), g_strdup(text ? text : ""));
    g_mutex_unlock(&ledger->lock);
    g_thread_pool_push(ledger->writer, job, NULL);
}

static void submit(Ledger *ledger, char *path, char *text, GTask *task)
{
    Job *job = g_new0(Job, 1);

    *job = (Job){ .path = path, .text = text, .task = task };
    submit_job(ledger, job);
}

/* All that failed, as it is to be now. */
static GPtrArray *retries_new(Ledger *ledger)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&ledger->lock);
    GPtrArray *jobs = g_ptr_array_new();
    GHashTableIter iter;
    void *path;

    g_hash_table_iter_init(&iter, ledger->unwritten);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        const char *text = g_hash_table_lookup(ledger->pending, path);
        Job *job = g_new0(Job, 1);

        *job = (Job){ .path = g_strdup(path), .text = text && *text ? g_strdup(text) : NULL };
        g_ptr_array_add(jobs, job);
    }
    return jobs;
}

static void retry_all(Ledger *ledger)
{
    g_autoptr(GPtrArray) jobs = retries_new(ledger);

    for (guint i = 0; i < jobs->len; i++)
        submit_job(ledger, g_ptr_array_index(jobs, i));
}

/* The writer starts it, the main thread ends it. */
static guint timer_take(Ledger *ledger)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&ledger->lock);
    guint source = ledger->retry_source;

    ledger->retry_source = 0;
    return source;
}

static void timer_clear(Ledger *ledger)
{
    guint source = timer_take(ledger);

    if (source != 0)
        g_source_remove(source);
}

static gboolean on_retry(void *data)
{
    Ledger *ledger = data;

    timer_take(ledger);
    retry_all(ledger);
    if (spare_room_missing(ledger->room) > 0)
        g_thread_pool_push(ledger->writer, g_new0(Job, 1), NULL);
    return G_SOURCE_REMOVE;
}

guint ledger_spare_missing(const Ledger *ledger)
{
    return spare_room_missing(ledger->room);
}

guint ledger_unwritten(const Ledger *ledger)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new((GMutex *)&ledger->lock);

    return g_hash_table_size(ledger->unwritten);
}

/* 20231114T221320.000000Z-5a5a5a5a-17 -> 17; 0 for the ids of before there were numbers, and for whatever else lies there. */
static guint64 sequence_of(const char *id)
{
    const char *uuid = strstr(id, "Z-");
    const char *number = uuid ? strchr(uuid + 2, '-') : NULL;
    gsize digits = number ? strspn(number + 1, "0123456789") : 0;

    return digits > 0 && digits <= SEQUENCE_DIGITS_MAX && number[1 + digits] == '\0'
               ? g_ascii_strtoull(number + 1, NULL, 10)
               : 0;
}

int ledger_compare_ids(const char *a, const char *b)
{
    guint64 m = sequence_of(a), n = sequence_of(b);

    return m != n ? (m > n) - (m < n) : strcmp(a, b);
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
    return ledger_compare_ids(*(const char *const *)a, *(const char *const *)b);
}

/* New ids are the highest ones: nothing is moved for them. */
static void insert_id(Ledger *ledger, const char *id)
{
    guint at = ledger->ids->len;

    while (at > 0 && compare_ids(&ledger->ids->pdata[at - 1], &id) > 0)
        at--;
    g_ptr_array_insert(ledger->ids, (int)at, g_strdup(id));
}

/* Removes what a killed writer left in a directory; names of whole files are added to `ret_ids` (nullable) without suffix. */
static gboolean sweep(const char *directory, GPtrArray *ret_ids, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &cause);
    const char *name;

    if (!dir) {
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s", cause->message);
        return FALSE;
    }
    while ((name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".new")) {
            g_autofree char *path = g_build_filename(directory, name, NULL);

            unlink(path);
        } else if (ret_ids && g_str_has_suffix(name, ".json")) {
            g_ptr_array_add(ret_ids, g_strndup(name, strlen(name) - strlen(".json")));
        }
    }
    return TRUE;
}

static gboolean load_ids(Ledger *ledger, GError **error)
{
    if (!sweep(ledger->guests, NULL, error) || !sweep(ledger->migrations, ledger->ids, error))
        return FALSE;
    g_ptr_array_sort(ledger->ids, compare_ids);
    if (ledger->ids->len > 0)
        ledger->sequence = sequence_of(ledger->ids->pdata[ledger->ids->len - 1]);
    return TRUE;
}

void ledger_watch(Ledger *ledger, LedgerChanged changed, void *data)
{
    ledger->changed = changed;
    ledger->changed_data = data;
}

static void tell(const Ledger *ledger, const char *id, JsonObject *record)
{
    if (ledger->changed)
        ledger->changed(id, record, ledger->changed_data);
}

static void trim(Ledger *ledger)
{
    while (ledger->ids->len > ledger->max_records) {
        const char *id = g_ptr_array_index(ledger->ids, 0);

        tell(ledger, id, NULL);
        submit(ledger, g_strdup_printf("%s/%s.json", ledger->migrations, id), NULL, NULL);
        g_ptr_array_remove_index(ledger->ids, 0);
    }
}

static gboolean make_directory(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0755) < 0)
        return fail(error, "create", path);
    if (access(path, W_OK | X_OK) < 0)
        return fail(error, "write in", path);
    return TRUE;
}

Ledger *ledger_new(const char *directory, guint max_records, GError **error)
{
    g_autoptr(Ledger) ledger = g_new0(Ledger, 1);
    g_autofree char *spare = g_build_filename(directory, "spare", NULL);

    g_mutex_init(&ledger->lock);
    ledger->migrations = g_build_filename(directory, "migrations", NULL);
    ledger->guests = g_build_filename(directory, "guests", NULL);
    ledger->peers = g_build_filename(directory, "peers", NULL);
    ledger->max_records = MAX(max_records, 1);
    ledger->ids = g_ptr_array_new_with_free_func(g_free);
    ledger->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    ledger->unwritten = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ledger->synced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ledger->room = spare_room_new(spare);
    ledger->writer = g_thread_pool_new(run_job, ledger, 1, FALSE, NULL);
    if (!make_directory(ledger->migrations, error) || !make_directory(ledger->guests, error) ||
        !make_directory(ledger->peers, error) ||
        !load_ids(ledger, error))
        return NULL;
    spare_room_fill(ledger->room); /* before there is a writer to share it with */
    trim(ledger);
    return g_steal_pointer(&ledger);
}

void ledger_free(Ledger *ledger)
{
    if (!ledger)
        return;
    timer_clear(ledger);
    retry_all(ledger);
    g_thread_pool_free(ledger->writer, FALSE, TRUE);
    timer_clear(ledger);
    if (g_hash_table_size(ledger->unwritten) > 0)
        g_warning("%u records are lost: the disk did not take them", g_hash_table_size(ledger->unwritten));
    g_clear_pointer(&ledger->unwritten, g_hash_table_unref);
    g_clear_pointer(&ledger->synced, g_hash_table_unref);
    g_clear_pointer(&ledger->pending, g_hash_table_unref);
    g_clear_pointer(&ledger->ids, g_ptr_array_unref);
    spare_room_free(ledger->room);
    g_free(ledger->migrations);
    g_free(ledger->guests);
    g_free(ledger->peers);
    g_mutex_clear(&ledger->lock);
    g_free(ledger);
}

static gboolean find_id(const Ledger *ledger, const char *id, guint *ret_index)
{
    for (guint i = ledger->ids->len; i-- > 0;) {
        if (strcmp(g_ptr_array_index(ledger->ids, i), id) == 0) {
            *ret_index = i;
            return TRUE;
        }
    }
    return FALSE;
}

char *ledger_new_id(Ledger *ledger, gint64 real_ns, const char *uuid)
{
    g_autoptr(GDateTime) t = g_date_time_new_from_unix_utc(real_ns / 1000000000);
    g_autofree char *stamp = g_date_time_format(t, "%Y%m%dT%H%M%S");

    return g_strdup_printf("%s.%06uZ-%.8s-%" G_GUINT64_FORMAT, stamp,
                           (guint)(real_ns % 1000000000 / 1000), uuid, ++ledger->sequence);
}

void ledger_put_async(Ledger *ledger, const char *id, JsonObject *record,
                      GAsyncReadyCallback callback, void *data)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), record);
    GTask *task = callback ? g_task_new(NULL, NULL, callback, data) : NULL;
    guint ignored;

    if (!find_id(ledger, id, &ignored))
        insert_id(ledger, id);
    submit(ledger, g_strdup_printf("%s/%s.json", ledger->migrations, id),
           json_to_string(node, FALSE), task);
    tell(ledger, id, record);
    trim(ledger);
}

gboolean ledger_put_finish(Ledger *ledger, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}

GPtrArray *ledger_ids(const Ledger *ledger, guint limit)
{
    GPtrArray *ids = g_ptr_array_new();
    guint n = ledger->ids->len;

    for (guint i = 0; i < n && (limit == 0 || i < limit); i++)
        g_ptr_array_add(ids, g_ptr_array_index(ledger->ids, n - 1 - i));
    return ids;
}

/* The text under `path`, pending or on disk; NULL if there is none. */
static char *read_text(const Ledger *ledger, const char *path)
{
    g_autofree char *text = NULL;
    const char *pending;
    gsize length;

    g_mutex_lock((GMutex *)&ledger->lock);
    pending = g_hash_table_lookup(ledger->pending, path);
    text = g_strdup(pending);
    g_mutex_unlock((GMutex *)&ledger->lock);
    if (text)
        return *text ? g_steal_pointer(&text) : NULL;
    if (!g_file_get_contents(path, &text, &length, NULL) || length > RECORD_BYTES_MAX ||
        !g_utf8_validate(text, (gssize)length, NULL))
        return NULL;
    return g_steal_pointer(&text);
}

char *ledger_get(const Ledger *ledger, const char *id, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/%s.json", ledger->migrations, id);
    char *text = NULL;
    guint ignored;

    if (find_id(ledger, id, &ignored))
        text = read_text(ledger, path);
    if (!text)
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_NO_SUCH_MIGRATION,
                    "no migration '%s' is recorded here; list them with: tbsyncctl history --limit 0", id);
    return text;
}

/* The UUID becomes a file name: the caller's input was validated, this is the second lock on the
 * door. */
static char *guest_path(const Ledger *ledger, const char *uuid)
{
    g_assert(g_uuid_string_is_valid(uuid));
    return g_strdup_printf("%s/%s.json", ledger->guests, uuid);
}

/* (nullable) if it is absent or of another type: the file may be anybody's, and json-glib takes a wrong type for a bug. */
static JsonNode *member_of_type(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && json_node_get_value_type(node) == type ? node : NULL;
}

static gint64 member_int(JsonObject *object, const char *name)
{
    JsonNode *node = member_of_type(object, name, G_TYPE_INT64);

    return node ? json_node_get_int(node) : 0;
}

gboolean ledger_get_guest(const Ledger *ledger, const char *uuid, GuestEntry *ret)
{
    g_autofree char *path = guest_path(ledger, uuid);
    g_autofree char *text = read_text(ledger, path);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *object = text ? json_text_parse_object(parser, text, strlen(text), NULL) : NULL;

    JsonNode *paused, *synced;

    if (!object || member_int(object, "version") != LEDGER_VERSION ||
        member_int(object, "ahead_lo_ticks") > member_int(object, "ahead_hi_ticks"))
        return FALSE;
    paused = member_of_type(object, "paused_here", G_TYPE_BOOLEAN);
    synced = member_of_type(object, "copy_synced", G_TYPE_BOOLEAN);
    *ret = (GuestEntry){
        .offset_known = member_of_type(object, "tb_offset_ticks", G_TYPE_INT64) != NULL,
        .offset_ticks = member_int(object, "tb_offset_ticks"),
        .ahead_lo_ticks = member_int(object, "ahead_lo_ticks"),
        .ahead_hi_ticks = member_int(object, "ahead_hi_ticks"),
        .paused_here = paused && json_node_get_boolean(paused),
        .copy_synced = synced && json_node_get_boolean(synced) && g_hash_table_contains(ledger->synced, uuid),
    };
    return TRUE;
}

void ledger_put_guest(Ledger *ledger, const char *uuid, const GuestEntry *entry)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_node_take_object(node, object);
    json_object_set_int_member(object, "version", LEDGER_VERSION);
    json_object_set_string_member(object, "uuid", uuid);
    if (entry->offset_known)
        json_object_set_int_member(object, "tb_offset_ticks", entry->offset_ticks);
    json_object_set_int_member(object, "ahead_lo_ticks", entry->ahead_lo_ticks);
    json_object_set_int_member(object, "ahead_hi_ticks", entry->ahead_hi_ticks);
    json_object_set_boolean_member(object, "paused_here", entry->paused_here);
    g_hash_table_remove(ledger->synced, uuid);
    if (entry->copy_synced) {
        json_object_set_boolean_member(object, "copy_synced", TRUE);
        g_hash_table_add(ledger->synced, g_strdup(uuid));
    }
    submit(ledger, guest_path(ledger, uuid), json_to_string(node, FALSE), NULL);
}

void ledger_forget_syncs(Ledger *ledger)
{
    g_hash_table_remove_all(ledger->synced);
}

void ledger_drop_guest(Ledger *ledger, const char *uuid)
{
    g_hash_table_remove(ledger->synced, uuid);
    submit(ledger, guest_path(ledger, uuid), NULL, NULL);
}

/* A configured name, but whatever it is the file stays in its directory. */
static char *peer_path(const Ledger *ledger, const char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);
    g_autofree char *escaped = g_uri_escape_string(lower, NULL, FALSE);

    return g_strdup_printf("%s/%s.json", ledger->peers, escaped);
}

/* path: (transfer full) */
static void put_object(Ledger *ledger, char *path, JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);

    json_object_set_int_member(object, "version", LEDGER_VERSION);
    submit(ledger, path, json_to_string(node, FALSE), NULL);
}

static JsonObject *get_object(const Ledger *ledger, const char *path)
{
    g_autofree char *text = read_text(ledger, path);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *object = text ? json_text_parse_object(parser, text, strlen(text), NULL) : NULL;

    return object && member_int(object, "version") == LEDGER_VERSION ? json_object_ref(object) : NULL;
}

void ledger_put_peer(Ledger *ledger, const char *name, JsonObject *object)
{
    put_object(ledger, peer_path(ledger, name), object);
}

JsonObject *ledger_get_peer(const Ledger *ledger, const char *name)
{
    g_autofree char *path = peer_path(ledger, name);

    return get_object(ledger, path);
}

/* Beside the directory of peers: there it could be the file of a peer of this name. */
static char *discovered_path(const Ledger *ledger)
{
    g_autofree char *directory = g_path_get_dirname(ledger->peers);

    return g_build_filename(directory, "discovered.json", NULL);
}

void ledger_put_discovered(Ledger *ledger, JsonObject *object)
{
    put_object(ledger, discovered_path(ledger), object);
}

JsonObject *ledger_get_discovered(const Ledger *ledger)
{
    g_autofree char *path = discovered_path(ledger);

    return get_object(ledger, path);
}

void ledger_fill_guest(const Ledger *ledger, GuestFacts *guest)
{
    GuestEntry entry;

    if (!FACT_KNOWN(guest, GUEST_UUID) || !ledger_get_guest(ledger, guest->uuid, &entry))
        return;
    if ((entry.paused_here || entry.copy_synced) && !FACT_KNOWN(guest, GUEST_TB_COPY_STALE)) {
        guest->tb_copy_stale = entry.paused_here;
        FACT_SET(guest, GUEST_TB_COPY_STALE);
    }
    if (FACT_KNOWN(guest, GUEST_TB_OFFSET_TICKS) ||
        (FACT_KNOWN(guest, GUEST_AHEAD_LO_TICKS) && entry.ahead_lo_ticks != G_MININT64))
        return;
    if (entry.offset_known) {
        guest->tb_offset_ticks = entry.offset_ticks;
        FACT_SET(guest, GUEST_TB_OFFSET_TICKS);
    }
    guest->ahead_lo_ticks = entry.ahead_lo_ticks;
    guest->ahead_hi_ticks = entry.ahead_hi_ticks;
    FACT_SET(guest, GUEST_AHEAD_LO_TICKS);
    FACT_SET(guest, GUEST_AHEAD_HI_TICKS);
}
