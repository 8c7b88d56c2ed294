"""Clients of the released contract can go on with the present one, and the check of that finds every kind of break."""

import copy
import re
from pathlib import Path

import pytest
import yaml

import contract
from compatibility import Change, changes

RELEASED = yaml.safe_load((contract.HERE / "released/openapi.yaml").read_text())
EXCEPTIONS = yaml.safe_load((contract.HERE / "released/exceptions.yaml").read_text())
PRESENT = yaml.safe_load(contract.DOCUMENT.read_text())


def test_clients_of_the_released_contract_can_go_on():
    excepted = {(entry["kind"], entry["place"]) for entry in EXCEPTIONS}
    assert len(excepted) == len(EXCEPTIONS), "an exception stands twice in released/exceptions.yaml"
    assert all(len(entry["reason"].split()) > 5 for entry in EXCEPTIONS), "an exception needs its reason"
    found = changes(RELEASED, PRESENT)
    unlisted = [str(change) for change in found if (change.kind, change.place) not in excepted]
    assert unlisted == [], "incompatible with the released contract, and not in released/exceptions.yaml"
    assert excepted - {(change.kind, change.place) for change in found} == set(), "exceptions that are none any more"


def at(document, *steps):
    for step in steps:
        document = document[step]
    return document


def schema(document, name):
    return document["components"]["schemas"][name]


def drop(*steps):
    return lambda document: at(document, *steps[:-1]).pop(steps[-1])


def put(value, *steps):
    return lambda document: at(document, *steps[:-1]).__setitem__(steps[-1], value)


def append(value, *steps):
    return lambda document: at(document, *steps).append(value)


def remove(value, *steps):
    return lambda document: at(document, *steps).remove(value)


def rename_quota(document):
    document["components"]["schemas"]["Limit"] = document["components"]["schemas"].pop("Quota")
    schema(document, "Problem")["properties"]["quota"]["$ref"] = "#/components/schemas/Limit"


def want_basic(document):
    for scheme in document["components"]["securitySchemes"].values():
        scheme["scheme"] = "basic"


SCHEMAS = ("components", "schemas")
POWER_BI = (*SCHEMAS, "PowerBIOptions")
EXPORT = (*SCHEMAS, "Export")
CREATE = ("paths", "/exports", "post")
LIST = ("paths", "/exports", "get")

# What is done to the contract; what is to be found.
BREAKS = {
    "an operation": (drop("paths", "/exports/{id}", "delete"), ("operation-removed", "DELETE /exports/{id}")),
    "a path": (drop("paths", "/providers"), ("operation-removed", "GET /providers")),
    "the name of an operation": (put("makeExport", *CREATE, "operationId"), ("operation-name-changed", "POST /exports")),
    "the name of a schema": (rename_quota, ("schema-name-removed", "Quota")),
    "a credential": (want_basic, ("credential-refused", "GET /exports")),
    "a credential where none was needed": (drop("paths", "/livez", "get", "security"), ("credential-refused", "GET /livez")),
    "a parameter": (drop(*LIST, "parameters", 0), ("parameter-removed", "GET /exports query provider")),
    "a shared parameter": (put([], *CREATE, "parameters"), None),
    "an optional parameter": (put(True, *LIST, "parameters", 1, "required"), ("parameter-made-required", "GET /exports query status")),
    "a new required parameter": (
        append({"in": "header", "name": "X-Tenant", "required": True, "schema": {"type": "string"}}, *CREATE, "parameters"),
        ("parameter-made-required", "POST /exports header x-tenant"),
    ),
    "a value of a parameter": (remove("unknown", *LIST, "parameters", 1, "schema", "enum"), ("request-enum-changed", "GET /exports query status")),
    "the length of a parameter": (put(32, "components", "parameters", "IdempotencyKey", "schema", "maxLength"), ("request-values-changed", "POST /exports header idempotency-key")),
    "the upper bound of a parameter": (put(100, *LIST, "parameters", 5, "schema", "maximum"), ("request-values-changed", "GET /exports query limit")),
    "a body": (drop(*CREATE, "requestBody"), ("body-removed", "POST /exports")),
    "a new required body": (
        put({"required": True, "content": {}}, "paths", "/exports/{id}", "delete", "requestBody"),
        ("body-made-required", "DELETE /exports/{id}"),
    ),
    "a media type that is taken": (drop(*CREATE, "requestBody", "content", "application/json"), ("media-type-removed", "POST /exports application/json")),
    "a member of a request": (drop(*POWER_BI, "properties", "groupId"), ("request-member-removed", "PowerBIOptions (request).groupId")),
    "a required member": (append("groupId", *POWER_BI, "required"), ("request-member-made-required", "PowerBIOptions (request).groupId")),
    "a new required member": (append("tenant", *SCHEMAS, "CreateExportRequest", "required"), ("request-member-made-required", "CreateExportRequest (request).tenant")),
    "further members of a request": (put(False, *SCHEMAS, "PaginatedReportConfiguration", "properties", "formatSettings", "additionalProperties"), None),
    "a format of files": (remove("MHTML", *POWER_BI, "properties", "format", "enum"), ("request-enum-changed", "PowerBIOptions (request).format")),
    "a list of values for a text": (put(["en-US"], *SCHEMAS, "PowerBIReportSettings", "properties", "locale", "enum"), ("request-enum-changed", "PowerBIReportSettings (request).locale")),
    "the pattern of a member": (put("^[a-z]+$", *SCHEMAS, "PowerBIPage", "properties", "pageName", "pattern"), ("request-values-changed", "PowerBIPage (request).pageName")),
    "fewer entries": (put(10, *SCHEMAS, "PowerBIReportConfiguration", "properties", "pages", "maxItems"), None),
    "the type of a member": (put("string", *SCHEMAS, "GraphEDiscoveryOptions", "properties", "exportSingleItems", "type"), None),
    "a status": (drop(*CREATE, "responses", "409"), ("status-removed", "POST /exports 409")),
    "a media type that is sent": (drop("components", "responses", "DownloadContent", "content", "application/zip"), None),
    "a header field": (drop(*CREATE, "responses", "202", "headers", "Location"), ("header-removed", "POST /exports 202 Location")),
    "a header field that was always there": (put(False, "components", "headers", "ETag", "required"), None),
    "the type of a header field": (put("string", "components", "headers", "RetryAfter", "schema", "type"), None),
    "a member of an answer": (drop(*EXPORT, "properties", "percentComplete"), ("response-member-removed", "Export.percentComplete")),
    "a member that was always there": (remove("files", *EXPORT, "required"), ("response-member-made-optional", "Export.files")),
    "the type of a member of an answer": (put("number", *EXPORT, "properties", "percentComplete", "type"), ("response-type-changed", "Export.percentComplete")),
    "an entry's member": (drop(*SCHEMAS, "ExportFile", "properties", "sha256"), ("response-member-removed", "ExportFile.sha256")),
    "a value of an answer": (remove("expired", *EXPORT, "properties", "status", "x-extensible-enum"), ("response-enum-changed", "Export.status")),
    "a wider range": (put(1000, *EXPORT, "properties", "percentComplete", "maximum"), ("response-values-changed", "Export.percentComplete")),
    "a negative number": (drop(*SCHEMAS, "ExportFile", "properties", "size", "minimum"), ("response-values-changed", "ExportFile.size")),
    "the form of a time": (drop(*EXPORT, "properties", "createdAt", "format"), ("response-values-changed", "Export.createdAt")),
    "null": (put(True, *EXPORT, "properties", "completedAt", "nullable"), ("response-values-changed", "Export.completedAt")),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found(name):
    mutate, expected = BREAKS[name]
    mutated = copy.deepcopy(RELEASED)
    mutate(mutated)
    found = changes(RELEASED, mutated)
    assert found != []
    if expected:
        assert expected in {(change.kind, change.place) for change in found}


def test_every_kind_of_break_is_among_them():
    source = (contract.HERE / "compatibility.py").read_text()
    kinds = {kind for line in source.splitlines() for kind in re.findall(r'"((?:[a-z]+-)+[a-z]+)"', line) if "self.add(" in line}
    found: set[str] = set()
    for mutate, _ in BREAKS.values():
        mutated = copy.deepcopy(RELEASED)
        mutate(mutated)
        found |= {change.kind for change in changes(RELEASED, mutated)}
    assert kinds - found == set()


# Nothing that a client of the released contract would notice.
ADDITIONS = {
    "an operation": put({"get": {"operationId": "x", "responses": {}}}, "paths", "/x"),
    "a status": put({"$ref": "#/components/responses/Problem"}, *CREATE, "responses", "418"),
    "an optional parameter": append({"in": "query", "name": "x", "schema": {"type": "string"}}, *LIST, "parameters"),
    "an optional member of a request": put({"type": "string"}, *POWER_BI, "properties", "x"),
    "a value in a request": append("X", *POWER_BI, "properties", "format", "enum"),
    "longer texts in a request": put(9999, *SCHEMAS, "CreateExportRequest", "properties", "name", "maxLength"),
    "a member of an answer": put({"type": "string"}, *EXPORT, "properties", "x"),
    "a member that is always there now": append("completedAt", *EXPORT, "required"),
    "a value of an extensible list": append("x", *EXPORT, "properties", "status", "x-extensible-enum"),
    "a header field": put({"schema": {"type": "string"}}, *CREATE, "responses", "202", "headers", "X"),
    "the name of a credential": lambda document: (
        document["components"].__setitem__("securitySchemes", {"other": {"type": "http", "scheme": "Bearer"}}),
        document.__setitem__("security", [{"other": []}]),
    ),
    "a text": put("X", *EXPORT, "description"),
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_an_addition_is_none(name):
    mutated = copy.deepcopy(RELEASED)
    ADDITIONS[name](mutated)
    assert mutated != RELEASED
    assert changes(RELEASED, mutated) == []


def test_an_unknown_keyword_is_not_passed_over():
    mutated = copy.deepcopy(RELEASED)
    schema(mutated, "Export")["oneOf"] = []
    with pytest.raises(ValueError, match="oneOf"):
        changes(RELEASED, mutated)
