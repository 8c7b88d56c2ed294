/* An export from its creation to its file, and three answers that are none, with the generated client. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "api/ExportsAPI.h"
#include "model/problem.h"

static char *const group = "f089354e-8366-4e18-aea3-4cb4a3a50b48";
static char *const report = "c0ffee00-2222-4333-8444-555566667777";
static char *const nobody = "01981f3e-7c1a-7b52-9d3e-0242ac120002";

enum { line = 1024, hexadecimal = 2 * SHA256_DIGEST_LENGTH + 1 };

/* What the client's functions leave out of the last answer: header fields, and the body where there is no result. */
static char etag[line], request_id[line], digest[line];
static char *body;

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* Of an answer that was refused, the client tells the status; of one that did not come, it has printed why. */
static void fail_with(apiClient_t *exports, const char *why) {
    fprintf(stderr, "%s: status %ld\n", why, exports->response_code);
    exit(1);
}

static void keep(char *into, const char *name, const char *field, size_t length) {
    size_t prefix = strlen(name);
    if (length > prefix && length - prefix < line && strncasecmp(field, name, prefix) == 0) {
        snprintf(into, line, "%.*s", (int)strcspn(field + prefix, "\r\n"), field + prefix);
    }
}

static size_t read_field(char *field, size_t size, size_t count, void *context) {
    keep(etag, "ETag: ", field, size * count);
    keep(request_id, "X-Request-Id: ", field, size * count);
    keep(digest, "Unencoded-Digest: sha-256=:", field, size * count);
    return size * count;
}

static void before_request(CURL *handle) {
    *etag = *request_id = *digest = '\0';
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, read_field);
}

/* Called with all that has come of a body so far, after each part of it; there is a zero behind it. */
static void read_body(void **content, long *length) {
    free(body);
    body = strdup(*content);
}

static apiClient_t *client(const char *address, const char *key) {
    apiClient_t *made = apiClient_create_with_base_path(address, NULL);
    made->accessToken = strdup(key);
    made->curl_pre_invoke_func = before_request;
    return made;
}

static bool same(const char *one, const char *other) {
    return one != NULL && other != NULL && strcmp(one, other) == 0;
}

/* Whether the export is in the list, whose end is where next_cursor is missing. */
static bool is_listed(apiClient_t *exports, const char *id) {
    int limit = 20;
    char *cursor = NULL;
    bool found = false, more = true;
    while (!found && more) {
        /* createdAfter and createdBefore are one character each here, so that this client cannot use them. */
        export_list_t *page = ExportsAPI_listExports(
            exports, export_gateway_listExports_PROVIDER_power_bi, export_gateway_listExports_STATUS_NULL, NULL, 0, 0,
            &limit, cursor);
        if (page == NULL) fail_with(exports, "the list did not come");
        listEntry_t *entry;
        list_ForEach(entry, page->value) found = found || same(((export_job_t *)entry->data)->id, id);
        free(cursor);
        more = page->next_cursor != NULL;
        cursor = more ? strdup(page->next_cursor) : NULL;
        export_list_free(page);
    }
    free(cursor);
    return found;
}

static void print_hexadecimal(const unsigned char *bytes, char *into) {
    for (int index = 0; index < SHA256_DIGEST_LENGTH; index++) sprintf(into + 2 * index, "%02x", bytes[index]);
}

/* The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it. */
static const char *expected(apiClient_t *exports, char *id, char *into) {
    char request[line];
    if (*digest != '\0') {
        unsigned char bytes[line];
        if (EVP_DecodeBlock(bytes, (unsigned char *)digest, (int)strcspn(digest, ":")) < SHA256_DIGEST_LENGTH) fail("no digest");
        print_hexadecimal(bytes, into);
        return "header field";
    }
    snprintf(request, sizeof request, "%s", request_id);
    for (bool ended = false; !ended;) {
        delivery_list_t *page = ExportsAPI_listExportDeliveries(exports, id, request, NULL, NULL);
        if (page == NULL || page->value->count != 1) fail_with(exports, "the delivery is not there");
        delivery_t *delivery = page->value->firstEntry->data;
        ended = same(delivery->outcome, "whole");
        if (ended) {
            snprintf(into, hexadecimal, "%s", delivery->sha256);
        } else if (!same(delivery->outcome, "underWay")) {
            fprintf(stderr, "the download ended as %s\n", delivery->outcome);
            exit(1);
        }
        delivery_list_free(page);
        if (!ended) nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return "delivery";
}

/* Checks that the bytes of a download are those that the gateway sent. */
static void check(apiClient_t *exports, char *id, binary_t *file) {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    char found[hexadecimal], wanted[hexadecimal];
    if (file == NULL) fail("the download broke off");
    SHA256(file->data, file->len, bytes);
    print_hexadecimal(bytes, found);
    const char *source = expected(exports, id, wanted);
    if (!same(found, wanted)) fail("the file has another SHA-256");
    printf("downloaded, checked by %s: %s\n", source, found);
}

/* Prints the problem document that a call ended with: the client itself leaves nothing of it but the status. */
static void print_problem(void *result) {
    if (result != NULL || body == NULL) fail("it did not fail");
    cJSON *document = cJSON_Parse(body);
    problem_t *problem = problem_parseFromJSON(document);
    if (problem == NULL) fail("it is no problem document");
    printf("%d %s: %s\n", *problem->status, problem->code, problem->request_id);
    problem_free(problem);
    cJSON_Delete(document);
}

static export_job_t *create(apiClient_t *exports) {
    char key[line];
    snprintf(key, sizeof key, "ledger-%ld-%ld", (long)getpid(), (long)time(NULL));
    power_bi_options_t options = {
        .group_id = group,
        .report_id = report,
        .format = export_gateway_power_bi_options_FORMAT_CSV,
    };
    create_export_request_t request = {
        .provider = export_gateway_create_export_request_PROVIDER_power_bi,
        .name = "Quarterly ledger",
        .power_bi = &options,
    };
    export_job_t *export = ExportsAPI_createExport(exports, &request, key, NULL);
    if (export == NULL) fail_with(exports, "it was not created");
    printf("created: %s\n", export->id);
    return export;
}

int main(int count, char **arguments) {
    if (count != 3) fail("usage: scenario ADDRESS FILE");
    apiClient_t *exports = client(arguments[1], getenv("EXPORT_GATEWAY_KEY"));
    export_job_t *export = create(exports);
    char *id = strdup(export->id);
    while (export->completed_at == NULL) {
        export_job_free(export);
        /* The answer is held back until something changes. */
        export = ExportsAPI_getExport(exports, id, "wait=30", NULL, NULL, NULL);
        if (export == NULL) fail_with(exports, "the export did not come");
    }
    printf("ended %s\n", export->status);
    if (!is_listed(exports, id)) fail("it is not in the list");
    printf("listed: %s\n", id);
    char *file_id = ((export_file_t *)export->files->firstEntry->data)->id;
    binary_t *file = ExportsAPI_downloadExportFile(exports, id, file_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    check(exports, id, file);
    FILE *output = fopen(arguments[2], "wb");
    if (output == NULL || fwrite(file->data, 1, file->len, output) != file->len || fclose(output) != 0) fail("it was not saved");
    file = ExportsAPI_downloadExportContent(exports, id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    check(exports, id, file);

    exports->data_callback_func = read_body;
    print_problem(ExportsAPI_getExport(exports, nobody, NULL, NULL, NULL, NULL));
    apiClient_t *unknown = client(arguments[1], "another key");
    unknown->data_callback_func = read_body;
    print_problem(ExportsAPI_getExport(unknown, id, NULL, NULL, NULL, NULL));
    export_job_free(ExportsAPI_getExport(exports, id, NULL, NULL, NULL, NULL));
    char known[line];
    snprintf(known, sizeof known, "%s", etag);
    ExportsAPI_getExport(exports, id, NULL, known, NULL, NULL);
    printf("%ld\n", exports->response_code);
    return 0;
}
