#include "COpenAPI.h"

// Part of C since 2023; the compiler takes it in every version of C.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char document[] = {
#embed "openapi.yaml"
};

const unsigned char *openapi_document(void) { return document; }

size_t openapi_document_size(void) { return sizeof document; }
