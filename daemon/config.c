/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config-keys.h"
#include "error.h"
#include "tb-clock.h"

#define FILE_MAX_BYTES  (1024 * 1024)
#define VALUE_SHOWN_MAX 100 /* characters of a bad value that go into a message */

/* Where something was last given, for the messages about it. */
typedef struct Origin {
    char *file;
    guint file_number;
    guint line;
    char *value;
} Origin;

typedef struct Loader {
    Config *config;
    GHashTable *origins; /* "Section/Key", "Peer NAME/Key", "Peer NAME" -> Origin */
    GPtrArray *facts;    /* keys of `origins` of the [Host] section, in the order first seen */
    GArray *peers;       /* of ConfigPeer */
    guint file_number;
    /* the file being read */
    const char *file;
    guint line;
    char *section;   /* (nullable) "Peer" for [Peer NAME] */
    char *peer_name; /* (nullable) */
} Loader;

static void replace_string(char **member, const char *value)
{
    g_free(*member);
    *member = g_strdup(value);
}

static void origin_free(gpointer data)
{
    Origin *origin = data;

    g_free(origin->file);
    g_free(origin->value);
    g_free(origin);
}

static void peer_clear(gpointer data)
{
    ConfigPeer *peer = data;

    g_free(peer->name);
    g_free(peer->address);
}

static void loader_init(Loader *loader, Config *config)
{
    *loader = (Loader){ .config = config };
    loader->origins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, origin_free);
    loader->facts = g_ptr_array_new_with_free_func(g_free);
    loader->peers = g_array_new(FALSE, TRUE, sizeof(ConfigPeer));
    g_array_set_clear_func(loader->peers, peer_clear);
}

static void loader_clear(Loader *loader)
{
    g_clear_pointer(&loader->origins, g_hash_table_unref);
    g_clear_pointer(&loader->facts, g_ptr_array_unref);
    g_clear_pointer(&loader->peers, g_array_unref);
    g_clear_pointer(&loader->section, g_free);
    g_clear_pointer(&loader->peer_name, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Loader, loader_clear)

static gboolean refuse_line(const Loader *loader, const char *reason, GError **error)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s:%u: %s", loader->file, loader->line,
                reason);
    return FALSE;
}

/* "Timebase", or "Peer beta" */
static char *section_title(const Loader *loader)
{
    return loader->peer_name ? g_strdup_printf("Peer %s", loader->peer_name)
                             : g_strdup(loader->section);
}

/* As much of a text as goes into a message; whole characters, since messages go over D-Bus. (transfer full) */
static char *shorten(const char *text)
{
    g_autofree char *start = NULL;

    if (g_utf8_strlen(text, -1) <= VALUE_SHOWN_MAX)
        return g_strdup(text);
    start = g_utf8_substring(text, 0, VALUE_SHOWN_MAX);
    return g_strconcat(start, "...", NULL);
}

static gboolean refuse_key(const Loader *loader, const char *key, const char *value,
                           const char *reason, GError **error)
{
    g_autofree char *title = section_title(loader);
    g_autofree char *shown = shorten(value);

    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID, "%s:%u: [%s] %s=%s: %s", loader->file,
                loader->line, title, key, shown, reason);
    return FALSE;
}

/* Notes where `id` stands. FALSE if this file has it already; `ret_line` is then where. */
static gboolean note_origin(Loader *loader, const char *id, const char *value, guint *ret_line)
{
    Origin *origin = g_hash_table_lookup(loader->origins, id);

    if (origin != NULL && origin->file_number == loader->file_number) {
        *ret_line = origin->line;
        return FALSE;
    }
    origin = g_new0(Origin, 1);
    origin->file = g_strdup(loader->file);
    origin->file_number = loader->file_number;
    origin->line = loader->line;
    origin->value = g_strdup(value);
    g_hash_table_replace(loader->origins, g_strdup(id), origin);
    return TRUE;
}

static ConfigPeer *find_peer(Loader *loader, const char *name)
{
    for (guint i = 0; i < loader->peers->len; i++) {
        ConfigPeer *peer = &g_array_index(loader->peers, ConfigPeer, i);

        if (g_str_equal(peer->name, name))
            return peer;
    }
    return NULL;
}

static gboolean begin_peer(Loader *loader, const char *written, GError **error)
{
    g_autofree char *name = g_ascii_strdown(written, -1);
    g_autofree char *id = g_strdup_printf("Peer %s", name);
    guint line;

    if (!config_name_is_valid(name))
        return refuse_line(loader, "[Peer NAME]: the name must be a DNS name", error);
    if (!note_origin(loader, id, "", &line)) {
        g_autofree char *reason = g_strdup_printf("[%s] is already in line %u", id, line);
        return refuse_line(loader, reason, error);
    }
    if (find_peer(loader, name) == NULL) {
        ConfigPeer peer = { .name = g_strdup(name),
                            .address = g_strdup(name),
                            .port = CONFIG_PORT };
        g_array_append_val(loader->peers, peer);
    }
    replace_string(&loader->peer_name, name);
    return TRUE;
}

static gboolean begin_section(Loader *loader, const char *line, GError **error)
{
    gsize length = strlen(line);
    g_autofree char *inside = NULL;
    g_autofree char *reason = NULL;

    if (line[length - 1] != ']')
        return refuse_line(loader, "a section must end in ]", error);
    inside = g_strstrip(g_strndup(line + 1, length - 2));
    g_clear_pointer(&loader->peer_name, g_free);
    if (g_str_has_prefix(inside, "Peer ")) {
        replace_string(&loader->section, "Peer");
        return begin_peer(loader, g_strstrip(inside + strlen("Peer ")), error);
    }
    if (g_str_equal(inside, "Peer"))
        return refuse_line(loader, "[Peer] needs the name of the peer: [Peer NAME]", error);
    if (!config_has_section(inside)) {
        g_autofree char *shown = shorten(inside);

        reason = g_strdup_printf("[%s] is no section of this file; man tbsyncd.conf lists them", shown);
        return refuse_line(loader, reason, error);
    }
    replace_string(&loader->section, inside);
    return TRUE;
}

/* Facts and policies are read by modules that name them in front of their reason; the line has it already. */
static const char *without_name(const ConfigKey *key, const char *reason)
{
    const char *colon = key->kind == CONFIG_FACT || key->kind == CONFIG_POLICY ? strstr(reason, ": ") : NULL;

    return colon ? colon + strlen(": ") : reason;
}

static gboolean set_key(Loader *loader, const char *name, const char *value, GError **error)
{
    g_autofree char *title = section_title(loader);
    g_autofree char *id = g_strdup_printf("%s/%s", title, name);
    const ConfigKey *key = config_key_find(loader->section, name);
    g_autoptr(GError) reason = NULL;
    gpointer base = loader->config;
    guint line;

    if (key == NULL)
        return refuse_key(loader, name, value, "unknown key; man tbsyncd.conf lists them", error);
    if (key->kind == CONFIG_FACT && !g_hash_table_contains(loader->origins, id))
        g_ptr_array_add(loader->facts, g_strdup(id));
    if (!note_origin(loader, id, value, &line)) {
        g_autofree char *already = g_strdup_printf("is already set in line %u", line);
        return refuse_key(loader, name, value, already, error);
    }
    if (loader->peer_name)
        base = find_peer(loader, loader->peer_name);
    if (!config_key_set(key, base, name, value, &reason))
        return refuse_key(loader, name, value, without_name(key, reason->message), error);
    return TRUE;
}

static gboolean read_line(Loader *loader, char *line, GError **error)
{
    char *equals;

    g_strstrip(line);
    if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        return TRUE;
    for (const char *p = line; *p; p++)
        if (g_ascii_iscntrl(*p) && *p != '\t')
            return refuse_line(loader, "control character", error);
    if (line[0] == '[')
        return begin_section(loader, line, error);
    equals = strchr(line, '=');
    if (equals == NULL || equals == line)
        return refuse_line(loader, "neither a [Section] nor Key=Value", error);
    if (loader->section == NULL)
        return refuse_line(loader, "a key before the first [Section]", error);
    *equals = '\0';
    return set_key(loader, g_strchomp(line), g_strchug(equals + 1), error);
}

static gboolean read_text(Loader *loader, char *text, gsize length, GError **error)
{
    const char *end;

    loader->line = 0;
    g_clear_pointer(&loader->section, g_free);
    g_clear_pointer(&loader->peer_name, g_free);
    if (!g_utf8_validate(text, (gssize)length, &end)) {
        for (const char *p = text; p < end; p++)
            loader->line += *p == '\n';
        loader->line++;
        return refuse_line(loader, "not UTF-8 text", error);
    }
    for (char *line = text, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        loader->line++;
        if (!read_line(loader, line, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean refuse_file(const char *path, int code, GError **error)
{
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s: %s", path, g_strerror(code));
    return FALSE;
}

/* At most FILE_MAX_BYTES of a regular file; a fifo or a device must not hold the start up.
 * *ret_text stays NULL if there is no such file. */
static gboolean read_file(const char *path, char **ret_text, gsize *ret_length, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    g_autofree char *text = NULL;
    gsize length = 0;
    ssize_t got = 1;
    struct stat info;
    int code = 0;

    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? TRUE : refuse_file(path, errno, error);
    if (fstat(fd, &info) < 0)
        code = errno;
    else if (S_ISDIR(info.st_mode))
        code = EISDIR;
    else if (!S_ISREG(info.st_mode))
        code = EINVAL;
    else if (info.st_size > FILE_MAX_BYTES)
        code = EFBIG;
    text = g_malloc(FILE_MAX_BYTES + 1);
    while (code == 0 && got > 0 && length < FILE_MAX_BYTES) {
        got = read(fd, text + length, FILE_MAX_BYTES - length);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            code = errno;
        else
            length += (gsize)got;
    }
    close(fd);
    if (code != 0)
        return refuse_file(path, code, error);
    text[length] = '\0';
    *ret_text = g_steal_pointer(&text);
    *ret_length = length;
    return TRUE;
}

static gboolean load_file(Loader *loader, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!read_file(path, &text, &length, error))
        return FALSE;
    loader->file = path;
    loader->file_number++;
    return text == NULL || read_text(loader, text, length, error);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean load_drop_ins(Loader *loader, const char *path, GError **error)
{
    g_autofree char *directory = g_strconcat(path, ".d", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) reason = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &reason);
    const char *name;

    if (dir == NULL) {
        if (g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_FAILED, "%s", reason->message);
        return FALSE;
    }
    while ((name = g_dir_read_name(dir)) != NULL)
        if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *file = g_build_filename(directory, names->pdata[i], NULL);

        if (!load_file(loader, file, error))
            return FALSE;
    }
    return TRUE;
}

static void set_defaults(Config *config)
{
    gsize count;
    const ConfigKey *keys = config_keys(&count);

    config->policy = POLICY_DEFAULT;
    for (gsize i = 0; i < count; i++)
        if (!g_str_equal(keys[i].section, "Peer") &&
            !config_key_set(&keys[i], config, keys[i].key, keys[i].fallback, NULL))
            g_error("the default of [%s] %s is wrong", keys[i].section, keys[i].key);
}

/* Figures that only a simulated timebase can obey would otherwise be ignored in silence. */
static gboolean check_timebase(const Loader *loader, GError **error)
{
    static const char *const only_simulated[] = { "StartTicks", "DriftPpb" };
    Config *config = loader->config;

    for (gsize i = 0; i < G_N_ELEMENTS(only_simulated) && !config->tb_simulated; i++) {
        g_autofree char *id = g_strdup_printf("Timebase/%s", only_simulated[i]);
        const Origin *origin = g_hash_table_lookup(loader->origins, id);

        if (origin == NULL || g_str_equal(origin->value, "0"))
            continue;
        g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                    "%s:%u: [Timebase] %s=%s: only with Source=simulated", origin->file,
                    origin->line, only_simulated[i], origin->value);
        return FALSE;
    }
    if (config->tb_simulated && config->tb_frequency_hz == 0)
        config->tb_frequency_hz = TB_FREQUENCY_POWER_HZ;
    return TRUE;
}

static gboolean finish_name(Config *config, GError **error)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every string has its default by now */
    if (config->name[0] != '\0')
        return TRUE;
    g_free(config->name);
    config->name = g_ascii_strdown(g_get_host_name(), -1);
    if (config_name_is_valid(config->name))
        return TRUE;
    g_set_error(error, TBSYNC_ERROR, TBSYNC_ERROR_INVALID,
                "the host name \"%s\" is no DNS name: set Name= in [Daemon]", config->name);
    return FALSE;
}

static void finish_peers(Loader *loader)
{
    Config *config = loader->config;

    for (guint i = 0; i < loader->peers->len;) {
        ConfigPeer *peer = &g_array_index(loader->peers, ConfigPeer, i);

        if (g_str_equal(peer->name, config->name)) {
            g_array_remove_index(loader->peers, i);
            continue;
        }
        if (peer->address[0] == '\0')
            replace_string(&peer->address, peer->name);
        i++;
    }
    config->n_peers = loader->peers->len;
    g_array_set_clear_func(loader->peers, NULL);
    config->peers = (ConfigPeer *)(gpointer)g_array_free(g_steal_pointer(&loader->peers), FALSE);
}

static void finish_facts(Loader *loader)
{
    GPtrArray *assignments = g_ptr_array_new();

    for (guint i = 0; i < loader->facts->len; i++) {
        const char *name = strchr(loader->facts->pdata[i], '/') + 1;
        const Origin *origin = g_hash_table_lookup(loader->origins, loader->facts->pdata[i]);

        if (origin->value[0] != '\0')
            g_ptr_array_add(assignments, config_key_assignment(config_key_find("Host", name), name,
                                                               origin->value));
    }
    g_ptr_array_add(assignments, NULL);
    loader->config->host_assignments = (char **)g_ptr_array_free(assignments, FALSE);
}

/* A file of its own is what systemd makes of a SetCredential= that stands for a file that was not
 * there. */
static gboolean credential_is_absent(const char *path)
{
    g_autofree char *text = NULL;
    gsize length = 0;

    return !read_file(path, &text, &length, NULL) || text == NULL ||
           g_str_equal(g_strchomp(text), "absent");
}

/* libvirt's keys are root's; the unit hands copies over for the keys that are not set
 * (data/systemd/tbsyncd.service.in). systemd makes them at the start: what the daemon may read itself is taken from its own
 * place, so that a reload sees a new CRL. A certificate and its key come from one place. What is absent keeps its default path, so
 * that the message about it names the file to make; a CRL is optional. */
static void take_credentials(const Loader *loader)
{
    Config *config = loader->config;
    const struct {
        const char *key, *credential;
        char **member, **pair; /* both are readable, or neither is taken */
    } files[] = {
        { "Link/CAFile", "cacert.pem", &config->ca_file, &config->ca_file },
        { "Link/CRLFile", "cacrl.pem", &config->crl_file, &config->crl_file },
        { "Link/CertFile", "servercert.pem", &config->cert_file, &config->key_file },
        { "Link/KeyFile", "serverkey.pem", &config->key_file, &config->cert_file },
        { "Link/ClientCertFile", "clientcert.pem", &config->client_cert_file, &config->client_key_file },
        { "Link/ClientKeyFile", "clientkey.pem", &config->client_key_file, &config->client_cert_file },
    };
    const char *directory = g_getenv("CREDENTIALS_DIRECTORY");
    gboolean readable[G_N_ELEMENTS(files)];

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        readable[i] = access(*files[i].member, R_OK) == 0 && access(*files[i].pair, R_OK) == 0;
    for (gsize i = 0; i < G_N_ELEMENTS(files) && directory != NULL; i++) {
        g_autofree char *path = g_build_filename(directory, files[i].credential, NULL);

        if (g_hash_table_contains(loader->origins, files[i].key) || readable[i])
            continue;
        if (!credential_is_absent(path))
            replace_string(files[i].member, path);
        else if (files[i].member == &config->crl_file)
            replace_string(files[i].member, "");
    }
}

Config *config_load(const char *path, GError **error)
{
    g_autoptr(Config) config = g_new0(Config, 1);
    g_auto(Loader) loader;

    loader_init(&loader, config);
    set_defaults(config);
    if (!load_file(&loader, path, error) || !load_drop_ins(&loader, path, error) ||
        !check_timebase(&loader, error) || !finish_name(config, error))
        return NULL;
    config->crl_required =
        config->crl_file[0] != '\0' && g_hash_table_contains(loader.origins, "Link/CRLFile");
    take_credentials(&loader);
    finish_peers(&loader);
    finish_facts(&loader);
    return g_steal_pointer(&config);
}

void config_free(Config *config)
{
    if (config == NULL)
        return;
    for (gsize i = 0; i < config->n_peers; i++)
        peer_clear(&config->peers[i]);
    g_free(config->peers);
    g_strfreev(config->host_assignments);
    for (gsize i = 0, count; i < (config_keys(&count), count); i++) {
        const ConfigKey *key = &config_keys(&count)[i];

        if (config_key_is_string(key) && !g_str_equal(key->section, "Peer"))
            g_free(G_STRUCT_MEMBER(char *, config, key->offset));
    }
    g_free(config->listen_address);
    g_free(config);
}
