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
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

// Macros that Swift cannot read.
static const int COPENSSL_PUBLIC_KEY = EVP_PKEY_PUBLIC_KEY;
static const unsigned long COPENSSL_NAME_RFC2253 = XN_FLAG_RFC2253;

// What libp11's command LOAD_CERT_CTRL takes and gives.
typedef struct {
    const char *uri;
    X509 *certificate;
} COPENSSL_ENGINE_CERTIFICATE;
