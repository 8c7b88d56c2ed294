#pragma once
#include <libpq-fe.h>
#include <openssl/ssl.h>

// What TLS has decrypted and libpq has not read yet: `poll` does not report it.
static inline int CPQ_has_decrypted(PGconn *connection) {
    SSL *tls = (SSL *)PQsslStruct(connection, "OpenSSL");
    return tls != NULL && SSL_pending(tls) > 0;
}

static inline void CPQ_ignore(void *context, const char *message) {
    (void)context;
    (void)message;
}

// libpq's own processor writes notices to the process's standard error.
static inline void CPQ_ignore_notices(PGconn *connection) { PQsetNoticeProcessor(connection, CPQ_ignore, NULL); }
