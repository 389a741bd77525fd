/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials.h"

LinkTls *credentials_load(const Config *config, GError **error)
{
    LinkTlsConfig tls = {
        .ca_file = config->ca_file,
        .crl_file = config->crl_file,
        .crl_required = config->crl_required,
        .cert_file = config->cert_file,
        .key_file = config->key_file,
        .client_cert_file = config->client_cert_file,
        .client_key_file = config->client_key_file,
        .priority = config->tls_priority,
    };

    return link_tls_new(&tls, error);
}
