#pragma once
// The engine interface is marked deprecated in OpenSSL 3, and is the way to a PKCS#11 module where there is no provider.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Macros that Swift cannot read.
static const int COPENSSL_PUBLIC_KEY = EVP_PKEY_PUBLIC_KEY;
static const unsigned int COPENSSL_HOST_BY_NAME_ONLY = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
    | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
static const unsigned long COPENSSL_NAME_RFC2253 = XN_FLAG_RFC2253;

// STACK_OF(X509) has macros only.
static inline int COPENSSL_certificate_count(const STACK_OF(X509) *certificates) { return sk_X509_num(certificates); }
static inline X509 *COPENSSL_certificate_at(const STACK_OF(X509) *certificates, int index) {
    return sk_X509_value(certificates, index);
}
static inline void COPENSSL_certificates_free(STACK_OF(X509) *certificates) { sk_X509_pop_free(certificates, X509_free); }

// What libp11's command LOAD_CERT_CTRL takes and gives.
typedef struct {
    const char *uri;
    X509 *certificate;
} COPENSSL_ENGINE_CERTIFICATE;
