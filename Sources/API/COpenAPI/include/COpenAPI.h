#ifndef COPENAPI_H
#define COPENAPI_H

#include <stddef.h>

/// The bytes of `openapi.yaml`, as it was when the program was built.
const unsigned char *openapi_document(void);

/// How many bytes that are.
size_t openapi_document_size(void);

#endif
