/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a start finds in the state directory: each part is 'g' and a guest's entry, or anything else and a record. */
#include <string.h>

#include "audit.h"
#include "fuzz.h"
#include "json-text.h"
#include "ledger.h"
#include "record.h"

#define UUID "5a5a5a5a-1111-4222-8333-00000000beef"

static void write_files(const uint8_t *data, size_t size)
{
    FuzzParts parts = fuzz_parts(data, size);
    const uint8_t *part;
    size_t part_size;

    fuzz_clear();
    for (unsigned number = 0; number < 5 && fuzz_parts_next(&parts, &part, &part_size); number++) {
        g_autofree char *record = g_strdup_printf("migrations/2023111%uT221320.000000Z-5a5a5a5a.json", number);
        gboolean is_guest = part_size > 0 && part[0] == 'g';

        fuzz_write(is_guest ? "guests/" UUID ".json" : record, part + is_guest, part_size - (gsize) is_guest);
    }
}

static gboolean no_departure(const char *source, const char *uuid, AuditDepartureDone done, void *done_data, void *data)
{
    return FALSE;
}

static Interval no_relation(const char *source, void *data)
{
    return INTERVAL_UNBOUNDED;
}

/* Records left open are closed by the audit, guests' entries read and written back. */
static void restart(Ledger *ledger)
{
    const AuditParams params = {
        .ledger = ledger,
        .runtime_directory = fuzz_directory(),
        .ask_departure = no_departure,
        .relation = no_relation,
    };
    Audit *audit = audit_new(&params);
    GuestFacts guest;
    GuestEntry entry;

    guest_facts_init(&guest);
    g_strlcpy(guest.uuid, UUID, sizeof guest.uuid);
    FACT_SET(&guest, GUEST_UUID);
    ledger_fill_guest(ledger, &guest);
    fuzz_check_guest(&guest);
    if (ledger_get_guest(ledger, UUID, &entry))
        ledger_put_guest(ledger, UUID, &entry);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    audit_free(audit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Ledger) ledger = NULL;
    g_autoptr(GPtrArray) ids = NULL;

    write_files(data, size);
    ledger = ledger_new(fuzz_directory(), 3, &error);
    g_assert_no_error(error);
    ids = ledger_ids(ledger, 0);
    g_assert_cmpuint(ids->len, <=, 3);
    for (guint i = 0; i < ids->len; i++) {
        g_autofree char *text = ledger_get(ledger, ids->pdata[i], NULL);

        g_assert_true(!text || g_utf8_validate(text, -1, NULL));
    }
    restart(ledger);
    return 0;
}
